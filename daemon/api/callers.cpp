#include "api/callers.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"

namespace lighterman::api {
namespace {

constexpr std::chrono::minutes noted_every{1};
constexpr std::size_t noted_most = 10'000;

std::string raw_sha256(std::string_view bytes) {
  os::Sha256 hash;
  hash.update(bytes);
  return hash.finish_raw();
}

}  // namespace

bool Callers::any(const Snapshot& snapshot) const {
  // Tokens that cannot be read are still tokens: nothing opens because a file is missing.
  return !snapshot.config->tokens.empty() || tokens_.any();
}

std::optional<Caller> Callers::find(const Snapshot& snapshot, std::string_view token) {
  return find_by_hash(snapshot, raw_sha256(token));
}

std::optional<Caller> Callers::find_by_hash(const Snapshot& snapshot, const std::string& sha256) {
  if (const Snapshot::Key* key = snapshot.find_key(sha256))
    return Caller{key->name, key->role, key->scope, sha256, false};
  return find_made_by_hash(sha256);
}

std::optional<Caller> Callers::find_made(std::string_view token) {
  return find_made_by_hash(raw_sha256(token));
}

std::optional<Caller> Callers::find_made_by_hash(const std::string& sha256) {
  // Whoever measures how long this look-up takes learns of hashes and not of tokens.
  const std::optional<TokenRecord> token = tokens_.find(render_hex(sha256));
  const Instant now = clock_();
  if (!token || !token->works(now)) return {};
  note_use(*token, now);
  return Caller{token->name, token->role, token->scope, sha256, false};
}

bool Callers::still(const std::string& sha256) {
  return find_by_hash(*snapshots_.current(), sha256).has_value();
}

void Callers::note_use(const TokenRecord& token, Instant now) {
  if (token.used && now - *token.used < noted_every) return;
  const bool due = noted_.with([&](auto& noted) {
    if (noted.size() >= noted_most) noted.clear();
    Instant& last = noted[token.id];
    if (now - last < noted_every) return false;
    last = now;
    return true;
  });
  if (!due) return;
  try {
    tokens_.put_used(token.id, now);
  } catch (const Error&) {
    // A full disk must not lock out who comes to free it; the next minute's use is noted again.
  }
}

std::string render(const Caller& caller) {
  if (caller.vouched) return concat("user \"", caller.name, '"');
  return caller.name.empty() ? "somebody on this machine" : concat("token \"", caller.name, '"');
}

}  // namespace lighterman::api
