#include "registry/sign_v4.hpp"

#include "core/text.hpp"
#include "os/hash.hpp"

namespace lighterman::registry {
namespace {

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";

std::string hex_of(std::string_view bytes) { return std::string(os::sha256(bytes).hex()); }

}  // namespace

std::string render_aws_time(Instant when) {
  // "2015-08-30T12:36:00.000Z" without what divides its parts.
  std::string text;
  for (const char c : render_time(when).substr(0, 19))
    if (c != '-' && c != ':') text.push_back(c);
  return text + 'Z';
}

std::string sign_v4(const AwsRequest& request, const AwsKeys& keys, const std::string& region,
                    const std::string& service) {
  std::string headers, names;
  for (const auto& [name, value] : request.headers) {
    headers += concat(name, ':', trim(value), '\n');
    names += concat(names.empty() ? "" : ";", name);
  }
  const std::string canonical = concat(request.method, '\n', request.path, '\n', request.query,
                                       '\n', headers, '\n', names, '\n', hex_of(request.body));
  const std::string& time = request.headers.at("x-amz-date");
  const std::string day = time.substr(0, 8);
  const std::string scope = concat(day, '/', region, '/', service, "/aws4_request");
  const std::string wanted = concat(algorithm, '\n', time, '\n', scope, '\n', hex_of(canonical));
  std::string key = concat("AWS4", keys.secret.reveal());
  for (const std::string& part : {day, region, service, std::string("aws4_request")})
    key = os::hmac_sha256(key, part);
  return concat(algorithm, " Credential=", keys.id, '/', scope, ", SignedHeaders=", names,
                ", Signature=", render_hex(os::hmac_sha256(key, wanted)));
}

}  // namespace lighterman::registry
