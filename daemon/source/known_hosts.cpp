#include "source/known_hosts.hpp"

#include <vector>

#include "core/text.hpp"
#include "os/hash.hpp"

namespace lighterman::source {
namespace {

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  for (std::string& word : split(line, ' ')) {
    if (!trim(word).empty()) words.emplace_back(trim(word));
  }
  return words;
}

bool names_host(const std::string& names, const std::string& host) {
  if (names.starts_with("|1|")) {
    const std::vector<std::string> parts = split(names, '|');
    if (parts.size() != 4) return false;
    const auto salt = parse_base64(parts[2]), hash = parse_base64(parts[3]);
    return salt && hash && os::hmac_sha1(*salt, host) == *hash;
  }
  bool named = false;
  for (const std::string& pattern : split(names, ',')) {
    const bool negated = pattern.starts_with('!');
    const std::string plain = lower(pattern.substr(negated ? 1 : 0));
    // Ports are written "[host]:port"; a glob would take the bracket for a class.
    const bool match = plain == host || (!plain.starts_with('[') && matches_glob(plain, host));
    if (match && negated) return false;
    named = named || match;
  }
  return named;
}

/// The key type stands at the front of the raw key (RFC 4253, section 6.6).
std::string type_of(std::string_view raw_key) {
  if (raw_key.size() < 4) return "";
  const auto byte = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(raw_key[i]));
  };
  const std::size_t length = byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
  return std::string(raw_key.substr(4, length));
}

}  // namespace

HostKey find_host_key(std::string_view known_hosts, const std::string& host,
                      std::string_view raw_key) {
  const std::string type = type_of(raw_key);
  HostKey found = HostKey::unknown;
  for (const std::string& line : split(known_hosts, '\n')) {
    std::vector<std::string> words = words_of(line);
    if (words.empty() || words[0].starts_with('#')) continue;
    const bool revoked = words[0] == "@revoked";
    if (words[0].starts_with('@')) words.erase(words.begin());
    if (words.size() < 3 || !names_host(words[0], lower(host))) continue;
    const bool same = parse_base64(words[2]) == raw_key;
    if (revoked && same) return HostKey::changed;
    if (revoked || line.starts_with("@cert-authority")) continue;
    if (same) return HostKey::known;
    if (words[1] == type) found = HostKey::changed;
  }
  return found;
}

}  // namespace lighterman::source
