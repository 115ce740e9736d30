#pragma once

#include <string>

#include "config/config.hpp"
#include "core/forge.hpp"

namespace lighterman::config {

/// Which API takes a source's commit statuses.
struct StatusPlace {
  Forge forge = Forge::github;
  std::string api;         ///< base URL, without a slash at its end
  std::string repository;  ///< "acme/hello", of Data Center "PROJECT/slug"
};

/// By `status` of the source, where that says nothing by the URL git fetches from: the token goes
/// to that very host, over TLS, or to the API of a forge that everybody knows. Error(invalid) with
/// the key that is missing. The source must have `status`.
StatusPlace status_place(const Source& source);

/// Where people look at a commit, by the URL git fetches from; `told` is the forge that a webhook
/// named, for sources that name none. Empty: there is no such page, or nothing tells where.
std::string commit_page(const Source& source, const std::string& told, const std::string& commit);

}  // namespace lighterman::config
