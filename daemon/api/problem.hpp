#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace lighterman::api {

/// What went wrong, for programs and people (RFC 9457).
struct Problem {
  int status = 500;
  std::string type;    ///< last part of its URN: "unknown-source"
  std::string title;   ///< the same for all of its type
  std::string detail;  ///< about this one
  std::string instance;
  std::map<std::string, std::string> headers;  ///< to send along: Allow, Retry-After
};

std::string render(const Problem& problem);  ///< application/problem+json
inline constexpr const char* problem_type = "application/problem+json";

Problem problem_from(const Error& error);
Problem problem_of(int status, std::string detail);  ///< of the type that the status alone says

/// Ends a request; caught at the one door. For what an ErrorKind cannot say.
class Refused : public std::runtime_error {
 public:
  explicit Refused(Problem problem)
      : std::runtime_error(problem.detail), problem_(std::move(problem)) {}
  const Problem& problem() const noexcept { return problem_; }

 private:
  Problem problem_;
};

[[noreturn]] void refuse(int status, std::string detail);
[[noreturn]] void refuse(int status, std::string type, std::string title, std::string detail);

/// A whole response for when no request could be read: it closes.
std::string bare_response(const Problem& problem);

}  // namespace lighterman::api
