#include "os/hash.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cassert>
#include <limits>

#include "core/error.hpp"
#include "core/handles.hpp"

namespace lighterman::os {
namespace {

constexpr std::size_t sha256_length = 32;

[[noreturn]] void broken(std::string_view doing) {
  throw Error(ErrorKind::internal, concat(doing, ": OpenSSL refused"));
}

const unsigned char* unsigned_bytes(std::string_view bytes) noexcept {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

struct Sha256::Inside {
  std::unique_ptr<EVP_MD_CTX, By<EVP_MD_CTX_free>> context{EVP_MD_CTX_new()};
};

Sha256::Sha256() : inside_(std::make_unique<Inside>()) {
  if (!inside_->context || EVP_DigestInit_ex(inside_->context.get(), EVP_sha256(), nullptr) != 1)
    broken("SHA-256");
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
  if (EVP_DigestUpdate(inside_->context.get(), bytes.data(), bytes.size()) != 1) broken("SHA-256");
}

std::string Sha256::finish_raw() {
  std::string raw(sha256_length, '\0');
  unsigned length = 0;
  if (EVP_DigestFinal_ex(inside_->context.get(), reinterpret_cast<unsigned char*>(raw.data()),
                         &length) != 1)
    broken("SHA-256");
  assert(length == sha256_length);
  return raw;
}

Digest Sha256::finish() { return Digest::parse(concat("sha256:", render_hex(finish_raw()))); }

Digest sha256(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  if (key.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    throw Error(ErrorKind::invalid, "HMAC-SHA-256: the key is too long");
  std::string raw(sha256_length, '\0');
  unsigned length = 0;
  // OpenSSL takes a null key for "the key from before", even when it is to be empty.
  const void* key_bytes = key.empty() ? "" : key.data();
  if (!HMAC(EVP_sha256(), key_bytes, static_cast<int>(key.size()), unsigned_bytes(bytes),
            bytes.size(), reinterpret_cast<unsigned char*>(raw.data()), &length))
    broken("HMAC-SHA-256");
  return raw;
}

std::string hmac_sha1(std::string_view key, std::string_view bytes) {
  if (key.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    throw Error(ErrorKind::invalid, "HMAC-SHA-1: the key is too long");
  std::string raw(20, '\0');
  unsigned length = 0;
  // OpenSSL takes a null key for "the key from before", even when it is to be empty.
  const void* key_bytes = key.empty() ? "" : key.data();
  if (!HMAC(EVP_sha1(), key_bytes, static_cast<int>(key.size()), unsigned_bytes(bytes),
            bytes.size(), reinterpret_cast<unsigned char*>(raw.data()), &length))
    broken("HMAC-SHA-1");
  return raw;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  if (count > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1)
    broken("random numbers");
  return bytes;
}

std::string random_id() { return render_hex(random_bytes(16)); }

std::string random_token() {
  const std::string padded = render_base64url(random_bytes(32));
  return concat("lm_", padded.substr(0, padded.find('=')));
}

}  // namespace lighterman::os
