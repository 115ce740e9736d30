#include "engine/about.hpp"

#include <boost/json.hpp>

#include "core/json.hpp"
#include "engine/lines.hpp"

namespace lighterman::engine {

namespace json = boost::json;

About ask_about(Wire& wire, const Wire::Greeting& greeting, const std::stop_token& stop) {
  constexpr std::string_view doing = "asking the engine about itself";
  const json::object info =
      object_in(wire.perform(wire.request("GET", greeting, "/info"), stop), doing);
  const json::object version =
      object_in(wire.perform(wire.request("GET", greeting, "/version"), stop), doing);
  About about;
  about.version = text_of(info, "ServerVersion");
  about.api_version = greeting.api;
  about.os = text_of(version, "Os");
  about.architecture = text_of(version, "Arch");
  about.storage_driver = text_of(info, "Driver");
  about.root_folder = text_of(info, "DockerRootDir");
  about.memory_bytes = static_cast<std::uint64_t>(number_of(info, "MemTotal"));
  about.cpus = static_cast<unsigned>(number_of(info, "NCPU"));
  const json::value* status = info.if_contains("DriverStatus");
  if (status && status->is_array()) {
    const json::value mark{"driver-type", "io.containerd.snapshotter.v1"};
    for (const json::value& pair : status->get_array()) about.containerd_store |= pair == mark;
  }
  return about;
}

}  // namespace lighterman::engine
