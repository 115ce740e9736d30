#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/push_event.hpp"
#include "core/secret.hpp"

namespace lighterman::intake {

/// One delivery as it came in. The body is the raw bytes: they are what the forge signed.
struct Delivery {
  /// The value of a header, by any case of its name; empty: not sent.
  std::function<std::string(std::string_view name)> header;
  std::string_view body;
};

/// What a source says about its hooks.
struct HookOptions {
  std::string source;
  std::string forge;  ///< empty: told by the headers
  Secret secret;      ///< must not be empty
};

/// Believes the delivery or not (constant time, over the raw bytes, before any parsing), then says
/// what it means: a push, nothing (a ping, a deletion, "[skip ci]"), or that it is not believed.
/// Throws Error(invalid) for an authentic body that is broken. Any thread.
Reading read_hook(const Delivery& delivery, const HookOptions& options, Instant now);

}  // namespace lighterman::intake
