#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/run.hpp"
#include "store/store.hpp"

namespace lighterman::api {

/// "HH:MM:SS image stage | text" and a line end, in UTC and without colours; empty for lines that
/// only machines read.
std::string plain_line(const JournalLine& line);

/// How much log there was at one moment. Lines that come later are not part of it.
struct LogExtent {
  std::int64_t last = 0;   ///< the last line's number
  std::uint64_t size = 0;  ///< bytes of its text
};
LogExtent measure_log(const store::Store& store, RunId run, std::int64_t after, std::int64_t limit);

struct LogSpan {
  std::uint64_t begin = 0, end = 0;  ///< bytes, the end excluded
};

/// Part of a log as text, a page of lines at a time. One thread at a time.
class LogText {
 public:
  LogText(const store::Store& store, RunId run, std::int64_t after, LogExtent extent, LogSpan span);
  /// The next bytes, good until the next call; empty at the end.
  std::string_view next();

 private:
  const store::Store& store_;
  RunId run_;
  std::int64_t after_;
  LogExtent extent_;
  LogSpan span_;
  std::uint64_t offset_ = 0;  ///< of what comes next, in the whole text
  std::string page_;
};

}  // namespace lighterman::api
