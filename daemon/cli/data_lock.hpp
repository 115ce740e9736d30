#pragma once

#include <filesystem>

namespace lighterman::cli {

/// Two daemons on one data folder would publish everything twice, and a store must not be replaced
/// under a daemon. Held while it lives.
class DataLock {
 public:
  /// Error(conflict) when another holds it, Error(denied) when the folder cannot be written.
  explicit DataLock(const std::filesystem::path& folder);
  ~DataLock();
  DataLock(const DataLock&) = delete;
  DataLock& operator=(const DataLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace lighterman::cli
