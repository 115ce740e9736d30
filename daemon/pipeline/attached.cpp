#include "pipeline/attached.hpp"

#include <array>

namespace lighterman::pipeline {
namespace {

/// The largest predicate in base64, and what stands around it.
constexpr std::uint64_t largest_blob = trust::largest_predicate / 3 * 4 + (1 << 20);

}  // namespace

std::string attached_blob(registry::Client& client, const Reference& repository,
                          const Descriptor& blob, const std::stop_token& stop) {
  if (blob.size > largest_blob)
    throw Error(ErrorKind::invalid, concat("blob ", blob.digest.brief(), " is ",
                                           render_size(blob.size), " long, too long to be read"));
  const Pull pull = client.open_blob(repository.bare(), blob.digest, 0, stop);
  std::string bytes;
  std::array<char, 16384> room{};
  while (const std::size_t count = pull(room.data(), room.size())) {
    bytes.append(room.data(), count);
    // The descriptor is somebody's word.
    if (bytes.size() > largest_blob)
      throw Error(ErrorKind::invalid,
                  concat("blob ", blob.digest.brief(), " is longer than it says"));
  }
  return bytes;
}

std::optional<std::string> signature_of(const trust::AttachedLayer& layer) {
  const auto found = layer.annotations.find(std::string(trust::signature_annotation));
  if (found == layer.annotations.end()) return {};
  return parse_base64(found->second);
}

}  // namespace lighterman::pipeline
