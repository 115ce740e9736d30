#pragma once

#include <string>
#include <string_view>

#include "core/forge.hpp"
#include "intake/hook.hpp"

namespace lighterman::intake {

/// By `forge:` when given (Error(invalid) with a did-you-mean), otherwise by the headers. Forgejo
/// sends Gitea's headers too, Gitea those of Gogs and GitHub.
Forge forge_of(const Delivery& delivery, std::string_view given);

/// Why the delivery is not believed; empty: it is. HMAC-SHA256 over the raw bytes, GitLab's token,
/// or the Standard Webhooks form (webhook-signature "v1,...", five minutes of clock).
std::string doubt(const Delivery& delivery, Forge forge, const Secret& secret, Instant now);

}  // namespace lighterman::intake
