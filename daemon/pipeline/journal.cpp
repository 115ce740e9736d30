#include "pipeline/journal.hpp"

#include <boost/json.hpp>

#include "core/colors.hpp"
#include "core/text.hpp"

namespace lighterman::pipeline {
namespace {

constexpr std::size_t longest_line = 8 << 10;
constexpr std::size_t most_waiting = 256;
constexpr std::chrono::milliseconds gather{100};
constexpr std::chrono::milliseconds between_progress{500};

/// Without what moves a cursor or steers a terminal (ECMA-48 control sequences), as one line.
std::string plain(std::string_view text) {
  std::string clean;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (const std::size_t color = color_length(text.substr(at)); color > 0) {
      clean += text.substr(at, color);
      at += color - 1;
    } else if (byte == 0x1b) {
      if (at + 1 < text.size() && text[at + 1] == '[') {
        at += 2;
        while (at < text.size() && (text[at] < 0x40 || text[at] > 0x7e)) ++at;
      } else {
        ++at;
      }
    } else if (byte == '\t' || byte >= 0x20) {
      clean.push_back(text[at]);
    }
  }
  return valid_utf8(shortened(clean, longest_line));
}

/// What a terminal would show of it at the end: what stands after the last carriage return.
std::string_view last_overwrite(std::string_view line) {
  while (line.ends_with('\r')) line.remove_suffix(1);
  const std::size_t back = line.rfind('\r');
  return back == std::string_view::npos ? line : line.substr(back + 1);
}

}  // namespace

Journal::Journal(store::Store& store, RunId run, Clock clock)
    : store_(store),
      run_(run),
      clock_(std::move(clock)),
      storer_([this](const std::stop_token& stop) { store_lines(stop); }) {}

Journal::~Journal() {
  storer_.request_stop();
  storer_.join();
  try {
    flush();
  } catch (const std::exception&) {
    // A full disk must not end the daemon; the run's result is stored, and checked, on its own.
  }
}

void Journal::add(std::string_view image, std::string_view stage, std::string_view kind,
                  std::string_view text) {
  const Instant now = clock_();
  while (text.ends_with('\n')) text.remove_suffix(1);
  std::size_t waiting = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const std::string& line : split(text, '\n')) {
      lines_.push_back({0, now, std::string(image), std::string(stage), std::string(kind),
                        plain(last_overwrite(line))});
    }
    waiting = lines_.size();
  }
  more_.notify_one();
  // Whoever writes faster than the disk waits for it: memory stays bounded.
  if (waiting > 4 * most_waiting) flush();
}

void Journal::progress(std::string_view image, std::string_view stage, std::string_view layer,
                       std::string_view doing, std::uint64_t current, std::uint64_t total) {
  const Instant now = clock_();
  {
    const std::lock_guard lock(mutex_);
    const std::string key = concat(image, '\n', stage, '\n', layer);
    const auto last = last_progress_.find(key);
    const bool complete = total > 0 && current >= total;
    if (last != last_progress_.end() && !complete && now - last->second < between_progress) return;
    last_progress_[key] = now;
  }
  add(image, stage, "progress",
      boost::json::serialize(boost::json::object{{"layer", std::string(layer)},
                                                 {"doing", std::string(doing)},
                                                 {"current", current},
                                                 {"total", total}}));
}

void Journal::flush() {
  // Taken for the whole of it, so that two callers cannot swap the order of their lines.
  const std::lock_guard order(storing_);
  std::vector<JournalLine> lines;
  {
    const std::lock_guard lock(mutex_);
    lines.swap(lines_);
  }
  if (!lines.empty()) store_.append(run_, std::move(lines));
}

void Journal::store_lines(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      if (!more_.wait(lock, stop, [&] { return !lines_.empty(); })) return;
      more_.wait_for(lock, stop, gather, [&] { return lines_.size() >= most_waiting; });
    }
    try {
      flush();
    } catch (const std::exception&) {
      // As in the destructor: a lost log line is not worth the run.
      continue;
    }
  }
}

}  // namespace lighterman::pipeline
