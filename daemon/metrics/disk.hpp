#pragma once

#include <filesystem>

#include "metrics/sheet.hpp"

namespace lighterman::metrics {

/// Space and inodes where `folder` is, and how much its block device read and wrote; a file system
/// without a device of its own (overlay, network) has no such counts. A folder that cannot be
/// looked at adds nothing.
void add_disk(Sheet& sheet, const std::filesystem::path& folder);

}  // namespace lighterman::metrics
