#include "trust/sealed_key.hpp"

#include <sodium/crypto_pwhash_scryptsalsa208sha256.h>
#include <sodium/crypto_secretbox.h>

#include <bit>
#include <boost/json/serialize.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"

namespace lighterman::trust {
namespace {

struct Scrypt {
  std::uint64_t n = 65536;
  std::uint32_t r = 8, p = 1;
};
constexpr std::size_t salt_size = 32;

const unsigned char* unsigned_bytes(std::string_view bytes) noexcept {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

GuardedBytes box_key(const Secret& password, std::string_view salt, const Scrypt& cost) {
  GuardedBytes key(crypto_secretbox_KEYBYTES);
  if (::crypto_pwhash_scryptsalsa208sha256_ll(
          unsigned_bytes(password.reveal()), password.reveal().size(), unsigned_bytes(salt),
          salt.size(), cost.n, cost.r, cost.p, key.data(), key.size()) != 0)
    throw Error(ErrorKind::internal,
                concat("opening a key takes ", render_size(128 * cost.n * cost.r),
                       " of memory, which is not there"));
  return key;
}

std::string bytes_in(const Fields& fields, std::string_view name) {
  std::optional<std::string> bytes = parse_base64(fields.text(name));
  if (!bytes) fields.refuse(name, "base64 is expected");
  return *std::move(bytes);
}

/// What a file asks for is refused before it is done: it could take hours, and all memory.
Scrypt cost_in(const Fields& fields, const KeyLimits& limits) {
  const std::uint64_t n = fields.natural("N"), r = fields.natural("r"), p = fields.natural("p");
  if (n < 2 || !std::has_single_bit(n)) fields.refuse("N", "a power of two is expected");
  if (r == 0 || p == 0) fields.refuse("r", "r and p begin at 1");
  const std::uint64_t most = limits.scrypt_work;
  if (n > most || r > most / n || p > most / (n * r))
    fields.refuse("N", concat("N*r*p is more than ", most,
                              ", the most that is accepted (cosign writes 524288)"));
  return {n, static_cast<std::uint32_t>(r), static_cast<std::uint32_t>(p)};
}

}  // namespace

std::string seal(const GuardedBytes& plain, const Secret& password) {
  const Scrypt cost;
  const std::string salt = os::random_bytes(salt_size);
  const std::string nonce = os::random_bytes(crypto_secretbox_NONCEBYTES);
  const GuardedBytes key = box_key(password, salt, cost);
  std::string box(plain.size() + crypto_secretbox_MACBYTES, '\0');
  ::crypto_secretbox_easy(reinterpret_cast<unsigned char*>(box.data()), plain.data(), plain.size(),
                          unsigned_bytes(nonce), key.data());
  return boost::json::serialize(
      boost::json::object{{"kdf",
                           {{"name", "scrypt"},
                            {"params", {{"N", cost.n}, {"r", cost.r}, {"p", cost.p}}},
                            {"salt", render_base64(salt)}}},
                          {"cipher", {{"name", "nacl/secretbox"}, {"nonce", render_base64(nonce)}}},
                          {"ciphertext", render_base64(box)}});
}

GuardedBytes unseal(std::string_view json, const Secret& password, const KeyLimits& limits) {
  const boost::json::value value = parse_json(json, "encrypted key");
  const Fields fields(value, "encrypted key");
  const Fields kdf(fields.get("kdf"), fields.path("kdf"));
  const Fields cipher(fields.get("cipher"), fields.path("cipher"));
  if (kdf.text("name") != "scrypt") kdf.refuse("name", "only scrypt is known");
  if (cipher.text("name") != "nacl/secretbox")
    cipher.refuse("name", "only nacl/secretbox is known");
  const std::string nonce = bytes_in(cipher, "nonce");
  if (nonce.size() != crypto_secretbox_NONCEBYTES) cipher.refuse("nonce", "it has another length");
  const std::string box = bytes_in(fields, "ciphertext");
  if (box.size() <= crypto_secretbox_MACBYTES) fields.refuse("ciphertext", "it is too short");
  const Scrypt cost = cost_in(Fields(kdf.get("params"), kdf.path("params")), limits);
  const GuardedBytes key = box_key(password, bytes_in(kdf, "salt"), cost);
  GuardedBytes plain(box.size() - crypto_secretbox_MACBYTES);
  if (::crypto_secretbox_open_easy(plain.data(), unsigned_bytes(box), box.size(),
                                   unsigned_bytes(nonce), key.data()) != 0)
    throw Error(ErrorKind::denied, "the password does not open this key");
  return plain;
}

}  // namespace lighterman::trust
