#pragma once

#include <sys/socket.h>

#include <string>

namespace lighterman::net {

/// Whether an address is one of the public internet's: not private, loopback, link-local (where
/// clouds serve credentials), unique-local, carrier-grade NAT, multicast, reserved, or a form that
/// carries one of these inside (RFC 6890 and the IANA special-purpose registries).
bool is_public(const sockaddr& address) noexcept;
/// The same of a URL's host, where it is an address; a name says nothing yet: true.
bool may_be_public(const std::string& host) noexcept;
std::string render(const sockaddr& address);  ///< "10.0.0.1", for messages

}  // namespace lighterman::net
