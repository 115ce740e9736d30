#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace lighterman::trust {

/// Memory for key material: never swapped (where the system allows it), never in a core dump,
/// between guard pages, and wiped when it ends (libsodium's sodium_malloc).
class GuardedBytes {
 public:
  explicit GuardedBytes(std::size_t size);  ///< throws Error(internal)
  GuardedBytes(GuardedBytes&&) noexcept = default;
  GuardedBytes& operator=(GuardedBytes&&) noexcept = default;

  unsigned char* data() noexcept { return bytes_.get(); }
  const unsigned char* data() const noexcept { return bytes_.get(); }
  std::size_t size() const noexcept { return size_; }

 private:
  struct Free {
    void operator()(unsigned char* bytes) const noexcept;
  };
  std::unique_ptr<unsigned char, Free> bytes_;
  std::size_t size_;
};

}  // namespace lighterman::trust
