#pragma once

#include <cstdint>
#include <string>

#include "core/digest.hpp"
#include "core/reference.hpp"
#include "core/time.hpp"

namespace lighterman {

/// That a key of ours signed something, for whoever keeps book.
struct SignatureRecord {
  std::string key_hint;        ///< trust::PublicKey::hint()
  Reference image;             ///< by digest
  std::string predicate_type;  ///< what was said of it
  std::string form;            ///< "legacy" or "bundle"
  Digest payload;              ///< what was signed, byte by byte
  Digest artifact;             ///< the manifest that holds it
  Instant when{};
  std::int64_t id = 0;  ///< given by the store
  std::string why =
      {};  ///< why the key's successor could not sign the same; empty: it did not fail
};

}  // namespace lighterman
