#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "os/file.hpp"
#include "support/background.hpp"

namespace lighterman::support {

/// A real registry (Debian's docker-registry) on a loopback port, in a folder of its own. It is
/// up when the constructor returns; all of it is gone when this ends. Throws when
/// a program it needs is not installed: a test that cannot run has failed.
class RealRegistry {
 public:
  struct Options {
    std::optional<std::pair<std::string, std::string>> user =
        {};                           ///< name and password for all access
    bool tls = false;                 ///< by an authority made for this test
    bool client_certificate = false;  ///< with tls: it lets in who has one of that authority
    /// Tokens of this server; see TokenServer.
    struct Tokens {
      std::string realm, service, issuer;
      std::filesystem::path certificates;
    };
    std::optional<Tokens> tokens = {};
    bool deletes = true;
    std::string mirror_of = {};  ///< URL of a registry whose images it fetches and keeps
  };
  explicit RealRegistry(Options options);
  RealRegistry() : RealRegistry(Options{}) {}
  ~RealRegistry();

  /// Ends it at once, as a power cut would; what it stored stays.
  void stop();
  /// Starts it again: same port, same data, and uploads in progress can go on.
  void start();

  int port() const noexcept { return port_; }
  std::string host() const;               ///< "127.0.0.1:PORT"
  std::string url() const;                ///< "http://127.0.0.1:PORT" or https
  std::filesystem::path ca_file() const;  ///< PEM; only with tls
  std::filesystem::path client_certificate_file() const;
  std::filesystem::path client_key_file() const;
  /// Requests it answered so far, one line each: `... "PUT /v2/a/manifests/x HTTP/1.1" 201 ...`
  std::string access_log() const;
  /// How many lines of the access log hold all of `method`, a space and `path`, in this order.
  std::size_t count_requests(const std::string& method, const std::string& path) const;
  void clear_access_log();
  void lose_blob(const std::string& digest);  ///< as a damaged disk would
  std::string log() const;                    ///< what it says about itself

 private:
  void make_certificates();
  void write_configuration();

  Options options_;
  os::ScratchFolder folder_;
  int port_;
  std::unique_ptr<Background> program_;
};

}  // namespace lighterman::support
