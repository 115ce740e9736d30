#include "net/network.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::net {
namespace {

constexpr unsigned mapped_bits = 96;

}  // namespace

std::optional<Network::Bytes> Network::bytes_of(const std::string& address) {
  Bytes bytes{};
  if (::inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1) return bytes;
  bytes = {};
  bytes[10] = bytes[11] = 0xff;
  if (::inet_pton(AF_INET, address.c_str(), bytes.data() + 12) == 1) return bytes;
  return {};
}

Network Network::parse(std::string_view given) {
  const auto refuse = [&] {
    throw Error(ErrorKind::invalid,
                concat('"', shortened(valid_utf8(given), 80),
                       "\" is neither an address nor a network (like 10.0.0.0/8 or fd00::/8)"));
  };
  const std::size_t slash = given.find('/');
  const std::string address(given.substr(0, slash));
  const std::optional<Bytes> bytes = bytes_of(address);
  if (!bytes) refuse();
  Network network;
  network.bytes_ = *bytes;
  if (slash == std::string_view::npos) return network;
  const std::string_view digits = given.substr(slash + 1);
  const unsigned least = address.find(':') == std::string::npos ? mapped_bits : 0;
  unsigned length = 0;
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (digits.empty() || fault != std::errc() || end != digits.data() + digits.size() ||
      length > 128 - least) {
    refuse();
  }
  network.length_ = length + least;
  return network;
}

bool Network::contains(const std::string& address) const {
  const std::optional<Bytes> bytes = bytes_of(address);
  if (!bytes) return false;
  for (unsigned bit = 0; bit < length_; bit += 8) {
    const unsigned count = std::min(8U, length_ - bit);
    const unsigned mask = 0xffU << (8 - count) & 0xffU;
    if (((bytes_[bit / 8] ^ (*bytes)[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

bool is_address(const std::string& text) {
  std::array<unsigned char, 16> bytes{};
  return ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

}  // namespace lighterman::net
