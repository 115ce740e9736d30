#pragma once

#include <string_view>

namespace lighterman::api {

/// The parts of openapi/ put together, as they were when this was built.
std::string_view description() noexcept;

}  // namespace lighterman::api
