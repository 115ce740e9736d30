#include "net/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace lighterman::net {
namespace {

struct Block {
  std::uint32_t network;
  int bits;
};

constexpr std::uint32_t ip(unsigned a, unsigned b, unsigned c, unsigned d) {
  return a << 24 | b << 16 | c << 8 | d;
}

constexpr Block special[] = {
    {ip(0, 0, 0, 0), 8},        {ip(10, 0, 0, 0), 8},
    {ip(100, 64, 0, 0), 10},    {ip(127, 0, 0, 0), 8},
    {ip(169, 254, 0, 0), 16},   {ip(172, 16, 0, 0), 12},
    {ip(192, 0, 0, 0), 24},     {ip(192, 0, 2, 0), 24},
    {ip(192, 88, 99, 0), 24},   {ip(192, 168, 0, 0), 16},
    {ip(198, 18, 0, 0), 15},    {ip(198, 51, 100, 0), 24},
    {ip(203, 0, 113, 0), 24},   {ip(224, 0, 0, 0), 3},
    {ip(168, 63, 129, 16), 32},  // Azure's host, public only in its number
};

bool is_public_v4(std::uint32_t address) noexcept {
  for (const Block& block : special)
    if ((address ^ block.network) >> (32 - block.bits) == 0) return false;
  return true;
}

bool is_public_v6(const std::array<std::uint8_t, 16>& a) noexcept {
  const auto v4_at = [&](std::size_t place) {
    return ip(a[place], a[place + 1], a[place + 2], a[place + 3]);
  };
  const auto starts = [&](std::initializer_list<unsigned> bytes) {
    std::size_t place = 0;
    for (const unsigned byte : bytes)
      if (a[place++] != byte) return false;
    return true;
  };
  if (starts({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF})) return is_public_v4(v4_at(12));
  if (starts({0x00, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0})) return is_public_v4(v4_at(12));
  if (starts({0x20, 0x02})) return is_public_v4(v4_at(2));  // 6to4
  if (starts({0x20, 0x01}) && a[2] < 2) return false;       // Teredo, ORCHID and their kin
  if (starts({0x20, 0x01, 0x0D, 0xB8})) return false;       // documentation
  if (starts({0x3F, 0xFF}) && a[2] < 0x10) return false;    // documentation
  return (a[0] & 0xE0) == 0x20;                             // 2000::/3, the only one given out
}

}  // namespace

bool is_public(const sockaddr& address) noexcept {
  if (address.sa_family == AF_INET) {
    sockaddr_in given{};
    std::memcpy(&given, &address, sizeof given);
    return is_public_v4(ntohl(given.sin_addr.s_addr));
  }
  if (address.sa_family != AF_INET6) return false;
  sockaddr_in6 given{};
  std::memcpy(&given, &address, sizeof given);
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), given.sin6_addr.s6_addr, bytes.size());
  return is_public_v6(bytes);
}

bool may_be_public(const std::string& host) noexcept {
  sockaddr_storage room{};
  in_addr v4{};
  if (inet_aton(host.c_str(), &v4) != 0) {  // also 0x7f000001, 127.1 and what else means one
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr = v4;
    std::memcpy(&room, &address, sizeof address);
  } else if (host.starts_with('[')) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    const std::string inside = host.substr(1, host.find_first_of("]%") - 1);
    if (inet_pton(AF_INET6, inside.c_str(), &address.sin6_addr) != 1) return false;
    std::memcpy(&room, &address, sizeof address);
  } else {
    return true;
  }
  return is_public(reinterpret_cast<const sockaddr&>(room));
}

std::string render(const sockaddr& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.sa_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  } else if (address.sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text,
              sizeof text);
  }
  return text;
}

}  // namespace lighterman::net
