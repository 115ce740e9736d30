#include "cli/policy_verbs.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <iostream>

#include "cli/live_log.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "pipeline/decide.hpp"
#include "pipeline/replay.hpp"

namespace lighterman::cli {
namespace {

std::string safe(std::string_view text) { return harmless(text, false); }

void print(const boost::json::value& value) { std::cout << boost::json::serialize(value) << '\n'; }

/// Whether nothing keeps the image from being published.
bool would_pass(const Fields& image) {
  return image.find("failed") == nullptr && image.find("denied") == nullptr;
}

std::string tags_of(const Fields& image) {
  std::vector<std::string> tags;
  for (const auto& each : image.list("tags")) {
    const Fields tag(each, "tag");
    tags.push_back(concat(tag.text("tag"), tag.flag_or("moving", false) ? "*" : ""));
  }
  return join(tags, ", ");
}

void show_planned(const Fields& image) {
  std::cout << "  image " << safe(image.text("name"));
  if (const auto why = image.find_text("skipped")) {
    std::cout << ": would not be built: " << safe(*why) << '\n';
  } else if (const auto failed = image.find_text("failed")) {
    std::cout << ": the run would fail: " << safe(*failed) << '\n';
  } else {
    const auto denied = image.find_text("denied");
    std::cout << ": would be built"
              << (denied ? concat(" and denied: ", safe(*denied)) : " and published");
    if (const auto unknown = image.texts("unknown"); !unknown.empty())
      std::cout << ", unless denied by " << safe(join(unknown, ", "))
                << ", which a dry run cannot ask";
    std::cout << '\n';
    for (const std::string& target : image.texts("targets"))
      std::cout << "    " << (denied ? "not " : "") << "to " << safe(target) << '\n';
    std::cout << "    tags " << safe(tags_of(image)) << "  (* moves)\n";
    for (const auto& [name, value] : image.text_map("args"))
      std::cout << "    arg " << safe(name) << '=' << safe(value) << '\n';
    if (const auto by = image.find_text("judged_by"))
      std::cout << "    judged by " << safe(*by) << '\n';
  }
  for (const auto& each : image.list("said")) {
    const Fields said(each, "said");
    std::cout << "    " << said.text("hook") << ' ' << safe(said.text("plugin")) << ": "
              << safe(said.text("text")) << '\n';
  }
}

/// "+ line" and "- line": what is said now and was not, and the other way round.
boost::json::array differences(const std::vector<pipeline::Said>& then,
                               const std::vector<pipeline::Said>& now) {
  const auto has = [](const std::vector<pipeline::Said>& all, const pipeline::Said& one) {
    return std::ranges::any_of(all, [&](const auto& each) { return each.text == one.text; });
  };
  boost::json::array lines;
  for (const auto& said : then)
    if (!has(now, said)) lines.emplace_back(concat("- ", said.text));
  for (const auto& said : now)
    if (!has(then, said)) lines.emplace_back(concat("+ ", said.text));
  return lines;
}

}  // namespace

int plan(Remote& remote, const PlanWish& wish, Form form) {
  boost::json::object body{{"source", wish.source}};
  if (!wish.ref.empty()) body["ref"] = wish.ref;
  if (!wish.commit.empty()) body["commit"] = wish.commit;
  if (!wish.images.empty()) body["images"] = json_array(wish.images);
  if (!wish.args.empty()) body["args"] = args_of(wish.args);
  const boost::json::value answer = remote.post("/api/v1/plan", body);
  const Fields plan(answer, "plan");
  bool good = true;
  if (form == Form::json) {
    print(answer);
  } else {
    std::cout << safe(plan.text("source")) << ' ' << safe(plan.text("ref")) << ' '
              << shortened(plan.text("commit"), 12) << " \"" << safe(plan.text("title"))
              << "\"; nothing happens\n";
  }
  for (const auto& each : plan.list("images")) {
    const Fields image(each, "image");
    good = good && would_pass(image);
    if (form == Form::text) show_planned(image);
  }
  return good ? 0 : 1;
}

int findings(Remote& remote, const FindingsWish& wish) {
  const boost::json::value run = remote.get(concat("/api/v1/runs/", wish.run));
  std::vector<std::string> images;
  for (const auto& each : Fields(run, "run").list("stages")) {
    const Fields stage(each, "stage");
    if (stage.text("name") == "scan") images.push_back(stage.text("image"));
  }
  const std::vector<std::string> wanted =
      wish.image.empty() ? images : std::vector<std::string>{wish.image};
  if (wanted.empty())
    throw Error(ErrorKind::not_found,
                concat("no image of run ", wish.run,
                       " was scanned (`scan:` in the daemon's configuration)"));
  if (wanted.size() > 1 && wish.format != "text")
    throw Error(ErrorKind::invalid, concat("which image? --image ", join(wanted, " or --image ")));
  for (const std::string& image : wanted) {
    const std::string path =
        concat("/api/v1/runs/", wish.run, "/images/", render_url_part(image),
               "/findings?format=", wish.format, "&severity=", render_url_part(wish.severity));
    if (wish.format == "text") std::cout << "image " << safe(image) << "\n\n";
    // Reports come from images, so from anybody; in JSON, control characters are escaped.
    std::string line;
    remote.stream(path, [&](std::string_view bytes) {
      if (wish.format != "text") {
        std::cout << bytes;
        return;
      }
      for (const char letter : bytes) {
        if (letter != '\n') {
          line += letter;
          continue;
        }
        std::cout << safe(line) << '\n';
        line.clear();
      }
    });
    std::cout << (wish.format == "text" && image == wanted.back() ? "" : "\n");
  }
  return 0;
}

int replay(Remote& remote, const policy::Seat& seat, const ReplayWish& wish, Form form) {
  std::string cursor;
  unsigned asked = 0, different = 0, failed = 0;
  boost::json::array shown;
  while (asked < wish.last) {
    std::string path = concat("/api/v1/questions?limit=", std::min(wish.last - asked, 100U));
    for (const auto& [name, value] :
         {std::pair{"source", wish.source}, {"hook", wish.hook}, {"cursor", cursor}})
      if (!value.empty()) path += concat('&', name, '=', render_url_part(value));
    const boost::json::value page = remote.get(path);
    const Fields fields(page, "questions");
    for (const auto& each : fields.list("questions")) {
      const HookRecord record = hook_record_from(each);
      ++asked;
      const auto then = pipeline::said_by(seat.name, policy::decision_from(record.decision));
      const auto now = pipeline::ask_again({seat}, record);
      if (!now.problems.empty()) ++failed;
      boost::json::array lines = differences(pipeline::told(then), pipeline::told(now));
      if (lines.empty()) continue;
      ++different;
      if (form == Form::text) {
        std::cout << "run " << record.run << ' ' << safe(record.source)
                  << (record.image.empty() ? "" : concat(" image ", safe(record.image))) << ", "
                  << record.hook << ":\n";
        for (const auto& line : lines)
          std::cout << "  " << safe(std::string_view(line.as_string())) << '\n';
      }
      shown.push_back({{"run", record.run},
                       {"source", record.source},
                       {"image", record.image},
                       {"hook", record.hook},
                       {"differences", std::move(lines)}});
    }
    const auto next = fields.find_text("next");
    if (!next) break;
    cursor = *next;
  }
  if (form == Form::json) {
    print({{"asked", asked}, {"different", different}, {"failed", failed}, {"where", shown}});
  } else if (asked == 0) {
    std::cout << "no questions are kept: runs leave them behind, for as long as `plugin_history` "
                 "says\n";
  } else {
    std::cout << asked << " questions asked again, " << different << " decided otherwise";
    if (failed != 0) std::cout << ", " << failed << " failed";
    std::cout << '\n';
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace lighterman::cli
