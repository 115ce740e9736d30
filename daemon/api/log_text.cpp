#include "api/log_text.hpp"

#include <algorithm>
#include <limits>

#include "core/colors.hpp"
#include "core/text.hpp"
#include "core/time.hpp"

namespace lighterman::api {
namespace {

constexpr std::size_t page_lines = 1000;

/// The lines above `after` up to `last`, at most a page of them.
std::vector<JournalLine> page_of(const store::Store& store, RunId run, std::int64_t after,
                                 std::int64_t last) {
  // Numbers have no gaps.
  const auto count = static_cast<std::size_t>(
      std::clamp<std::int64_t>(last - after, 0, static_cast<std::int64_t>(page_lines)));
  if (count == 0) return {};
  return store.journal(run, after, count);
}

}  // namespace

std::string plain_line(const JournalLine& line) {
  if (line.kind == "progress") return {};
  const std::string time = render_time(line.when).substr(11, 8);
  return concat(time, line.image.empty() ? "" : " ", line.image, line.stage.empty() ? "" : " ",
                line.stage, " | ", without_colors(line.text), "\n");
}

LogExtent measure_log(const store::Store& store, RunId run, std::int64_t after,
                      std::int64_t limit) {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const std::int64_t last = limit > most - after ? most : after + limit;
  LogExtent extent;
  extent.last = after;
  for (;;) {
    const std::vector<JournalLine> lines = page_of(store, run, extent.last, last);
    if (lines.empty()) return extent;
    for (const JournalLine& line : lines) extent.size += plain_line(line).size();
    extent.last = lines.back().number;
  }
}

LogText::LogText(const store::Store& store, RunId run, std::int64_t after, LogExtent extent,
                 LogSpan span)
    : store_(store), run_(run), after_(after), extent_(extent), span_(span) {}

std::string_view LogText::next() {
  while (offset_ < span_.end) {
    const std::vector<JournalLine> lines = page_of(store_, run_, after_, extent_.last);
    if (lines.empty()) return {};
    after_ = lines.back().number;
    page_.clear();
    for (const JournalLine& line : lines) page_ += plain_line(line);
    const std::uint64_t begin = offset_;
    offset_ += page_.size();
    if (offset_ <= span_.begin) continue;
    const std::uint64_t skipped = span_.begin > begin ? span_.begin - begin : 0;
    return std::string_view(page_).substr(skipped, std::min(offset_, span_.end) - begin - skipped);
  }
  return {};
}

}  // namespace lighterman::api
