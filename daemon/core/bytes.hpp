#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

namespace lighterman {

/// A stream to read from: fills up to `room` bytes at `into`, returns how many; 0 is the end.
/// May throw. One thread at a time.
using Pull = std::function<std::size_t(char* into, std::size_t room)>;

/// A stream to write to: takes all of `bytes` or throws. One thread at a time.
using Push = std::function<void(std::string_view bytes)>;

}  // namespace lighterman
