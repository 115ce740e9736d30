#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "registry/access.hpp"
#include "registry/client.hpp"
#include "registry/throttle.hpp"
#include "store/store.hpp"

namespace lighterman::registry {

/// One blob on its way up (distribution-spec, "Pushing blobs"). Small ones go in one request,
/// others in chunks that can be resumed: what the registry gave as location is kept in the store.
/// One thread.
class BlobUpload {
 public:
  BlobUpload(const Options& options, Access& access, store::Store& store, Throttle& throttle,
             const BlobSource& blob, const Reference& repository, const SendNews& news);

  /// One attempt, going on where the registry says the last one stopped. Error(unavailable): try
  /// again. Returns the bytes that were sent in this attempt.
  std::uint64_t perform(const std::stop_token& stop);

 private:
  enum class Sent { accepted, too_large, lost, refused_token };
  std::string begin(const std::stop_token& stop);
  void send_whole(const std::stop_token& stop);
  void send_chunks(const std::stop_token& stop);
  bool find_place(const std::stop_token& stop);
  Sent send_chunk(std::uint64_t length, const std::stop_token& stop);
  void finish(const std::stop_token& stop);
  net::Upload body(std::uint64_t length, const std::stop_token& stop);
  std::uint64_t chunk_size() const;
  void shrink_chunks(std::uint64_t refused);
  void take_location(const net::Response& answer, const std::stop_token& stop);
  void remember() const;
  std::string doing() const;

  const Options& options_;
  Access& access_;
  store::Store& store_;
  Throttle& throttle_;
  const BlobSource& blob_;
  const Reference& repository_;
  const SendNews& news_;
  std::string location_;
  std::uint64_t offset_ = 0, sent_ = 0;
};

}  // namespace lighterman::registry
