#include "cli/daemon.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>

#include "core/error.hpp"
#include "core/text.hpp"
#include "net/http.hpp"
#include "os/hash.hpp"
#include "os/program.hpp"

namespace lighterman::cli {

support::RealEngine& the_engine() {
  static support::RealEngine engine;
  static const bool has_base = (engine.import_busybox("busybox:latest"), true);
  (void)has_base;
  return engine;
}

support::RealRegistry& the_registry() {
  static support::RealRegistry registry;
  return registry;
}

Harbour::Harbour()
    : port_(std::to_string(support::free_port())),
      staging_port_(std::to_string(support::free_port())) {
  static std::atomic<int> harbours{0};
  repository_ = concat("acme/harbour-", ++harbours);
  environment["LIGHTERMAN_SERVER"] = concat("http://127.0.0.1:", port_);
  os::replace_file(file("hook.secret"), "hook-s3cret\n", 0600);
  git.write("Dockerfile", "FROM busybox\nCOPY text.txt /text.txt\n");
  git.write("text.txt", "first\n");
  git.commit("Say first");
  write_config();
}

void Harbour::write_config(const std::string& more) {
  os::replace_file(
      file("lighterman.yml"),
      concat("listen: 127.0.0.1:", port_, "\ndata: ", file("data").string(),
             "\nstaging: {listen: \"127.0.0.1:", staging_port_, "\"}\nstop_limit: 1s\n",
             "engines: [{name: real, host: \"", the_engine().address(), "\"}]\n",
             "sources:\n  shop:\n    url: ", git.path().string(),
             "\n    secret: file:", file("hook.secret").string(),
             "\n    catch_up: 0\n    supersede: never\n    images:\n      web: {reference: \"",
             image(), "\", network: none}\n", more));
}

void Harbour::start() {
  daemon_ = std::make_unique<support::Background>(support::Background::Start{
      {LIGHTERMAN_PROGRAM, "serve", "--config", file("lighterman.yml").string()},
      environment,
      workplace,
      file("daemon.log"),
      file("daemon.log")});
  net::Client client;
  const bool ready = support::eventually(
      [&] {
        net::Request request;
        request.url = concat(environment.at("LIGHTERMAN_SERVER"), "/readyz");
        if (environment.contains("LIGHTERMAN_CA_FILE"))
          request.trust.ca_file = environment.at("LIGHTERMAN_CA_FILE");
        try {
          return client.perform(request).status == 200;
        } catch (const Error&) {
          return false;  // not yet
        }
      },
      std::chrono::seconds(60));
  if (!ready) throw Error(ErrorKind::internal, concat("the daemon is not ready:\n", daemon_log()));
}

void Harbour::kill() {
  daemon_->signal(SIGKILL);
  daemon_->wait(std::chrono::seconds(10));
  daemon_.reset();
}

int Harbour::stop(int signal) {
  daemon_->signal(signal);
  const int code = daemon_->wait(std::chrono::seconds(60)).value_or(-1);
  daemon_.reset();
  return code;
}

Said Harbour::say(const std::vector<std::string>& words) const {
  os::Program program{LIGHTERMAN_PROGRAM, words};
  program.environment = environment;
  program.folder = folder_.path();
  program.timeout = std::chrono::minutes(3);
  const os::Outcome outcome = os::perform(program);
  return {outcome.exit_code, outcome.output, outcome.errors};
}

boost::json::value Harbour::json(std::vector<std::string> words) const {
  words.emplace_back("--json");
  const Said said = say(words);
  EXPECT_EQ(said.code, 0) << said.err;
  return boost::json::parse(said.out.empty() ? "null" : said.out);
}

std::string Harbour::push_hook(const std::string& ref, const std::string& before,
                               const std::string& after) const {
  net::Request request;
  request.method = "POST";
  request.url = concat(environment.at("LIGHTERMAN_SERVER"), "/hooks/shop");
  const std::string body =
      concat(R"({"ref":")", ref, R"(","before":")", before, R"(","after":")", after, "\"}");
  request.headers.add("X-Hub-Signature-256",
                      concat("sha256=", render_hex(os::hmac_sha256("hook-s3cret", body))));
  request.body = body;
  net::Client client;
  try {
    return client.perform(request).body;
  } catch (const Error&) {
    return "";  // killed in between
  }
}

std::string Harbour::daemon_log() const { return os::read_file(file("daemon.log"), 16 << 20); }

std::string Harbour::image() const { return concat(the_registry().host(), '/', repository_); }

bool Harbour::published(const std::string& tag) const {
  net::Client client;
  net::Request request;
  request.method = "HEAD";
  request.url = concat(the_registry().url(), "/v2/", repository_, "/manifests/", tag);
  request.headers.add("Accept", "application/vnd.docker.distribution.manifest.v2+json");
  return client.perform(request).status == 200;
}

}  // namespace lighterman::cli
