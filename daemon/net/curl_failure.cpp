#include <cstring>
#include <system_error>

#include "core/error.hpp"
#include "core/text.hpp"
#include "net/curl_line.hpp"

namespace lighterman::net {
namespace {

bool mentions(std::string_view text, std::string_view words) {
  return text.find(words) != std::string_view::npos;
}

/// A handshake that was cut may work next time; one that disagreed will not.
bool was_cut(std::string_view detail) {
  return mentions(detail, "SSL_ERROR_SYSCALL") || mentions(detail, "unexpected eof") ||
         mentions(detail, "Connection reset");
}

std::string tls_advice(std::string_view detail) {
  if (mentions(detail, "wrong version number") || mentions(detail, "packet length too long")) {
    return "; it does not speak TLS: plain http must be allowed for it";
  }
  if (mentions(detail, "subject name") || mentions(detail, "subjectAltName") ||
      mentions(detail, "match target host")) {
    return "; the certificate is for another name: use the name it was made for";
  }
  if (mentions(detail, "expired")) return "; renew the server's certificate or check the clock";
  if (mentions(detail, "alert") && mentions(detail, "certificate")) {
    return "; it wants a client certificate that it knows";
  }
  return "; give the CA's PEM file that signed the server's certificate as ca_file";
}

Error tls_failure(CURLcode code, const std::string& what, std::string_view detail) {
  switch (code) {
    case CURLE_SSL_CACERT_BADFILE:
      return {ErrorKind::invalid, concat(what, ": the CA file cannot be read: ", detail)};
    case CURLE_SSL_CERTPROBLEM:
      return {ErrorKind::invalid,
              concat(what, ": the client certificate or key cannot be used: ", detail)};
    default:
      return {ErrorKind::denied, concat(what, ": TLS failed: ", detail, tls_advice(detail))};
  }
}

}  // namespace

std::string named(const Request& request, const Url& url) {
  if (request.unix_socket.empty()) return concat(request.method, ' ', url.shown());
  return concat(request.method, ' ', url.path, " at ", request.unix_socket);
}

Error failure(CURLcode code, const char* detail, long os_error, const Request& request,
              const Url& url) {
  const std::string what = named(request, url);
  std::string why = detail != nullptr && *detail != '\0' ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return {ErrorKind::unavailable,
              concat(what, ": the host name \"", url.host, "\" is not known")};
    case CURLE_COULDNT_RESOLVE_PROXY:
      return {ErrorKind::unavailable, concat(what, ": the proxy's host name is not known")};
    case CURLE_COULDNT_CONNECT:
      if (os_error != 0) why = std::generic_category().message(static_cast<int>(os_error));
      return {ErrorKind::unavailable, concat(what, ": cannot connect: ", lower(why))};
    case CURLE_OPERATION_TIMEDOUT:
      return {ErrorKind::unavailable,
              concat(what, ": no connection within ", request.connect_timeout.count(), " ms")};
    case CURLE_SSL_CONNECT_ERROR:
      if (was_cut(why)) break;
      return tls_failure(code, what, why);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return tls_failure(code, what, why);
    case CURLE_GOT_NOTHING:
      return {ErrorKind::unavailable, concat(what, ": the connection was cut before an answer")};
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
      return {ErrorKind::unavailable, concat(what, ": the connection was cut while sending")};
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
      return {ErrorKind::unavailable, concat(what, ": the answer was cut: ", lower(why))};
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
      return {ErrorKind::internal, concat(what, ": ", lower(why))};
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return {ErrorKind::invalid, concat(what, ": ", lower(why))};
    default:
      break;
  }
  return {ErrorKind::unavailable, concat(what, ": ", lower(why))};
}

}  // namespace lighterman::net
