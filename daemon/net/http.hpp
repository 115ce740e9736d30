#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/bytes.hpp"
#include "core/error.hpp"
#include "core/secret.hpp"

namespace lighterman::net {

/// Header fields in order; names compare without case.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}
  void add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  std::optional<std::string> find(std::string_view name) const;  ///< the first of that name
  std::vector<std::string> all(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const noexcept {
    return fields_;
  }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// How to reach and believe a server.
struct Trust {
  std::string ca_file;  ///< PEM, used beside the system's; empty: the system's only
  std::string client_certificate_file, client_key_file;
  bool verify = true;  ///< false holds for the host that is asked, not for where it redirects to
};

/// A body that is pulled while it is sent. Empty size: chunked transfer coding.
struct Upload {
  Pull pull;
  std::optional<std::uint64_t> size;
};

struct Request {
  std::string method = "GET";
  std::string url;          ///< http:// or https://; userinfo is not used
  std::string unix_socket;  ///< path; the URL's host is then only the Host header
  Headers headers;
  std::variant<std::monostate, std::string, Upload> body;
  Trust trust;
  std::optional<std::pair<std::string, Secret>> basic;  ///< user and password, for this host only
  Secret bearer;                  ///< an Authorization: Bearer token, for this host only
  bool follow_redirects = false;  ///< credentials never travel to another host
  /// Refuses, as it connects, each address that is not public (address.hpp): NotPublic. Through a
  /// proxy it is the proxy that connects.
  bool public_addresses_only = false;
  bool use_proxy = true;  ///< HTTP_PROXY, HTTPS_PROXY, NO_PROXY, both cases
  std::chrono::milliseconds connect_timeout{std::chrono::seconds(15)};
  /// Gives up when nothing at all moved in either direction for this long. 0: never.
  std::chrono::milliseconds silence_timeout{std::chrono::seconds(60)};
  std::chrono::milliseconds total_timeout{0};  ///< of one exchange as a whole, 0: none
  std::uint64_t send_limit = 0;                ///< bytes a second, 0: none
  std::uint64_t receive_limit = 0;
  std::uint64_t body_limit = 8 << 20;  ///< a response body longer than this is an Error(invalid)
};

struct Response {
  int status = 0;
  Headers headers;
  std::string body;  ///< empty where a Push took it
  std::string url;   ///< where it came from in the end, after redirects
};

/// An Error(denied): the host has no address but ones that are not public.
class NotPublic : public Error {
 public:
  explicit NotPublic(const std::string& message) : Error(ErrorKind::denied, message) {}
};

/// HTTP/1.1 and HTTP/2 by libcurl, with kept connections. A status of 4xx or 5xx is an answer, not
/// an Error. No answer (refused, cut, timeout, unknown host): Error(unavailable); a TLS failure:
/// Error(denied) with what to do; stop: Error(cancelled), within 200 ms. An answer that comes while
/// the body is still being sent ends the sending and is returned. Messages name method, host and
/// path, never credentials or the query. Any thread.
class Client {
 public:
  Client();
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Response perform(const Request& request, const std::stop_token& stop = {});

  /// Body of a 2xx answer goes to `sink` as it arrives, after `head` (may be empty) saw status and
  /// headers. The body of another answer lands in Response::body (cut at 64 KiB). A stream that
  /// ends before its length or its last chunk is an Error(unavailable).
  Response stream(const Request& request, const Push& sink,
                  const std::function<void(const Response&)>& head = {},
                  const std::stop_token& stop = {});

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

/// A response body as something to read, on a thread of its own with a bounded buffer, so that a
/// download can feed an upload. Destroying it stops the transfer.
class Download {
 public:
  /// Returns after the headers; a status other than 2xx leaves pull() empty and the answer in
  /// head().
  Download(Client& client, Request request, const std::stop_token& stop = {});
  ~Download();
  Download(const Download&) = delete;
  Download& operator=(const Download&) = delete;
  const Response& head() const noexcept;
  std::size_t read(char* into, std::size_t room);  ///< 0: the end; throws what the transfer threw

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace lighterman::net
