#include "engine/stock.hpp"

#include <boost/json.hpp>

#include "core/json.hpp"

namespace lighterman::engine {

boost::json::value Stock::get(const std::string& path, std::string_view doing,
                              const std::stop_token& stop) {
  const net::Response answer = wire_.perform(wire_.request("GET", wire_.greet(stop), path), stop);
  if (answer.status != 200) throw refusal(answer, doing);
  boost::json::value value = parse_json(answer.body, concat(doing, ": the engine's answer"));
  if (!value.is_array()) throw Error(ErrorKind::invalid, concat(doing, ": not a list"));
  return value;
}

std::vector<StockedImage> Stock::images(const std::stop_token& stop) {
  std::vector<StockedImage> images;
  const boost::json::value list = get("/images/json?all=1", "listing images", stop);
  images.reserve(list.get_array().size());
  for (const boost::json::value& value : list.get_array()) {
    const Fields fields(value, "image");
    StockedImage& image = images.emplace_back();
    image.id = fields.text("Id");
    image.created = Instant{std::chrono::seconds(fields.integer_or("Created", 0))};
    for (const char* key : {"RepoTags", "RepoDigests"})
      for (const boost::json::value& name : fields.list(key))
        // Of what has none, engines write "<none>:<none>".
        if (name.is_string() && !name.get_string().starts_with('<'))
          image.names.emplace_back(name.get_string());
  }
  return images;
}

std::vector<StockedContainer> Stock::containers(const std::stop_token& stop) {
  std::vector<StockedContainer> containers;
  const boost::json::value list = get("/containers/json?all=1", "listing containers", stop);
  containers.reserve(list.get_array().size());
  for (const boost::json::value& value : list.get_array()) {
    const Fields fields(value, "container");
    containers.push_back(
        {fields.text("Id"), Instant{std::chrono::seconds(fields.integer_or("Created", 0))}});
  }
  return containers;
}

std::vector<std::string> Stock::ancestors(const std::string& image, const std::stop_token& stop) {
  std::vector<std::string> ids;
  const boost::json::value steps =
      get(concat("/images/", render_name(image), "/history"), "reading an image's history", stop);
  for (const boost::json::value& step : steps.get_array()) {
    std::string id = Fields(step, "step").text_or("Id", "");
    if (id.starts_with("sha256:")) ids.push_back(std::move(id));
  }
  if (!ids.empty()) ids.erase(ids.begin());
  return ids;
}

Stock::Removal Stock::remove_image(const std::string& id, const std::stop_token& stop) {
  return remove(concat("/images/", render_name(id), "?force=0&noprune=1"), concat("image ", id),
                stop);
}

Stock::Removal Stock::remove_container(const std::string& id, const std::stop_token& stop) {
  return remove(concat("/containers/", render_name(id), "?force=0&v=1"), concat("container ", id),
                stop);
}

Stock::Removal Stock::remove(const std::string& path, const std::string& what,
                             const std::stop_token& stop) {
  const net::Response answer =
      wire_.perform(wire_.request("DELETE", wire_.greet(stop), path), stop);
  switch (answer.status) {
    case 200:
    case 204:
      return Removal::removed;
    case 404:
      return Removal::missing;
    case 409:
      return Removal::in_use;
    default:
      throw refusal(answer, concat("removing ", what, " from the engine"));
  }
}

}  // namespace lighterman::engine
