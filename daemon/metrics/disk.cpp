#include "metrics/disk.hpp"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include <array>
#include <fstream>

#include "core/text.hpp"

namespace lighterman::metrics {
namespace {

/// What the kernel counts in, whatever the device's own sectors are (Documentation/block/stat).
constexpr double sector_bytes = 512;

void add_space(Sheet& sheet, const std::filesystem::path& folder) {
  struct statvfs space {};
  if (statvfs(folder.c_str(), &space) != 0) return;
  const auto block = static_cast<double>(space.f_frsize);
  sheet.gauge("lighterman_data_free_bytes", "Space that is left where the data folder is",
              static_cast<double>(space.f_bavail) * block);
  sheet.gauge("lighterman_data_size_bytes", "Space in all where the data folder is",
              static_cast<double>(space.f_blocks) * block);
  sheet.gauge("lighterman_data_free_inodes", "Files that can still be made there",
              static_cast<double>(space.f_favail));
}

void add_device(Sheet& sheet, const std::filesystem::path& folder) {
  struct stat status {};
  if (stat(folder.c_str(), &status) != 0) return;
  std::ifstream file(
      concat("/sys/dev/block/", major(status.st_dev), ':', minor(status.st_dev), "/stat"));
  std::array<double, 11> fields{};
  for (double& field : fields)
    if (!(file >> field)) return;
  sheet.counter("lighterman_data_disk_reads_total", "Reads of the data folder's disk", fields[0]);
  sheet.counter("lighterman_data_disk_read_bytes_total", "Bytes read from it",
                fields[2] * sector_bytes);
  sheet.counter("lighterman_data_disk_writes_total", "Writes to the data folder's disk", fields[4]);
  sheet.counter("lighterman_data_disk_written_bytes_total", "Bytes written to it",
                fields[6] * sector_bytes);
  sheet.counter("lighterman_data_disk_busy_seconds_total", "Time in which it had something to do",
                fields[9] / 1000);
}

}  // namespace

void add_disk(Sheet& sheet, const std::filesystem::path& folder) {
  add_space(sheet, folder);
  add_device(sheet, folder);
}

}  // namespace lighterman::metrics
