#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "core/text.hpp"

namespace lighterman {

/// What a caller can do about a failure.
enum class ErrorKind {
  invalid,      ///< the input is wrong; the same call fails again
  denied,       ///< credentials or policy say no
  not_found,    ///< the named thing does not exist
  conflict,     ///< the thing is in a state that forbids this
  unavailable,  ///< may pass; the only kind that is retried
  cancelled,    ///< somebody asked us to stop
  internal,     ///< a bug or a broken machine (disk full, out of memory)
};

std::string_view render(ErrorKind kind) noexcept;
ErrorKind parse_error_kind(std::string_view given);

/// The one failure type. Messages are lower case, without a full stop, and never hold a secret.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

/// Runs `work`; a failure leaves with `doing` in front of its message and its kind unchanged.
template <class Work>
auto during(std::string_view doing, Work&& work) {
  try {
    return work();
  } catch (const Error& error) {
    // The context is what makes the message useful at night.
    throw Error(error.kind(), concat(doing, ": ", error.what()));
  }
}

}  // namespace lighterman
