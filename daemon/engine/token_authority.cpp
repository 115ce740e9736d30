#include "engine/token_authority.hpp"

#include <openssl/evp.h>

#include <memory>

#include "core/handles.hpp"
#include "os/hash.hpp"

namespace lighterman::engine {
namespace {

using Key = std::unique_ptr<EVP_PKEY, By<EVP_PKEY_free>>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

void check(int result) {
  if (result != 1) throw Error(ErrorKind::internal, "OpenSSL refused an Ed25519 key");
}

Key open_key(const std::string& bytes) {
  Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(bytes), bytes.size()));
  check(key ? 1 : 0);
  return key;
}

}  // namespace

TokenAuthority::TokenAuthority(const std::string& host, const Login& login, std::string_view salt) {
  // From a random seed: nobody can try passwords against the public key.
  static const std::string seed = os::random_bytes(32);
  private_key_ =
      os::hmac_sha256(seed, concat(host, '\n', login.username, '\n', login.password.reveal(), '\n',
                                   login.identity_token.reveal(), '\n', salt));
}

std::string TokenAuthority::public_key() const {
  std::string bytes(32, '\0');
  std::size_t size = bytes.size();
  check(EVP_PKEY_get_raw_public_key(open_key(private_key_).get(),
                                    reinterpret_cast<unsigned char*>(bytes.data()), &size));
  return bytes;
}

std::string TokenAuthority::sign(std::string_view payload) const {
  const Key key = open_key(private_key_);
  const std::unique_ptr<EVP_MD_CTX, By<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
  std::string signature(64, '\0');
  std::size_t size = signature.size();
  check(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()));
  check(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                       bytes_of(payload), payload.size()));
  return signature + std::string(payload);
}

}  // namespace lighterman::engine
