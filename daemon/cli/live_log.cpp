#include "cli/live_log.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "core/colors.hpp"
#include "core/json.hpp"
#include "core/text.hpp"

namespace lighterman::cli {
namespace {

constexpr std::string_view dim = "\x1b[2m", red = "\x1b[31m", yellow = "\x1b[33m", bold = "\x1b[1m",
                           plain = "\x1b[0m";

std::string_view color_of(std::string_view kind) {
  if (kind == "error") return red;
  if (kind == "warn") return yellow;
  if (kind == "step") return bold;
  return "";
}

}  // namespace

Terminal Terminal::of(int descriptor) {
  Terminal terminal;
  const char* kind = std::getenv("TERM");
  const char* no_color = std::getenv("NO_COLOR");
  terminal.live = isatty(descriptor) == 1 && kind && std::string_view(kind) != "dumb";
  terminal.color = terminal.live && !(no_color && *no_color);
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) terminal.width = size.ws_col;
  return terminal;
}

std::string harmless(std::string_view text, bool color) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto code = static_cast<unsigned char>(text[at]);
    if (const std::size_t length = color_length(text.substr(at)); length > 0) {
      if (color) out += text.substr(at, length);
      at += length - 1;
    } else {
      // U+0080..U+009F are control characters too: the bytes c2 80..c2 9f.
      const bool c1 =
          code == 0xc2 && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xa0;
      if (c1) ++at;
      out += (code < 0x20 && code != '\t') || code == 0x7f || c1 ? ' ' : text[at];
    }
  }
  return out;
}

LiveLog::~LiveLog() {
  clear_bars();
  out_.flush();
}

void LiveLog::add(const boost::json::value& line) {
  const Fields fields(line, "log line");
  const std::string place(
      trim(concat(fields.text_or("image", ""), " ", fields.text_or("stage", ""))));
  const std::string kind = fields.text_or("kind", "out");
  if (kind == "progress") {
    if (terminal_.live) progress(place, fields.text("text"));
    return;
  }
  clear_bars();
  const bool color = terminal_.color;
  const std::string text = harmless(fields.text("text"), color);
  const std::string head = concat(fields.text("when").substr(11, 8), ' ', place, " | ");
  out_ << (color ? concat(dim, head, plain, color_of(kind), text, plain) : head + text) << '\n';
  draw_bars();
  out_.flush();
}

void LiveLog::progress(const std::string& place, const std::string& json) {
  const auto value = parse_json(json, "progress");
  const Fields fields(value, "progress");
  const std::string layer = fields.text_or("layer", "");
  const std::string doing = fields.text_or("doing", "");
  const std::uint64_t current = fields.natural_or("current", 0);
  const std::uint64_t total = fields.natural_or("total", 0);
  clear_bars();
  // Without a size it only says that it waits, or that it is done.
  const std::string key = concat(place, ' ', layer);
  if (current >= total) {
    bars_.erase(key);
  } else {
    bars_[key] = {harmless(concat(place, ' ', doing, ' ', layer), false), current, total};
  }
  draw_bars();
  out_.flush();
}

void LiveLog::clear_bars() {
  for (; drawn_ > 0; --drawn_) out_ << "\x1b[1A\x1b[2K";
}

void LiveLog::draw_bars() {
  if (!terminal_.live) return;
  constexpr std::size_t most_bars = 8, bar_width = 20;
  for (const auto& [key, bar] : bars_) {
    if (drawn_ == most_bars) break;
    const std::size_t full = bar.current * bar_width / bar.total;
    const std::string numbers = concat(render_size(bar.current), " of ", render_size(bar.total));
    const std::string text = concat('[', std::string(full, '='), std::string(bar_width - full, ' '),
                                    "] ", numbers, "  ", bar.text);
    // One row each: a wrapped row could not be taken back.
    out_ << shortened(text, terminal_.width - 1) << '\n';
    ++drawn_;
  }
}

}  // namespace lighterman::cli
