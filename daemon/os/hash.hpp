#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "core/digest.hpp"

namespace lighterman::os {

/// SHA-256 as the bytes come (FIPS 180-4). One thread at a time; movable.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view bytes);
  Digest finish();           ///< ends it; call once
  std::string finish_raw();  ///< the 32 bytes; call instead of finish()

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

Digest sha256(std::string_view bytes);
std::string hmac_sha256(std::string_view key, std::string_view bytes);  ///< 32 raw bytes
/// For formats that fixed it long ago (hashed known_hosts); not for anything new. 20 raw bytes.
std::string hmac_sha1(std::string_view key, std::string_view bytes);
/// Time depends on the lengths only.
bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept;
std::string random_bytes(std::size_t count);  ///< from the operating system
std::string random_id();                      ///< 32 hex digits
std::string random_token();  ///< "lm_" and 43 characters (RFC 4648 section 5): 256 random bits

}  // namespace lighterman::os
