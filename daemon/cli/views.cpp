#include "cli/views.hpp"

#include <algorithm>
#include <iomanip>
#include <sstream>
#include <vector>

#include "cli/live_log.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "core/time.hpp"
#include "pipeline/decide.hpp"

namespace lighterman::cli {
namespace {

std::string safe(std::string_view text) { return harmless(text, false); }

std::string short_ref(const std::string& ref) {
  for (const std::string_view prefix : {"refs/heads/", "refs/tags/"})
    if (ref.starts_with(prefix)) return ref.substr(prefix.size());
  return ref;
}

/// How long it took, or takes by now.
std::string length_of(const Fields& timed) {
  if (!timed.find("started")) return "";
  const Instant started = timed.time_or("started", {});
  auto length = timed.time_or("ended", system_now()) - started;
  if (length > std::chrono::seconds(2)) length = std::chrono::floor<std::chrono::seconds>(length);
  return render_duration(std::max(length, std::chrono::milliseconds(1)));
}

std::string commit_of(const Fields& run, const Fields& event) {
  const std::string commit = run.text_or("commit", "");
  return shortened(commit.empty() ? event.text_or("commit", "") : commit, 12);
}

void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows)
    for (std::size_t at = 0; at < row.size(); ++at)
      widths[at] = std::max(widths[at], row[at].size());
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t at = 0; at < row.size(); ++at)
      line += concat(row[at], std::string(widths[at] - row[at].size() + 2, ' '));
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }
}

/// "run 7 (commit 0123456789ab)" of an image that was not built again; empty: it was built.
std::string taken_from(const Fields& built) {
  const boost::json::value* given = built.find("reused");
  if (given == nullptr || !given->is_object()) return {};
  const Fields reused(*given, "engine.reused");
  return concat("run ", reused.integer("run"), " (commit ", shortened(reused.text("commit"), 12),
                ')');
}

void show_engine(std::ostream& out, const Fields& built) {
  if (const std::string from = taken_from(built); !from.empty()) {
    out << "    not built: the image of " << safe(from) << " is the same\n";
    return;
  }
  out << "    built by " << safe(built.text_or("builder", "")) << " on "
      << safe(built.text_or("engine", "")) << ", " << built.integer_or("cached_steps", 0) << " of "
      << built.integer_or("steps", 0) << " steps cached, "
      << render_size(built.natural_or("size_bytes", 0)) << '\n';
}

void show_published(std::ostream& out, const Fields& image) {
  out << "    " << safe(image.text("reference")) << '\n';
  for (const auto& value : image.list("tags")) {
    const Fields tag(value, "tag");
    const std::string reason = tag.text_or("reason", "");
    out << "      tag " << safe(tag.text("tag")) << ' ' << tag.text("fate")
        << (reason.empty() ? "" : concat(" (", safe(reason), ')')) << '\n';
  }
  for (const auto& value : image.list("layers")) {
    const Fields layer(value, "layer");
    const Fields blob(layer.get("blob"), "layer.blob");
    const std::string reason = layer.text_or("reason", "");
    const std::string digest = blob.text("digest");
    out << "      " << std::left << std::setw(8) << layer.text("fate") << std::right
        << std::setw(10) << render_size(blob.natural_or("size", 0)) << "  "
        << shortened(std::string_view(digest).substr(digest.find(':') + 1), 12) << "  "
        << shortened(safe(layer.text_or("instruction", "")), 60)
        << (reason.empty() ? "" : concat("  (", safe(reason), ')')) << '\n';
  }
}

void show_said(std::ostream& out, const boost::json::value& decision) {
  for (const pipeline::Said& said : pipeline::told(policy::decision_from(decision)))
    out << "    plugin " << safe(said.plugin) << ": " << safe(said.text) << '\n';
}

void show_bases(std::ostream& out, const Fields& looked) {
  for (const auto& value : looked.list("bases")) {
    const Fields base(value, "base");
    const std::string unknown = base.text_or("unknown", "");
    const std::string digest = base.text_or("digest", "");
    const std::vector<std::string> signers = base.texts("signed_by");
    out << "    base " << safe(base.text("image")) << (digest.empty() ? "" : " ")
        << shortened(digest, 19)
        << (base.find("signed_by") == nullptr ? ""
            : signers.empty()                 ? ", signed by nobody we know"
                                              : concat(", signed by ", safe(join(signers, ", "))))
        << (unknown.empty() ? "" : concat(" (", safe(unknown), ')')) << '\n';
  }
}

void show_scan(std::ostream& out, const Fields& stage, const Fields& scan) {
  out << "    scan: " << safe(scan.text_or("summary", "done")) << "; see: lighterman findings "
      << stage.integer("run") << " --image " << safe(stage.text("image")) << '\n';
}

void show_stage(std::ostream& out, const Fields& stage) {
  const std::string name = stage.text("name");
  const std::string state = stage.text("state");
  if (state != "done") {
    out << "    " << safe(name) << ": " << state << '\n';
  } else if (name == "engine") {
    show_engine(out, Fields(stage.get("result"), "engine"));
  } else if (name == "bases") {
    show_bases(out, Fields(stage.get("result"), "bases"));
  } else if (name == "scan") {
    show_scan(out, stage, Fields(stage.get("result"), "scan"));
  } else if (name == "gate") {
    show_said(out, Fields(stage.get("result"), "gate").get("decision"));
  } else if (name.starts_with("publish:")) {
    show_published(out, Fields(stage.get("result"), "publish"));
  }
}

/// Why an image was built, and each step of it.
void explain_engine(std::ostream& out, const Fields& built) {
  if (const std::string from = taken_from(built); !from.empty()) {
    out << "  not built: same files, same Dockerfile, same bases as " << safe(from) << '\n';
    return;
  }
  const std::string because = built.text_or("because", "");
  out << "  built on " << safe(built.text_or("engine", ""))
      << (because.empty() ? "" : concat(": ", safe(because))) << '\n';
  if (const auto* given = built.find("context"); given != nullptr && given->is_object()) {
    const Fields sent(*given, "engine.context");
    out << "  context: " << sent.natural_or("files", 0) << " of " << sent.natural_or("entries", 0)
        << " entries sent, " << render_size(sent.natural_or("bytes", 0)) << '\n';
  }
  for (const auto& value : built.list("explained")) {
    const Fields step(value, "engine.explained");
    const std::int64_t line = step.integer_or("line", 0);
    std::ostringstream took;
    took << std::fixed << std::setprecision(1) << step.number_or("seconds", 0) << 's';
    const bool cached = step.flag_or("cached", false);
    out << "    " << std::left << std::setw(8) << (cached ? "cached" : took.str()) << std::setw(6)
        << (line == 0 ? "" : concat("l. ", line)) << shortened(safe(step.text("step")), 76)
        << (cached ? "" : concat("  (", safe(step.text_or("why", "")), ')')) << '\n';
  }
}

void explain_published(std::ostream& out, const Fields& image) {
  out << "  " << safe(image.text("reference")) << '\n';
  for (const auto& value : image.list("layers")) {
    const Fields layer(value, "layer");
    const Fields blob(layer.get("blob"), "layer.blob");
    out << "    " << std::left << std::setw(8) << layer.text("fate") << std::right << std::setw(10)
        << render_size(blob.natural_or("size", 0)) << "  " << safe(layer.text_or("reason", ""))
        << '\n';
  }
}

void show_action(std::ostream& out, const Fields& action) {
  const std::string why = action.text_or("why", "");
  const std::string image = action.text_or("image", "");
  const std::string plugin = action.text("plugin");
  out << "  " << safe(action.text("kind"))
      << (plugin.empty() ? " for the forge" : concat(" by plugin ", safe(plugin)))
      << (image.empty() ? "" : concat(" for image ", safe(image))) << ": " << action.text("state")
      << (why.empty() ? "" : concat(" (", safe(why), ')')) << '\n';
}

void show_skipped(std::ostream& out, const Fields& plan) {
  for (const auto& value : plan.list("skipped")) {
    const Fields skipped(value, "skipped");
    out << "  image " << safe(skipped.text("image")) << " skipped: " << safe(skipped.text("why"))
        << '\n';
  }
}

void show_part(std::ostream& out, const Fields& part) {
  if (const std::string platform = part.text_or("platform", ""); !platform.empty())
    out << "    " << safe(platform) << ' ' << safe(part.text_or("digest", "")) << '\n';
  if (const auto* built = part.find("built"))
    if (Fields(*built, "built").find("builder") != nullptr)
      show_engine(out, Fields(*built, "built"));
  show_bases(out, part);
  if (const auto* scan = part.find("scan"))
    out << "    scan: " << safe(Fields(*scan, "scan").text_or("summary", "done")) << '\n';
  if (const auto* decision = part.find("decision")) show_said(out, *decision);
}

/// One of the runs that made the image.
void show_making(std::ostream& out, const Fields& making) {
  const Fields run(making.get("run"), "run");
  const Fields event(run.get("event"), "run.event");
  const std::string title = making.text_or("title", ""), author = making.text_or("author", "");
  out << "run " << run.integer("id") << ": image " << safe(making.text("image")) << " of "
      << safe(event.text("source")) << ' ' << safe(short_ref(event.text_or("ref", ""))) << ' '
      << commit_of(run, event) << ", by " << event.text("origin") << ", "
      << run.text("created").substr(0, 19) << "Z\n";
  if (!title.empty())
    out << "  \"" << safe(title) << '"' << (author.empty() ? "" : concat(" by ", safe(author)))
        << '\n';
  for (const auto& [name, text] : {std::pair{"", making.text_or("commit_page", "")},
                                   {"because: ", event.text_or("reason", "")}})
    if (!text.empty()) out << "  " << name << safe(text) << '\n';
  if (const auto* given = run.find("allowed")) {
    const Fields allowed(*given, "run.allowed");
    out << "  allowed by " << safe(allowed.text("who")) << ": " << safe(allowed.text("reason"))
        << '\n';
  }
  if (const auto* planned = making.find("planned")) show_said(out, *planned);
  for (const auto& each : making.list("parts")) show_part(out, Fields(each, "part"));
  for (const auto& each : making.list("published")) show_published(out, Fields(each, "published"));
  for (const auto& each : making.list("actions")) show_action(out, Fields(each, "action"));
}

void show_newest_scan(std::ostream& out, const Fields& scan) {
  const std::vector<std::string> reasons = scan.texts("reasons");
  out << "  scanned " << scan.text("scanned").substr(0, 19) << "Z";
  if (const auto database = scan.find_text("database"))
    out << " with a database of " << database->substr(0, 10);
  out << ": " << (reasons.empty() ? "clean" : concat("blocked: ", safe(join(reasons, "; "))))
      << '\n';
}

}  // namespace

void show_why(std::ostream& out, const boost::json::value& value) {
  const Fields why(value, "answer");
  out << why.text("digest") << " (" << why.text("kind") << ")\n";
  for (const auto& each : why.list("names")) {
    const Fields name(each, "name");
    const std::vector<std::string> tags = name.texts("tags");
    out << "  " << safe(name.text("repository"))
        << (tags.empty() ? ", under no tag now" : concat(": ", safe(join(tags, ", ")))) << '\n';
  }
  if (why.flag_or("more_tags", false)) out << "  and under more tags\n";
  if (why.list("names").empty()) out << "  published nowhere\n";
  if (const std::string denied = why.text_or("denied", ""); !denied.empty())
    out << "  to be used no more: " << safe(denied) << '\n';
  if (const auto* scan = why.find("scan")) show_newest_scan(out, Fields(*scan, "scan"));
  for (const auto& each : why.list("signatures")) {
    const Fields signature(each, "signature");
    const std::string predicate = signature.text("predicate_type");
    out << "  signed by "
        << safe(signature.text_or("key", signature.text("key_hint").substr(0, 12))) << " in "
        << safe(signature.text("repository")) << " (" << signature.text("form")
        << (predicate.empty() ? "" : concat(", ", safe(predicate))) << ")\n";
  }
  if (why.flag_or("more_signatures", false)) out << "  and by more signatures\n";
  for (const auto& each : why.list("replicas")) {
    const Fields replica(each, "replica");
    const std::vector<std::string> tags = replica.texts("tags");
    out << "  carried to " << safe(replica.text("target"))
        << (tags.empty() ? "" : concat(':', safe(join(tags, ",")))) << " by "
        << safe(replica.text("rule")) << ": " << replica.text("state") << '\n';
  }
  if (why.flag_or("more_replicas", false)) out << "  and in more places\n";
  for (const auto& each : why.list("runs")) show_making(out, Fields(each, "making"));
  if (why.flag_or("more_runs", false)) out << "and by older runs\n";
}

void show_runs(std::ostream& out, std::span<const boost::json::value> runs) {
  if (runs.empty()) {
    out << "no runs\n";
    return;
  }
  std::vector<std::vector<std::string>> rows{
      {"RUN", "STATE", "SOURCE", "REF", "COMMIT", "BEGAN", "TOOK", "WHY"}};
  for (const auto& value : runs) {
    const Fields run(value, "run");
    const Fields event(run.get("event"), "run.event");
    rows.push_back({std::to_string(run.integer("id")), run.text("state"),
                    safe(event.text("source")), safe(short_ref(event.text_or("ref", ""))),
                    commit_of(run, event), run.text("created").substr(0, 19) + "Z", length_of(run),
                    shortened(safe(run.text_or("why", "")), 80)});
  }
  print_table(out, rows);
}

void show_run(std::ostream& out, const boost::json::value& value) {
  const Fields run(value, "run");
  const Fields event(run.get("event"), "run.event");
  const std::string message = event.text_or("message", "");
  const std::string author = event.text_or("author", "");
  out << "run " << run.integer("id") << ' ' << run.text("state") << ": "
      << safe(event.text("source")) << ' ' << safe(short_ref(event.text_or("ref", ""))) << ' '
      << commit_of(run, event) << ", by " << event.text("origin")
      << (run.find("started") ? concat(", ", length_of(run)) : "") << '\n';
  if (const std::string why = run.text_or("why", ""); !why.empty())
    out << "  " << safe(why) << '\n';
  if (!message.empty())
    out << "  \"" << safe(message.substr(0, message.find('\n'))) << '"'
        << (author.empty() ? "" : concat(" by ", safe(author))) << '\n';
  if (const auto* given = run.find("allowed"); given != nullptr && given->is_object()) {
    const Fields allowed(*given, "run.allowed");
    out << "  allowed by " << safe(allowed.text("who")) << ": " << safe(allowed.text("reason"))
        << '\n';
  }
  std::string image;
  boost::json::object planned;
  for (const auto& each : run.list("stages")) {
    const Fields stage(each, "stage");
    if (stage.text("name") == "plan" && stage.text("state") == "done") {
      const Fields plan(stage.get("result"), "plan");
      show_skipped(out, plan);
      if (const auto* decisions = plan.find("decisions")) planned = decisions->as_object();
    }
    const std::string of = stage.text_or("image", "");
    if (of.empty()) continue;
    if (of != image) {
      out << "  image " << safe(of) << '\n';
      if (const auto* decision = planned.if_contains(of)) show_said(out, *decision);
    }
    image = of;
    show_stage(out, stage);
  }
  for (const auto& each : run.list("actions")) show_action(out, Fields(each, "action"));
}

void show_explanation(std::ostream& out, const boost::json::value& value) {
  const Fields run(value, "run");
  std::string image;
  for (const auto& each : run.list("stages")) {
    const Fields stage(each, "stage");
    const std::string of = stage.text_or("image", "");
    const std::string name = stage.text("name");
    const bool told = name == "engine" || name.starts_with("publish:");
    if (of.empty() || !told || stage.text("state") != "done") continue;
    if (of != image) out << "image " << safe(of) << '\n';
    image = of;
    const Fields result(stage.get("result"), name);
    if (name == "engine") {
      explain_engine(out, result);
    } else {
      explain_published(out, result);
    }
  }
  if (image.empty()) out << "run " << run.integer("id") << " built nothing\n";
}

void show_images(std::ostream& out, std::span<const boost::json::value> images) {
  if (images.empty()) {
    out << "no images\n";
    return;
  }
  std::vector<std::vector<std::string>> rows{
      {"IMAGE", "DIGEST", "RUN", "PUBLISHED", "SCANNED", "CRITICAL", "HIGH", "STATE"}};
  for (const auto& value : images) {
    const Fields image(value, "image");
    const std::string denied = image.text_or("denied", "");
    std::string scanned, critical, high, state = "not scanned";
    if (const auto* given = image.find("scan"); given != nullptr && given->is_object()) {
      const Fields scan(*given, "scan");
      const Fields counts(scan.get("counts"), "scan.counts");
      const std::vector<std::string> reasons = scan.texts("reasons");
      scanned = scan.text("scanned").substr(0, 16) + "Z";
      critical = std::to_string(counts.integer_or("CRITICAL", 0));
      high = std::to_string(counts.integer_or("HIGH", 0));
      state = reasons.empty() ? "clean" : concat("blocked: ", shortened(safe(reasons.front()), 80));
    }
    if (!denied.empty()) state = concat("denied: ", shortened(safe(denied), 80));
    std::vector<std::string> names;
    for (const auto& target : image.list("targets")) {
      const Fields fields(target, "target");
      names.push_back(concat(fields.text("repository"), ':', join(fields.texts("tags"), ",")));
    }
    rows.push_back({safe(names.empty() ? image.text("image") : join(names, " ")),
                    image.text("digest").substr(7, 12), std::to_string(image.integer("run")),
                    image.text("published").substr(0, 16) + "Z", scanned, critical, high, state});
  }
  print_table(out, rows);
}

void show_end(std::ostream& out, const boost::json::value& value) {
  const Fields run(value, "run");
  const std::string why = run.text_or("why", "");
  out << "run " << run.integer("id") << ' ' << run.text("state")
      << (run.find("started") ? concat(" in ", length_of(run)) : "")
      << (why.empty() ? "" : concat(": ", safe(why))) << '\n';
}

}  // namespace lighterman::cli
