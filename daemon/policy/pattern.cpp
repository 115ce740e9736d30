#include "policy/pattern.hpp"

#include <cctype>

#include "core/error.hpp"

namespace lighterman::policy {
namespace {

constexpr int deepest = 200;

[[noreturn]] void malformed(const char* why) {
  throw Error(ErrorKind::invalid, concat("malformed pattern (", why, ')'));
}

bool in_class(unsigned char c, unsigned char name) {
  const auto is = [&]() -> std::optional<bool> {
    switch (std::tolower(name)) {
      case 'a':
        return std::isalpha(c) != 0;
      case 'c':
        return std::iscntrl(c) != 0;
      case 'd':
        return std::isdigit(c) != 0;
      case 'g':
        return std::isgraph(c) != 0;
      case 'l':
        return std::islower(c) != 0;
      case 'p':
        return std::ispunct(c) != 0;
      case 's':
        return std::isspace(c) != 0;
      case 'u':
        return std::isupper(c) != 0;
      case 'w':
        return std::isalnum(c) != 0;
      case 'x':
        return std::isxdigit(c) != 0;
      default:
        return {};
    }
  }();
  if (!is) return c == name;
  return std::isupper(name) != 0 ? !*is : *is;
}

}  // namespace

Pattern::Pattern(std::string_view text, std::int64_t steps)
    : pattern_(text), steps_(steps), anchored_(text.starts_with('^')) {}

std::optional<Pattern::Found> Pattern::at(std::string_view subject, std::size_t place) {
  subject_ = subject;
  level_ = 0;
  depth_ = 0;
  const std::size_t end = match(place, anchored_ ? 1 : 0);
  if (end == none) return {};
  Found found{place, end, {}};
  for (std::size_t each = 0; each < level_; ++each) {
    const Part& part = parts_[each];
    if (part.size == open) malformed("a capture is not closed");
    const bool position = part.size == only_position;
    found.captures.push_back({part.begin, position ? 0 : part.size, position});
  }
  return found;
}

std::optional<Pattern::Found> Pattern::find(std::string_view subject, std::size_t from) {
  for (std::size_t place = from; place <= subject.size(); ++place) {
    if (auto found = at(subject, place)) return found;
    if (anchored_) return {};
  }
  return {};
}

void Pattern::step() {
  if (--steps_ < 0) {
    throw Error(ErrorKind::invalid,
                "the pattern takes too many steps on this text (use `regex`, "
                "which needs no going back)");
  }
}

/// Where the match of pattern_[item..] that begins at `place` ends; none: there is none.
std::size_t Pattern::match(std::size_t place, std::size_t item) {
  struct Depth {
    int& depth;
    ~Depth() { --depth; }
  } const depth{++depth_};
  if (depth_ > deepest) throw Error(ErrorKind::invalid, "the pattern is too complex");
  while (item < pattern_.size()) {
    step();
    const char c = pattern_[item];
    const char next = item + 1 < pattern_.size() ? pattern_[item + 1] : '\0';
    if (c == '(') {
      return next == ')' ? open_capture(place, item + 2, only_position)
                         : open_capture(place, item + 1, open);
    }
    if (c == ')') return close_capture(place, item + 1);
    if (c == '$' && item + 1 == pattern_.size()) return place == subject_.size() ? place : none;
    if (c == '%' && next == 'b') {
      place = match_balanced(place, item + 2);
      if (place == none) return none;
      item += 4;
      continue;
    }
    if (c == '%' && next == 'f') {
      item += 2;
      if (item >= pattern_.size() || pattern_[item] != '[') malformed("%f needs a set");
      const std::size_t after = end_of_class(item);
      const auto before = static_cast<unsigned char>(place == 0 ? '\0' : subject_[place - 1]);
      const auto here =
          static_cast<unsigned char>(place < subject_.size() ? subject_[place] : '\0');
      if (fits_set(before, item, after - 1) || !fits_set(here, item, after - 1)) return none;
      item = after;
      continue;
    }
    if (c == '%' && std::isdigit(static_cast<unsigned char>(next)) != 0) {
      place = match_captured(place, item + 1);
      if (place == none) return none;
      item += 2;
      continue;
    }
    const std::size_t after = end_of_class(item);
    const char suffix = after < pattern_.size() ? pattern_[after] : '\0';
    if (suffix == '*' || suffix == '+' || suffix == '-') return match_repeated(place, item, after);
    const bool one = fits(place, item, after);
    if (suffix == '?') {
      if (one) {
        const std::size_t end = match(place + 1, after + 1);
        if (end != none) return end;
      }
      item = after + 1;
      continue;
    }
    if (!one) return none;
    ++place;
    item = after;
  }
  return place;
}

std::size_t Pattern::match_repeated(std::size_t place, std::size_t item, std::size_t after) {
  const char suffix = pattern_[after];
  if (suffix == '-') {
    while (true) {
      const std::size_t end = match(place, after + 1);
      if (end != none) return end;
      if (!fits(place, item, after)) return none;
      ++place;
    }
  }
  std::size_t count = 0;
  while (fits(place + count, item, after)) ++count;
  const std::size_t least = suffix == '+' ? 1 : 0;
  for (++count; count-- > least;) {
    const std::size_t end = match(place + count, after + 1);
    if (end != none) return end;
  }
  return none;
}

std::size_t Pattern::match_balanced(std::size_t place, std::size_t item) {
  if (item + 1 >= pattern_.size()) malformed("%b needs two characters");
  if (place >= subject_.size() || subject_[place] != pattern_[item]) return none;
  int inside = 1;
  while (++place < subject_.size()) {
    step();
    if (subject_[place] == pattern_[item + 1]) {
      if (--inside == 0) return place + 1;
    } else if (subject_[place] == pattern_[item]) {
      ++inside;
    }
  }
  return none;
}

std::size_t Pattern::match_captured(std::size_t place, std::size_t item) {
  const auto which = static_cast<std::size_t>(pattern_[item] - '1');
  if (which >= level_ || parts_[which].size == open) malformed("no such capture");
  const Part& part = parts_[which];
  const std::size_t size = part.size == only_position ? 0 : part.size;
  steps_ -= static_cast<std::int64_t>(size);
  step();
  return subject_.substr(place).starts_with(subject_.substr(part.begin, size)) ? place + size
                                                                               : none;
}

std::size_t Pattern::open_capture(std::size_t place, std::size_t item, std::size_t size) {
  if (level_ >= parts_.size()) throw Error(ErrorKind::invalid, "too many captures in the pattern");
  parts_[level_++] = {place, size};
  const std::size_t end = match(place, item);
  if (end == none) --level_;
  return end;
}

std::size_t Pattern::close_capture(std::size_t place, std::size_t item) {
  std::size_t which = level_;
  while (which > 0 && parts_[which - 1].size != open) --which;
  if (which-- == 0) malformed("a capture is closed that was not opened");
  parts_[which].size = place - parts_[which].begin;
  const std::size_t end = match(place, item);
  if (end == none) parts_[which].size = open;
  return end;
}

/// Behind the single-character class that begins at `item`.
std::size_t Pattern::end_of_class(std::size_t item) const {
  const char c = pattern_[item++];
  if (c == '%') {
    if (item >= pattern_.size()) malformed("it ends with %");
    return item + 1;
  }
  if (c != '[') return item;
  if (item < pattern_.size() && pattern_[item] == '^') ++item;
  do {  // a ']' right here stands for itself
    if (item >= pattern_.size()) malformed("a [ is not closed");
    item += pattern_[item] == '%' ? 2u : 1u;
  } while (item >= pattern_.size() || pattern_[item] != ']');
  return item + 1;
}

bool Pattern::fits(std::size_t place, std::size_t item, std::size_t after) {
  step();
  if (place >= subject_.size()) return false;
  const auto c = static_cast<unsigned char>(subject_[place]);
  switch (pattern_[item]) {
    case '.':
      return true;
    case '%':
      return in_class(c, static_cast<unsigned char>(pattern_[item + 1]));
    case '[':
      return fits_set(c, item, after - 1);
    default:
      return static_cast<unsigned char>(pattern_[item]) == c;
  }
}

/// `item` is at the '[', `last` at the ']'.
bool Pattern::fits_set(unsigned char c, std::size_t item, std::size_t last) const {
  bool yes = true;
  if (pattern_[++item] == '^') {
    yes = false;
    ++item;
  }
  for (; item < last; ++item) {
    const auto low = static_cast<unsigned char>(pattern_[item]);
    if (low == '%') {
      if (in_class(c, static_cast<unsigned char>(pattern_[++item]))) return yes;
    } else if (item + 2 < last && pattern_[item + 1] == '-') {
      const auto high = static_cast<unsigned char>(pattern_[item += 2]);
      if (low <= c && c <= high) return yes;
    } else if (low == c) {
      return yes;
    }
  }
  return !yes;
}

}  // namespace lighterman::policy
