#include "api/sessions.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <utility>

#include "audit/trail.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"

namespace lighterman::api {
namespace {

std::string key_of(std::string_view id) { return std::string(os::sha256(id).hex()); }

}  // namespace

bool Sessions::over(const Session& session, Instant now) noexcept {
  return now - session.used > unused_limit || now - session.begun > age_limit;
}

std::string Sessions::begin(const std::string& token_sha256, Instant now) {
  std::string id = concat(os::random_id(), os::random_id());
  sessions_.with([&](auto& sessions) {
    std::erase_if(sessions, [&](const auto& each) { return over(each.second, now); });
    if (sessions.size() >= most) {
      sessions.erase(std::ranges::min_element(sessions, {},
                                              [](const auto& each) { return each.second.used; }));
    }
    sessions.emplace(key_of(id), Session{token_sha256, now, now});
  });
  return id;
}

std::optional<std::string> Sessions::find(std::string_view id, Instant now) {
  return sessions_.with([&](auto& sessions) -> std::optional<std::string> {
    const auto found = sessions.find(key_of(id));
    if (found == sessions.end()) return {};
    if (over(found->second, now)) {
      sessions.erase(found);
      return {};
    }
    found->second.used = now;
    return found->second.token_sha256;
  });
}

void Sessions::end(std::string_view id) {
  sessions_.with([&](auto& sessions) { sessions.erase(key_of(id)); });
}

std::chrono::seconds Attempts::wait_of(const std::string& address, Instant now) const {
  return failures_.with([&](const auto& failures) {
    const auto found = failures.find(address);
    if (found == failures.end() || found->second.hashes.size() < most)
      return std::chrono::seconds(0);
    const auto left = std::chrono::ceil<std::chrono::seconds>(found->second.since + window - now);
    return std::max(left, std::chrono::seconds(0));
  });
}

void Attempts::add(const std::string& address, std::string_view token, Instant now) {
  failures_.with([&](auto& failures) {
    std::erase_if(failures, [&](const auto& each) { return each.second.since + window <= now; });
    if (failures.size() >= most_addresses && !failures.contains(address)) {
      failures.erase(std::ranges::min_element(failures, {},
                                              [](const auto& each) { return each.second.since; }));
    }
    Failures& own = failures[address];
    if (own.hashes.empty()) own.since = now;
    if (own.hashes.size() < most) own.hashes.insert(key_of(token));
  });
  summary_.with([&](Summary& summary) {
    if (summary.count == 0) summary.since = now;
    ++summary.count;
    summary.add(address, 1);
  });
}

void Attempts::Summary::add(const std::string& address, int times) {
  if (named.size() < most_named || named.contains(address)) {
    named[address] += times;
  } else {
    others = true;
  }
}

void Attempts::write_down(store::Store& store, Instant now, Due due) {
  const Summary over = summary_.with([&](Summary& summary) {
    const bool wanted = summary.count > 0 && (due == Due::all || summary.since + window <= now);
    return wanted ? std::exchange(summary, {}) : Summary{};
  });
  if (over.count == 0) return;
  std::vector<std::string> named;
  for (const auto& [address, count] : over.named)
    named.push_back(concat(address, " (", count, ")"));
  AuditEntry entry;
  entry.who = "nobody we know";
  entry.deed = "login failed";
  entry.subject =
      concat(over.count, over.count == 1 ? " time" : " times", " since ", render_time(over.since));
  entry.why = "the token is none of ours";
  entry.address = concat(join(named, ", "), over.others ? " and others" : "");
  try {
    audit::Trail(store).add(std::move(entry));
  } catch (...) {
    // A store that is full for a while must not swallow them.
    summary_.with([&](Summary& summary) {
      summary.since = over.since;
      summary.count += over.count;
      summary.others = summary.others || over.others;
      for (const auto& [address, count] : over.named) summary.add(address, count);
    });
    throw;
  }
}

std::string network_of(const std::string& address) {
  std::array<unsigned char, 16> bytes{};
  if (::inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return address;
  // An IPv4 client of a socket that takes both.
  if (std::all_of(bytes.begin(), bytes.begin() + 10, [](unsigned char byte) { return byte == 0; }))
    return address;
  std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET6, bytes.data(), text.data(), text.size());
  return text.data();
}

}  // namespace lighterman::api
