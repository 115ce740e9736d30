#include "policy/actions.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/time.hpp"
#include "net/url.hpp"
#include "policy/form.hpp"
#include "policy/grants.hpp"

namespace lighterman::policy {
namespace {

using Json = boost::json::value;

void check_choice(const std::string& what, const Json& body, std::string_view key,
                  const std::vector<std::string>& choices) {
  const Fields fields(body, what);
  const auto given = fields.find_text(key);
  if (!given || std::ranges::find(choices, *given) != choices.end()) return;
  fields.refuse(key, concat("must be one of ", join(choices, ", "), did_you_mean(*given, choices)));
}

void check_attach(const Json& body) {
  check_form("attach", body,
             {{"kind", Form::text, true},
              {"format", Form::text},
              {"predicate_type", Form::text},
              {"document", Form::table},
              {"key", Form::text}});
  check_choice("attach", body, "kind", {"sbom", "provenance", "document"});
  check_choice("attach", body, "format", {"cyclonedx", "spdx"});
  const Fields fields(body, "attach");
  const bool document = fields.text("kind") == "document";
  if (document && fields.find("document") == nullptr) fields.refuse("document", "must be there");
  if (!document && fields.find("document") != nullptr) {
    fields.refuse("document", "belongs to kind = \"document\"");
  }
}

void check_retain(const Json& body) {
  check_form("retain", body,
             {{"keep", Form::count, true},
              {"by", Form::text},
              {"protect", Form::texts},
              {"older_than", Form::duration},
              {"repository", Form::text}});
  check_choice("retain", body, "by", {"semver", "time"});
}

/// Robots look for their signature in a place of their own.
void check_style(const Json& body, const Json& hmac) {
  check_choice("post.hmac", hmac, "style", {"header", "dingtalk", "feishu"});
  const Fields fields(hmac, "post.hmac");
  const std::string style = fields.text_or("style", "header");
  if (style != "header" && fields.find("header") != nullptr) {
    fields.refuse("header", concat("belongs to style = \"header\", not to \"", style, '"'));
  }
  const auto* json = Fields(body, "post").find("json");
  if (style == "feishu" && (json == nullptr || !json->is_object())) {
    fields.refuse("style", "\"feishu\" signs in the body, so that json must be a table of names");
  }
}

void check_request(const Json& body) {
  check_form("post", body,
             {{"url", Form::text_or_secret, true},
              {"json", Form::data},
              {"text", Form::any_text},
              {"form", Form::map},
              {"headers", Form::secret_map},
              {"method", Form::text},
              {"hmac", Form::hmac},
              {"ok", Form::statuses},
              {"expect", Form::map},
              {"about", Form::any_text},
              {"tries", Form::count}});
  const Fields fields(body, "post");
  int bodies = 0;
  for (const char* key : {"json", "text", "form"}) bodies += fields.find(key) != nullptr ? 1 : 0;
  if (bodies > 1) fields.refuse("json", "json, text and form exclude each other");
  check_choice("post", body, "method", {"POST", "PUT", "PATCH", "DELETE"});
  if (const auto* url = fields.find("url"); url->is_string()) {
    during("post.url", [&] { return net::Url::parse(url->get_string()); });
  }
  if (const auto* hmac = fields.find("hmac")) check_style(body, *hmac);
}

void check_post(const Json& body) {
  if (!body.is_object() || !body.get_object().contains("run")) return check_request(body);
  check_form("post", body,
             {{"run", Form::text, true},
              {"args", Form::texts},
              {"input", Form::any_text},
              {"env", Form::secret_map},
              {"about", Form::any_text},
              {"tries", Form::count}});
}

}  // namespace

void check_action(const std::string& kind, const Json& body) {
  if (kind == "sign") {
    check_form(kind, body, {{"key", Form::text, true}, {"claims", Form::map}});
  } else if (kind == "attach") {
    check_attach(body);
  } else if (kind == "replicate") {
    check_form(kind, body,
               {{"to", Form::texts, true},
                {"tags", Form::texts},
                {"rename", Form::text},
                {"only_signed", Form::boolean}});
  } else if (kind == "retain") {
    check_retain(body);
  } else if (kind == "promote") {
    check_form(kind, body,
               {{"to", Form::text, true}, {"tags", Form::texts}, {"approve", Form::boolean}});
  } else if (kind == "untag") {
    check_form(kind, body, {{"tags", Form::texts, true}, {"reason", Form::text}});
  } else {
    check_post(body);
  }
}

void check_post_grants(const Allowance& allowance, const Json& body) {
  const auto refuse = [&](const std::string& capability, const std::string& name) {
    during("post", [&] { refuse_grant(allowance.needs, allowance.seat, capability, name); });
  };
  const Fields fields(body, "post");
  if (const auto program = fields.find_text("run")) {
    if (!covers(allowance.granted, "run", *program)) refuse("run", *program);
  } else if (const auto* url = fields.find("url"); url != nullptr && url->is_string()) {
    const net::Url parsed = net::Url::parse(url->get_string());
    if (!covers_host(allowance.granted, parsed.host, parsed.port)) {
      refuse("http", parsed.authority());
    }
  }
  each_secret(body, [&](const std::string& name) {
    if (!covers(allowance.granted, "secret", name)) refuse("secret", name);
  });
}

}  // namespace lighterman::policy
