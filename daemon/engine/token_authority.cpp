#include "engine/token_authority.hpp"

#include "os/hash.hpp"

namespace lighterman::engine {

os::Ed25519Key token_authority(const std::string& host, const Login& login, std::string_view salt) {
  // From a random seed: nobody can try passwords against the public key.
  static const std::string seed = os::random_bytes(32);
  return os::Ed25519Key(
      os::hmac_sha256(seed, concat(host, '\n', login.username, '\n', login.password.reveal(), '\n',
                                   login.identity_token.reveal(), '\n', salt)));
}

}  // namespace lighterman::engine
