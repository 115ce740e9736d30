#pragma once

#include <string>
#include <string_view>

namespace lighterman::net {

/// An http:// or https:// URL that can be asked. Userinfo and fragment are dropped while parsing.
struct Url {
  std::string scheme;  ///< "http" or "https"
  std::string host;    ///< lower case; IPv6 in brackets
  std::string port;    ///< always there: "443"
  std::string path;    ///< begins with '/'
  std::string query;   ///< without '?'

  static Url parse(std::string_view given);  ///< throws Error(invalid), quoting no query
  /// What a Location header means to somebody who asked this URL (RFC 3986 section 5).
  Url resolve(std::string_view location) const;

  std::string text() const;
  std::string origin() const;     ///< scheme, host and port
  std::string authority() const;  ///< for the Host header
  std::string target() const;     ///< path and query
  std::string shown() const;      ///< host and path, for messages
  bool is_loopback() const;
};

}  // namespace lighterman::net
