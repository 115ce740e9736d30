#include "intake/hook.hpp"

#include "core/error.hpp"
#include "core/text.hpp"
#include "intake/payload.hpp"
#include "os/hash.hpp"

namespace lighterman::intake {
namespace {

std::string_view event_header(Forge forge) noexcept {
  switch (forge) {
    case Forge::forgejo:
      return "X-Forgejo-Event";
    case Forge::gitea:
      return "X-Gitea-Event";
    case Forge::gogs:
      return "X-Gogs-Event";
    case Forge::gitlab:
      return "X-Gitlab-Event";
    case Forge::bitbucket:
    case Forge::bitbucket_server:
      return "X-Event-Key";
    case Forge::github:
    case Forge::generic:
      break;
  }
  return "X-GitHub-Event";
}

std::string_view delivery_header(Forge forge) noexcept {
  switch (forge) {
    case Forge::forgejo:
      return "X-Forgejo-Delivery";
    case Forge::gitea:
      return "X-Gitea-Delivery";
    case Forge::gogs:
      return "X-Gogs-Delivery";
    case Forge::github:
      return "X-GitHub-Delivery";
    case Forge::gitlab:
      return "Idempotency-Key";
    case Forge::bitbucket:
      return "X-Request-UUID";
    case Forge::bitbucket_server:
      return "X-Request-Id";
    case Forge::generic:
      break;
  }
  return "webhook-id";
}

/// Forges that say nothing of it are told apart by what they sent.
std::string delivery_id(const Delivery& delivery, Forge forge) {
  const std::string given = delivery.header(delivery_header(forge));
  if (given.empty()) return concat("body-", os::sha256(delivery.body).hex());
  // The caller chose it, so its length and letters are not ours.
  return concat(render(forge), '-', os::sha256(given).hex().substr(0, 32));
}

/// These sign the JSON text even where they send it as a form.
bool signs_payload(Forge forge) noexcept {
  return forge == Forge::forgejo || forge == Forge::gitea || forge == Forge::gogs;
}

}  // namespace

Reading read_hook(const Delivery& delivery, const HookOptions& options, Instant now) {
  const Forge forge = forge_of(delivery, options.forge);
  const std::string payload = signs_payload(forge) ? json_of(delivery) : std::string();
  Delivery signed_part = delivery;
  if (signs_payload(forge)) signed_part.body = payload;
  if (const std::string why = doubt(signed_part, forge, options.secret, now); !why.empty())
    return Rejected{concat("webhook of source \"", options.source, "\" is not believed: ", why)};

  std::string why;
  std::vector<PushEvent> pushes =
      pushes_of(forge, delivery.header(event_header(forge)),
                signs_payload(forge) ? payload : json_of(delivery), why);
  if (pushes.empty()) return Ignored{why};
  const std::string id = delivery_id(delivery, forge);
  for (PushEvent& push : pushes) {
    push.source = options.source;
    push.origin = Origin::webhook;
    push.delivery = pushes.size() == 1 ? id : concat(id, '#', push.ref);
    push.forge = forge == Forge::generic ? "" : render(forge);
    push.received = now;
  }
  return pushes;
}

}  // namespace lighterman::intake
