#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "config/config.hpp"
#include "core/push_event.hpp"
#include "core/token.hpp"
#include "store/store.hpp"

namespace lighterman::api {

/// "main" -> "refs/heads/main", "tag:v1" -> "refs/tags/v1"; throws Error(invalid) for what git
/// would not take as a ref's name.
std::string full_ref(std::string_view given);
/// 40 or 64 hex digits in lower case; throws Error(invalid).
std::string full_commit(std::string_view given);
/// White space of any kind becomes one blank; at most 500 bytes of valid UTF-8.
std::string one_line(std::string_view text);

/// What the body of POST /runs asks for, without who and when. Sources outside of the scope are as
/// unknown as others.
PushEvent wish_from(const boost::json::value& body, const config::Config& config,
                    const Scope& scope);

/// Its delivery: from the Idempotency-Key if there is one, otherwise one of its own.
std::string delivery_of(std::string_view caller, std::string_view key);
/// Refuses (422) a key that was used for something else.
void refuse_other_wish(const PushEvent& former, const PushEvent& now);
void refuse_other_source(const store::Store& store, const config::Config& config,
                         const PushEvent& now);

store::Store::Supersede supersede_of(const config::Source& source) noexcept;

}  // namespace lighterman::api
