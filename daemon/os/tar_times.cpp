#include "os/tar_times.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::os {
namespace {

constexpr std::size_t block = 512;
// What one pax header may hold: paths and extended attributes, of which Linux allows 64 KiB each.
constexpr std::uint64_t pax_limit = 8 << 20;

struct Field {
  std::size_t at, length;
};
constexpr Field size_field{124, 12}, time_field{136, 12}, sum_field{148, 8};
constexpr std::size_t type_at = 156;

/// Octal text, or, where the first bit is set, a binary number (GNU tar's large values).
std::int64_t number_in(std::string_view header, Field field) {
  const std::string_view text = header.substr(field.at, field.length);
  if ((static_cast<unsigned char>(text.front()) & 0x80U) != 0) {
    std::uint64_t value = static_cast<unsigned char>(text.front()) & 0x7fU;
    // Before 1970: all ones in front.
    if ((value & 0x40U) != 0) value |= ~std::uint64_t{0x7f};
    for (const char c : text.substr(1)) value = value << 8 | static_cast<unsigned char>(c);
    return static_cast<std::int64_t>(value);
  }
  const std::size_t begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos || text[begin] == '\0') return 0;
  std::int64_t value = 0;
  const auto [end, wrong] =
      std::from_chars(text.data() + begin, text.data() + text.size(), value, 8);
  if (wrong != std::errc{})
    throw Error(ErrorKind::invalid, "a tar header has no number in its place");
  return value;
}

/// The sum of the header's bytes, its own field taken as spaces.
unsigned sum_of(std::string_view header) {
  unsigned sum = 0;
  for (std::size_t at = 0; at < header.size(); ++at) {
    const bool own = at >= sum_field.at && at < sum_field.at + sum_field.length;
    sum += own ? ' ' : static_cast<unsigned char>(header[at]);
  }
  return sum;
}

/// Puts the time in and makes the header's sum right again.
void put_time(std::string& header, std::int64_t seconds) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%011llo", static_cast<unsigned long long>(seconds));
  header.replace(time_field.at, 11, digits, 11);
  header[time_field.at + 11] = '\0';
  std::snprintf(digits, sizeof digits, "%06o", sum_of(header));
  header.replace(sum_field.at, 7, digits, 7);
}

/// "30 mtime=1700000000.123456789\n" and its like, of the same length afterwards. Returns what
/// "size" says of the entry behind them: more than a header has room for.
std::optional<std::uint64_t> limit_pax_times(std::string& records, std::int64_t latest) {
  std::optional<std::uint64_t> size;
  for (std::size_t at = 0; at < records.size();) {
    std::size_t length = 0;
    const char* const end = records.data() + records.size();
    const auto [after, wrong] = std::from_chars(records.data() + at, end, length);
    // Behind the last record there are zeros up to the block's end.
    if (wrong != std::errc{} || length == 0 || length > records.size() - at) break;
    const std::size_t name = static_cast<std::size_t>(after - records.data()) + 1;
    const std::size_t equals = records.find('=', name);
    const std::size_t stop = at + length - 1;
    at += length;
    if (equals == std::string::npos || equals >= stop) continue;
    const std::string_view key = std::string_view(records).substr(name, equals - name);
    if (key == "size") {
      std::uint64_t given = 0;
      std::from_chars(records.data() + equals + 1, records.data() + stop, given);
      size = given;
    }
    if (key != "mtime" && key != "atime" && key != "ctime") continue;
    std::int64_t seconds = 0;
    const auto [point, bad] =
        std::from_chars(records.data() + equals + 1, records.data() + stop, seconds);
    if (bad != std::errc{} || seconds < latest) continue;
    const std::string digits = std::to_string(latest);
    const auto whole = static_cast<std::size_t>(point - records.data()) - equals - 1;
    if (digits.size() > whole) continue;
    records.replace(equals + 1, whole, concat(std::string(whole - digits.size(), '0'), digits));
    std::replace_if(
        records.begin() + static_cast<std::ptrdiff_t>(equals + 1 + whole),
        records.begin() + static_cast<std::ptrdiff_t>(stop), [](char c) { return c != '.'; }, '0');
  }
  return size;
}

class TimeLimit {
 public:
  TimeLimit(Pull in, std::int64_t latest) : in_(std::move(in)), latest_(latest) {}

  std::size_t read(char* into, std::size_t room) {
    while (at_ == ready_.size()) {
      if (content_ > 0) {
        const std::size_t got = in_(into, std::min<std::uint64_t>(room, content_));
        content_ -= got;
        return got;
      }
      at_ = 0;
      ready_ = gather(block);
      if (ready_.size() == block) look_at_header();
      if (ready_.empty()) return 0;
    }
    const std::size_t part = std::min(room, ready_.size() - at_);
    ready_.copy(into, part, at_);
    at_ += part;
    return part;
  }

 private:
  /// So many bytes, or what is left.
  std::string gather(std::size_t size) {
    std::string bytes(size, '\0');
    std::size_t have = 0;
    while (have < size) {
      const std::size_t got = in_(bytes.data() + have, size - have);
      if (got == 0) break;
      have += got;
    }
    bytes.resize(have);
    return bytes;
  }

  void look_at_header() {
    // The end of the archive.
    if (ready_.find_first_not_of('\0') == std::string::npos) return;
    if (number_in(ready_, sum_field) != static_cast<std::int64_t>(sum_of(ready_))) {
      throw Error(ErrorKind::invalid, "a tar header's checksum is wrong");
    }
    if (number_in(ready_, time_field) > latest_) put_time(ready_, latest_);
    const std::int64_t size = number_in(ready_, size_field);
    if (size < 0) throw Error(ErrorKind::invalid, "a tar header has a size below zero");
    const char type = ready_[type_at];
    // Links, folders and devices have no content, whatever their size says.
    if (type >= '1' && type <= '6') {
      pax_size_.reset();
      return;
    }
    const bool pax = type == 'x' || type == 'g';
    const std::uint64_t bytes =
        pax ? static_cast<std::uint64_t>(size) : std::exchange(pax_size_, {}).value_or(size);
    content_ = (bytes + block - 1) / block * block;
    if (!pax) return;
    if (content_ > pax_limit) throw Error(ErrorKind::invalid, "a pax header of a tar is too large");
    std::string records = gather(content_);
    content_ = 0;
    const auto behind = limit_pax_times(records, latest_);
    if (type == 'x') pax_size_ = behind;
    ready_ += records;
  }

  const Pull in_;
  const std::int64_t latest_;
  std::string ready_;
  std::size_t at_ = 0;
  std::optional<std::uint64_t> pax_size_;  ///< of the next entry
  std::uint64_t content_ = 0;              ///< bytes to pass on as they are, padding included
};

}  // namespace

Pull limit_tar_times(Pull in, std::int64_t latest) {
  const auto limit = std::make_shared<TimeLimit>(std::move(in), latest);
  return [limit](char* into, std::size_t room) { return limit->read(into, room); };
}

}  // namespace lighterman::os
