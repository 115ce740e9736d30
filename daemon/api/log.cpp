#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <limits>

#include "api/exchange.hpp"
#include "api/log_text.hpp"
#include "api/problem.hpp"
#include "api/routes.hpp"
#include "core/colors.hpp"
#include "core/text.hpp"

namespace lighterman::api {
namespace {

constexpr std::int64_t any_number = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t json_lines = 1000;
constexpr std::int64_t json_lines_most = 10000;
/// Lines that one search looks at; the next goes on. So a long log takes no thread for long.
constexpr std::size_t searched_most = 50'000;

/// The one range of "bytes=..." within `size`; empty: there is none, or several, and all is sent.
/// Refuses (416) one that lies behind the end.
std::optional<LogSpan> range_of(Exchange& exchange, std::uint64_t size, const std::string& etag) {
  std::string_view given = exchange.head.find("range");
  const std::string_view unless = exchange.head.find("if-range");
  if (!given.starts_with("bytes=") || given.find(',') != std::string_view::npos) return {};
  if (!unless.empty() && unless != etag) return {};
  given.remove_prefix(6);
  const std::size_t dash = given.find('-');
  if (dash == std::string_view::npos) return {};
  const auto number = [](std::string_view text) -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || fault != std::errc() || end != text.data() + text.size()) return {};
    return value;
  };
  const auto first = number(given.substr(0, dash));
  const auto last = number(given.substr(dash + 1));
  if (!first && !last) return {};
  LogSpan span;
  if (!first) {
    span.begin = size - std::min(size, *last);
    span.end = size;
  } else {
    span.begin = *first;
    span.end = last && *last < size ? *last + 1 : size;
    if (last && *last < *first) return {};
  }
  if (span.begin >= span.end) {
    Problem problem = problem_of(416, concat("the log has ", size, " bytes"));
    problem.headers["Content-Range"] = concat("bytes */", size);
    throw Refused(std::move(problem));
  }
  return span;
}

void show_plain(Room& room, Exchange& exchange, RunId run, std::int64_t after, std::int64_t limit) {
  const LogExtent extent = measure_log(room.store, run, after, limit);
  const std::string etag = concat("\"", run, "-", after, "-", extent.last, "-", extent.size, "\"");
  exchange.reply.set_header("Cache-Control", "no-cache");
  exchange.reply.set_header("Accept-Ranges", "bytes");
  exchange.reply.set_header("Vary", "Accept");
  if (answered_unchanged(exchange, etag)) return;
  const std::optional<LogSpan> range = range_of(exchange, extent.size, etag);
  const LogSpan span = range.value_or(LogSpan{0, extent.size});
  exchange.reply.status = range ? 206 : 200;
  if (range) {
    exchange.reply.set_header("Content-Range",
                              concat("bytes ", span.begin, "-", span.end - 1, "/", extent.size));
  }
  constexpr const char* type = "text/plain; charset=utf-8";
  if (span.begin == span.end) return exchange.reply.set_content("", type);
  // Shared by the copies that std::function makes; they are one reader.
  auto text = std::make_shared<LogText>(room.store, run, after, extent, span);
  exchange.reply.set_content_provider(
      span.end - span.begin, type, [text](std::size_t, std::size_t, httplib::DataSink& sink) {
        const std::string_view piece = text->next();
        return !piece.empty() && sink.write(piece.data(), piece.size());
      });
}

void show_lines(Room& room, Exchange& exchange, const Run& run, std::int64_t after,
                std::int64_t limit) {
  const std::string wanted = lower(find_parameter(exchange, "contains").value_or(""));
  const auto most = static_cast<std::size_t>(limit);
  boost::json::array lines;
  std::int64_t last = after;
  bool more = true;
  for (std::size_t seen = 0; more && lines.size() < most && seen < searched_most;) {
    const auto found =
        room.store.journal(run.id, last, wanted.empty() ? most : std::size_t{json_lines});
    for (const JournalLine& line : found) {
      last = line.number;
      // What machines read is nothing that people look for.
      const bool fits =
          wanted.empty() || (line.kind != "progress" &&
                             lower(without_colors(line.text)).find(wanted) != std::string::npos);
      if (fits) lines.push_back(to_json(line));
      if (lines.size() == most) break;
    }
    seen += found.size();
    more = !found.empty() && !wanted.empty();
  }
  // As long as the run goes on there may be more behind the last one.
  more = more || !is_final(run.state) || lines.size() == most;
  boost::json::object page{
      {"lines", std::move(lines)}, {"next", nullptr}, {"last", room.store.last_line(run.id)}};
  if (more) page["next"] = last;
  exchange.reply.set_header("Vary", "Accept");
  answer(exchange, page);
}

}  // namespace

void show_log(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {"after", "limit", "contains"});
  const std::int64_t after = number_parameter(exchange, "after", 0, 0, any_number);
  const std::string accept = lower(exchange.head.find("accept"));
  const bool json = accept.find("application/json") != std::string::npos &&
                    accept.find("text/plain") == std::string::npos;
  const std::int64_t limit =
      json ? number_parameter(exchange, "limit", json_lines, 1, json_lines_most)
           : number_parameter(exchange, "limit", any_number, 1, any_number);
  // Before its lines: once it is final, all its lines are there.
  const Run run = get_run(room, exchange);
  if (!json && find_parameter(exchange, "contains"))
    refuse(406, "parameter \"contains\" needs Accept: application/json");
  if (json) return show_lines(room, exchange, run, after, limit);
  show_plain(room, exchange, run.id, after, limit);
}

}  // namespace lighterman::api
