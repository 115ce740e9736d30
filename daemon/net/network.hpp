#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lighterman::net {

/// A network as CIDR writes it (RFC 4632, RFC 4291): "10.0.0.0/8", "fd00::/8", or one address.
class Network {
 public:
  static Network parse(std::string_view given);  ///< throws Error(invalid)

  bool contains(const std::string& address) const;  ///< false for what is no address

 private:
  /// IPv4 addresses as IPv6 has them: ::ffff:10.0.0.1.
  using Bytes = std::array<unsigned char, 16>;
  static std::optional<Bytes> bytes_of(const std::string& address);

  Bytes bytes_{};
  unsigned length_ = 128;  ///< bits that count
};

bool is_address(const std::string& text);  ///< IPv4 or IPv6, without brackets or port

}  // namespace lighterman::net
