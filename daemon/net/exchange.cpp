#include "net/exchange.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/error.hpp"
#include "core/text.hpp"
#include "net/address.hpp"

namespace lighterman::net {
namespace {

using std::chrono::steady_clock;

constexpr std::uint64_t most_rescued = 1 << 20;

bool expects_body(const std::string& method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

}  // namespace

Exchange::Exchange(Line& line, CURLSH* share, const Request& request, const Url& url,
                   Receiver receiver)
    : line_(line),
      share_(share),
      request_(request),
      url_(url),
      receiver_(std::move(receiver)),
      answer_(request.method) {
  set_connection(line_, request_, url_);
  set_options();
  set_body();
  // What a dying connection still held is in its ciphertext with TLS: nothing to save there.
  if (has_body_ && url_.scheme == "http") {
    line_.closing = [this](curl_socket_t socket) { rescue(socket); };
  }
}

Exchange::~Exchange() { line_.closing = nullptr; }

void Exchange::set_options() {
  CURL* easy = line_.easy.get();
  curl_easy_setopt(easy, CURLOPT_SHARE, share_);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail_);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Exchange::on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Exchange::on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  // We take the chunks apart ourselves, to know that an answer is whole when sending fails.
  curl_easy_setopt(easy, CURLOPT_HTTP_TRANSFER_DECODING, 0L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 128L << 10);
  curl_easy_setopt(easy, CURLOPT_MAX_SEND_SPEED_LARGE,
                   static_cast<curl_off_t>(request_.send_limit));
  curl_easy_setopt(easy, CURLOPT_MAX_RECV_SPEED_LARGE,
                   static_cast<curl_off_t>(request_.receive_limit));
}

void Exchange::set_body() {
  CURL* easy = line_.easy.get();
  std::vector<std::string> lines = header_lines(request_);
  has_body_ = request_.body.index() != 0 || expects_body(request_.method);
  if (has_body_) {
    if (const auto* text = std::get_if<std::string>(&request_.body)) {
      size_ = text->size();
    } else if (const auto* upload = std::get_if<Upload>(&request_.body)) {
      size_ = upload->size;
    } else {
      size_ = 0;
    }
    sent_all_ = size_ == 0U;
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
                     size_ ? static_cast<curl_off_t>(*size_) : curl_off_t{-1});
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &Exchange::on_send);
    curl_easy_setopt(easy, CURLOPT_READDATA, this);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, &Exchange::on_rewind);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, this);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
    if (!size_) lines.emplace_back("Transfer-Encoding: chunked");
    lines.emplace_back("Expect:");  // nobody has to wait a second for a "100 Continue"
    // Early answers and resets are well defined there, and this libcurl is slow at HTTP/2 uploads.
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  } else {
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
    if (request_.method == "HEAD") curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  fields_ = fields_of(lines);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fields_.get());
}

Response Exchange::perform(const std::stop_token& stop) {
  const NoSigpipe quiet;
  CURLM* multi = line_.multi.get();
  if (request_.public_addresses_only && !may_be_public(url_.host)) {
    throw NotPublic(concat(named(request_, url_), ": ", url_.host, " is no public address"));
  }
  began_ = moved_ = steady_clock::now();
  if (curl_multi_add_handle(multi, line_.easy.get()) != CURLM_OK) throw std::bad_alloc();
  try {
    const std::stop_callback wake(stop, [multi] { curl_multi_wakeup(multi); });
    drive(stop);
  } catch (...) {
    // libcurl must forget this exchange before it ends.
    failure_ = std::current_exception();
  }
  curl_multi_remove_handle(multi, line_.easy.get());
  return outcome(stop);
}

void Exchange::drive(const std::stop_token& stop) {
  CURLM* multi = line_.multi.get();
  while (!stop.stop_requested()) {
    int running = 0;
    if (const CURLMcode code = curl_multi_perform(multi, &running); code != CURLM_OK) {
      throw Error(ErrorKind::internal,
                  concat(named(request_, url_), ": ", curl_multi_strerror(code)));
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg == CURLMSG_DONE) ended_ = message->data.result;
    }
    if (ended_ || failure_ || answered_early()) return;
    watch_silence();
    curl_multi_poll(multi, nullptr, 0, 200, nullptr);
  }
}

void Exchange::watch_silence() {
  curl_off_t up = 0;
  curl_off_t down = 0;
  curl_off_t ready = 0;
  curl_easy_getinfo(line_.easy.get(), CURLINFO_SIZE_UPLOAD_T, &up);
  curl_easy_getinfo(line_.easy.get(), CURLINFO_SIZE_DOWNLOAD_T, &down);
  curl_easy_getinfo(line_.easy.get(), CURLINFO_PRETRANSFER_TIME_T, &ready);
  const auto now = steady_clock::now();
  const auto bytes = static_cast<std::uint64_t>(up) + static_cast<std::uint64_t>(down);
  // Connecting has its own timeout.
  if (ready == 0 || bytes != moved_bytes_) moved_ = std::max(moved_, now);
  moved_bytes_ = bytes;
  if (request_.total_timeout.count() > 0 && now - began_ > request_.total_timeout) {
    throw Error(ErrorKind::unavailable, concat(named(request_, url_), ": no whole answer within ",
                                               request_.total_timeout.count(), " ms"));
  }
  if (request_.silence_timeout.count() > 0 && now - moved_ > request_.silence_timeout) {
    throw Error(ErrorKind::unavailable, concat(named(request_, url_), ": nothing moved for ",
                                               request_.silence_timeout.count(), " ms"));
  }
}

Response Exchange::outcome(const std::stop_token& stop) {
  if (failure_) std::rethrow_exception(failure_);
  if (stop.stop_requested() && !answer_.complete()) {
    throw Error(ErrorKind::cancelled, concat(named(request_, url_), ": stopped"));
  }
  const bool ended_well = ended_ && *ended_ == CURLE_OK;
  const bool cut_while_sending =
      ended_ && (*ended_ == CURLE_SEND_ERROR || *ended_ == CURLE_RECV_ERROR) && sending();
  if (answer_.complete() || (answer_.ends_with_connection() && (ended_well || cut_while_sending))) {
    answer_.response().url = url_.text();
    return std::move(answer_.response());
  }
  if (ended_well) {
    throw Error(ErrorKind::unavailable, concat(named(request_, url_), ": the answer was cut"));
  }
  if (!line_.refused.empty() && ended_ == CURLE_COULDNT_CONNECT) {
    throw NotPublic(concat(named(request_, url_), ": it is at ", line_.refused,
                           ", which is no public address"));
  }
  long os_error = 0;
  curl_easy_getinfo(line_.easy.get(), CURLINFO_OS_ERRNO, &os_error);
  throw failure(ended_.value_or(CURLE_RECV_ERROR), detail_, os_error, request_, url_);
}

void Exchange::take_head() { sink_ = receiver_(answer_.response()); }

// The three doors through which libcurl calls us: what they throw waits in failure_.

std::size_t Exchange::on_header(char* bytes, std::size_t, std::size_t count, void* self) noexcept {
  auto* exchange = static_cast<Exchange*>(self);
  try {
    if (exchange->answer_.add_line({bytes, count})) exchange->take_head();
    exchange->moved_ = steady_clock::now();
    return count;
  } catch (...) {
    exchange->failure_ = std::current_exception();
    return 0;
  }
}

std::size_t Exchange::on_body(char* bytes, std::size_t, std::size_t count, void* self) noexcept {
  auto* exchange = static_cast<Exchange*>(self);
  try {
    exchange->answer_.add_body({bytes, count}, exchange->sink_);
    exchange->moved_ = steady_clock::now();
    return count;
  } catch (...) {
    exchange->failure_ = std::current_exception();
    return 0;
  }
}

std::size_t Exchange::on_send(char* into, std::size_t, std::size_t room, void* self) noexcept {
  auto* exchange = static_cast<Exchange*>(self);
  try {
    const std::size_t count = exchange->send(into, room);
    exchange->moved_ = steady_clock::now();
    return count;
  } catch (...) {
    exchange->failure_ = std::current_exception();
    return CURL_READFUNC_ABORT;
  }
}

std::size_t Exchange::send(char* into, std::size_t room) {
  // A refusal that came already: the rest would be thrown away. libcurl stops by itself unless the
  // answer says "Connection: close"; a body without length then needs a plain end.
  if (answer_.headed() && answer_.response().status >= 300) {
    return answer_.ends_with_connection() ? 0 : CURL_READFUNC_PAUSE;
  }
  if (size_) room = static_cast<std::size_t>(std::min<std::uint64_t>(room, *size_ - pulled_));
  std::size_t count = 0;
  if (const auto* text = std::get_if<std::string>(&request_.body)) {
    count = std::min<std::size_t>(room, text->size() - pulled_);
    std::memcpy(into, text->data() + pulled_, count);
  } else if (const auto* upload = std::get_if<Upload>(&request_.body);
             upload != nullptr && room > 0) {
    count = upload->pull(into, room);
  }
  pulled_ += count;
  if (count == 0 && size_ && pulled_ < *size_) {
    throw Error(ErrorKind::internal, concat(named(request_, url_), ": the body ended after ",
                                            pulled_, " of ", *size_, " bytes"));
  }
  sent_all_ = size_ ? pulled_ == *size_ : count == 0;
  return count;
}

int Exchange::on_rewind(void* self, curl_off_t offset, int origin) noexcept {
  auto* exchange = static_cast<Exchange*>(self);
  const auto place = static_cast<std::uint64_t>(offset);
  if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  if (place == exchange->pulled_) return CURL_SEEKFUNC_OK;
  if (!std::holds_alternative<std::string>(exchange->request_.body)) return CURL_SEEKFUNC_FAIL;
  exchange->pulled_ = place;
  exchange->sent_all_ = exchange->size_ == place;
  return CURL_SEEKFUNC_OK;
}

/// A peer that answers and closes while we send makes our write fail before libcurl has read the
/// answer. It still waits in the socket, so we read it before the socket is closed.
void Exchange::rescue(curl_socket_t socket) noexcept {
  if (failure_ || pulled_ == 0 || answer_.complete()) return;
  try {
    std::array<char, 16384> room{};
    std::uint64_t rescued = 0;
    const auto deadline = steady_clock::now() + std::chrono::milliseconds(200);
    while (!answer_.complete() && rescued < most_rescued && steady_clock::now() < deadline) {
      const ssize_t count = recv(socket, room.data(), room.size(), MSG_DONTWAIT);
      if (count > 0) {
        answer_.add({room.data(), static_cast<std::size_t>(count)}, sink_, [this] { take_head(); });
        rescued += static_cast<std::uint64_t>(count);
        continue;
      }
      if (count == 0) return;
      // The failure of our own write is reported once here too; what was received comes after it.
      if (errno == ECONNRESET || errno == EPIPE) {
        if (recv(socket, room.data(), 1, MSG_DONTWAIT | MSG_PEEK) <= 0) return;
        continue;
      }
      pollfd waiting{socket, POLLIN, 0};
      if ((errno != EAGAIN && errno != EINTR) || poll(&waiting, 1, 50) <= 0) return;
    }
  } catch (...) {
    failure_ = std::current_exception();
  }
}

}  // namespace lighterman::net
