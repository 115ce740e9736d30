#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "policy/capability.hpp"

namespace lighterman::policy {

/// Checks the body of sign{}, attach{}, replicate{}, retain{}, promote{}, post{} or untag{}:
/// Error(invalid) that names the key.
void check_action(const std::string& kind, const boost::json::value& body);
/// Error(denied) where a post names a program, a host or a secret that is not both needed and
/// allowed. The host of a URL that is a secret shows only when it is performed.
void check_post_grants(const Allowance& allowance, const boost::json::value& body);

}  // namespace lighterman::policy
