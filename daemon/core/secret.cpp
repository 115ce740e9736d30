#include "core/secret.hpp"

namespace lighterman {

void Secret::wipe() noexcept {
  // Through a volatile pointer, so that the compiler does not find the writes useless.
  volatile char* bytes = value_.data();
  for (std::size_t i = 0; i < value_.size(); ++i) bytes[i] = 0;
  value_.clear();
}

}  // namespace lighterman
