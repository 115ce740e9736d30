#include "net/server.hpp"

#include <string_view>

#include "core/error.hpp"
#include "net/curl_line.hpp"

namespace lighterman::net {
namespace {

constexpr long patience_seconds = 15;
constexpr std::string_view end_field = "Expire date:";

std::optional<Instant> time_in(const char* text) {
  const time_t seconds = curl_getdate(text, nullptr);
  if (seconds == -1) return {};
  return Instant(std::chrono::seconds(seconds));
}

/// The server's own certificate comes first, then those that signed it.
std::optional<Instant> end_in(const curl_certinfo& chain) {
  if (chain.num_of_certs < 1) return {};
  for (const curl_slist* field = chain.certinfo[0]; field != nullptr; field = field->next) {
    const std::string_view text = field->data;
    if (!text.starts_with(end_field)) continue;
    return time_in(text.data() + end_field.size());
  }
  return {};
}

}  // namespace

std::optional<Instant> certificate_end(const std::string& url) {
  start_curl();
  const NoSigpipe quiet;
  const Easy easy(curl_easy_init());
  if (!easy) throw std::bad_alloc();
  curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_NOBODY, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_CERTINFO, 1L);
  // Whoever believes it has to verify it; one that nobody believes still ends some day.
  curl_easy_setopt(easy.get(), CURLOPT_SSL_VERIFYPEER, 0L);
  curl_easy_setopt(easy.get(), CURLOPT_SSL_VERIFYHOST, 0L);
  curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT, patience_seconds);
  const CURLcode code = curl_easy_perform(easy.get());
  if (code != CURLE_OK)
    throw Error(ErrorKind::unavailable,
                concat("HEAD ", Url::parse(url).shown(), ": ", lower(curl_easy_strerror(code))));
  curl_certinfo* chain = nullptr;
  curl_easy_getinfo(easy.get(), CURLINFO_CERTINFO, &chain);
  return chain == nullptr ? std::nullopt : end_in(*chain);
}

std::optional<Instant> clock_of(const Response& answer) {
  const auto date = answer.headers.find("Date");
  return date ? time_in(date->c_str()) : std::nullopt;
}

}  // namespace lighterman::net
