#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "core/secret.hpp"
#include "registry/client.hpp"

namespace lighterman::registry {

/// User name and password; the user "<token>" marks an identity token (docker's own convention).
using Credentials = std::pair<std::string, Secret>;

/// From the options, else from docker's config.json (auths, credHelpers, credsStore:
/// docs.docker.com/reference/cli/docker/login). Empty: anonymous. Read anew at each call, so that a
/// renewed password needs no restart. Error(invalid) where a place is named and cannot be read.
std::optional<Credentials> find_credentials(const Options& options);

/// The options' trust, completed from `folder`/<host> (ca *.crt, client *.cert + *.key).
net::Trust trust_for(const Options& options,
                     const std::filesystem::path& folder = "/etc/docker/certs.d");

}  // namespace lighterman::registry
