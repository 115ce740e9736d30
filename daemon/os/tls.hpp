#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <memory>

namespace lighterman::os {

/// A certificate with its key, to serve TLS 1.2 and 1.3 with. Any thread.
class ServerTls {
 public:
  /// PEM files; the certificate's chain stands behind it. Throws Error(invalid) with the file and
  /// what is wrong with it.
  ServerTls(const std::filesystem::path& certificate_file, const std::filesystem::path& key_file);
  ~ServerTls();
  ServerTls(const ServerTls&) = delete;
  ServerTls& operator=(const ServerTls&) = delete;

 private:
  friend class TlsLine;
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

/// The server's end of TLS on a socket, which stays its owner's. Never waits, never raises SIGPIPE;
/// the handshake happens as bytes come. One thread at a time.
class TlsLine {
 public:
  /// Keeps the certificate that it began with.
  TlsLine(const ServerTls& tls, int socket);
  ~TlsLine();
  TlsLine(const TlsLine&) = delete;
  TlsLine& operator=(const TlsLine&) = delete;

  /// As recv(): 0 at the end; -1 with errno, EAGAIN when there is nothing yet.
  ssize_t receive(char* into, std::size_t room) noexcept;
  /// As send(); what was not taken has to be the beginning of what is given next.
  ssize_t send(const char* bytes, std::size_t size) noexcept;
  bool has_more() const noexcept;  ///< bytes that came already, which no poll() tells of
  bool ended() noexcept;           ///< the other side said its last word
  void say_goodbye() noexcept;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace lighterman::os
