#pragma once

#include <string_view>

namespace lighterman::api {

/// openapi.json as it was when this was built.
std::string_view description() noexcept;

}  // namespace lighterman::api
