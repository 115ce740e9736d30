#pragma once

#include <curl/curl.h>

#include <chrono>
#include <exception>
#include <memory>
#include <string>

#include "core/error.hpp"
#include "core/handles.hpp"
#include "net/http.hpp"

namespace lighterman::net {

using Easy = std::unique_ptr<CURL, By<curl_easy_cleanup>>;
using Multi = std::unique_ptr<CURLM, By<curl_multi_cleanup>>;
using FieldList = std::unique_ptr<curl_slist, By<curl_slist_free_all>>;

/// A kept multi handle with the connections it has open, and one easy handle to use with it.
struct Line {
  Multi multi;
  Easy easy;
};
Line open_line();

/// "GET http://host/path" without query and credentials, for messages.
std::string shown(const Request& request);
/// Sets what concerns the connection: URL, socket, TLS, proxy, times.
void set_connection(CURL* easy, const Request& request);
/// The Error for a transfer that gave no answer; `text` is libcurl's own detail.
Error failure_of(const Request& request, CURLcode code, const char* text);

/// One request on its way. One thread.
class Transfer {
 public:
  Transfer(Line& line, const Request& request, const Push* sink,
           const std::function<void(const Response&)>* head);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  Response perform(const std::stop_token& stop);

 private:
  static std::size_t read_body(char* into, std::size_t size, std::size_t count,
                               void* self) noexcept;
  static std::size_t take_header(char* bytes, std::size_t size, std::size_t count,
                                 void* self) noexcept;
  static std::size_t take_body(char* bytes, std::size_t size, std::size_t count,
                               void* self) noexcept;
  static int note_progress(void* self, curl_off_t, curl_off_t down, curl_off_t,
                           curl_off_t up) noexcept;
  void set_body();
  void set_fields();
  void accept_header(std::string_view line);
  void accept_body(std::string_view bytes);
  void announce_head();
  CURLcode run(const std::stop_token& stop);
  bool is_success() const { return response_.status >= 200 && response_.status < 300; }

  Line& line_;
  const Request& request_;
  const Push* sink_;
  const std::function<void(const Response&)>* head_;
  Response response_;
  FieldList fields_;
  std::exception_ptr thrown_;
  bool head_told_ = false, has_answer_ = false, too_long_ = false, silent_ = false;
  std::size_t text_sent_ = 0;
  curl_off_t moved_ = -1;
  std::chrono::steady_clock::time_point last_move_;
  char detail_[CURL_ERROR_SIZE] = "";
};

}  // namespace lighterman::net
