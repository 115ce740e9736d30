#include "trust/keys.hpp"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/prctl.h>

#include <array>
#include <cstring>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "core/error.hpp"
#include "core/handles.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "trust/sealed_key.hpp"

namespace lighterman::trust {
namespace {

constexpr std::uint64_t largest_file = 64 << 10;
constexpr std::string_view sealed_label = "ENCRYPTED SIGSTORE PRIVATE KEY";
constexpr std::string_view older_sealed_label = "ENCRYPTED COSIGN PRIVATE KEY";

using Bio = std::unique_ptr<BIO, By<BIO_free_all>>;
using Handle = std::shared_ptr<EVP_PKEY>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, By<EVP_MD_CTX_free>>;

Handle owned(EVP_PKEY* key) { return {key, By<EVP_PKEY_free>()}; }

[[noreturn]] void broken(std::string_view doing) {
  ERR_clear_error();
  throw Error(ErrorKind::internal, concat(doing, ": OpenSSL refused"));
}

constexpr std::size_t secure_heap_size = std::size_t{1} << 20;

bool make_secure_heap() {
  // It is the program's only one, so whoever made it first is right.
  if (CRYPTO_secure_malloc_initialized() == 1) return true;
  if (CRYPTO_secure_malloc_init(secure_heap_size, 16) == 0) return false;
#ifdef __SANITIZE_ADDRESS__
  // The leak checker does not look into it by itself, and OpenSSL's random generators hold on to
  // ordinary memory from there.
  void* all = OPENSSL_secure_malloc(secure_heap_size);
  __lsan_register_root_region(all, secure_heap_size);
  OPENSSL_secure_free(all);
#endif
  return true;
}

/// OpenSSL keeps private numbers in its secure heap: locked, not dumped, wiped. But registers and
/// stacks hold parts of them for moments, so from here on the process leaves no core at all, and no
/// debugger of its user may look into it.
void begin_secure_heap() {
  static const bool made = ::prctl(PR_SET_DUMPABLE, 0) == 0 && make_secure_heap();
  if (!made) broken("making memory that is kept out of core dumps");
}

/// A block of PEM, in memory that is wiped.
struct Block {
  std::string label;
  std::unique_ptr<unsigned char, By<[](unsigned char* bytes) { OPENSSL_secure_free(bytes); }>>
      bytes;
  long size = 0;

  std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(bytes.get()), static_cast<std::size_t>(size)};
  }
};

/// The first block that holds a key; `openssl ecparam -genkey` puts parameters before it.
Block key_block(std::string_view pem) {
  begin_secure_heap();
  const Bio source(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (!source) broken("reading PEM");
  for (;;) {
    char *name = nullptr, *header = nullptr;
    unsigned char* bytes = nullptr;
    Block block;
    if (PEM_read_bio_ex(source.get(), &name, &header, &bytes, &block.size,
                        PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE) != 1) {
      ERR_clear_error();
      throw Error(ErrorKind::invalid, "it is no key in PEM form (-----BEGIN ... KEY-----)");
    }
    block.bytes.reset(bytes);
    block.label = name;
    const bool encrypted = std::strstr(header, "ENCRYPTED") != nullptr;
    OPENSSL_secure_free(name);
    OPENSSL_secure_free(header);
    if (encrypted)
      throw Error(ErrorKind::invalid,
                  "it is encrypted in OpenSSL's old way; convert it with `openssl pkcs8 -topk8 "
                  "-nocrypt` or import it with `cosign import-key-pair`");
    if (block.label != "EC PARAMETERS") return block;
  }
}

std::string group_of(EVP_PKEY* key) {
  std::array<char, 80> name{};
  std::size_t length = 0;
  if (EVP_PKEY_get_group_name(key, name.data(), name.size(), &length) != 1) {
    ERR_clear_error();
    return "of its own parameters";
  }
  return {name.data(), length};
}

/// Other kinds work with some versions of some verifiers only.
Handle accepted(Handle key) {
  constexpr std::string_view instead = "; use ECDSA P-256, or RSA from 2048 bits";
  if (EVP_PKEY_is_a(key.get(), "EC") == 1) {
    const std::string group = group_of(key.get());
    if (group == "prime256v1") return key;
    throw Error(
        ErrorKind::invalid,
        concat("an EC key on the curve ", group,
               " is not accepted, because cosign's versions disagree about its hash", instead));
  }
  if (EVP_PKEY_is_a(key.get(), "RSA") == 1) {
    if (EVP_PKEY_get_bits(key.get()) >= 2048) return key;
    throw Error(ErrorKind::invalid, concat("an RSA key of ", EVP_PKEY_get_bits(key.get()),
                                           " bits is too weak", instead));
  }
  const char* name = EVP_PKEY_get0_type_name(key.get());
  throw Error(ErrorKind::invalid,
              concat("a key of the kind ", name ? name : "unknown",
                     " is not accepted, because verifiers disagree about it", instead));
}

Handle private_key_in(const unsigned char* bytes, std::size_t size) {
  const unsigned char* at = bytes;
  Handle key = owned(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(size)));
  if (!key || at != bytes + size) {
    ERR_clear_error();
    throw Error(ErrorKind::invalid, "the bytes inside are no private key");
  }
  return accepted(std::move(key));
}

Handle private_key_in(const Secret& pem, const Secret& password, const KeyLimits& limits) {
  const Block block = key_block(pem.reveal());
  if (block.label == sealed_label || block.label == older_sealed_label) {
    const GuardedBytes plain = unseal(block.text(), password, limits);
    return private_key_in(plain.data(), plain.size());
  }
  if (block.label == "PRIVATE KEY" || block.label == "EC PRIVATE KEY" ||
      block.label == "RSA PRIVATE KEY")
    return private_key_in(block.bytes.get(), static_cast<std::size_t>(block.size));
  throw Error(ErrorKind::invalid,
              concat("\"", shortened(valid_utf8(block.label), 60),
                     "\" is no private key that can be opened here (cosign's encrypted form, "
                     "PKCS#8 and SEC1 can)"));
}

/// Opens what `write` writes to a BIO.
template <class Write>
std::string written(std::string_view doing, Write&& write) {
  const Bio out(BIO_new(BIO_s_mem()));
  if (!out || write(out.get()) != 1) broken(doing);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

std::string public_der(EVP_PKEY* key) {
  return written("writing a public key", [&](BIO* out) { return i2d_PUBKEY_bio(out, key); });
}

Handle public_part(EVP_PKEY* key) {
  const std::string der = public_der(key);
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  Handle part = owned(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  if (!part) broken("reading a public key");
  return part;
}

std::string hint_of(EVP_PKEY* key) {
  os::Sha256 hash;
  hash.update(public_der(key));
  return render_base64(hash.finish_raw());
}

}  // namespace

PublicKey::PublicKey(std::shared_ptr<evp_pkey_st> key)
    : key_(std::move(key)), hint_(hint_of(key_.get())) {}

PublicKey PublicKey::parse(std::string_view pem) {
  const Block block = key_block(pem);
  if (block.label != "PUBLIC KEY")
    throw Error(ErrorKind::invalid, concat("\"", shortened(valid_utf8(block.label), 60),
                                           "\" is no public key (PUBLIC KEY is)"));
  const unsigned char* at = block.bytes.get();
  Handle key = owned(d2i_PUBKEY(nullptr, &at, block.size));
  if (!key) {
    ERR_clear_error();
    throw Error(ErrorKind::invalid, "the bytes inside are no public key");
  }
  return PublicKey(accepted(std::move(key)));
}

PublicKey PublicKey::load(const std::filesystem::path& file) {
  return during(concat("public key ", file.native()),
                [&] { return parse(os::read_file(file, largest_file)); });
}

std::string PublicKey::pem() const {
  return written("writing a public key",
                 [&](BIO* out) { return PEM_write_bio_PUBKEY(out, key_.get()); });
}

std::string PublicKey::kind() const {
  if (EVP_PKEY_is_a(key_.get(), "EC") == 1) return "ECDSA P-256";
  return concat("RSA ", EVP_PKEY_get_bits(key_.get()));
}

bool PublicKey::verifies(std::initializer_list<std::string_view> parts,
                         std::string_view signature) const {
  const DigestContext context(EVP_MD_CTX_new());
  if (!context ||
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1)
    broken("verifying a signature");
  for (const std::string_view part : parts)
    if (EVP_DigestVerifyUpdate(context.get(), part.data(), part.size()) != 1)
      broken("verifying a signature");
  const bool good =
      EVP_DigestVerifyFinal(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                            signature.size()) == 1;
  // A signature that is no signature leaves its complaint behind.
  ERR_clear_error();
  return good;
}

Key::Key(std::shared_ptr<evp_pkey_st> key)
    : key_(std::move(key)), public_key_(public_part(key_.get())) {}

Key Key::make() {
  begin_secure_heap();
  Handle key = owned(EVP_EC_gen("P-256"));
  if (!key) broken("making a key");
  return Key(std::move(key));
}

Key Key::parse(const Secret& pem, const Secret& password, const KeyLimits& limits) {
  return Key(private_key_in(pem, password, limits));
}

Key Key::load(const std::filesystem::path& file, const Secret& password, const KeyLimits& limits) {
  return during(concat("key ", file.native()),
                [&] { return parse(Secret(os::read_file(file, largest_file)), password, limits); });
}

std::string Key::sealed(const Secret& password) const {
  const std::unique_ptr<PKCS8_PRIV_KEY_INFO, By<PKCS8_PRIV_KEY_INFO_free>> form(
      EVP_PKEY2PKCS8(key_.get()));
  const int size = form ? i2d_PKCS8_PRIV_KEY_INFO(form.get(), nullptr) : 0;
  if (size <= 0) broken("writing a key");
  GuardedBytes plain(static_cast<std::size_t>(size));
  unsigned char* at = plain.data();
  i2d_PKCS8_PRIV_KEY_INFO(form.get(), &at);
  const std::string box = seal(plain, password);
  return written("writing a key", [&](BIO* out) {
    return PEM_write_bio(out, sealed_label.data(), "",
                         reinterpret_cast<const unsigned char*>(box.data()),
                         static_cast<long>(box.size())) > 0
               ? 1
               : 0;
  });
}

std::string Key::sign(std::initializer_list<std::string_view> parts) const {
  const DigestContext context(EVP_MD_CTX_new());
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1)
    broken("signing");
  for (const std::string_view part : parts)
    if (EVP_DigestSignUpdate(context.get(), part.data(), part.size()) != 1) broken("signing");
  std::size_t length = 0;
  if (EVP_DigestSignFinal(context.get(), nullptr, &length) != 1) broken("signing");
  std::string signature(length, '\0');
  if (EVP_DigestSignFinal(context.get(), reinterpret_cast<unsigned char*>(signature.data()),
                          &length) != 1)
    broken("signing");
  signature.resize(length);
  return signature;
}

}  // namespace lighterman::trust
