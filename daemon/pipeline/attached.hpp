#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "core/error.hpp"
#include "registry/client.hpp"
#include "trust/artifact.hpp"

namespace lighterman::pipeline {

/// A small blob beside an image, whole. Error(invalid) when it is too large to be a signature or
/// an attestation.
std::string attached_blob(registry::Client& client, const Reference& repository,
                          const Descriptor& blob, const std::stop_token& stop);

/// The signature in a layer's annotation, in raw bytes; empty when there is none.
std::optional<std::string> signature_of(const trust::AttachedLayer& layer);

/// Whether a failure tells about what was read (broken, missing), not about the way to it.
inline bool is_doubt(const Error& error) noexcept {
  return error.kind() == ErrorKind::invalid || error.kind() == ErrorKind::not_found;
}

}  // namespace lighterman::pipeline
