#include "core/look.hpp"

#include "core/choices.hpp"

namespace lighterman {
namespace {

constexpr Choice<Health> healths[] = {
    {Health::good, "ok"}, {Health::doubtful, "doubtful"}, {Health::broken, "broken"}};

}  // namespace

std::string_view render(Health health) noexcept { return name_of(healths, health); }

boost::json::object to_json(const Look& look) {
  return {{"what", look.what},
          {"health", render(look.health)},
          {"seen", look.seen},
          {"advice", look.advice}};
}

}  // namespace lighterman
