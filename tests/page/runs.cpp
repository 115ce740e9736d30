#include "page/runs.hpp"

#include <boost/json.hpp>
#include <thread>

#include "core/findings.hpp"
#include "core/text.hpp"
#include "scan/kept.hpp"

namespace lighterman::page {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Everything that a script could come in by.
const std::string hostile =
    R"(<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>"'&lt;)";

Digest digest_of(int seed) {
  const std::string digits = concat(seed * 7919 + 1'000'003);
  std::string hex;
  while (hex.size() < 64) hex += digits;
  return Digest::parse(concat("sha256:", hex.substr(0, 64)));
}

json::object layer(int seed, std::int64_t size, const std::string& fate, const std::string& step) {
  const std::string reason = fate == "sent"      ? concat("new: ", step.substr(0, 20))
                             : fate == "mounted" ? "mounted from acme/base"
                                                 : "the registry has it";
  return {{"blob", {{"media_type", "x"}, {"digest", digest_of(seed).text()}, {"size", size}}},
          {"fate", fate},
          {"reason", reason},
          {"sent_bytes", fate == "sent" ? size : 0},
          {"instruction", step}};
}

json::array layers_of(int seed) {
  const std::int64_t mine = 1'000'000 + seed * 7'919 % 9'000 * 1'000;
  return {layer(1, 29'150'000, "present", "FROM debian:12-slim"),
          layer(2, 61'400'000, "present",
                "RUN apt-get update && apt-get install -y openssl ca-certificates"),
          layer(3, 18'200'000, "mounted", "COPY --from=build /usr/local/lib /usr/local/lib"),
          layer(1000 + seed, mine, "sent", "COPY . /srv/shop"),
          layer(2000 + seed, 1'240, "sent", "RUN ldconfig")};
}

json::object published(const std::string& repository, int seed, const std::string& tag) {
  return {{"reference", concat(repository, "@", digest_of(seed).text())},
          {"layers", layers_of(seed)},
          {"tags",
           {{{"tag", tag}, {"fate", "moved"}, {"reason", ""}},
            {{"tag", concat("sha-", digest_of(seed).hex().substr(0, 12))},
             {"fate", "created"},
             {"reason", ""}},
            {{"tag", "latest"},
             {"fate", "held_back"},
             {"reason", "run 70 of a newer commit holds it"}}}}};
}

json::object decision(json::object more) {
  json::object all{{"tags", json::array()},    {"args", json::object()},
                   {"labels", json::object()}, {"platforms", json::array()},
                   {"skip", json::array()},    {"deny", json::array()},
                   {"actions", json::array()}, {"problems", json::array()}};
  for (auto& field : more) all[field.key()] = field.value();
  return all;
}

Findings some_findings(Instant when) {
  Findings findings;
  findings.scanner = "trivy";
  findings.scanner_version = "0.50.1";
  findings.scanned = when;
  findings.database_time = when - std::chrono::hours(5);
  findings.warnings = {"the database is 5h old"};
  const auto add = [&](const char* id, const char* package, const char* fixed, Severity severity,
                       FindingOrigin origin) -> Finding& {
    Finding& finding = findings.list.emplace_back();
    finding.id = id;
    finding.package = package;
    finding.installed = "3.0.9-1";
    finding.fixed = fixed;
    finding.severity = severity;
    finding.status = *fixed == 0 ? FindingStatus::will_not_fix : FindingStatus::fixed;
    finding.title = "a buffer is read behind its end when a certificate is odd";
    finding.url = concat("https://avd.aquasec.com/nvd/", lower(id));
    finding.origin = std::move(origin);
    return finding;
  };
  const FindingOrigin base{"debian:12-slim", "", 0};
  const FindingOrigin step{"", "RUN apt-get install -y openssl", 7};
  add("CVE-2023-45853", "zlib1g", "1:1.2.13.dfsg-2", Severity::critical, base);
  add("CVE-2024-0553", "libgnutls30", "3.7.9-2+deb12u2", Severity::high, base);
  add("CVE-2011-3374", "apt", "", Severity::low, base);
  add("CVE-2023-5363", "libssl3", "3.0.11-1~deb12u2", Severity::high, step);
  add("CVE-2023-6129", "openssl", "3.0.13-1", Severity::medium, step);
  Finding& odd = add("CVE-2000-0001", "odd", "", Severity::medium, step);
  odd.title = hostile;
  odd.url = "javascript:document.title='taken'";
  add("CVE-2022-1000", "tar", "", Severity::high, base).waived =
      Waived{"we unpack nothing of others", "ann", when + std::chrono::hours(24 * 30)};
  return findings;
}

}  // namespace

RunId Runs::begin(const Wish& wish) {
  PushEvent event;
  event.source = wish.source;
  event.delivery = concat("page-", ++deliveries_);
  event.ref = wish.ref;
  event.commit = digest_of(static_cast<int>(deliveries_)).hex().substr(0, 40);
  event.author = wish.author;
  event.message = wish.message;
  event.forge = "gitea";
  now_ = wish.came;
  event.received = now_;
  const RunId run = store_.add(event, store::Store::Supersede::no).run;
  if (wish.waits == milliseconds::max()) return run;
  now_ = now_ + wish.waits;
  store_.claim({});
  store_.put_commit(run, event.commit);
  stage(run, "", "source", milliseconds(740), json::object{{"commit", event.commit}});
  return run;
}

void Runs::stage(RunId run, const std::string& image, const std::string& name, milliseconds length,
                 const json::value& result, StageState state) {
  store_.begin_stage(run, image, name);
  now_ = now_ + length;
  store_.end_stage(run, image, name, state, result);
}

void Runs::say(RunId run, const std::string& image, const std::string& stage,
               const std::vector<std::pair<std::string, std::string>>& lines) {
  std::vector<JournalLine> journal;
  for (const auto& [kind, text] : lines) journal.push_back({0, now_, image, stage, kind, text});
  store_.append(run, std::move(journal));
}

void Runs::plan(RunId run, const std::string& image) {
  const json::object said =
      decision({{"tags", {{{"tag", "main"}, {"moving", true}, {"plugin", "tag-branch"}}}},
                {"labels", {{"team", {{"plugin", "label-team"}, {"value", "shop"}}}}}});
  stage(
      run, "", "plan", milliseconds(120),
      json::object{{"images", json::array()},
                   {"skipped", {{{"image", "tool"}, {"why", "no changed path is one of its own"}}}},
                   {"push", json::object()},
                   {"decisions", {{image, said}}}});
}

void Runs::build(RunId run, const std::string& image, milliseconds length) {
  say(run, image, "engine",
      {{"info", "building on engine \"local\""},
       {"step", "[1/5] FROM debian:12-slim"},
       {"out", "sha256:29f0a1 29.15MB / 29.15MB"},
       {"step", "[2/5] RUN apt-get update && apt-get install -y openssl"},
       {"out", "Get:1 http://packages.example.com/debian stable InRelease [151 kB]"},
       {"out", "\x1b[32mok\x1b[0m \x1b[1;31mred and bold\x1b[0m \x1b[38;5;39mblue\x1b[0m plain"},
       {"err", "debconf: delaying package configuration, since apt-utils is not installed"},
       {"step", "[3/5] COPY . /srv/shop"},
       {"out", hostile},
       {"warn", "the context has 812 files that .dockerignore could leave out"}});
  stage(run, image, "engine", length,
        json::object{{"image_id", digest_of(1).text()},
                     {"builder", "buildkit"},
                     {"engine", "local"},
                     {"steps", 5},
                     {"cached_steps", 2},
                     {"size_bytes", 287'340'000},
                     {"bases", {{{"image", "debian:12-slim"}, {"digest", digest_of(1).text()}}}}});
}

void Runs::stage_image(RunId run, const std::string& image, const Digest& manifest) {
  say(run, image, "staging",
      {{"progress", R"({"layer":"1f0c33aa","doing":"pushing","current":524288,"total":1048576})"},
       {"info", "2 layers came, 3 are in the registry"}});
  stage(run, image, "staging", milliseconds(1'900),
        json::object{{"way", "push"},
                     {"manifest", manifest.text()},
                     {"config", {{"digest", digest_of(static_cast<int>(run) + 50'000).text()}}}});
  stage(run, image, "bases", milliseconds(310),
        json::object{{"bases",
                      {{{"image", "debian:12-slim"},
                        {"digest", digest_of(1).text()},
                        {"signed_by", {"vendor"}}},
                       {{"image", "golang:1.22"}, {"signed_by", json::array()}}}}});
  const Findings findings = some_findings(now_);
  store_.put_fact(scan::kept_scope, scan::kept_name(run, image), scan::pack(findings));
  stage(run, image, "scan", milliseconds(5'200),
        json::object{{"scanner", "trivy"},
                     {"summary", "1 critical, 2 high, 2 medium, 1 low"},
                     {"counts", {{"critical", 1}, {"high", 2}, {"medium", 2}, {"low", 1}}}});
}

RunId Runs::published(const Wish& wish, milliseconds length) {
  const RunId run = begin(wish);
  const int seed = static_cast<int>(run);
  plan(run, "web");
  build(run, "web", length);
  stage_image(run, "web", digest_of(seed));
  stage(run, "web", "gate", milliseconds(60),
        json::object{{"digest", digest_of(seed).text()},
                     {"denied", ""},
                     {"decision", decision({{"actions",
                                             {{{"plugin", "sign-releases"},
                                               {"kind", "sign"},
                                               {"body", {{"key", "release"}}}}}}})}});
  const std::string repository = "registry.example.com/acme/shop";
  say(run, "web", concat("publish:", repository), {{"info", "pushed 2, mounted 1, present 2"}});
  stage(run, "web", concat("publish:", repository), milliseconds(2'400),
        page::published(repository, seed, short_tag(wish.ref)));
  store_.put_tag(
      Reference::parse(repository).with_tag(short_tag(wish.ref)),
      {std::string(digest_of(seed).hex().substr(0, 40)), wish.ref, digest_of(seed), run});
  store_.put_signatures(std::vector<SignatureRecord>{
      {std::string(64, 'e'), Reference::parse(repository).at(digest_of(seed)),
       "https://sigstore.dev/cosign/sign/v1", "bundle", digest_of(seed + 1), digest_of(seed + 2),
       now_}});
  std::vector<ActionRecord> actions;
  const auto action = [&](const char* kind, json::value body, ActionState state, const char* why) {
    ActionRecord& each = actions.emplace_back();
    each.run = run;
    each.image = "web";
    each.hook = "on_staged";
    each.plugin = *kind == 's' ? "sign-releases" : *kind == 'a' ? "attach-sbom" : "notify-chat";
    each.kind = kind;
    each.body = std::move(body);
    each.state = state;
    each.due = now_ + minutes(10);
    each.why = why;
  };
  action("sign", {{"key", "release"}, {"claims", {{"commit", "1f0c33aa"}}}}, ActionState::done, "");
  action("attach", {{"kind", "sbom"}, {"format", "cyclonedx"}, {"key", "release"}},
         ActionState::done, "");
  action("attach", {{"kind", "provenance"}, {"key", "release"}}, ActionState::done, "");
  action("post", {{"url", "https://chat.example/hook"}}, ActionState::waiting,
         "503, once more soon");
  HookRecord record;
  record.run = run;
  record.source = wish.source;
  record.image = "web";
  record.hook = "on_staged";
  record.now = now_;
  record.facts = json::object();
  record.answers = json::array();
  record.decision = decision({});
  store_.put_hook(record, actions);
  store_.finish(run, RunState::succeeded, "");
  publish(run, wish, seed);
  return run;
}

void Runs::publish(RunId run, const Wish& wish, int seed) {
  Publication publication{
      0,
      run,
      wish.source,
      "web",
      digest_of(seed),
      {{Reference::parse("registry.example.com/acme/shop"), {short_tag(wish.ref)}}},
      now_,
      json::object(),
      "",
      false};
  ScanRecord scan;
  scan.publication = store_.put_publication(publication);
  scan.scanned = now_;
  scan.clean = run % 3 != 0;
  if (!scan.clean) scan.reasons = {"CRITICAL CVE-2023-45853 in zlib1g", hostile};
  scan.counts = {{"CRITICAL", scan.clean ? 0 : 1}, {"HIGH", 2}, {"MEDIUM", 4}, {"LOW", 11}};
  store_.put_scan(scan);
}

RunId Runs::failed(const Wish& wish, milliseconds length) {
  const RunId run = begin(wish);
  plan(run, "web");
  say(run, "web", "engine",
      {{"info", "building on engine \"local\""},
       {"step", "[1/3] FROM debian:12-slim"},
       {"step", "[2/3] RUN make"},
       {"out", "cc -O2 -c shop.c"},
       {"err", "shop.c:41:9: \x1b[1;31merror:\x1b[0m 'basket' undeclared"},
       {"error", "Dockerfile line 9: RUN make: exit code 2"}});
  stage(run, "web", "engine", length, json::object{{"error", "exit code 2"}}, StageState::failed);
  store_.finish(run, RunState::failed,
                "image \"web\": Dockerfile line 9: RUN make: exit code 2: shop.c:41:9: error: "
                "'basket' undeclared");
  return run;
}

RunId Runs::denied(const Wish& wish) {
  const RunId run = begin(wish);
  plan(run, "web");
  build(run, "web", seconds(33));
  stage_image(run, "web", digest_of(5));
  const json::object verdict = decision(
      {{"deny",
        {{{"plugin", "scan"}, {"value", "CRITICAL CVE-2023-45853 in zlib1g 1:1.2.13"}},
         {{"plugin", "gate-size"}, {"value", "the image has 612 MB, and the limit is 500 MB"}}}},
       {"problems", {{{"plugin", "gate-hours"}, {"value", "settings.until: no time"}}}}});
  const std::string why =
      "scan: CRITICAL CVE-2023-45853 in zlib1g 1:1.2.13; gate-size: the image has 612 MB, and the "
      "limit is 500 MB";
  stage(run, "web", "gate", milliseconds(80),
        json::object{{"digest", digest_of(5).text()}, {"denied", why}, {"decision", verdict}});
  store_.finish(run, RunState::denied, why);
  return run;
}

RunId Runs::hostile_one() {
  Wish wish{"shop", concat("refs/heads/", hostile), hostile, hostile, now_ + seconds(60), {}};
  const RunId run = begin(wish);
  say(run, hostile, "engine",
      {{"step", hostile},
       {"out", concat("\x1b]8;;javascript:alert(1)\x07", hostile, "\x1b[9999;1H")}});
  store_.finish(run, RunState::cancelled, hostile);
  return run;
}

std::string Runs::short_tag(const std::string& ref) { return ref.substr(ref.rfind('/') + 1); }

void Runs::fill(int count) {
  const Instant start = now_ - minutes(17) * (count + 8);
  const char* messages[] = {"Keep the basket when the session ends", "Say why a coupon is refused",
                            "Sort orders by day", "Use one connection for all queries",
                            "Update the base image"};
  const char* people[] = {"ann", "bo", "li wei", "kim"};
  for (int at = 0; at < count; ++at) {
    Wish wish{at % 5 == 3 ? "docs" : "shop",
              at % 7 == 6   ? concat("refs/tags/v1.", at)
              : at % 4 == 1 ? "refs/heads/feature/basket"
                            : "refs/heads/main",
              messages[at % 5],
              people[at % 4],
              start + minutes(17) * at,
              milliseconds(400 + at * 7919 % 9000)};
    const milliseconds length(18'000 + at * 104'729 % 40'000);
    if (at % 9 == 4) {
      failed(wish, length / 2);
    } else if (at % 13 == 11) {
      denied(wish);
    } else if (at % 17 == 16) {
      const RunId run = begin(wish);
      store_.finish(run, at % 2 ? RunState::cancelled : RunState::skipped, "no image is concerned");
    } else {
      published(wish, length);
    }
  }
}

void Runs::fill_bare(int count) {
  // Each supersedes those before it, and those that come together share one commit.
  constexpr int at_once = 32;
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < at_once; ++thread) {
    threads.emplace_back([this, thread, count] {
      for (int at = thread; at < count; at += at_once) {
        PushEvent event;
        event.source = "docs";
        event.delivery = concat("bare-", at);
        event.ref = "refs/heads/main";
        event.message = concat("Write page ", at);
        event.received = now_;
        store_.add(event, store::Store::Supersede::queued);
      }
    });
  }
  threads.clear();
  store::RunFilter queued;
  queued.state = RunState::queued;
  for (const Run& run : store_.list(queued)) store_.request_cancel(run.id, "enough");
}

RunId Runs::talkative(std::int64_t lines) {
  const RunId run =
      begin({"shop", "refs/heads/main", "Log a lot", "bo", now_ + seconds(60), milliseconds(1)});
  constexpr std::int64_t at_once = 20'000;
  for (std::int64_t number = 1; number <= lines;) {
    std::vector<JournalLine> journal;
    for (std::int64_t in_this = 0; in_this < at_once && number <= lines; ++in_this, ++number) {
      const bool step = number % 10'000 == 1;
      journal.push_back(
          {0, now_, "web", "engine", step ? "step" : "out",
           concat(step ? "[step " : "compiling module ", number, step ? "] RUN make" : " ",
                  number == lines - 5 ? " needle" : "", std::string(step ? 0 : 170, '.'))});
    }
    store_.append(run, std::move(journal));
  }
  store_.finish(run, RunState::succeeded, "");
  return run;
}

void Runs::replicas(RunId run) {
  const Reference source = Reference::parse("registry.example.com/acme/shop");
  constexpr std::uint64_t mega = 1'000'000;
  const auto add = [&](char letter, const std::string& target, std::vector<std::string> tags) {
    Replication made{0,
                     run,
                     "europe",
                     source.at(Digest::parse(concat("sha256:", std::string(64, letter)))),
                     Reference::parse(target),
                     std::move(tags),
                     {},
                     ReplicationState::waiting,
                     0,
                     {},
                     now_,
                     {},
                     {},
                     0,
                     0,
                     0,
                     0,
                     "",
                     {}};
    store_.add_replication(made);
    return *store_.claim_replication(now_);
  };
  Replication done = add('a', "registry.eu.example.com/acme/shop", {"1.4.2", "1.4", "1"});
  done.state = ReplicationState::done;
  done.total_bytes = 412 * mega;
  done.present_bytes = 380 * mega;
  done.sent_bytes = 32 * mega;
  done.ended = now_ + std::chrono::seconds(3);
  done.notes = {"layer 1f0c stays behind: its owner gives it away himself"};
  store_.put_replication(done);
  Replication failed = add('b', "registry.eu.example.com/acme/tool", {"main"});
  failed.state = ReplicationState::failed;
  failed.why = "only signed images are carried: nobody signed <b>it</b>";
  failed.ended = now_ + std::chrono::seconds(1);
  store_.put_replication(failed);
  Replication moving = add('c', "backup.example.com/acme/shop", {"main"});
  moving.total_bytes = 1300 * mega;
  moving.present_bytes = 400 * mega;
  moving.sent_bytes = 350 * mega;
  store_.put_replication(moving);
}

RunId Runs::running() {
  const RunId run = begin(
      {"shop", "refs/heads/main", "Watch me build", "ann", now_ + seconds(60), milliseconds(900)});
  plan(run, "web");
  store_.begin_stage(run, "web", "engine");
  say(run, "web", "engine",
      {{"info", "building on engine \"local\""}, {"step", "[1/5] FROM debian:12-slim"}});
  return run;
}

}  // namespace lighterman::page
