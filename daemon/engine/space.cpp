#include "engine/space.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "core/json.hpp"
#include "engine/wire.hpp"

namespace lighterman::engine {

Space look_at_space(const Options& options, const std::stop_token& stop) {
  Wire wire(options);
  const Wire::Greeting greeting = wire.greet(stop);
  const net::Response answer = wire.perform(wire.request("GET", greeting, "/system/df"), stop);
  if (answer.status != 200) throw refusal(answer, "asking the engine for its disk space");
  const boost::json::value value = parse_json(answer.body, "the engine's disk space");
  const Fields fields(value, "the engine's disk space");
  Space space;
  space.images = fields.natural_or("LayersSize", 0);
  std::int64_t used = 0;
  for (const boost::json::value& each : fields.list("Images")) {
    const Fields image(each, "image");
    // -1 where it did not count; what images share belongs to none of them.
    const std::int64_t size = image.integer_or("Size", -1);
    const std::int64_t shared = std::max<std::int64_t>(0, image.integer_or("SharedSize", 0));
    if (image.integer_or("Containers", 0) > 0 && size > shared) used += size - shared;
  }
  space.unused = space.images - std::min(space.images, static_cast<std::uint64_t>(used));
  for (const boost::json::value& each : fields.list("BuildCache"))
    space.cache += static_cast<std::uint64_t>(
        std::max<std::int64_t>(0, Fields(each, "build cache").integer_or("Size", 0)));
  return space;
}

}  // namespace lighterman::engine
