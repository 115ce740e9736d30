#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

namespace lighterman {

enum class Health { good, doubtful, broken };
std::string_view render(Health health) noexcept;  ///< "ok", "doubtful", "broken"

/// One thing that a push needs, and how it was found.
struct Look {
  std::string what, seen;
  std::string advice;  ///< how to mend it; empty: nothing has to be done
  Health health = Health::good;
};

boost::json::object to_json(const Look& look);

}  // namespace lighterman
