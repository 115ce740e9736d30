#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "registry/options.hpp"

namespace lighterman::store {
class Store;
}

namespace lighterman::registry {

/// What the registry is: as the options say, as its name tells, as was found out before, or by
/// asking it. Harbor is kept in the store; a registry that says it is none is asked again after an
/// hour, and one that does not answer counts as plain until it does.
Product find_product(const Options& options, store::Store& store, const std::stop_token& stop);

/// How somebody gives us a permission that a registry misses; `needs` is "push to acme/shop", and
/// `words` is what the registry said. "give the account the role Developer in project acme".
std::string how_granted(const Options& options, std::string_view needs, std::string_view words);

}  // namespace lighterman::registry
