// The daemon's interface and page over a store full of runs, for a browser to look at. It prints
// where it listens and then does what it is told, a line at a time, answering each with a line.
//   page_house [RUNS [LINES]]     RUNS bare ones more, and one with a log of LINES
//   begin | step RUN TEXT | line RUN TEXT | end RUN STATE | reload open|shut some|none

#include <boost/json.hpp>
#include <iostream>
#include <sstream>
#include <thread>

#include "api/server.hpp"
#include "core/guarded.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "page/runs.hpp"
#include "trust/keyring.hpp"

namespace lighterman::page {
namespace {

config::Config config_for(const std::filesystem::path& folder, bool open, bool tokens) {
  config::Config config;
  config.open_badges = open;
  for (const char* name : {"shop", "docs"}) {
    config::Source& source = config.sources[name];
    source.name = name;
    source.url = concat("https://git.example.com/acme/", name, ".git");
    source.images["web"].name = "web";
    source.images["tool"].name = "tool";
  }
  config.keys.emplace();
  config.keys->folder = folder / "keys";
  config.scan.emplace();
  if (!tokens) return config;
  for (const Role role : {Role::viewer, Role::trigger, Role::operate, Role::admin}) {
    const std::string token = concat(render(role), "-token");
    const std::string name = role == Role::viewer    ? "vera"
                             : role == Role::trigger ? "tom"
                             : role == Role::operate ? "olga"
                                                     : "ada";
    config.tokens.push_back({name, std::string(os::sha256(token).hex()), "", role});
  }
  config.tokens.push_back(
      {"nora", std::string(os::sha256("narrow-token").hex()), "", Role::admin, {"shop"}});
  return config;
}

/// What a promotion asks for begins, and is done when it is looked at again.
boost::json::value carry(store::Store& store, const api::ReplicateWish& wish) {
  Replication made{
      0, 0,  wish.who, *wish.source, *wish.target, wish.tags, wish.terms, ReplicationState::waiting,
      0, {}, {},       {},           {},           0,         0,          0,
      0, "", {}};
  const std::int64_t id = store.add_replication(made);
  Replication now = *store.claim_replication(system_now());
  now.state = ReplicationState::done;
  now.total_bytes = 112'000'000;
  now.present_bytes = now.total_bytes;
  now.ended = system_now();
  store.put_replication(now);
  return to_json(store.get_replication(id));
}

void look_around(const api::TellLook& tell, const std::stop_token&) {
  tell({"engine local", "version 20.10.24, API 1.41, linux/amd64, driver overlay2", "",
        Health::good});
  tell({"disk of engine local", "images take 61.2 GB, of which no container uses 55.1 GB",
        "remove what nobody uses, by docker image prune --all --filter until=240h",
        Health::doubtful});
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  tell({"registry registry.example.com", "GET /v2/: the certificate is <b>not</b> believed",
        "look at its address and credentials (`registries:`)", Health::broken});
}

/// One line told from outside, and the answer.
std::string obey(const std::string& told, Runs& runs, store::Store& store, config::Config& wanted,
                 const std::filesystem::path& folder) {
  std::istringstream words(told);
  std::string verb, text;
  RunId run = 0;
  words >> verb;
  if (verb == "reload") {
    std::string badges, tokens;
    words >> badges >> tokens;
    wanted = config_for(folder, badges == "open", tokens != "none");
  } else if (verb == "begin") {
    return std::to_string(runs.running());
  } else {
    words >> run;
    std::getline(words >> std::ws, text);
    if (verb == "end") {
      store.finish(run, parse_run_state(text), "");
    } else {
      runs.say(run, "web", "engine", {{verb == "step" ? "step" : "out", text}});
    }
  }
  return "done";
}

void perform(int bare, std::int64_t lines) {
  const os::ScratchFolder folder;
  const Instant today = system_now();
  trust::Keyring ring(folder.path() / "keys");
  ring.add("release", Secret("x"), today - std::chrono::hours(24 * 80));
  ring.add("nightly", Secret("x"), today - std::chrono::hours(24 * 12));

  Instant now = today - std::chrono::minutes(4);
  bool filled = false;  // before there are threads
  store::Store store({folder.path() / "store.db", [&] { return filled ? system_now() : now; }});
  Runs runs(store, now);
  if (bare > 0) {
    now = today - std::chrono::hours(24 * 9);
    runs.fill_bare(bare);
    now = today - std::chrono::minutes(4);
  }
  if (lines > 0) runs.talkative(lines);
  runs.fill(60);
  now = today - std::chrono::minutes(4);
  runs.hostile_one();
  runs.failed({"shop", "refs/heads/main", "Count the basket", "bo",
               today - std::chrono::seconds(170), std::chrono::seconds(2)},
              std::chrono::seconds(14));
  runs.denied({"shop", "refs/heads/main", "Add coupons", "li wei",
               today - std::chrono::seconds(130), std::chrono::seconds(1)});
  const RunId last =
      runs.published({"shop", "refs/heads/main", "Keep the basket when the session ends", "ann",
                      today - std::chrono::seconds(80), std::chrono::seconds(3)},
                     std::chrono::seconds(41));
  runs.replicas(last);
  filled = true;

  Guarded<std::shared_ptr<const config::Config>> config(
      std::make_shared<const config::Config>(config_for(folder.path(), false, true)));
  api::Options options;
  options.listen = "127.0.0.1:0";
  options.threads = 8;
  api::Server server(
      options, store, [&] { return config.with([](const auto& each) { return each; }); },
      [] { return api::Readiness(); }, [](const PushEvent&) { return boost::json::object(); },
      {[] {}, [&](const api::ReplicateWish& wish) { return carry(store, wish); },
       [](const std::string&, bool) { return boost::json::array(); }, look_around});
  server.start();
  std::cout << server.address() << ' ' << last << std::endl;
  for (std::string told; std::getline(std::cin, told);) {
    now = system_now();
    config::Config wanted = config.with([](const auto& each) { return *each; });
    const std::string answer = obey(told, runs, store, wanted, folder.path());
    config.with(
        [&](auto& each) { each = std::make_shared<const config::Config>(std::move(wanted)); });
    std::cout << answer << std::endl;
  }
}

}  // namespace
}  // namespace lighterman::page

int main(int count, char** words) {
  lighterman::page::perform(count > 1 ? std::stoi(words[1]) : 0,
                            count > 2 ? std::stoll(words[2]) : 0);
}
