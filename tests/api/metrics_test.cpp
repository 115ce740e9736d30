// What Prometheus is answered, and what the examples for it believe of that.
#include <map>
#include <regex>
#include <set>

#include "house.hpp"
#include "metrics/meters.hpp"
#include "os/program.hpp"
#include "trust/keyring.hpp"

namespace lighterman::api {
namespace {

/// "name{labels}" and the value, without what stands about them.
std::map<std::string, double> samples_of(const std::string& text) {
  std::map<std::string, double> samples;
  for (const std::string& line : split(text, '\n')) {
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t space = line.rfind(' ');
    samples[line.substr(0, space)] = std::stod(line.substr(space + 1));
  }
  return samples;
}

std::map<std::string, double> scrape(const House& house) {
  return samples_of(house.get("/metrics").body);
}

os::Outcome promtool(const std::vector<std::string>& arguments, const std::string& input = "",
                     const std::filesystem::path& folder = {}) {
  os::Program program;
  program.name = "promtool";
  program.arguments = arguments;
  program.input = input;
  program.folder = folder;
  return os::perform(program);
}

const std::filesystem::path examples =
    std::filesystem::path(LIGHTERMAN_TREE) / "examples/monitoring";

/// A daemon that has done all that is counted, once.
class Busy : public ::testing::Test {
 protected:
  static config::Config with_keys(const std::filesystem::path& folder) {
    config::Config config;
    config.data = folder;
    config.keys = config::Keys{folder, "", true};
    return config;
  }

  Busy() : house(House::quick(), with_keys(keys.path())) {
    trust::Keyring(keys.path()).add("release", Secret(), system_now() - std::chrono::hours(240));
    metrics::stage_ended("publish:registry.example/acme/web", "done", metrics::Seconds(4));
    metrics::run_began(metrics::Seconds(2));
    metrics::plugin_called("gate-size", "on_staged", metrics::Heard::answered,
                           metrics::Seconds(0.002));
    metrics::hook_answered("gitea", "accepted");
    metrics::action_ended("status", "failed");
    metrics::blob_arrived("registry.example", "mounted", 700);
    metrics::bytes_sent("registry.example", 5000);
    { const metrics::Sending sending("registry.example"); }
    metrics::engine_asked("local", metrics::Reach::up);
    Publication publication{0,
                            house.push("1"),
                            "hello",
                            "app",
                            Digest::parse(concat("sha256:", std::string(64, 'a'))),
                            {},
                            system_now(),
                            json::object(),
                            "",
                            false};
    ScanRecord scan;
    scan.publication = house.store.put_publication(publication);
    scan.scanned = system_now();
    scan.clean = false;
    scan.counts = {{"CRITICAL", 2}};
    house.store.put_scan(scan);
  }

  os::ScratchFolder keys;
  House house;
};

TEST_F(Busy, IsScrapedInPrometheusOwnFormat) {
  const auto answer = house.get("/metrics");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.get_header_value("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  const os::Outcome checked = promtool({"check", "metrics"}, answer.body);
  EXPECT_EQ(checked.exit_code, 0) << checked.output << checked.errors;
}

TEST_F(Busy, TellsWhatItIsAndHowItStands) {
  const auto samples = scrape(house);
  EXPECT_EQ(samples.at("lighterman_build_info{version=\"" LIGHTERMAN_VERSION "\"}"), 1);
  EXPECT_EQ(samples.at("lighterman_runs_queued{source=\"hello\"}"), 1);
  EXPECT_EQ(samples.at("lighterman_runs_queued{source=\"other\"}"), 0);
  EXPECT_EQ(samples.at("lighterman_stage_duration_seconds_count{stage=\"publish\",state=\"done\"}"),
            samples.at("lighterman_stage_duration_seconds_bucket{stage=\"publish\",state=\"done\","
                       "le=\"5\"}"));
  EXPECT_EQ(samples.at("lighterman_engine_up{engine=\"local\"}"), 1);
  EXPECT_EQ(samples.at("lighterman_images_dirty{source=\"hello\",image=\"app\"}"), 1);
  EXPECT_EQ(samples.at("lighterman_image_findings{source=\"hello\",image=\"app\","
                       "severity=\"CRITICAL\"}"),
            2);
  EXPECT_NEAR(samples.at("lighterman_key_age_seconds{key=\"release\"}"), 240 * 3600, 60);
  EXPECT_EQ(samples.at("lighterman_key_age_limit_seconds{key=\"release\"}"), 90 * 24 * 3600);
  EXPECT_GE(samples.at("lighterman_api_connections"), 1);
  EXPECT_GT(samples.at("lighterman_data_free_bytes"), 0);
  EXPECT_GT(samples.at("process_resident_memory_bytes"), 1 << 20);
  EXPECT_GT(samples.at("process_open_fds"), 3);
  EXPECT_NEAR(samples.at("process_start_time_seconds"),
              std::chrono::duration<double>(system_now().time_since_epoch()).count(), 3600);
}

TEST_F(Busy, HasEveryNumberThatTheExamplesLookAt) {
  std::set<std::string> known;
  for (const auto& [sample, value] : scrape(house))
    known.insert(sample.substr(0, sample.find('{')));
  std::string text = os::read_file(examples / "alerts.yml");
  const json::value dashboard = json::parse(os::read_file(examples / "dashboard.json"));
  for (const json::value& panel : dashboard.at("panels").as_array())
    for (const json::value& target : panel.at("targets").as_array())
      text += concat('\n', std::string(target.at("expr").as_string()));
  const std::regex name("\\b(lighterman|process)_[a-z_]+");
  int found = 0;
  for (std::sregex_iterator each(text.begin(), text.end(), name), end; each != end; ++each) {
    ++found;
    // A disk without a device of its own (a container's) has no counts of operations.
    if (each->str().starts_with("lighterman_data_disk_")) continue;
    EXPECT_TRUE(known.contains(each->str())) << each->str();
  }
  EXPECT_GT(found, 40);
}

TEST(Metrics, CountRunsByHowTheyEnded) {
  House house;
  for (const char* delivery : {"1", "2", "3"})
    house.push(delivery, concat("refs/heads/", delivery));
  house.store.finish(house.store.claim({})->id, RunState::denied, "too large");
  house.store.claim(std::vector<std::string>{});
  auto samples = scrape(house);
  EXPECT_EQ(samples.at("lighterman_runs_queued{source=\"hello\"}"), 1);
  EXPECT_EQ(samples.at("lighterman_runs_running{source=\"hello\"}"), 1);
  EXPECT_EQ(samples.at("lighterman_runs_ended_total{source=\"hello\",state=\"denied\"}"), 1);
  EXPECT_EQ(samples.at("lighterman_runs_ended_total{source=\"hello\",state=\"failed\"}"), 0);
  house.store.request_cancel(3, "not needed");
  samples = scrape(house);
  EXPECT_EQ(samples.at("lighterman_runs_queued{source=\"hello\"}"), 0);
  EXPECT_EQ(samples.at("lighterman_runs_ended_total{source=\"hello\",state=\"cancelled\"}"), 1);
  EXPECT_EQ(samples.at("lighterman_queue_oldest_age_seconds"), 0);
}

TEST(Metrics, TellForHowLongTheOldestRunWaits) {
  Options options = House::quick();
  options.clock = [] { return system_now() + std::chrono::minutes(20); };
  House house(options);
  house.push("1");
  EXPECT_NEAR(scrape(house).at("lighterman_queue_oldest_age_seconds"), 1200, 60);
}

TEST(Metrics, CountWebhooksByForgeAndWhatCameOfThem) {
  House house;
  const auto count = [&](const std::string& outcome) {
    const auto samples = scrape(house);
    const auto found = samples.find(
        concat("lighterman_webhooks_total{forge=\"github\",outcome=\"", outcome, "\"}"));
    return found == samples.end() ? 0 : found->second;
  };
  const double accepted = count("accepted"), rejected = count("rejected"), broken = count("broken"),
               twice = count("duplicate");
  const auto deliver = [&](const std::string& body, const std::string& secret) {
    house.post(
        "/hooks/hello", body,
        {{"X-GitHub-Event", "push"},
         {"X-Hub-Signature-256", concat("sha256=", render_hex(os::hmac_sha256(secret, body)))}});
  };
  const std::string push = concat(R"({"ref":"refs/heads/main","after":")", some_commit, "\"}");
  deliver(push, "s3cret");
  deliver(push, "s3cret");
  deliver(push, "another");
  deliver("{", "s3cret");
  EXPECT_EQ(count("accepted") - accepted, 1);
  EXPECT_EQ(count("duplicate") - twice, 1);
  EXPECT_EQ(count("rejected") - rejected, 1);
  EXPECT_EQ(count("broken") - broken, 1);
}

TEST(Metrics, CountRequestsByRouteAndAnswer) {
  House house;
  const auto count = [&](const std::string& labels) {
    const std::string text = house.get("/metrics").body;
    const std::string name = concat("\nlighterman_api_requests_total{", labels, "} ");
    const std::size_t at = text.find(name);
    return at == std::string::npos ? 0.0 : std::stod(text.substr(at + name.size()));
  };
  const std::string known = R"(code="200",method="GET",route="/api/v1/runs/{id}")";
  const std::string missing = R"(code="404",method="GET",route="/api/v1/runs/{id}")";
  const std::string nowhere = R"(code="404",method="GET",route="none")";
  const double before = count(known), missed = count(missing), lost = count(nowhere);
  house.push("1");
  house.get("/api/v1/runs/1");
  house.get("/api/v1/runs/1");
  house.get("/api/v1/runs/2");
  house.get("/nowhere/1");
  house.get("/nowhere/2");
  EXPECT_EQ(count(known), before + 2);
  EXPECT_EQ(count(missing), missed + 1);
  EXPECT_EQ(count(nowhere), lost + 2) << "paths that are no routes make no series of their own";
}

TEST(Metrics, AreForWhoeverHasATokenUnlessTheyAreOpen) {
  config::Config config;
  config.tokens = {{"ann", std::string(os::sha256("anns").hex()), "", Role::viewer}};
  House house(House::quick(), config);
  EXPECT_EQ(house.get("/metrics").status, 401);
  EXPECT_EQ(house.get("/metrics", {{"Authorization", "Bearer anns"}}).status, 200);
  config.metrics_open = true;
  house.reload(config);
  EXPECT_EQ(house.get("/metrics").status, 200);
  EXPECT_EQ(house.get("/api/v1/runs").status, 401);
}

TEST(Metrics, AlertsFireWhenTheyShouldAndOtherwiseDoNot) {
  const os::Outcome rules = promtool({"check", "rules", "alerts.yml"}, "", examples);
  EXPECT_EQ(rules.exit_code, 0) << rules.output << rules.errors;
  const os::Outcome fired = promtool({"test", "rules", "alerts_test.yml"}, "", examples);
  EXPECT_EQ(fired.exit_code, 0) << fired.output << fired.errors;
  // Prometheus' configuration without the token's file, which is the operator's.
  const os::Outcome scrape =
      promtool({"check", "config", "--syntax-only", "prometheus.yml"}, "", examples);
  EXPECT_EQ(scrape.exit_code, 0) << scrape.output << scrape.errors;
}

}  // namespace
}  // namespace lighterman::api
