#include "net/url.hpp"

#include <curl/curl.h>

#include <memory>

#include "core/error.hpp"
#include "core/handles.hpp"
#include "core/text.hpp"

namespace lighterman::net {
namespace {

using Handle = std::unique_ptr<CURLU, By<curl_url_cleanup>>;

std::string part(CURLU* handle, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(handle, which, &text, flags) != CURLUE_OK || text == nullptr) return {};
  std::string copy(text);
  curl_free(text);
  return copy;
}

/// What of a broken URL may be shown: neither a query nor what stands before an '@'.
std::string harmless(std::string_view given) {
  std::string_view shown = given.substr(0, given.find_first_of("?#"));
  if (const auto at = shown.rfind('@'); at != std::string_view::npos) shown = shown.substr(at + 1);
  return shortened(valid_utf8(shown), 200);
}

void set(CURLU* handle, std::string_view given) {
  const CURLUcode code = curl_url_set(handle, CURLUPART_URL, std::string(given).c_str(), 0);
  if (code != CURLUE_OK) {
    throw Error(ErrorKind::invalid,
                concat("\"", harmless(given), "\" is no URL: ", lower(curl_url_strerror(code))));
  }
}

Url read(CURLU* handle, std::string_view given) {
  Url url;
  url.scheme = lower(part(handle, CURLUPART_SCHEME));
  if (url.scheme != "http" && url.scheme != "https") {
    throw Error(ErrorKind::invalid,
                concat("\"", harmless(given), "\": the URL must begin with http:// or https://"));
  }
  url.host = lower(part(handle, CURLUPART_HOST));
  url.port = part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  url.path = part(handle, CURLUPART_PATH);
  url.query = part(handle, CURLUPART_QUERY);
  return url;
}

}  // namespace

Url Url::parse(std::string_view given) {
  const Handle handle(curl_url());
  set(handle.get(), given);
  return read(handle.get(), given);
}

Url Url::resolve(std::string_view location) const {
  const Handle handle(curl_url());
  set(handle.get(), text());
  set(handle.get(), location);
  return read(handle.get(), location);
}

std::string Url::authority() const {
  const bool usual = port == (scheme == "https" ? "443" : "80");
  return usual ? host : concat(host, ":", port);
}
std::string Url::origin() const { return concat(scheme, "://", host, ":", port); }
std::string Url::target() const { return query.empty() ? path : concat(path, "?", query); }
std::string Url::text() const { return concat(scheme, "://", authority(), target()); }
std::string Url::shown() const { return authority() + path; }

bool Url::is_loopback() const {
  return host == "localhost" || host.ends_with(".localhost") || host == "[::1]" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos);
}

}  // namespace lighterman::net
