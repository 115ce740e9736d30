#pragma once

#include <span>
#include <string_view>

namespace lighterman::api {

/// One file of page/ as it was when this was built.
struct PageFile {
  std::string_view name, bytes;
};
std::span<const PageFile> page_files() noexcept;

}  // namespace lighterman::api
