#include "source/ignore.hpp"

#include <algorithm>

#include "core/text.hpp"

namespace lighterman::source {
namespace {

/// As Go's path.Clean: no ".", "..", doubled or trailing slashes.
std::string cleaned(std::string_view path) {
  const bool rooted = path.starts_with('/');
  std::vector<std::string> parts;
  for (std::string& part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (part != ".." || !rooted) {
      parts.push_back(std::move(part));
    }
  }
  const std::string joined = join(parts, "/");
  if (rooted) return concat('/', joined);
  return joined.empty() ? "." : joined;
}

/// Whether `c` is in the class that begins behind '['; moves `pattern` behind its ']'.
bool in_class(std::string_view& pattern, char c) {
  const bool negated = pattern.starts_with('^');
  if (negated) pattern.remove_prefix(1);
  bool found = false;
  for (bool first = true; !pattern.empty() && (first || pattern.front() != ']'); first = false) {
    if (pattern.front() == '\\' && pattern.size() > 1) pattern.remove_prefix(1);
    const char low = pattern.front();
    char high = low;
    pattern.remove_prefix(1);
    if (pattern.size() > 1 && pattern[0] == '-' && pattern[1] != ']') {
      high = pattern[1];
      pattern.remove_prefix(2);
    }
    found = found || (low <= c && c <= high);
  }
  if (!pattern.empty()) pattern.remove_prefix(1);
  return found != negated;
}

/// `steps` bounds the backtracking of a pattern that was written to be slow.
bool matches(std::string_view pattern, std::string_view path, int& steps) {
  while (!pattern.empty()) {
    if (--steps < 0) return false;
    if (pattern.starts_with("**")) {
      pattern.remove_prefix(2);
      if (pattern.starts_with('/')) pattern.remove_prefix(1);
      if (pattern.empty()) return true;
      // "(.*/)?": nothing, or anything up to a slash.
      if (matches(pattern, path, steps)) return true;
      for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
           slash = path.find('/', slash + 1)) {
        if (matches(pattern, path.substr(slash + 1), steps)) return true;
      }
      return false;
    }
    if (pattern.front() == '*') {
      pattern.remove_prefix(1);
      for (std::size_t skip = 0;; ++skip) {
        if (matches(pattern, path.substr(skip), steps)) return true;
        if (skip == path.size() || path[skip] == '/') return false;
      }
    }
    if (path.empty()) return false;
    const char wanted = pattern.front(), found = path.front();
    pattern.remove_prefix(1);
    path.remove_prefix(1);
    if (wanted == '?') {
      if (found == '/') return false;
    } else if (wanted == '[') {
      if (!in_class(pattern, found)) return false;
    } else if (wanted == '\\' && !pattern.empty()) {
      if (pattern.front() != found) return false;
      pattern.remove_prefix(1);
    } else if (wanted != found) {
      return false;
    }
  }
  return path.empty();
}

}  // namespace

bool matches_ignore_pattern(std::string_view pattern, std::string_view path) {
  int steps = 100'000;
  return matches(pattern, path, steps);
}

IgnoreRules IgnoreRules::parse(std::string_view text) {
  IgnoreRules rules;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with('#')) continue;
    std::string_view pattern = trim(line);
    const bool takes_back = pattern.starts_with('!');
    if (takes_back) pattern = trim(pattern.substr(1));
    if (pattern.empty()) continue;
    std::string clean = cleaned(pattern);
    if (clean.size() > 1 && clean.front() == '/') clean.erase(0, 1);
    rules.rules_.push_back({std::move(clean), takes_back});
  }
  return rules;
}

bool IgnoreRules::ignores(std::string_view path) const {
  bool ignored = false;
  for (const Rule& rule : rules_) {
    // A rule that would change nothing need not be looked at.
    if (rule.takes_back != ignored) continue;
    bool match = matches_ignore_pattern(rule.pattern, path);
    for (std::size_t slash = path.find('/'); !match && slash != std::string_view::npos;
         slash = path.find('/', slash + 1)) {
      match = matches_ignore_pattern(rule.pattern, path.substr(0, slash));
    }
    if (match) ignored = !rule.takes_back;
  }
  return ignored;
}

bool IgnoreRules::may_take_back_below(std::string_view folder) const {
  const std::string prefix = concat(folder, '/');
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    if (!rule.takes_back) return false;
    const std::size_t wild = rule.pattern.find_first_of("*?[\\");
    const std::string_view fixed = std::string_view(rule.pattern).substr(0, wild);
    // Either may lie within the other; with a wildcard only the part before it is certain.
    return fixed.starts_with(prefix) ||
           (wild != std::string::npos && std::string_view(prefix).starts_with(fixed));
  });
}

}  // namespace lighterman::source
