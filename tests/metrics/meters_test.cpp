#include "metrics/meters.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <thread>

#include "core/text.hpp"
#include "metrics/disk.hpp"
#include "metrics/sheet.hpp"

namespace lighterman::metrics {
namespace {

/// The sample's value in a sheet as it is now; -1: it is not there.
double value_of(const std::string& sample, const Sheet& sheet = Sheet()) {
  std::istringstream lines(sheet.text());
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(concat(sample, ' '))) return std::stod(line.substr(sample.size() + 1));
  return -1;
}

TEST(Meters, AStageIsCountedUnderItsNameWithoutItsTarget) {
  stage_ended("publish:registry.example/acme/web:1.2", "done", Seconds(3));
  EXPECT_EQ(value_of("lighterman_stage_duration_seconds_sum{stage=\"publish\",state=\"done\"}"), 3);
  EXPECT_EQ(Sheet().text().find("acme"), std::string::npos);
}

TEST(Meters, UploadsSideBySideAreOneTimeOfSending) {
  const std::string sample = "lighterman_registry_sending_seconds_total{registry=\"side\"}";
  const auto began = std::chrono::steady_clock::now();
  {
    const Sending first("side"), second("side"), third("side");
    while (value_of(sample) < 0.02) std::this_thread::yield();
  }
  const Seconds took = std::chrono::steady_clock::now() - began;
  const double counted = value_of(sample);
  EXPECT_LE(counted, took.count());
  EXPECT_GE(counted, 0.02);
  EXPECT_EQ(value_of(sample), counted) << "it goes on though nothing is on its way";
}

TEST(Meters, BytesThatWereNotSentAreSavedWhereTheRegistryHadThem) {
  blob_arrived("near", "present", 100);
  blob_arrived("near", "mounted", 50);
  blob_arrived("near", "sent", 0);
  bytes_sent("near", 7);
  EXPECT_EQ(value_of("lighterman_registry_saved_bytes_total{registry=\"near\"}"), 150);
  EXPECT_EQ(value_of("lighterman_registry_sent_bytes_total{registry=\"near\"}"), 7);
  EXPECT_EQ(value_of("lighterman_registry_blobs_total{fate=\"mounted\",registry=\"near\"}") +
                value_of("lighterman_registry_blobs_total{registry=\"near\",fate=\"mounted\"}"),
            0)
      << "once, whatever the order of the labels";
}

TEST(Meters, AnEngineOfNoConfigurationIsForgotten) {
  engine_asked("old", Reach::down);
  EXPECT_EQ(value_of("lighterman_engine_up{engine=\"old\"}"), 0);
  forget_engine("old");
  EXPECT_EQ(value_of("lighterman_engine_up{engine=\"old\"}"), -1);
}

TEST(SheetText, KeepsOneMeaningForAFamilyAndEscapesWhatLabelsHold) {
  Sheet sheet;
  sheet.gauge("lighterman_some", "What it means", 1, {{"source", "a\"b\\c\nd"}});
  sheet.gauge("lighterman_some", "What it means", 2, {{"source", "b"}});
  const std::string text = sheet.text();
  EXPECT_NE(text.find("# HELP lighterman_some What it means\n# TYPE lighterman_some gauge\n"
                      "lighterman_some{source=\"a\\\"b\\\\c\\nd\"} 1\n"
                      "lighterman_some{source=\"b\"} 2\n"),
            std::string::npos)
      << text;
}

TEST(Disk, OfAFolderThatIsGoneAddsNothing) {
  Sheet sheet;
  add_disk(sheet, "/nowhere/at/all");
  EXPECT_EQ(value_of("lighterman_data_free_bytes", sheet), -1);
  add_disk(sheet, std::filesystem::temp_directory_path());
  EXPECT_GT(value_of("lighterman_data_free_bytes", sheet), 0);
}

}  // namespace
}  // namespace lighterman::metrics
