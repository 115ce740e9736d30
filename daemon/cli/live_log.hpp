#pragma once

#include <boost/json/value.hpp>
#include <map>
#include <ostream>
#include <string>

namespace lighterman::cli {

/// What a terminal can do; a pipe can do nothing.
struct Terminal {
  bool live = false;   ///< lines can be drawn anew
  bool color = false;  ///< NO_COLOR is heeded
  std::size_t width = 80;
  static Terminal of(int descriptor);
};

/// Text that cannot move the cursor or rename the window: control characters but colours become
/// spaces, and colours go too where there are none.
std::string harmless(std::string_view text, bool color);

/// A run's log while it grows: its lines, and below them a bar for each layer on its way. One
/// thread at a time.
class LiveLog {
 public:
  LiveLog(std::ostream& out, Terminal terminal) : out_(out), terminal_(terminal) {}
  ~LiveLog();
  LiveLog(const LiveLog&) = delete;
  LiveLog& operator=(const LiveLog&) = delete;

  void add(const boost::json::value& line);  ///< a JournalLine as the API shows it

 private:
  struct Bar {
    std::string text;
    std::uint64_t current = 0, total = 0;
  };
  void progress(const std::string& place, const std::string& json);
  void clear_bars();
  void draw_bars();

  std::ostream& out_;
  Terminal terminal_;
  std::map<std::string, Bar> bars_;
  std::size_t drawn_ = 0;
};

}  // namespace lighterman::cli
