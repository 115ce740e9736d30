#pragma once

#include <string>
#include <string_view>

#include "core/secret.hpp"
#include "trust/guarded_bytes.hpp"
#include "trust/keys.hpp"

namespace lighterman::trust {

/// The JSON inside cosign's encrypted PEM: scrypt makes a key of the password, NaCl's secretbox
/// encrypts `plain` with it.
std::string seal(const GuardedBytes& plain, const Secret& password);
/// Error(denied): the password is wrong, or the file was changed. Error(invalid): not that form.
GuardedBytes unseal(std::string_view json, const Secret& password, const KeyLimits& limits);

}  // namespace lighterman::trust
