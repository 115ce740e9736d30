#pragma once

#include <atomic>
#include <cstdint>
#include <exception>

#include "core/guarded.hpp"
#include "engine/engine.hpp"
#include "proto/filesync.grpc.pb.h"

namespace lighterman::engine {

/// Serves the build context to the engine, which keeps what it got the last time and asks only for
/// files whose size, time, mode or owner are others (fsutil's wire protocol). Calls come on gRPC's
/// threads, several at once.
// gRPC's names of methods are what they are.
// NOLINTBEGIN(readability-identifier-naming)
class FileSync final : public ::moby::filesync::v1::FileSync::Service {
 public:
  using Stream =
      ::grpc::ServerReaderWriter<::moby::filesync::v1::Packet, ::moby::filesync::v1::Packet>;

  explicit FileSync(const BuildRequest& build) : build_(build) {}

  ::grpc::Status DiffCopy(::grpc::ServerContext* context, Stream* stream) override;
  ContextSent sent() const noexcept { return {entries_, files_, bytes_}; }
  /// Throws what went wrong with the context, if something did.
  void rethrow() const;

 private:
  const BuildRequest& build_;
  std::atomic<std::uint64_t> entries_ = 0, files_ = 0, bytes_ = 0;
  Guarded<std::exception_ptr> failure_;
};
// NOLINTEND(readability-identifier-naming)

}  // namespace lighterman::engine
