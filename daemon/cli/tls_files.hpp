#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "config/config.hpp"
#include "core/guarded.hpp"
#include "os/tls.hpp"

namespace lighterman::cli {

/// The certificate that the API is served with, read anew when its files change. current(): any
/// thread; the others: one thread at a time.
class TlsFiles {
 public:
  explicit TlsFiles(config::Tls files);  ///< throws Error(invalid)

  /// Shared with the connections that begin under it.
  std::shared_ptr<const os::ServerTls> current() const;
  /// Reads these files, now. Throws Error(invalid), and what was there goes on.
  void load(config::Tls files);
  /// Whether the files changed, and were read anew. They are left alone until they are the same
  /// twice in a row: whoever renews a certificate writes two files. Throws Error(invalid) once for
  /// what is wrong with them; what was there goes on.
  bool refresh();

 private:
  using Stamps = std::array<std::optional<std::filesystem::file_time_type>, 2>;
  static Stamps look(const config::Tls& files);

  config::Tls files_;
  Stamps loaded_, seen_;
  Guarded<std::shared_ptr<const os::ServerTls>> current_;
};

}  // namespace lighterman::cli
