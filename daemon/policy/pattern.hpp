#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace lighterman::policy {

/// A Lua pattern (Lua 5.4 manual, section 6.4.1) whose matching counts its steps, so that none can
/// run for ever. Matching throws Error(invalid) for a malformed pattern and beyond the steps.
class Pattern {
 public:
  struct Capture {
    std::size_t begin = 0;
    std::size_t size = 0;
    bool position = false;  ///< "()": begin is the value
  };
  struct Found {
    std::size_t begin = 0, end = 0;
    std::vector<Capture> captures;
  };

  Pattern(std::string_view text, std::int64_t steps);
  /// The first match at or after `from`; empty: none.
  std::optional<Found> find(std::string_view subject, std::size_t from);
  /// A match that begins exactly there.
  std::optional<Found> at(std::string_view subject, std::size_t place);
  bool anchored() const noexcept { return anchored_; }

 private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1), open = none - 1,
                               only_position = none - 2;
  struct Part {
    std::size_t begin = 0, size = none;
  };

  std::size_t match(std::size_t place, std::size_t item);
  std::size_t match_repeated(std::size_t place, std::size_t item, std::size_t after);
  std::size_t match_balanced(std::size_t place, std::size_t item);
  std::size_t match_captured(std::size_t place, std::size_t item);
  std::size_t open_capture(std::size_t place, std::size_t item, std::size_t size);
  std::size_t close_capture(std::size_t place, std::size_t item);
  std::size_t end_of_class(std::size_t item) const;
  bool fits(std::size_t place, std::size_t item, std::size_t after);
  bool fits_set(unsigned char c, std::size_t item, std::size_t last) const;
  void step();

  std::string_view pattern_, subject_;
  std::int64_t steps_;
  bool anchored_ = false;
  int depth_ = 0;
  std::size_t level_ = 0;
  std::array<Part, 32> parts_{};
};

}  // namespace lighterman::policy
