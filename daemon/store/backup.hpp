#pragma once

#include <cstdint>
#include <filesystem>

#include "store/store.hpp"

namespace lighterman::store {

/// Writes the store as it is at one moment into a new file, which is on disk when this returns.
/// Others may read and write meanwhile. Memory does not grow with the store. Throws Error(conflict)
/// when the file is there already.
void back_up(Store& store, const std::filesystem::path& to);

/// What a backup turned out to be.
struct BackupCheck {
  std::int64_t schema = 0, runs = 0;
};
/// Reads all of a file. Throws Error(invalid) when it is no store of ours or is damaged,
/// Error(conflict) when a newer Lighterman wrote it.
BackupCheck check_backup(const std::filesystem::path& file);

}  // namespace lighterman::store
