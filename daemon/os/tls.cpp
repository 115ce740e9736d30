#include "os/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "core/error.hpp"
#include "core/handles.hpp"
#include "core/text.hpp"

namespace lighterman::os {
namespace {

constexpr int most_at_once = 1 << 20;

using Context = std::unique_ptr<SSL_CTX, By<SSL_CTX_free>>;

[[noreturn]] void fail(const std::filesystem::path& file, std::string_view what) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  throw Error(ErrorKind::invalid,
              concat('"', file.string(), "\" ", what, reason == nullptr ? "" : ": ",
                     reason == nullptr ? "" : reason));
}

/// A key with a password would make the daemon ask on its terminal.
int no_password(char*, int, int, void*) { return 0; }

/// RFC 7301: we speak HTTP/1.1. Clients that offer only others are told by HTTP itself.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
  constexpr std::string_view ours = "http/1.1";
  for (unsigned int at = 0; at < offered_size; at += offered[at] + 1U) {
    const unsigned int length = offered[at];
    if (length == 0 || at + 1 + length > offered_size) break;
    if (std::string_view(reinterpret_cast<const char*>(offered + at + 1), length) != ours) continue;
    *chosen = offered + at + 1;
    *size = static_cast<unsigned char>(length);
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

// OpenSSL's own socket BIO raises SIGPIPE and waits where the socket does.
int socket_of(BIO* bio) { return *static_cast<const int*>(BIO_get_data(bio)); }

bool would_wait() noexcept { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

int write_to_socket(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t count =
      ::send(socket_of(bio), bytes, static_cast<std::size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (count < 0 && would_wait()) BIO_set_retry_write(bio);
  return static_cast<int>(count);
}

int read_from_socket(BIO* bio, char* into, int room) {
  BIO_clear_retry_flags(bio);
  const ssize_t count = ::recv(socket_of(bio), into, static_cast<std::size_t>(room), MSG_DONTWAIT);
  if (count < 0 && would_wait()) BIO_set_retry_read(bio);
  if (count == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(count);
}

long control_socket(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return 0;
}

const BIO_METHOD* socket_method() {
  static const auto method = [] {
    std::unique_ptr<BIO_METHOD, By<BIO_meth_free>> made(
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "a socket that never waits"));
    BIO_meth_set_write(made.get(), write_to_socket);
    BIO_meth_set_read(made.get(), read_from_socket);
    BIO_meth_set_ctrl(made.get(), control_socket);
    return made;
  }();
  return method.get();
}

}  // namespace

struct ServerTls::Inside {
  Context context;
};

ServerTls::ServerTls(const std::filesystem::path& certificate_file,
                     const std::filesystem::path& key_file)
    : inside_(std::make_unique<Inside>()) {
  ERR_clear_error();
  inside_->context.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* context = inside_->context.get();
  if (context == nullptr) throw Error(ErrorKind::internal, "TLS cannot be set up");
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  // Sessions live in the clients' tickets: nothing grows here.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_default_passwd_cb(context, no_password);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1)
    fail(certificate_file, "is not a certificate that can be used (PEM)");
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    fail(key_file, "is not the certificate's key (PEM, without a password)");
  if (SSL_CTX_check_private_key(context) != 1) fail(key_file, "is another certificate's key");
}

ServerTls::~ServerTls() = default;

struct TlsLine::Inside {
  int socket = -1;  ///< which the BIO in `ssl` points to
  std::unique_ptr<SSL, By<SSL_free>> ssl;

  /// What a call's result means to whoever calls recv() and send().
  ssize_t outcome(int result) const noexcept {
    if (result > 0) return result;
    switch (SSL_get_error(ssl.get(), result)) {
      case SSL_ERROR_ZERO_RETURN:
        return 0;
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
      default:
        ERR_clear_error();
        errno = EPROTO;
        return -1;
    }
  }
};

TlsLine::TlsLine(const ServerTls& tls, int socket) : inside_(std::make_unique<Inside>()) {
  inside_->ssl.reset(SSL_new(tls.inside_->context.get()));
  BIO* bio = BIO_new(socket_method());
  if (!inside_->ssl || bio == nullptr) {
    BIO_free(bio);
    throw Error(ErrorKind::internal, "no memory for a TLS connection");
  }
  inside_->socket = socket;
  BIO_set_data(bio, &inside_->socket);
  BIO_set_init(bio, 1);
  SSL_set_bio(inside_->ssl.get(), bio, bio);  // which owns it now
  SSL_set_accept_state(inside_->ssl.get());
}

TlsLine::~TlsLine() = default;

ssize_t TlsLine::receive(char* into, std::size_t room) noexcept {
  ERR_clear_error();
  const int size = static_cast<int>(std::min<std::size_t>(room, most_at_once));
  return inside_->outcome(SSL_read(inside_->ssl.get(), into, size));
}

ssize_t TlsLine::send(const char* bytes, std::size_t size) noexcept {
  ERR_clear_error();
  const int count = static_cast<int>(std::min<std::size_t>(size, most_at_once));
  const ssize_t sent = inside_->outcome(SSL_write(inside_->ssl.get(), bytes, count));
  if (sent != 0) return sent;
  errno = EPIPE;  // the other side said its last word, and send() knows no end
  return -1;
}

bool TlsLine::has_more() const noexcept { return SSL_pending(inside_->ssl.get()) > 0; }

bool TlsLine::ended() noexcept {
  ERR_clear_error();
  char byte = 0;
  const ssize_t count = inside_->outcome(SSL_peek(inside_->ssl.get(), &byte, 1));
  return count == 0 || (count < 0 && errno != EAGAIN);
}

void TlsLine::say_goodbye() noexcept {
  ERR_clear_error();
  // Before the handshake is over there is nobody to say it to.
  if (SSL_is_init_finished(inside_->ssl.get()) != 0) SSL_shutdown(inside_->ssl.get());
  ERR_clear_error();
}

}  // namespace lighterman::os
