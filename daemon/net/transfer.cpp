#include "net/transfer.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "core/error.hpp"
#include "core/time.hpp"

namespace lighterman::net {
namespace {

constexpr std::uint64_t refused_body_limit = 64 << 10;
constexpr std::chrono::milliseconds look{1000};

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
  if (curl_easy_setopt(easy, option, value) != CURLE_OK) {
    throw Error(ErrorKind::internal, concat("libcurl refused option ", static_cast<int>(option)));
  }
}

}  // namespace

Line open_line() {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  Line line{Multi(curl_multi_init()), Easy(curl_easy_init())};
  if (ready != CURLE_OK || !line.multi || !line.easy) {
    throw Error(ErrorKind::internal, "libcurl could not be started");
  }
  return line;
}

std::string shown(const Request& request) {
  const std::string_view url =
      std::string_view(request.url).substr(0, request.url.find_first_of("?#"));
  if (request.unix_socket.empty()) return concat(request.method, ' ', url);
  const std::size_t path = url.find('/', url.find("://") + 3);
  return concat(request.method, ' ', request.unix_socket, ' ',
                path == std::string_view::npos ? "/" : url.substr(path));
}

void set_connection(CURL* easy, const Request& request) {
  set(easy, CURLOPT_URL, request.url.c_str());
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  set(easy, CURLOPT_TCP_NODELAY, 1L);
  set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  if (!request.unix_socket.empty())
    set(easy, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  if (!request.use_proxy || !request.unix_socket.empty()) set(easy, CURLOPT_PROXY, "");
  const Trust& trust = request.trust;
  set(easy, CURLOPT_SSL_VERIFYPEER, trust.verify ? 1L : 0L);
  set(easy, CURLOPT_SSL_VERIFYHOST, trust.verify ? 2L : 0L);
  if (!trust.ca_file.empty()) {
    // The system's authorities stay believed by their hashed folder.
    set(easy, CURLOPT_CAINFO, trust.ca_file.c_str());
    if (std::filesystem::is_directory("/etc/ssl/certs"))
      set(easy, CURLOPT_CAPATH, "/etc/ssl/certs");
  }
  if (!trust.client_certificate_file.empty()) {
    set(easy, CURLOPT_SSLCERT, trust.client_certificate_file.c_str());
    set(easy, CURLOPT_SSLKEY,
        (trust.client_key_file.empty() ? trust.client_certificate_file : trust.client_key_file)
            .c_str());
  }
}

Error failure_of(const Request& request, CURLcode code, const char* text) {
  const std::string detail = *text != '\0' ? text : curl_easy_strerror(code);
  const std::string what = concat(shown(request), ": ");
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return {ErrorKind::denied,
              concat(what, "the TLS certificate is not believed: ", detail,
                     " (name the authority's PEM file as ca, or check the host name)")};
    case CURLE_SSL_CONNECT_ERROR:
      return {ErrorKind::denied,
              concat(what, "no TLS connection: ", detail, " (does the server speak https there?)")};
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return {ErrorKind::invalid, concat(what, "not a usable address: ", detail)};
    case CURLE_TOO_MANY_REDIRECTS:
      return {ErrorKind::invalid, concat(what, "too many redirects")};
    default:
      return {ErrorKind::unavailable, concat(what, detail)};
  }
}

Transfer::Transfer(Line& line, const Request& request, const Push* sink,
                   const std::function<void(const Response&)>* head)
    : line_(line),
      request_(request),
      sink_(sink),
      head_(head),
      last_move_(std::chrono::steady_clock::now()) {
  CURL* const easy = line_.easy.get();
  curl_easy_reset(easy);
  set_connection(easy, request_);
  set(easy, CURLOPT_ERRORBUFFER, detail_);
  set(easy, CURLOPT_PRIVATE, this);
  set(easy, CURLOPT_HEADERFUNCTION, &Transfer::take_header);
  set(easy, CURLOPT_HEADERDATA, this);
  set(easy, CURLOPT_WRITEFUNCTION, &Transfer::take_body);
  set(easy, CURLOPT_WRITEDATA, this);
  set(easy, CURLOPT_XFERINFOFUNCTION, &Transfer::note_progress);
  set(easy, CURLOPT_XFERINFODATA, this);
  set(easy, CURLOPT_NOPROGRESS, 0L);
  set(easy, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
  set(easy, CURLOPT_BUFFERSIZE, 256L << 10);
  if (request_.send_limit > 0) {
    set(easy, CURLOPT_MAX_SEND_SPEED_LARGE, static_cast<curl_off_t>(request_.send_limit));
  }
  if (request_.receive_limit > 0) {
    set(easy, CURLOPT_MAX_RECV_SPEED_LARGE, static_cast<curl_off_t>(request_.receive_limit));
  }
  if (request_.follow_redirects) {
    set(easy, CURLOPT_FOLLOWLOCATION, 1L);
    set(easy, CURLOPT_MAXREDIRS, 10L);
  }
  if (request_.basic) {
    set(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    set(easy, CURLOPT_USERNAME, request_.basic->first.c_str());
    set(easy, CURLOPT_PASSWORD, request_.basic->second.reveal().c_str());
  } else if (!request_.bearer.empty()) {
    set(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
    set(easy, CURLOPT_XOAUTH2_BEARER, request_.bearer.reveal().c_str());
  }
  set_body();
  set_fields();
}

Transfer::~Transfer() {
  curl_multi_remove_handle(line_.multi.get(), line_.easy.get());
  // Credentials and pointers to this must not outlive it in a kept handle.
  curl_easy_reset(line_.easy.get());
}

void Transfer::set_body() {
  CURL* const easy = line_.easy.get();
  const bool has_body = !std::holds_alternative<std::monostate>(request_.body);
  if (request_.method == "HEAD") {
    set(easy, CURLOPT_NOBODY, 1L);
  } else if (has_body || request_.method == "POST") {
    std::optional<std::uint64_t> size = 0;
    if (const auto* text = std::get_if<std::string>(&request_.body)) size = text->size();
    if (const auto* upload = std::get_if<Upload>(&request_.body)) size = upload->size;
    set(easy, CURLOPT_POST, 1L);
    set(easy, CURLOPT_READFUNCTION, &Transfer::read_body);
    set(easy, CURLOPT_READDATA, this);
    set(easy, CURLOPT_POSTFIELDSIZE_LARGE, size ? static_cast<curl_off_t>(*size) : curl_off_t(-1));
    // Redirects keep method and body: a registry's 307 means the same request elsewhere.
    set(easy, CURLOPT_POSTREDIR, static_cast<long>(CURL_REDIR_POST_ALL));
  }
  if (request_.method != "GET" && request_.method != "HEAD") {
    set(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
}

void Transfer::set_fields() {
  const auto add = [&](const std::string& line) {
    curl_slist* const longer = curl_slist_append(fields_.get(), line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    (void)fields_.release();
    fields_.reset(longer);
  };
  for (const auto& [name, value] : request_.headers.fields()) {
    // libcurl takes "Name;" for a field without a value.
    add(value.empty() ? concat(name, ';') : concat(name, ": ", value));
  }
  add("Expect:");
  if (!request_.headers.find("User-Agent"))
    add(concat("User-Agent: lighterman/", LIGHTERMAN_VERSION));
  if (!request_.headers.find("Content-Type")) add("Content-Type:");
  const auto* upload = std::get_if<Upload>(&request_.body);
  if (upload != nullptr && !upload->size) add("Transfer-Encoding: chunked");
  set(line_.easy.get(), CURLOPT_HTTPHEADER, fields_.get());
}

std::size_t Transfer::read_body(char* into, std::size_t size, std::size_t count,
                                void* self) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  try {
    if (const auto* upload = std::get_if<Upload>(&transfer.request_.body)) {
      return upload->pull(into, size * count);
    }
    const auto* text = std::get_if<std::string>(&transfer.request_.body);
    if (text == nullptr) return 0;
    const std::size_t part = std::min(size * count, text->size() - transfer.text_sent_);
    std::copy_n(text->data() + transfer.text_sent_, part, into);
    transfer.text_sent_ += part;
    return part;
  } catch (...) {
    // An exception must not cross libcurl; perform() throws it on.
    transfer.thrown_ = std::current_exception();
    return CURL_READFUNC_ABORT;
  }
}

std::size_t Transfer::take_header(char* bytes, std::size_t size, std::size_t count,
                                  void* self) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  try {
    transfer.accept_header({bytes, size * count});
    return size * count;
  } catch (...) {
    transfer.thrown_ = std::current_exception();
    return 0;
  }
}

std::size_t Transfer::take_body(char* bytes, std::size_t size, std::size_t count,
                                void* self) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  try {
    transfer.accept_body({bytes, size * count});
    return transfer.too_long_ ? 0 : size * count;
  } catch (...) {
    transfer.thrown_ = std::current_exception();
    return 0;
  }
}

int Transfer::note_progress(void* self, curl_off_t, curl_off_t down, curl_off_t,
                            curl_off_t up) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  if (down + up != transfer.moved_) {
    transfer.moved_ = down + up;
    transfer.last_move_ = std::chrono::steady_clock::now();
  }
  return 0;
}

void Transfer::accept_header(std::string_view line) {
  last_move_ = std::chrono::steady_clock::now();
  line = trim(line);
  if (line.starts_with("HTTP/")) {
    // Each response of a chain (100, redirects, proxies) begins anew.
    response_.headers = {};
    response_.body.clear();
    response_.status = 0;
    const std::size_t space = line.find(' ');
    if (space != std::string_view::npos) {
      std::from_chars(line.data() + space + 1, line.data() + line.size(), response_.status);
    }
    has_answer_ = response_.status >= 200;
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  response_.headers.add(std::string(line.substr(0, colon)),
                        std::string(trim(line.substr(colon + 1))));
}

void Transfer::announce_head() {
  if (head_told_) return;
  head_told_ = true;
  char* url = nullptr;
  curl_easy_getinfo(line_.easy.get(), CURLINFO_EFFECTIVE_URL, &url);
  response_.url = url != nullptr ? url : request_.url;
  if (head_ != nullptr && *head_) (*head_)(response_);
}

void Transfer::accept_body(std::string_view bytes) {
  last_move_ = std::chrono::steady_clock::now();
  if (sink_ != nullptr && is_success()) {
    announce_head();
    (*sink_)(bytes);
    return;
  }
  if (sink_ != nullptr) {
    const std::size_t room =
        refused_body_limit - std::min<std::size_t>(refused_body_limit, response_.body.size());
    response_.body.append(bytes.substr(0, room));
    return;
  }
  if (response_.body.size() + bytes.size() > request_.body_limit) {
    too_long_ = true;
    return;
  }
  response_.body.append(bytes);
}

CURLcode Transfer::run(const std::stop_token& stop) {
  CURLM* const multi = line_.multi.get();
  const std::stop_callback wake(stop, [multi] { curl_multi_wakeup(multi); });
  curl_multi_add_handle(multi, line_.easy.get());
  for (int running = 1;;) {
    if (const CURLMcode code = curl_multi_perform(multi, &running); code != CURLM_OK) {
      throw Error(ErrorKind::internal, concat(shown(request_), ": ", curl_multi_strerror(code)));
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg == CURLMSG_DONE) return message->data.result;
    }
    if (stop.stop_requested())
      throw Error(ErrorKind::cancelled, concat(shown(request_), ": stopped"));
    const auto still = std::chrono::steady_clock::now() - last_move_;
    if (request_.silence_timeout.count() > 0 && still > request_.silence_timeout) {
      silent_ = true;
      return CURLE_OPERATION_TIMEDOUT;
    }
    curl_multi_poll(multi, nullptr, 0,
                    static_cast<int>(std::min(look, std::max(request_.silence_timeout,
                                                             std::chrono::milliseconds(10)))
                                         .count()),
                    nullptr);
  }
}

Response Transfer::perform(const std::stop_token& stop) {
  const CURLcode code = run(stop);
  if (thrown_) std::rethrow_exception(thrown_);
  if (too_long_) {
    throw Error(ErrorKind::invalid, concat(shown(request_), ": the answer is longer than ",
                                           render_size(request_.body_limit)));
  }
  if (silent_) {
    throw Error(ErrorKind::unavailable, concat(shown(request_), ": nothing moved for ",
                                               render_duration(request_.silence_timeout)));
  }
  // A server that answers early and closes has answered, though our sending failed.
  const bool early = has_answer_ && (code == CURLE_SEND_ERROR || code == CURLE_WRITE_ERROR) &&
                     response_.status >= 300;
  if (code != CURLE_OK && !early) throw failure_of(request_, code, detail_);
  announce_head();
  return std::move(response_);
}

}  // namespace lighterman::net
