#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/signature_record.hpp"
#include "net/http.hpp"
#include "net/retry.hpp"

namespace lighterman::registry {

/// What a registry is, beyond the specification: which API of its own it has.
enum class Product { automatic, plain, harbor, ecr };
std::string_view render(Product product) noexcept;  ///< "auto", "plain", "harbor", "ecr"
Product parse_product(std::string_view given);      ///< throws Error(invalid)

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
  Product product = Product::automatic;              ///< else found by asking, once
  std::string api;               ///< base URL of the product's API; empty: as the product has it
  bool create = false;           ///< a push makes what it needs: Harbor's project, ECR's repository
  bool collect_garbage = false;  ///< Harbor's, after we deleted something there
  net::Retry retry;
  /// How long an upload may be silent before it counts as cut, beside what its size takes.
  std::chrono::milliseconds silence{std::chrono::seconds(60)};
};

}  // namespace lighterman::registry
