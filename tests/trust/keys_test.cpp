#include "trust/keys.hpp"

#include <gtest/gtest.h>
#include <openssl/crypto.h>
#include <sys/prctl.h>

#include <cstdio>
#include <thread>

#include "core/json.hpp"
#include "os/file.hpp"
#include "support/failure.hpp"
#include "support/peers.hpp"
#include "trust/guarded_bytes.hpp"

namespace lighterman::trust {
namespace {

namespace fs = std::filesystem;

const Secret password("s3cret");

/// What the openssl program makes of its arguments.
std::string openssl(const fs::path& folder, std::vector<std::string> arguments) {
  const os::Outcome outcome = os::perform(
      os::Program{.name = "openssl", .arguments = std::move(arguments), .folder = folder});
  if (outcome.exit_code != 0) throw Error(ErrorKind::internal, outcome.errors);
  return outcome.output;
}

std::string with_replaced(std::string text, std::string_view what, std::string_view by) {
  const std::size_t at = text.find(what);
  if (at == std::string::npos) throw Error(ErrorKind::internal, concat("no ", what, " in ", text));
  return text.replace(at, what.size(), by);
}

/// A sealed key whose inner JSON was edited.
Secret edited(const Key& key, std::string_view what, std::string_view by) {
  const std::string pem = key.sealed(password);
  const std::size_t from = pem.find('\n') + 1, to = pem.find("-----END");
  std::string base64 = pem.substr(from, to - from);
  std::erase(base64, '\n');
  const std::string json = with_replaced(parse_base64(base64).value(), what, by);
  return Secret(concat(pem.substr(0, from), render_base64(json), '\n', pem.substr(to)));
}

TEST(Key, SignsWhatItsPublicPartVerifies) {
  const Key key = Key::make();
  const std::string signature = key.sign({"in ", "two parts"});
  EXPECT_TRUE(key.public_key().verifies({"in two parts"}, signature));
  EXPECT_FALSE(key.public_key().verifies({"in two party"}, signature));
  EXPECT_FALSE(key.public_key().verifies({"in two parts"}, "no signature"));
  EXPECT_FALSE(key.public_key().verifies({"in two parts"}, ""));
  EXPECT_FALSE(Key::make().public_key().verifies({"in two parts"}, signature));
  EXPECT_EQ(key.public_key().kind(), "ECDSA P-256");
}

TEST(Key, IsTheSameAfterItWasSealedAndOpened) {
  const Key key = Key::make();
  const std::string sealed = key.sealed(password);
  EXPECT_TRUE(sealed.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"));
  const Key again = Key::parse(Secret(sealed), password);
  EXPECT_EQ(again.public_key().hint(), key.public_key().hint());
  EXPECT_TRUE(key.public_key().verifies({"a"}, again.sign({"a"})));
  EXPECT_NE(key.sealed(password), sealed) << "salt and nonce must be new each time";
  EXPECT_EQ(Key::parse(Secret(Key::make().sealed(Secret())), Secret()).public_key().kind(),
            "ECDSA P-256");
}

TEST(Key, OpensUnderItsOlderLabel) {
  const Key key = Key::make();
  std::string pem = key.sealed(password);
  pem = with_replaced(pem, "SIGSTORE", "COSIGN");
  pem = with_replaced(pem, "SIGSTORE", "COSIGN");
  EXPECT_EQ(Key::parse(Secret(pem), password).public_key().hint(), key.public_key().hint());
}

TEST(Key, StaysShutForAWrongPasswordAndSaysSo) {
  const Secret sealed(Key::make().sealed(password));
  EXPECT_EQ(failure_of([&] { Key::parse(sealed, Secret("other")); }),
            "denied: the password does not open this key");
  EXPECT_EQ(failure_of([&] { Key::parse(sealed, Secret()); }),
            "denied: the password does not open this key");
}

TEST(Key, IsNotOpenedAtAnyPrice) {
  const Key key = Key::make();
  const auto open = [&](std::string_view what, std::string_view by) {
    return [&key, what, by] { Key::parse(edited(key, what, by), password); };
  };
  expect_refused("N*r*p is more than", open("\"N\":65536", "\"N\":1073741824"));
  expect_refused("N*r*p is more than", open("\"r\":8", "\"r\":4000000000"));
  expect_refused("N*r*p is more than", open("\"p\":1", "\"p\":18446744073709551615"));
  expect_refused("power of two", open("\"N\":65536", "\"N\":65535"));
  expect_refused("power of two", open("\"N\":65536", "\"N\":0"));
  expect_refused("begin at 1", open("\"r\":8", "\"r\":0"));
  expect_refused("whole number", open("\"N\":65536", "\"N\":-2"));
  expect_refused("only scrypt", open("\"name\":\"scrypt\"", "\"name\":\"argon\""));
  expect_refused("only nacl/secretbox", open("nacl/secretbox", "rot13"));
  expect_refused("nonce", open("\"nonce\":\"", "\"nonce\":\"AAAA"));
  expect_refused("not JSON", open("{\"kdf\"", "{{\"kdf\""));
}

TEST(Key, IsReadFromPlainPkcs8AndSec1AndRsa) {
  const os::ScratchFolder folder;
  const fs::path& path = folder.path();
  openssl(path, {"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                 "pkcs8.pem"});
  openssl(path, {"ecparam", "-name", "prime256v1", "-genkey", "-out", "sec1.pem"});
  openssl(path,
          {"genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "rsa.pem"});
  openssl(path, {"rsa", "-in", "rsa.pem", "-traditional", "-out", "pkcs1.pem"});
  for (const std::string name : {"pkcs8.pem", "sec1.pem", "rsa.pem", "pkcs1.pem"}) {
    const Key key = Key::load(path / name, Secret());
    openssl(path, {"pkey", "-in", name, "-pubout", "-out", "public.pem"});
    const PublicKey expected = PublicKey::load(path / "public.pem");
    EXPECT_EQ(key.public_key(), expected) << name;
    EXPECT_EQ(expected.pem(), os::read_file(path / "public.pem"));
    // OpenSSL's own program takes the signature.
    os::replace_file(path / "message", "hello");
    os::replace_file(path / "signature", key.sign({"hello"}));
    EXPECT_EQ(openssl(path, {"dgst", "-sha256", "-verify", "public.pem", "-signature", "signature",
                             "message"}),
              "Verified OK\n")
        << name;
  }
  EXPECT_EQ(Key::load(path / "rsa.pem", Secret()).public_key().kind(), "RSA 2048");
}

TEST(Key, IsRefusedWhereVerifiersDisagree) {
  const os::ScratchFolder folder;
  const fs::path& path = folder.path();
  const auto load = [&](std::vector<std::string> making, bool public_part = false) {
    making.insert(making.begin(), "genpkey");
    making.insert(making.end(), {"-out", "key.pem"});
    openssl(path, making);
    openssl(path, {"pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"});
    return [&path, public_part] {
      if (public_part)
        PublicKey::load(path / "public.pem");
      else
        Key::load(path / "key.pem", Secret());
    };
  };
  for (const bool public_part : {false, true}) {
    expect_refused("curve secp384r1 is not accepted",
                   load({"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"}, public_part));
    expect_refused("kind ED25519 is not accepted", load({"-algorithm", "ED25519"}, public_part));
    expect_refused("1024 bits is too weak",
                   load({"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"}, public_part));
    expect_refused(
        "use ECDSA P-256",
        load({"-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"}, public_part));
  }
}

TEST(Key, IsNotFoundInOtherFiles) {
  const auto parse = [](const std::string& text) {
    return [text] { Key::parse(Secret(text), Secret()); };
  };
  const std::string public_pem = Key::make().public_key().pem();
  expect_refused("no key in PEM form", parse(""));
  expect_refused("no key in PEM form", parse("s3cret"));
  expect_refused("\"PUBLIC KEY\" is no private key", parse(public_pem));
  expect_refused("the bytes inside are no private key",
                 parse("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
  expect_refused("no public key", [] { PublicKey::parse(Key::make().sealed(password)); });
  EXPECT_EQ(failure_of([&] { parse("s3cret")(); }).find("s3cret"), std::string::npos);
}

TEST(Key, SignsOnManyThreadsAtOnce) {
  const Key key = Key::make();
  std::vector<std::jthread> threads;
  for (int each = 0; each < 4; ++each)
    threads.emplace_back([&key] {
      for (int count = 0; count < 50; ++count)
        EXPECT_TRUE(key.public_key().verifies({"a"}, key.sign({"a"})));
    });
}

/// The flags of the mapping that `address` is in, as Linux tells them.
std::string memory_flags_at(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool inside = false;
  for (const std::string& line : split(os::read_file("/proc/self/smaps", 64 << 20), '\n')) {
    std::uintptr_t from = 0, to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2)
      inside = from <= wanted && wanted < to;
    if (inside && line.starts_with("VmFlags:")) return line;
  }
  return "no such mapping";
}

TEST(Key, StaysOutOfCoreDumps) {
  const Key key = Key::make();
  ASSERT_EQ(CRYPTO_secure_malloc_initialized(), 1);
  const std::size_t before = CRYPTO_secure_used();
  EXPECT_GT(before, 0U) << "the private number must be there and nowhere else";
  void* neighbour = OPENSSL_secure_malloc(16);
  EXPECT_NE(memory_flags_at(neighbour).find(" dd"), std::string::npos)
      << memory_flags_at(neighbour);
  OPENSSL_secure_free(neighbour);
  GuardedBytes bytes(32);
  EXPECT_NE(memory_flags_at(bytes.data()).find(" dd"), std::string::npos);
  {
    const Key other = Key::make();
    EXPECT_GT(CRYPTO_secure_used(), before);
  }
  EXPECT_EQ(CRYPTO_secure_used(), before);
  EXPECT_EQ(::prctl(PR_GET_DUMPABLE), 0) << "registers and stacks must stay out of them too";
}

TEST(Cosign, OpensTheKeysThatAreMadeHere) {
  const os::ScratchFolder folder;
  const support::Peers peers(folder.path());
  const Key key = Key::make();
  os::replace_file(folder.path() / "cosign.key", key.sealed(password), 0600);
  os::replace_file(folder.path() / "blob", "hello");
  for (const std::string cosign : {"cosign2", "cosign3"}) {
    EXPECT_EQ(peers.must(cosign, {"public-key", "--key", "cosign.key"}), key.public_key().pem());
    support::Peers stranger(folder.path());
    stranger.password = "wrong";
    EXPECT_NE(stranger.run(cosign, {"public-key", "--key", "cosign.key"}).exit_code, 0);
  }
}

TEST(Cosign, MakesKeysThatOpenHere) {
  for (const std::string cosign : {"cosign2", "cosign3"}) {
    const os::ScratchFolder folder;
    const support::Peers peers(folder.path());
    peers.must(cosign, {"generate-key-pair"});
    const Key key = Key::load(folder.path() / "cosign.key", password);
    EXPECT_EQ(key.public_key(), PublicKey::load(folder.path() / "cosign.pub"));
    EXPECT_EQ(key.public_key().pem(), os::read_file(folder.path() / "cosign.pub"));
    EXPECT_TRUE(failure_of([&] {
                  Key::load(folder.path() / "cosign.key", Secret("wrong"));
                }).starts_with("denied: "));
  }
}

}  // namespace
}  // namespace lighterman::trust
