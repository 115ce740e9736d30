#pragma once

#include <string>
#include <string_view>

namespace lighterman::os {

/// A signature key of Ed25519 (RFC 8032). Any thread.
class Ed25519Key {
 public:
  explicit Ed25519Key(std::string seed);  ///< 32 secret bytes

  std::string public_key() const;                    ///< 32 bytes
  std::string sign(std::string_view message) const;  ///< 64 bytes

 private:
  std::string seed_;
};

}  // namespace lighterman::os
