#pragma once

#include <cstdint>
#include <string>

#include "core/signature_record.hpp"
#include "net/http.hpp"
#include "net/retry.hpp"

namespace lighterman::registry {

/// How to talk to one registry host.
struct Options {
  std::string host;  ///< as in references: "registry.example:5000", "docker.io"
  std::string username;
  std::string password_place;     ///< "file:..." or "env:..."
  bool use_docker_config = true;  ///< else ~/.docker/config.json: auths, credHelpers, credsStore
  bool plain_http = false;        ///< allowed only here; loopback hosts are allowed anyway
  net::Trust trust;               ///< beside /etc/docker/certs.d/<host>
  std::uint64_t push_limit = 0;   ///< bytes a second over all uploads to this host; 0: none
  unsigned uploads = 4;           ///< layers at a time
  std::uint64_t chunk = 0;        ///< bytes a request at most; 0: found by trying
  SignatureForms signatures = SignatureForms::both;  ///< how images are signed there
  net::Retry retry;
};

}  // namespace lighterman::registry
