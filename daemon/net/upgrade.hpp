#pragma once

#include <memory>
#include <stop_token>

#include "net/http.hpp"

namespace lighterman::net {

/// A connection that left HTTP/1.1 by "101 Switching Protocols" and now carries bytes both ways
/// (RFC 9110 section 7.8); the Engine API's hijacked endpoints. TLS and Unix sockets are hidden:
/// whoever speaks the new protocol gets the plain end of a socket pair.
class Upgraded {
 public:
  /// Sends `request` with its Upgrade headers. Any answer but 101 is Error(unavailable) when 5xx,
  /// else Error(invalid), with the answer's text.
  static Upgraded open(const Request& request, const std::stop_token& stop = {});
  Upgraded(Upgraded&&) noexcept;
  ~Upgraded();  ///< ends the connection

  int take_descriptor();  ///< non-blocking; the caller owns it; call once

 private:
  struct Inside;
  explicit Upgraded(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

}  // namespace lighterman::net
