#include "pipeline/selection.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::pipeline {
namespace {

constexpr std::size_t most_alternatives = 200;

/// "v{1,2}.*" as "v1.*" and "v2.*".
void expand(const std::string& pattern, std::vector<std::string>& into) {
  const std::size_t open = pattern.find('{');
  const std::size_t close = pattern.find('}', open);
  if (open == std::string::npos || close == std::string::npos) {
    if (into.size() >= most_alternatives)
      throw Error(ErrorKind::invalid,
                  concat("pattern \"", shortened(pattern, 80), "\" has too many alternatives"));
    into.push_back(pattern);
    return;
  }
  for (const std::string& each :
       split(std::string_view(pattern).substr(open + 1, close - open - 1), ','))
    expand(concat(pattern.substr(0, open), each, pattern.substr(close + 1)), into);
}

bool is_expression(std::string_view pattern) {
  return pattern.starts_with('^') || pattern.ends_with('$') ||
         pattern.find('\\') != std::string_view::npos;
}

}  // namespace

Selection::Selection(const config::Patterns& patterns) {
  for (const std::string& pattern : patterns) {
    if (is_expression(pattern)) {
      expressions_.push_back(std::make_unique<policy::Regex>(pattern));
    } else {
      expand(pattern, globs_);
    }
  }
}

bool Selection::has(std::string_view text) const {
  for (const std::string& glob : globs_)
    if (matches_glob(glob, text)) return true;
  for (const auto& expression : expressions_)
    if (RE2::PartialMatch({text.data(), text.size()}, expression->on(text))) return true;
  return false;
}

bool is_artifact_tag(std::string_view tag) noexcept {
  constexpr std::string_view prefix = "sha256-";
  if (!tag.starts_with(prefix) || tag.size() < prefix.size() + 64) return false;
  const std::string_view hex = tag.substr(prefix.size(), 64);
  const std::string_view rest = tag.substr(prefix.size() + 64);
  return hex.find_first_not_of("0123456789abcdef") == std::string_view::npos &&
         (rest.empty() || rest.starts_with('.'));
}

}  // namespace lighterman::pipeline
