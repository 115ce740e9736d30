#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/digest.hpp"
#include "core/time.hpp"

namespace lighterman::trust {

/// How an image came to be. Never holds a secret: build secrets have no place here, and the caller
/// leaves out arguments that may not be seen.
struct Provenance {
  std::string builder_id;          ///< a URI that says which daemon built it
  std::string invocation_id;       ///< a URI or number of the run
  std::string source;              ///< the repository's URL, without credentials
  std::string commit;              ///< full id
  std::string ref;                 ///< "refs/heads/main"; may be empty
  std::string dockerfile, target;  ///< target may be empty
  std::vector<std::string> platforms;
  std::map<std::string, std::string> args;
  struct Base {
    std::string reference;  ///< as FROM names it
    Digest digest;
  };
  std::vector<Base> bases;
  Instant started, finished;
};

/// The predicate of SLSA's build provenance, version 1 (slsa.dev/spec/v1.0/provenance). Equal
/// values, equal bytes.
std::string render(const Provenance& provenance);

/// The predicate type of a bill of materials, by its own words: CycloneDX or SPDX, in JSON.
/// Error(invalid) when it is neither.
std::string sbom_predicate_type(const std::string& sbom);

}  // namespace lighterman::trust
