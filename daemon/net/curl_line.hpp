#pragma once

#include <curl/curl.h>
#include <signal.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/handles.hpp"
#include "net/http.hpp"
#include "net/url.hpp"

namespace lighterman::net {

using Easy = std::unique_ptr<CURL, By<curl_easy_cleanup>>;
using Multi = std::unique_ptr<CURLM, By<curl_multi_cleanup>>;
using Fields = std::unique_ptr<curl_slist, By<curl_slist_free_all>>;

/// libcurl, set up once in this process.
void start_curl();

/// While it lives this thread dies of no SIGPIPE: OpenSSL writes to sockets whose peer may be gone.
class NoSigpipe {
 public:
  NoSigpipe() noexcept;
  ~NoSigpipe();
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t before_{};
  bool pending_ = false;
};

/// One connection's home: a libcurl handle with the connections it keeps. One thread at a time.
struct Line {
  Line();
  ~Line();
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  Multi multi;  // ends after easy: it owns the connections
  Easy easy;
  std::string key;
  std::chrono::steady_clock::time_point idle_since;
  bool public_only = false;
  std::string refused;  ///< the last address that was not public
  /// Called with a socket that libcurl gives up, before it is closed.
  std::function<void(curl_socket_t)> closing;
};

/// Idle lines by where they lead, and the names and TLS sessions that all lines share. Any thread.
class Lines {
 public:
  Lines();
  ~Lines();
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

  std::unique_ptr<Line> take(const std::string& key);
  void give_back(std::unique_ptr<Line> line);
  CURLSH* share() const noexcept { return share_; }

 private:
  static void lock(CURL*, curl_lock_data what, curl_lock_access, void* self) noexcept;
  static void unlock(CURL*, curl_lock_data what, void* self) noexcept;

  std::mutex locks_[CURL_LOCK_DATA_LAST];
  CURLSH* share_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Line>> idle_;
};

/// Where a request leads and how it believes: connections are kept apart by this.
std::string line_key(const Request& request, const Url& url, bool with_body);

/// Sets all that decides about the connection: address, proxy, TLS, timeouts.
void set_connection(Line& line, const Request& request, const Url& url);
/// The header lines, credentials included. Throws Error(invalid) for a line break in a value.
std::vector<std::string> header_lines(const Request& request);
Fields fields_of(const std::vector<std::string>& lines);

/// "PUT registry.example/v2/": for messages; no query, no credentials.
std::string named(const Request& request, const Url& url);
/// What a libcurl failure means to us.
Error failure(CURLcode code, const char* detail, long os_error, const Request& request,
              const Url& url);

}  // namespace lighterman::net
