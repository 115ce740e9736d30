#include "os/ed25519.hpp"

#include <openssl/evp.h>

#include <memory>

#include "core/error.hpp"
#include "core/handles.hpp"

namespace lighterman::os {
namespace {

using Key = std::unique_ptr<EVP_PKEY, By<EVP_PKEY_free>>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

void check(bool well) {
  if (!well) throw Error(ErrorKind::internal, "OpenSSL refused an Ed25519 key");
}

Key open_key(const std::string& seed) {
  Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(seed), seed.size()));
  check(key != nullptr);
  return key;
}

}  // namespace

Ed25519Key::Ed25519Key(std::string seed) : seed_(std::move(seed)) {}

std::string Ed25519Key::public_key() const {
  std::string bytes(32, '\0');
  std::size_t size = bytes.size();
  check(EVP_PKEY_get_raw_public_key(open_key(seed_).get(),
                                    reinterpret_cast<unsigned char*>(bytes.data()), &size) == 1);
  return bytes;
}

std::string Ed25519Key::sign(std::string_view message) const {
  const Key key = open_key(seed_);
  const std::unique_ptr<EVP_MD_CTX, By<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
  std::string signature(64, '\0');
  std::size_t size = signature.size();
  check(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1);
  check(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                       bytes_of(message), message.size()) == 1);
  return signature;
}

}  // namespace lighterman::os
