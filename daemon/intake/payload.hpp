#pragma once

#include <string>
#include <variant>
#include <vector>

#include "intake/signature.hpp"

namespace lighterman::intake {

/// A form-encoded body's `payload`, or the body as it came. Throws Error(invalid).
std::string json_of(const Delivery& delivery);

/// The refs that an authentic delivery moved, without source, delivery and time; empty with a
/// reason in `why` where there is nothing to build. Throws Error(invalid) naming the field.
std::vector<PushEvent> pushes_of(Forge forge, const std::string& event, const std::string& json,
                                 std::string& why);

}  // namespace lighterman::intake
