#pragma once

#include <memory>
#include <optional>

#include "net/http.hpp"
#include "os/hash.hpp"
#include "registry/access.hpp"

namespace lighterman::registry {

/// A blob's bytes out of a registry. A cut download goes on where it was; a blob read from its
/// first byte is compared with its digest at the end. One thread.
class BlobReader {
 public:
  BlobReader(const Options& options, Access& access, net::Client& http, Reference repository,
             Digest blob, std::uint64_t offset, std::stop_token stop,
             Client::Verify verify = Client::Verify::yes);

  /// Throws Error(invalid) at the end when the bytes are not the ones the digest names.
  std::size_t read(char* into, std::size_t room);
  /// The whole blob's size, as the registry says.
  std::optional<std::uint64_t> size() const noexcept { return size_; }

 private:
  void open();
  void skip(std::uint64_t count);
  std::string doing() const;

  const Options& options_;
  Access& access_;
  net::Client& http_;
  const Reference repository_;
  const Digest blob_;
  const std::stop_token stop_;
  std::uint64_t offset_;
  std::optional<std::uint64_t> size_;
  std::optional<os::Sha256> hash_;
  std::unique_ptr<net::Download> download_;
};

}  // namespace lighterman::registry
