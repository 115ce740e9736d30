#include "cli/tls_files.hpp"

#include "core/error.hpp"

namespace lighterman::cli {

TlsFiles::TlsFiles(config::Tls files) { load(std::move(files)); }

std::shared_ptr<const os::ServerTls> TlsFiles::current() const {
  return current_.with([](const auto& current) { return current; });
}

TlsFiles::Stamps TlsFiles::look(const config::Tls& files) {
  Stamps stamps;
  std::size_t at = 0;
  for (const auto& file : {files.certificate_file, files.key_file}) {
    std::error_code error;
    const auto stamp = std::filesystem::last_write_time(file, error);
    if (!error) stamps.at(at) = stamp;
    ++at;
  }
  return stamps;
}

void TlsFiles::load(config::Tls files) {
  // Before they are read: a change in between is seen as one the next time.
  const Stamps stamps = look(files);
  auto next = during("tls", [&] {
    return std::make_shared<const os::ServerTls>(files.certificate_file, files.key_file);
  });
  files_ = std::move(files);
  loaded_ = seen_ = stamps;
  current_.with([&](auto& current) { current = std::move(next); });
}

bool TlsFiles::refresh() {
  const Stamps now = look(files_);
  if (now == loaded_) return false;
  if (now != seen_) {
    seen_ = now;
    return false;
  }
  loaded_ = now;  // also when they are wrong: that is said once
  load(files_);
  return true;
}

}  // namespace lighterman::cli
