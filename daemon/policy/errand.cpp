// From what a plugin wishes for to a request or a program: the one place where secrets are open.
#include "policy/errand.hpp"

#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "net/url.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "policy/form.hpp"
#include "policy/grants.hpp"

namespace lighterman::policy {
namespace {

using Json = boost::json::value;

std::string text_of(const Json& given) {
  return given.is_string() ? std::string(given.get_string()) : boost::json::serialize(given);
}

void replace_all(std::string& text, const std::string& what) {
  if (what.empty()) return;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 3))
    text.replace(at, what.size(), "***");
}

/// "a=1&b=2" (application/x-www-form-urlencoded).
std::string form_of(const Json& given, const Opened& opened) {
  std::string form;
  for (const auto& [name, value] : pairs_of(&given, opened)) {
    form += concat(form.empty() ? "" : "&", render_url_part(name), '=', render_url_part(value));
  }
  return form;
}

std::string signed_with(const std::string& key, const std::string& bytes) {
  return render_base64(os::hmac_sha256(key, bytes));
}

/// DingTalk looks for time and signature in the query.
void sign_for_dingtalk(net::Request& request, const std::string& secret, Instant now) {
  const std::string stamp = std::to_string(now.time_since_epoch().count());
  net::Url url = net::Url::parse(request.url);
  url.query += concat(url.query.empty() ? "" : "&", "timestamp=", stamp,
                      "&sign=", render_url_part(signed_with(secret, concat(stamp, '\n', secret))));
  request.url = url.text();
}

/// Feishu and Lark look for them in the body; time and secret are the key there, and nothing is
/// what they sign.
void sign_for_feishu(net::Request& request, boost::json::object json, const std::string& secret,
                     Instant now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
  const std::string stamp = std::to_string(seconds);
  json["timestamp"] = stamp;
  json["sign"] = signed_with(concat(stamp, '\n', secret), "");
  request.body = boost::json::serialize(json);
}

}  // namespace

Opened::Opened(const Json& body, const Grants& granted,
               const std::map<std::string, std::string>& places) {
  each_secret(body, [&](const std::string& name) {
    if (!covers(granted, "secret", name)) {
      throw Error(ErrorKind::denied, concat("secret \"", name, "\" is not allowed"));
    }
    const auto place = places.find(name);
    if (place == places.end()) {
      throw Error(ErrorKind::invalid,
                  concat("secret \"", name, "\" is not configured; write under secrets: ", name,
                         ": file:/path or env:NAME"));
    }
    values_[name] =
        during(concat("secret \"", name, '"'), [&] { return os::read_secret(place->second); });
  });
}

std::string Opened::reveal(const Json& text_or_secret) const {
  if (const auto name = secret_name(text_or_secret)) return values_.at(*name).reveal();
  return text_of(text_or_secret);
}

std::string Opened::blacken(std::string text) const {
  for (const auto& [name, secret] : values_) {
    const std::string& value = secret.reveal();
    replace_all(text, value);
    const std::string json = boost::json::serialize(boost::json::string(value));
    replace_all(text, json.substr(1, json.size() - 2));
    replace_all(text, render_url_part(value));
    replace_all(text, render_base64(value));
    // Of a URL that is a secret, messages show the path: the part that is secret in a webhook's.
    const std::size_t scheme = value.find("://");
    if (scheme == std::string::npos) continue;
    const std::size_t path = value.find('/', scheme + 3);
    if (path == std::string::npos || path + 1 >= value.size()) continue;
    const std::string whole = value.substr(path, value.find('#', path) - path);
    replace_all(text, whole);
    replace_all(text, whole.substr(0, whole.find('?')));
  }
  return text;
}

std::vector<std::pair<std::string, std::string>> pairs_of(const Json* given, const Opened& opened) {
  std::vector<std::pair<std::string, std::string>> pairs;
  if (given == nullptr || !given->is_object()) return pairs;
  for (const auto& field : given->get_object()) {
    pairs.emplace_back(field.key(), opened.reveal(field.value()));
  }
  return pairs;
}

net::Request request_of(const Json& body, const Grants& granted, const Opened& opened) {
  const Fields fields(body, "http");
  net::Request request;
  request.url = opened.reveal(fields.get("url"));
  const net::Url url = net::Url::parse(request.url);
  const auto addresses = covers_host(granted, url.host, url.port);
  if (!addresses) {
    throw Error(ErrorKind::denied, concat("http \"", url.authority(), "\" is not allowed"));
  }
  request.public_addresses_only = *addresses == Addresses::public_only;
  for (auto& [name, value] : pairs_of(fields.find("headers"), opened)) {
    request.headers.add(name, std::move(value));
  }
  const auto give = [&](std::string text, const char* type) {
    request.body = std::move(text);
    if (!request.headers.find("Content-Type")) request.headers.add("Content-Type", type);
  };
  if (const auto* json = fields.find("json")) {
    give(boost::json::serialize(*json), "application/json");
  } else if (const auto* text = fields.find("text")) {
    give(text_of(*text), "text/plain; charset=utf-8");
  } else if (const auto* form = fields.find("form")) {
    give(form_of(*form, opened), "application/x-www-form-urlencoded");
  }
  request.method = fields.text_or("method", request.body.index() == 0 ? "GET" : "POST");
  return request;
}

void add_signature(net::Request& request, const Json& body, const Opened& opened, Instant now) {
  const Fields fields(body, "post");
  const auto* hmac = fields.find("hmac");
  if (hmac == nullptr) return;
  const Fields signature(*hmac, "post.hmac");
  const std::string secret = opened.reveal(signature.get("secret"));
  const std::string style = signature.text_or("style", "header");
  if (style == "dingtalk") return sign_for_dingtalk(request, secret, now);
  if (style == "feishu")
    return sign_for_feishu(request, fields.get("json").as_object(), secret, now);
  const auto* text = std::get_if<std::string>(&request.body);
  const std::string digest = os::hmac_sha256(secret, text == nullptr ? std::string() : *text);
  request.headers.add(signature.text_or("header", "X-Signature-256"),
                      concat("sha256=", render_hex(digest)));
}

os::Program program_of(const Json& body, const char* name_key, const Opened& opened) {
  const Fields fields(body, name_key);
  os::Program program;
  program.name = fields.text(name_key);
  if (const auto* args = fields.find("args"); args != nullptr && args->is_string()) {
    program.arguments = {fields.text("args")};
  } else {
    program.arguments = fields.texts("args");
  }
  program.input = fields.text_or("input", "");
  for (auto& [name, value] : pairs_of(fields.find("env"), opened)) {
    if (name.empty() || name.find_first_of(std::string_view("=\0", 2)) != std::string::npos) {
      fields.refuse("env", concat('"', name, "\" is no name of a variable"));
    }
    program.environment[name] = std::move(value);
  }
  return program;
}

}  // namespace lighterman::policy
