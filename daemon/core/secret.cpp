#include "core/secret.hpp"

#include <cstring>

namespace lighterman {

void Secret::wipe() noexcept {
  // A moved-from or shortened string still holds old bytes behind its end. Growing to the capacity
  // never allocates.
  value_.resize(value_.capacity());
  explicit_bzero(value_.data(), value_.size());
  value_.clear();
}

}  // namespace lighterman
