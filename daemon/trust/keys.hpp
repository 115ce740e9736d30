#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "core/secret.hpp"

struct evp_pkey_st;

namespace lighterman::trust {

/// Who signed can be told by it. ECDSA P-256 or RSA from 2048 bits, always with SHA-256: the kinds
/// that every verifier in use agrees on. Any thread.
class PublicKey {
 public:
  /// PEM as cosign.pub has it (`PUBLIC KEY`). Throws Error(invalid), also for another kind of key.
  static PublicKey parse(std::string_view pem);
  static PublicKey load(const std::filesystem::path& file);

  std::string pem() const;
  /// base64 of the SHA-256 of its DER form, as sigstore bundles carry it. Equal keys, equal hints.
  const std::string& hint() const noexcept { return hint_; }
  std::string kind() const;  ///< "ECDSA P-256", "RSA 3072"
  /// Whether this key's owner signed `parts`, taken as one text. `signature` in raw bytes.
  bool verifies(std::initializer_list<std::string_view> parts, std::string_view signature) const;
  bool operator==(const PublicKey& other) const noexcept { return hint_ == other.hint_; }

 private:
  friend class Key;
  explicit PublicKey(std::shared_ptr<evp_pkey_st> key);
  std::shared_ptr<evp_pkey_st> key_;  ///< never changed; shared by the copies of this value
  std::string hint_;
};

/// Bounds for what a key file may make us do.
struct KeyLimits {
  /// scrypt's N*r*p; the memory it takes is at most 128 bytes times this. cosign writes 2^19.
  std::uint64_t scrypt_work = std::uint64_t{1} << 21;
};

/// A private key. It cannot be printed; its memory is kept out of swap, and wiped. A process that
/// has one leaves no core dump and cannot be traced by its own user. Any thread.
class Key {
 public:
  static Key make();  ///< a new ECDSA P-256 key
  /// PEM: cosign's encrypted form, PKCS#8, SEC1 or PKCS#1. The password is for the first only, and
  /// may be empty. Error(denied): wrong password; Error(invalid): anything else.
  static Key parse(const Secret& pem, const Secret& password, const KeyLimits& limits = {});
  static Key load(const std::filesystem::path& file, const Secret& password,
                  const KeyLimits& limits = {});

  std::string sealed(const Secret& password) const;  ///< cosign's encrypted form
  const PublicKey& public_key() const noexcept { return public_key_; }
  /// In raw bytes: an ECDSA signature in DER, or RSA PKCS#1 v1.5; over `parts` as one text.
  std::string sign(std::initializer_list<std::string_view> parts) const;

 private:
  explicit Key(std::shared_ptr<evp_pkey_st> key);
  std::shared_ptr<evp_pkey_st> key_;  ///< never changed; shared by the copies of this value
  PublicKey public_key_;
};

}  // namespace lighterman::trust
