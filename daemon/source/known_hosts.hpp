#pragma once

#include <string>
#include <string_view>

namespace lighterman::source {

enum class HostKey { known, unknown, changed };

/// Looks a server's raw key up in the text of a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE
/// FORMAT"; hashed names too). `host` is "name" or "[name]:port". @revoked keys count as changed.
HostKey find_host_key(std::string_view known_hosts, const std::string& host,
                      std::string_view raw_key);

}  // namespace lighterman::source
