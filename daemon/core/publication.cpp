#include "core/publication.hpp"

#include "core/json.hpp"

namespace lighterman {

boost::json::value to_json(const PublishedTarget& target) {
  return boost::json::object{{"repository", target.repository.name()},
                             {"tags", json_array(target.tags)}};
}

std::vector<PublishedTarget> published_targets_from(const boost::json::value& given) {
  std::vector<PublishedTarget> targets;
  for (const auto& value : given.as_array()) {
    const Fields fields(value, "target");
    targets.push_back({Reference::parse(fields.text("repository")), fields.texts("tags")});
  }
  return targets;
}

boost::json::object to_json(const ScanRecord& record) {
  return {{"scanned", render_time(record.scanned)},
          {"database", json_time(record.database)},
          {"clean", record.clean},
          {"reasons", json_array(record.reasons)},
          {"counts", record.counts}};
}

boost::json::object to_json(const Publication& publication) {
  boost::json::array targets;
  for (const PublishedTarget& target : publication.targets) targets.push_back(to_json(target));
  return {{"id", publication.id},
          {"run", publication.run},
          {"source", publication.source},
          {"image", publication.image},
          {"digest", publication.digest.text()},
          {"targets", std::move(targets)},
          {"published", render_time(publication.published)},
          {"denied", publication.denied},
          {"gone", publication.gone}};
}

}  // namespace lighterman
