#pragma once

#include <optional>
#include <string>

#include "core/time.hpp"
#include "net/http.hpp"

namespace lighterman::net {

/// When the certificate ends that the server of this https:// URL shows; empty: it does not say.
/// Nothing is asked of the server but to shake hands, and nothing it says is believed.
/// Error(unavailable) when it cannot be reached.
std::optional<Instant> certificate_end(const std::string& url);

/// The server's clock as its answer shows it (Date, in whole seconds); empty: it does not.
std::optional<Instant> clock_of(const Response& answer);

}  // namespace lighterman::net
