#pragma once

#include <re2/re2.h>

#include <string_view>

namespace lighterman::policy {

/// An RE2 expression (github.com/google/re2/wiki/Syntax). Its time is linear in the text; what it
/// takes at most is looked at before.
class Regex {
 public:
  explicit Regex(std::string_view pattern);    ///< throws Error(invalid)
  const RE2& on(std::string_view text) const;  ///< throws Error(invalid) for too long a text

 private:
  RE2 compiled_;
};

}  // namespace lighterman::policy
