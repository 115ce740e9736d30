#include <algorithm>

#include "api/exchange.hpp"
#include "api/problem.hpp"
#include "api/routes.hpp"
#include "core/text.hpp"
#include "store/store.hpp"

namespace lighterman::api {
namespace {

struct Look {
  std::string_view word, color;
};

/// What a run came to, for a badge; empty word: nothing, and an earlier one is asked.
Look look_of(RunState state) noexcept {
  switch (state) {
    case RunState::succeeded:
      return {"published", "#1a7f4b"};
    case RunState::failed:
      return {"failed", "#b3261e"};
    case RunState::denied:
      return {"denied", "#9a5b00"};
    default:
      return {};
  }
}

constexpr Look none{"no runs", "#5f6b76"};

/// How the newest run of the branch (empty: of any ref) that came to an end ended.
Look newest_look(const store::Store& store, const std::string& source, const std::string& branch) {
  store::RunFilter filter;
  filter.source = source;
  filter.branch = branch;
  for (const Run& run : store.list(filter))
    if (const Look look = look_of(run.state); !look.word.empty()) return look;
  return none;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    switch (letter) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(letter) < 0x20 ? ' ' : letter;
    }
  }
  return out;
}

std::string drawn(std::string_view label, const Look& look) {
  // Text is fitted to its place, so it need not be measured.
  const auto width = [](std::string_view text) { return 13 * text.size() / 2 + 12; };
  const std::size_t left = width(label), right = width(look.word), whole = left + right;
  const auto words = [](std::size_t from, std::size_t room, std::string_view text) {
    return concat("<text x=\"", from + 6, "\" y=\"14\" textLength=\"", room - 12, "\">",
                  escaped(text), "</text>");
  };
  return concat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", whole,
      "\" height=\"20\" role=\"img\" aria-label=\"", escaped(label), ": ", look.word, "\"><title>",
      escaped(label), ": ", look.word, "</title><rect width=\"", whole,
      "\" height=\"20\" rx=\"3\" fill=\"#3b4650\"/><path d=\"M", left, " 0h", right - 3,
      "a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-", right - 3, "z\" fill=\"", look.color,
      "\"/><g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">",
      words(0, left, label), words(left, right, look.word), "</g></svg>");
}

}  // namespace

void show_badge(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {"branch"});
  constexpr std::string_view ending = ".svg";
  std::string source = exchange.names.front();
  if (!source.ends_with(ending)) refuse(404, "badges are called SOURCE.svg");
  source.resize(source.size() - ending.size());
  const std::string branch = find_parameter(exchange, "branch").value_or("");
  // A source that does not exist looks like one that did not run: an open badge tells no names.
  const std::string label = branch.empty() ? source : concat(source, " ", branch);
  const std::string body =
      drawn(shortened(valid_utf8(label), 60),
            exchange.caller.scope.covers(source) ? newest_look(room.store, source, branch) : none);
  exchange.reply.set_header("Cache-Control", "no-cache");
  if (answered_unchanged(exchange, etag_of(body))) return;
  exchange.reply.status = 200;
  exchange.reply.set_content(body, "image/svg+xml");
}

}  // namespace lighterman::api
