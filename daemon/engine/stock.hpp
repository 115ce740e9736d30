#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/wire.hpp"

namespace lighterman::engine {

struct StockedImage {
  std::string id;                  ///< "sha256:..."
  std::vector<std::string> names;  ///< with tags and with digests; empty: nobody named it
  Instant created{};
};
struct StockedContainer {
  std::string id;
  Instant created{};
};

/// What an engine has, down to what has no name. Nothing is removed by force, nor what lies below
/// it. One thread at a time.
class Stock {
 public:
  explicit Stock(const Options& options) : wire_(options) {}

  std::vector<StockedImage> images(const std::stop_token& stop);
  /// Running or not.
  std::vector<StockedContainer> containers(const std::stop_token& stop);
  /// Ids of the images that this one was made from, nearest first, as far as they are here.
  std::vector<std::string> ancestors(const std::string& image, const std::stop_token& stop);

  /// What others need (children, containers, further names) stays: in_use.
  enum class Removal { removed, missing, in_use };
  Removal remove_image(const std::string& id, const std::stop_token& stop);
  Removal remove_container(const std::string& id, const std::stop_token& stop);

 private:
  boost::json::value get(const std::string& path, std::string_view doing,
                         const std::stop_token& stop);
  Removal remove(const std::string& path, const std::string& what, const std::stop_token& stop);

  Wire wire_;
};

}  // namespace lighterman::engine
