#include "cli/carry_verbs.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <iostream>
#include <memory>
#include <mutex>

#include "cli/jetty.hpp"
#include "cli/live_log.hpp"
#include "cli/remote.hpp"
#include "cli/views.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "pipeline/replicate.hpp"
#include "registry/copy.hpp"

namespace lighterman::cli {
namespace {

/// What the words of the command line fill.
struct CarryWords {
  std::string source, target, rule, state, reason;
  std::vector<std::string> tags, platforms, except;
  std::int64_t id = 0;
  unsigned limit = 20, parallel = 4;
  bool json = false, plain_http = false, image_only = false, dry_run = false, remove = false,
       apply = false, follow = false, create = false;
};

std::string safe(std::string_view text) { return harmless(text, false); }
void print(const boost::json::value& value) { std::cout << boost::json::serialize(value) << '\n'; }

/// One line that is drawn anew while bytes travel; nothing where nobody looks.
class ProgressLine {
 public:
  ProgressLine() : terminal_(Terminal::of(STDERR_FILENO)) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void show(const registry::CopyTally& tally) {
    const auto now = std::chrono::steady_clock::now();
    if (!terminal_.live || now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    std::cerr << "\r\x1b[K" << render_size(tally.sent) << " sent, "
              << render_size(tally.present + tally.mounted) << " there already, of "
              << render_size(tally.total) << std::flush;
    drawn_ = true;
  }
  void clear() {
    if (drawn_) std::cerr << "\r\x1b[K" << std::flush;
    drawn_ = false;
  }

 private:
  Terminal terminal_;
  std::chrono::steady_clock::time_point last_;
  bool drawn_ = false;
};

boost::json::object to_json(const registry::CopyOutcome& outcome) {
  return {{"digest", outcome.digest.text()},        {"total_bytes", outcome.tally.total},
          {"sent_bytes", outcome.tally.sent},       {"mounted_bytes", outcome.tally.mounted},
          {"present_bytes", outcome.tally.present}, {"manifests", outcome.tally.manifests},
          {"referrers", outcome.tally.referrers},   {"moved", json_array(outcome.moved)},
          {"notes", json_array(outcome.notes)}};
}

std::string sum_of(const registry::CopyTally& tally) {
  std::string text = concat(render_size(tally.sent), " sent");
  if (tally.mounted != 0) text += concat(", ", render_size(tally.mounted), " mounted");
  if (tally.present != 0) text += concat(", ", render_size(tally.present), " there already");
  if (tally.referrers != 0) text += concat(", with ", tally.referrers, " signatures and the like");
  return text;
}

int copy(const CarryWords& words) {
  const Reference source = Reference::parse(words.source);
  const Reference target = Reference::parse(words.target);
  if (target.digest())
    throw Error(ErrorKind::invalid, "the target has the source's digest; name a tag, or none");
  std::vector<std::string> tags;
  if (target.tag()) {
    tags.push_back(*target.tag());
  } else if (!source.digest()) {
    tags.push_back(source.tag().value_or("latest"));
  }
  Jetty jetty({source, target}, {words.plain_http, words.create});
  ProgressLine line;
  const registry::CopyOutcome outcome = registry::copy(
      jetty.yard().registry(source.host()), source, jetty.yard().registry(target.host()), target,
      tags, {words.platforms, !words.image_only, nullptr},
      [&](const registry::CopyTally& tally) { line.show(tally); }, {});
  line.clear();
  if (words.json) {
    print(to_json(outcome));
    return 0;
  }
  std::cout << target.at(outcome.digest).text() << '\n' << "  " << sum_of(outcome.tally) << '\n';
  for (const std::string& tag : outcome.moved) std::cout << "  tag " << tag << '\n';
  for (const std::string& note : outcome.notes) std::cerr << "  note: " << safe(note) << '\n';
  return 0;
}

/// "registry/namespace/name" as what a rule has: where to, and the name there.
config::ReplicateRule rule_of(const CarryWords& words, const Reference& source,
                              const Reference& target) {
  config::ReplicateRule rule;
  rule.name = "sync";
  const std::string name = target.name();
  rule.to = name.substr(0, name.rfind('/'));
  rule.rename = name.substr(name.rfind('/') + 1);
  rule.from = {source.name()};
  rule.tags = words.tags;
  rule.tags_except = words.except;
  rule.terms.platforms = words.platforms;
  rule.terms.referrers = !words.image_only;
  rule.delete_vanished = words.remove;
  return rule;
}

void show_plan(const pipeline::ReplicatePlan& plan) {
  for (const Replication& each : plan.missing)
    std::cout << "copy    " << each.source.text() << " to " << each.target.text() << " as "
              << join(each.tags, ", ") << '\n';
  for (const auto& [tag, digest] : plan.vanished)
    std::cout << "delete  " << tag.text() << " (" << digest.brief() << ")\n";
  std::cout << plan.same << (plan.same == 1 ? " tag is" : " tags are") << " there already";
  if (plan.left_out != 0) std::cout << ", " << plan.left_out << " not wanted";
  std::cout << '\n';
}

int sync(const CarryWords& words) {
  const Reference source = Reference::parse(words.source).bare();
  const Reference target = Reference::parse(words.target).bare();
  Jetty jetty({source, target}, {words.plain_http, words.create});
  const config::ReplicateRule rule = rule_of(words, source, target);
  const pipeline::ReplicatePlan plan = pipeline::plan_replication(jetty.yard(), rule, {});
  if (words.dry_run) {
    words.json ? print(to_json(plan)) : show_plan(plan);
    return 0;
  }
  registry::Client& from = jetty.yard().registry(source.host());
  registry::Client& to = jetty.yard().registry(target.host());
  std::mutex mutex;
  registry::CopyTally all;
  std::vector<std::string> failures;
  boost::json::array outcomes;
  registry::Beside beside(from, source);
  const auto carry = [&](std::size_t i) {
    const Replication& each = plan.missing[i];
    try {
      const registry::CopyOutcome outcome =
          registry::copy(from, each.source, to, each.target, each.tags,
                         {each.terms.platforms, each.terms.referrers, &beside, nullptr,
                          each.terms.platforms.empty()},
                         {}, {});
      const std::lock_guard lock(mutex);
      all.sent += outcome.tally.sent;
      all.mounted += outcome.tally.mounted;
      all.present += outcome.tally.present;
      all.referrers += outcome.tally.referrers;
      outcomes.push_back(to_json(outcome));
      if (!words.json)
        std::cout << each.target.text() << ' ' << join(each.tags, ", ") << ": "
                  << sum_of(outcome.tally) << '\n';
    } catch (const Error& error) {
      // The others are carried all the same.
      const std::lock_guard lock(mutex);
      failures.emplace_back(error.what());
      std::cerr << "lighterman: " << error.what() << '\n';
    }
  };
  registry::at_once(plan.missing.size(), words.parallel, carry, {});
  // What could not be carried may be what makes the old needed.
  if (failures.empty())
    for (const auto& [tag, digest] : plan.vanished) to.delete_tag(tag, digest, {});
  if (words.json) {
    boost::json::object summary = to_json(plan);
    summary["carried"] = std::move(outcomes);
    summary["failures"] = json_array(failures);
    print(summary);
  } else {
    std::cout << plan.missing.size() - failures.size() << " images carried, " << plan.same
              << " tags were there already: " << sum_of(all) << '\n';
  }
  return failures.empty() ? 0 : 1;
}

std::string tags_in(const Fields& replication) {
  const auto tags = replication.texts("tags");
  return tags.empty() ? "" : concat(':', join(tags, ","));
}

void show_replication(const boost::json::value& value) {
  const Fields each(value, "replication");
  const std::uint64_t total = each.natural_or("total_bytes", 0);
  std::cout << each.integer("id") << "  " << each.text("state") << "  " << safe(each.text("target"))
            << safe(tags_in(each)) << "  (" << safe(each.text("rule")) << ')';
  if (total != 0)
    std::cout << "  " << render_size(each.natural_or("sent_bytes", 0)) << " sent, "
              << render_size(each.natural_or("present_bytes", 0) +
                             each.natural_or("mounted_bytes", 0))
              << " there, of " << render_size(total);
  const std::string why = each.text_or("why", "");
  if (!why.empty()) std::cout << "\n    " << safe(why);
  for (const std::string& note : each.texts("notes")) std::cout << "\n    note: " << safe(note);
  std::cout << '\n';
}

int list(Remote& remote, const CarryWords& words) {
  std::string path = concat("/api/v1/replications?limit=", words.limit);
  for (const auto& [name, value] : {std::pair{"rule", words.rule}, {"state", words.state}})
    if (!value.empty()) path += concat('&', name, '=', render_url_part(value));
  const boost::json::value page = remote.get(path);
  if (words.json) {
    print(page);
    return 0;
  }
  const auto all = Fields(page, "page").list("replications");
  if (all.empty()) std::cout << "nothing was or is on its way\n";
  for (const auto& each : all) show_replication(each);
  return 0;
}

/// Until it is at its end; the exit code says how that was.
int follow(Remote& remote, std::int64_t id, bool json) {
  for (;;) {
    const boost::json::value value = remote.get(concat("/api/v1/replications/", id));
    const auto state = parse_replication_state(Fields(value, "replication").text("state"));
    if (is_final(state)) {
      json ? print(value) : show_replication(value);
      return state == ReplicationState::done ? 0 : 1;
    }
    usleep(200'000);
  }
}

int send(Remote& remote, const CarryWords& words) {
  boost::json::object body{{"source", words.source}, {"target", words.target}};
  if (!words.tags.empty()) body["tags"] = json_array(words.tags);
  if (!words.reason.empty()) body["reason"] = words.reason;
  const boost::json::value made = remote.post("/api/v1/replications", body);
  if (words.follow) return follow(remote, Fields(made, "replication").integer("id"), words.json);
  words.json ? print(made) : show_replication(made);
  return 0;
}

int replicate(Remote& remote, const CarryWords& words) {
  const boost::json::value plan =
      remote.post("/api/v1/replications",
                  boost::json::object{{"rule", words.rule}, {"dry_run", words.dry_run}});
  if (words.json) {
    print(plan);
    return 0;
  }
  const Fields fields(plan, "plan");
  const std::string_view verb = words.dry_run ? "would carry " : "carries ";
  for (const auto& value : fields.list("missing")) {
    const Fields each(value, "image");
    std::cout << verb << safe(each.text("source")) << " to " << safe(each.text("target"))
              << safe(tags_in(each)) << '\n';
  }
  for (const auto& value : fields.list("vanished"))
    std::cout << (words.dry_run ? "would delete " : "deleted ")
              << safe(Fields(value, "tag").text("tag")) << '\n';
  for (const std::string& failure : fields.texts("failures"))
    std::cerr << "lighterman: " << safe(failure) << '\n';
  std::cout << fields.natural_or("same", 0) << " tags are there already, "
            << fields.natural_or("left_out", 0) << " are not wanted\n";
  return fields.texts("failures").empty() ? 0 : 1;
}

int retain(Remote& remote, const CarryWords& words) {
  const boost::json::value plan = remote.post(
      "/api/v1/retention", boost::json::object{{"rule", words.rule}, {"apply", words.apply}});
  if (words.json) {
    print(plan);
    return 0;
  }
  std::size_t going = 0;
  for (const auto& value : Fields(plan, "plan").list("repositories")) {
    const Fields repository(value, "repository");
    std::cout << safe(repository.text("repository")) << '\n';
    for (const auto& inner : repository.list("tags")) {
      const Fields tag(inner, "tag");
      const bool keep = tag.flag_or("keep", true);
      going += keep ? 0 : 1;
      std::cout << (keep          ? "  keep    "
                    : words.apply ? "  deleted "
                                  : "  delete  ")
                << safe(tag.text("tag")) << "  (" << safe(tag.text("why")) << ")\n";
    }
    for (const std::string& digest : repository.texts("deleted"))
      std::cout << (words.apply ? "  deleted " : "  delete  ") << safe(digest)
                << "  (no tag needs it then; with signatures and the like)\n";
    for (const std::string& note : repository.texts("notes"))
      std::cout << "  note: " << safe(note) << '\n';
  }
  if (going != 0 && !words.apply)
    std::cout << "nothing was deleted; do it with: lighterman retain " << words.rule
              << " --apply\n";
  return 0;
}

}  // namespace

void add_carry_verbs(CLI::App& app, std::function<int()>& chosen) {
  // The verbs share them, whichever is chosen.
  const auto words = std::make_shared<CarryWords>();
  const auto add = [&](const std::string& name, const std::string& meaning,
                       std::function<int()> act) {
    CLI::App* verb = app.add_subcommand(name, meaning);
    verb->add_flag("--json", words->json, "Print JSON for programs");
    verb->callback([&chosen, act = std::move(act)] { chosen = act; });
    return verb;
  };
  const auto ask = [&](const std::string& name, const std::string& meaning,
                       int (*act)(Remote&, const CarryWords&)) {
    return add(name, meaning,
               with_daemon([words, act](Remote& remote) { return act(remote, *words); }));
  };
  const auto add_places = [&](CLI::App* verb, const char* what) {
    verb->add_option("source", words->source, concat("From where: ", what))->required();
    verb->add_option("target", words->target, "To where")->required();
    verb->add_option("--platform", words->platforms, "Of an index only this one (may be repeated)");
    verb->add_flag("--image-only", words->image_only, "Leave signatures, SBOMs and the like");
    verb->add_flag("--plain-http", words->plain_http, "The registries may be asked without TLS");
    verb->add_flag("--create", words->create,
                   "Create what the target needs: Harbor's project, ECR's repository");
  };
  CLI::App* verb =
      add("copy", "Copy an image from one registry to another", [words] { return copy(*words); });
  add_places(verb, "host/name:tag or @digest");
  verb = add("sync", "Copy the tags of a repository that another one lacks",
             [words] { return sync(*words); });
  add_places(verb, "host/name");
  verb->add_option("--tags", words->tags, "Pattern of tags (may be repeated); default: all");
  verb->add_option("--except", words->except, "Pattern of tags to leave (may be repeated)");
  verb->add_flag("--delete", words->remove, "Delete tags that are gone at the source");
  verb->add_flag("--dry-run", words->dry_run, "Only say what would be done");
  verb->add_option("--parallel", words->parallel, "Images at a time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();

  verb = ask("replicate", "Carry what a rule of `replicate` wants and is missing, now", replicate);
  verb->add_option("rule", words->rule, "The rule's name")->required();
  verb->add_flag("--dry-run", words->dry_run, "Only say what would be done");
  verb = ask("replications", "List images on their way to other registries, newest first", list);
  verb->add_option("--rule", words->rule, "Of this rule");
  verb->add_option("--state", words->state, "In this state, such as failed");
  verb->add_option("--limit", words->limit, "How many")->capture_default_str();
  verb = ask("promote", "Give an image another name or place, the same bytes", send);
  verb->add_option("source", words->source, "The image: host/name:tag or @digest")->required();
  verb->add_option("target", words->target, "host/name or host/name:tag")->required();
  verb->add_option("--tag", words->tags, "Its tag there (may be repeated); default: the same");
  verb->add_option("--reason", words->reason, "Why, for the audit trail");
  verb->add_flag("-f,--follow", words->follow, "Wait for the end");
  verb = ask("retain", "Say which tags a rule of `retain` keeps and deletes", retain);
  verb->add_option("rule", words->rule, "The rule's name")->required();
  verb->add_flag("--apply", words->apply, "Delete them");
}

}  // namespace lighterman::cli
