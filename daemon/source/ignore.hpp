#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lighterman::source {

/// The rules of a .dockerignore file, with the meaning the Docker CLI gives them
/// (docs.docker.com/build/concepts/context/#dockerignore-files; moby/patternmatcher): the last rule
/// that matches a path or one of its parents decides, "!" takes back.
class IgnoreRules {
 public:
  static IgnoreRules parse(std::string_view text);

  /// Whether the path (relative, "/" between parts) stays out of the context.
  bool ignores(std::string_view path) const;
  /// Whether something below an ignored folder may still be taken back, so that it must be walked.
  bool may_take_back_below(std::string_view folder) const;
  bool empty() const noexcept { return rules_.empty(); }

 private:
  struct Rule {
    std::string pattern;
    bool takes_back = false;
  };
  std::vector<Rule> rules_;
};

/// One pattern against one whole path.
bool matches_ignore_pattern(std::string_view pattern, std::string_view path);

}  // namespace lighterman::source
