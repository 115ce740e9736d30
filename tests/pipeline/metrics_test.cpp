// That real pushes are counted where Prometheus looks.
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "core/guarded.hpp"
#include "core/text.hpp"
#include "metrics/sheet.hpp"
#include "pipeline/house.hpp"
#include "pipeline/lookout.hpp"
#include "support/background.hpp"

namespace lighterman::pipeline {
namespace {

std::map<std::string, double> samples() {
  std::map<std::string, double> found;
  std::istringstream lines(metrics::Sheet().text());
  for (std::string line; std::getline(lines, line);)
    if (const std::size_t space = line.rfind(' '); !line.starts_with('#'))
      found[line.substr(0, space)] = std::stod(line.substr(space + 1));
  return found;
}

/// Of all samples of a family whose labels hold `part`.
double sum(const std::string& family, const std::string& part = "") {
  double all = 0;
  for (const auto& [name, value] : samples())
    if (name.substr(0, name.find('{')) == family && name.find(part) != std::string::npos)
      all += value;
  return all;
}

TEST(Counts, OfASecondPushSayWhatItSaved) {
  House house;
  write_shop(house.git);
  house.git.commit("One");
  house.start();
  const std::string registry = "lighterman_registry_";
  const double waits = sum("lighterman_queue_wait_seconds_count");
  ASSERT_EQ(house.push().state, RunState::succeeded);
  const double sent = sum(registry + "sent_bytes_total"),
               saved = sum(registry + "saved_bytes_total"),
               new_blobs = sum(registry + "blobs_total", "fate=\"sent\"");
  EXPECT_GT(sent, 0);
  EXPECT_GT(sum(registry + "sending_seconds_total"), 0);

  write_shop(house.git, "one", "later");
  house.git.commit("Two");
  ASSERT_EQ(house.push().state, RunState::succeeded);
  EXPECT_EQ(sum(registry + "blobs_total", "fate=\"sent\"") - new_blobs, 2)
      << "the layer that changed, and the image's configuration";
  EXPECT_GT(sum(registry + "saved_bytes_total") - saved, sum(registry + "sent_bytes_total") - sent);
  EXPECT_EQ(sum("lighterman_queue_wait_seconds_count") - waits, 2);
  for (const char* stage : {"source", "plan", "engine", "staging", "publish"})
    EXPECT_GE(sum("lighterman_stage_duration_seconds_count", concat("stage=\"", stage, '"')), 2)
        << stage;
}

TEST(Counts, TellAnEngineThatAnswersFromOneThatDoesNot) {
  House house;
  engine::Options gone = house.config.engines.front();
  gone.name = "gone";
  gone.host = "unix:///nowhere/docker.sock";
  house.config.engines.push_back(gone);
  house.start();
  Guarded<std::shared_ptr<Yard>> yard{house.yard};
  const Lookout lookout([&] { return yard.with([](const auto& now) { return now; }); },
                        std::chrono::milliseconds(20));
  const auto up = [](const char* engine) {
    const auto all = samples();
    const auto found = all.find(concat("lighterman_engine_up{engine=\"", engine, "\"}"));
    return found == all.end() ? -1 : found->second;
  };
  EXPECT_TRUE(support::eventually([&] { return up("real") == 1 && up("gone") == 0; }));
  house.config.engines.pop_back();
  yard.with([&](auto& now) {
    now =
        std::make_shared<Yard>(std::make_shared<const config::Config>(house.config), *house.store);
  });
  EXPECT_TRUE(support::eventually([&] { return up("gone") == -1; }));
}

}  // namespace
}  // namespace lighterman::pipeline
