#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <limits>

#include "api/exchange.hpp"
#include "api/routes.hpp"
#include "core/text.hpp"
#include "store/store.hpp"

namespace lighterman::api {
namespace {

constexpr std::size_t page_lines = 1000;
/// Lines looked at for one request; the next goes on. So a log of any length takes no thread for
/// long.
constexpr std::size_t most_lines = 50'000;
constexpr std::size_t most_sections = 1000;

/// Lines that belong together: of one stage of one image, from one step to the next.
struct Section {
  JournalLine first;
  std::int64_t warnings = 0, errors = 0;

  bool goes_on_with(const JournalLine& line) const {
    return line.kind != "step" && line.image == first.image && line.stage == first.stage;
  }
  void add(const JournalLine& line) {
    if (line.kind == "warn") ++warnings;
    if (line.kind == "error") ++errors;
  }
};

boost::json::object to_json(const Section& section) {
  return {{"first", section.first.number},
          {"image", section.first.image},
          {"stage", section.first.stage},
          {"step", section.first.kind == "step" ? section.first.text : ""},
          {"warnings", section.warnings},
          {"errors", section.errors}};
}

}  // namespace

void show_outline(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {"after"});
  std::int64_t after =
      number_parameter(exchange, "after", 0, 0, std::numeric_limits<std::int64_t>::max());
  const RunId run = get_run(room, exchange).id;
  std::vector<Section> sections;
  std::int64_t next = 0;  // 0: the log was seen to its end
  for (std::size_t seen = 0; next == 0;) {
    const std::vector<JournalLine> lines = room.store.journal(run, after, page_lines);
    for (const JournalLine& line : lines) {
      if (sections.empty() || !sections.back().goes_on_with(line)) sections.push_back({line});
      sections.back().add(line);
      after = line.number;
      if (sections.size() == most_sections) break;
    }
    if (lines.empty()) break;
    seen += lines.size();
    if (seen >= most_lines || sections.size() == most_sections) next = after;
  }
  boost::json::array list;
  for (const Section& section : sections) list.push_back(to_json(section));
  boost::json::object page{{"sections", std::move(list)}, {"last", after}, {"next", nullptr}};
  if (next > 0) page["next"] = next;
  answer(exchange, page);
}

}  // namespace lighterman::api
