#include "trust/guarded_bytes.hpp"

#include <sodium/core.h>
#include <sodium/utils.h>

#include <new>

#include "core/error.hpp"

namespace lighterman::trust {

GuardedBytes::GuardedBytes(std::size_t size) : size_(size) {
  // Returns 1 when it was done before; any thread may be first.
  if (::sodium_init() < 0) throw Error(ErrorKind::internal, "libsodium cannot start");
  bytes_.reset(static_cast<unsigned char*>(::sodium_malloc(size)));
  if (!bytes_) throw Error(ErrorKind::internal, "no memory that can be kept secret");
}

void GuardedBytes::Free::operator()(unsigned char* bytes) const noexcept { ::sodium_free(bytes); }

}  // namespace lighterman::trust
