// This process as /proc (proc(5)) shows it.
#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "core/handles.hpp"
#include "metrics/sheet.hpp"

namespace lighterman::metrics {
namespace {

/// The fields of /proc/self/stat from the third on, as proc(5) numbers them: [3] is the state.
struct Stat {
  double user_ticks = 0, system_ticks = 0, start_ticks = 0, virtual_bytes = 0, resident_pages = 0;
};

Stat read_stat() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  // The name in parentheses may hold anything.
  const std::size_t name_end = line.rfind(')');
  std::istringstream fields(name_end == std::string::npos ? "" : line.substr(name_end + 1));
  Stat stat;
  std::string field;
  for (int number = 3; fields >> field; ++number) {
    const auto take = [&](int wanted, double& into) {
      if (number == wanted) into = std::stod(field);
    };
    take(14, stat.user_ticks);
    take(15, stat.system_ticks);
    take(22, stat.start_ticks);
    take(23, stat.virtual_bytes);
    take(24, stat.resident_pages);
  }
  return stat;
}

/// Seconds since 1970 at which this machine started.
double boot_time() {
  std::ifstream file("/proc/stat");
  std::string word;
  double seconds = 0;
  while (file >> word) {
    if (word == "btime" && file >> seconds) break;
    file.ignore(1 << 20, '\n');
  }
  return seconds;
}

double open_files() {
  const std::unique_ptr<DIR, By<closedir>> folder(opendir("/proc/self/fd"));
  double count = 0;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else reads by this handle
  while (folder && readdir(folder.get()) != nullptr) ++count;
  // Not ".", "..", and the folder that is being read.
  return count < 3 ? 0 : count - 3;
}

}  // namespace

void add_process(Sheet& sheet) {
  const Stat stat = read_stat();
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  sheet.counter("process_cpu_seconds_total", "Processor time of user and system",
                (stat.user_ticks + stat.system_ticks) / ticks);
  sheet.gauge("process_resident_memory_bytes", "Memory that is in use", stat.resident_pages * page);
  sheet.gauge("process_virtual_memory_bytes", "Address space", stat.virtual_bytes);
  sheet.gauge("process_start_time_seconds", "When it started, in seconds since 1970",
              boot_time() + stat.start_ticks / ticks);
  sheet.gauge("process_open_fds", "Open files and connections", open_files());
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
    sheet.gauge("process_max_fds", "Open files and connections that are allowed",
                static_cast<double>(limit.rlim_cur));
}

}  // namespace lighterman::metrics
