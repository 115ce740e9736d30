// How a built image leaves its engine for staging.
#include <boost/json.hpp>
#include <charconv>

#include "core/error.hpp"
#include "core/text.hpp"
#include "pipeline/holdings.hpp"
#include "pipeline/image_run.hpp"
#include "pipeline/leftovers.hpp"
#include "pipeline/stage.hpp"

namespace lighterman::pipeline {
namespace {

/// Whether an engine at this address can reach our loopback.
bool is_near(const std::string& host) {
  return host.empty() || host.starts_with("unix://") || host.starts_with("tcp://127.") ||
         host.starts_with("tcp://localhost") || host.starts_with("tcp://[::1]");
}

}  // namespace

boost::json::value ImageRun::bring_in(engine::Engine& engine, staging::Session& session,
                                      const std::string& image_id, const std::stop_token& stop) {
  const StageLog log = this->log("staging");
  engine.tag(image_id, session.name(), session.tag(), stop);
  const bool near = is_near(engine.options().host);
  bool pushed = false;
  if (plan_.staging == StagingWay::push || (plan_.staging == StagingWay::automatic && near)) {
    pushed = push_in(engine, session, stop);
  }
  StagedImage image = [&] {
    if (pushed) return session.get_pushed();
    log.note("reading the image from the engine");
    const std::string name = concat(session.name(), ':', session.tag());
    return session.import([&](const Push& sink) { engine.export_image(name, sink, stop); }, stop);
  }();
  if (plan_.reproducible) image = redate(engine, session, image, image_id, stop);
  boost::json::value result = to_json(image);
  result.as_object()["way"] = pushed ? "push" : "export";
  return result;
}

/// SOURCE_DATE_EPOCH: seconds since 1970.
std::int64_t ImageRun::source_date_epoch() const {
  const auto given = plan_.args.find("SOURCE_DATE_EPOCH");
  if (given == plan_.args.end()) return yard_.mirror(plan_.source).get(plan_.commit).time;
  const char* const end = given->second.data() + given->second.size();
  std::int64_t seconds = 0;
  const auto [stop, wrong] = std::from_chars(given->second.data(), end, seconds);
  if (wrong != std::errc{} || stop != end || seconds < 0) {
    throw Error(ErrorKind::invalid, concat("the argument SOURCE_DATE_EPOCH is \"", given->second,
                                           "\", and no number of seconds since 1970"));
  }
  return seconds;
}

StagedImage ImageRun::redate(engine::Engine& engine, staging::Session& session,
                             const StagedImage& image, const std::string& image_id,
                             const std::stop_token& stop) {
  const auto inspected = engine.find_image(image_id, stop);
  if (!inspected) {
    throw Error(ErrorKind::not_found, concat("the engine lost image ", image_id, " meanwhile"));
  }
  const auto built = record("engine").find();
  const std::vector<Base> bases = bases_from(built->at("bases"));
  const std::size_t own = count_base_layers(bases, *inspected, engine, yard_, store_, stop);
  log("staging").note(concat("times in ", image.layers.size() - own, " of ", image.layers.size(),
                             " layers are made independent of the build's clock"));
  // A time of its own for each commit would make another layer of the same files.
  constexpr std::int64_t year_1980 = 315'532'800;
  const bool given = plan_.args.contains("SOURCE_DATE_EPOCH");
  const std::int64_t created = source_date_epoch();
  return session.redate(image, {given ? created : year_1980, created}, own, stop);
}

/// False: the engine cannot push to us, and the plan allows the other way.
bool ImageRun::push_in(engine::Engine& engine, staging::Session& session,
                       const std::stop_token& stop) {
  const StageLog log = this->log("staging");
  const auto news = [&](const std::string& layer, const std::string& doing, std::uint64_t current,
                        std::uint64_t total) { log.progress(layer, doing, current, total); };
  try {
    engine.push(session.name(), session.tag(), session.login(), news, stop);
    return true;
  } catch (const Error& error) {
    // An engine in another network namespace (rootless, a machine elsewhere) does not reach our
    // loopback; it cannot be asked beforehand.
    const bool other_way =
        plan_.staging == StagingWay::automatic && error.kind() != ErrorKind::cancelled;
    if (!other_way) throw;
    log.warn(concat("the engine could not push to ", staging_.address(), " (", error.what(),
                    "); reading the image from it instead"));
    return false;
  }
}

/// Takes away the name we gave the image. BuildKit's cache lives on without it; the classic
/// builder's cache is the image, so its last one stays under the tag "cache".
void ImageRun::tidy(const staging::Session& session) {
  const auto built = record("engine").find();
  const auto staged = record("staging").find();
  if (!built || (staged && staged->at("way") == "reused")) return;
  const std::stop_token no_stop;
  try {
    engine::Engine& engine = yard_.engine(std::string(built->at("engine").as_string()));
    Holdings holdings(store_, engine.options().name);
    if (built->at("builder").as_string() == render(Builder::classic)) {
      const std::string cache = concat(session.name(), ":cache");
      drop_name(yard_, engine.options().name, holdings, cache, no_stop);
      engine.tag(std::string(built->at("image_id").as_string()), session.name(), "cache", no_stop);
      holdings.put({Holding::Kind::name, cache, "", run_.id, system_now()});
    }
    engine.untag(concat(session.name(), ':', session.tag()), no_stop);
  } catch (const Error& error) {
    // The image is published; a leftover name in the engine is worth a line, not a failure.
    log("engine").warn(concat("the image's name stays in the engine: ", error.what()));
  }
}

}  // namespace lighterman::pipeline
