#include "intake/signature.hpp"

#include <charconv>

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"

namespace lighterman::intake {
namespace {

/// Of "sha256=<hex>" or "<hex>"; an empty prefix wants the bare form.
std::string doubt_hmac(const Delivery& delivery, std::string_view header, std::string_view prefix,
                       const Secret& secret) {
  const std::string sent = delivery.header(header);
  if (sent.empty())
    return concat("it is not signed: the header ", header, " is missing; set the webhook's secret");
  if (!sent.starts_with(prefix)) return concat(header, " does not start with \"", prefix, "\"");
  const auto given = parse_hex(lower(std::string_view(sent).substr(prefix.size())));
  if (!given) return concat(header, " is not in hex digits");
  if (!os::equal_in_constant_time(*given, os::hmac_sha256(secret.reveal(), delivery.body)))
    return concat(header, " does not match: the secrets of forge and source differ");
  return {};
}

/// Standard Webhooks, "Signature scheme"; GitLab speaks it since its tokens start with "whsec_".
std::string doubt_standard(const Delivery& delivery, const Secret& secret, Instant now) {
  const std::string id = delivery.header("webhook-id");
  const std::string stamp = delivery.header("webhook-timestamp");
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(stamp.data(), stamp.data() + stamp.size(), seconds);
  if (id.empty() || error != std::errc() || end != stamp.data() + stamp.size())
    return "webhook-id or webhook-timestamp is missing or broken";
  const std::int64_t here =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  if (seconds < here - 300 || seconds > here + 300)
    return "webhook-timestamp is more than five minutes from this machine's clock";
  Secret key = secret;
  if (secret.reveal().starts_with("whsec_"))
    if (auto decoded = parse_base64(secret.reveal().substr(6))) key = Secret(std::move(*decoded));
  const std::string right =
      os::hmac_sha256(key.reveal(), concat(id, '.', stamp, '.', delivery.body));
  bool believed = false;
  for (const std::string& part : split(delivery.header("webhook-signature"), ' ')) {
    if (!part.starts_with("v1,")) continue;
    const auto given = parse_base64(part.substr(3));
    believed |= given && os::equal_in_constant_time(*given, right);
  }
  return believed ? std::string() : "webhook-signature does not match the source's secret";
}

std::string doubt_token(const Delivery& delivery, const Secret& secret) {
  const std::string sent = delivery.header("X-Gitlab-Token");
  if (sent.empty()) return "X-Gitlab-Token is missing; set the webhook's secret token";
  if (!os::equal_in_constant_time(sent, secret.reveal()))
    return "X-Gitlab-Token is not the source's secret";
  return {};
}

}  // namespace

Forge forge_of(const Delivery& delivery, std::string_view given) {
  if (!given.empty()) return parse_forge(given);
  const auto sent = [&](std::string_view name) { return !delivery.header(name).empty(); };
  if (sent("X-Forgejo-Event")) return Forge::forgejo;
  if (sent("X-Gitea-Event")) return Forge::gitea;
  if (sent("X-Gogs-Event")) return Forge::gogs;
  if (sent("X-GitHub-Event")) return Forge::github;
  if (sent("X-Gitlab-Event")) return Forge::gitlab;
  if (!sent("X-Event-Key")) return Forge::generic;
  const std::string event = delivery.header("X-Event-Key");
  const bool server =
      event == "repo:refs_changed" || event.starts_with("diagnostics:") || event.starts_with("pr:");
  return server ? Forge::bitbucket_server : Forge::bitbucket;
}

std::string doubt(const Delivery& delivery, Forge forge, const Secret& secret, Instant now) {
  if (secret.empty()) return "the source has no secret";
  switch (forge) {
    case Forge::forgejo:
      return doubt_hmac(delivery, "X-Forgejo-Signature", "", secret);
    case Forge::gitea:
      return doubt_hmac(delivery, "X-Gitea-Signature", "", secret);
    case Forge::gogs:
      return doubt_hmac(delivery, "X-Gogs-Signature", "", secret);
    case Forge::gitlab:
      return delivery.header("webhook-signature").empty() ? doubt_token(delivery, secret)
                                                          : doubt_standard(delivery, secret, now);
    case Forge::bitbucket:
    case Forge::bitbucket_server:
      return doubt_hmac(delivery, "X-Hub-Signature", "sha256=", secret);
    case Forge::generic:
      if (!delivery.header("webhook-signature").empty())
        return doubt_standard(delivery, secret, now);
      break;
    case Forge::github:
      break;
  }
  return doubt_hmac(delivery, "X-Hub-Signature-256", "sha256=", secret);
}

}  // namespace lighterman::intake
