#pragma once

#include <string>
#include <vector>

namespace lighterman::cli {

/// The sockets that systemd (or another, by sd_listen_fds(3)) bound for us; none: we bind our own.
/// Call once, before there are threads: nobody we start inherits them.
std::vector<int> take_sockets();

/// Tells systemd (by sd_notify(3)) how we are: "READY=1", "STOPPING=1". Nobody asked: nothing.
void tell_supervisor(const std::string& state) noexcept;

}  // namespace lighterman::cli
