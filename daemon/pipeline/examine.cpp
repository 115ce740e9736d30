#include "pipeline/examine.hpp"

#include "core/error.hpp"
#include "core/text.hpp"
#include "intake/cron.hpp"
#include "pipeline/matrix.hpp"
#include "pipeline/rulebook.hpp"
#include "pipeline/selection.hpp"

namespace lighterman::pipeline {

using config::Finding;

std::vector<Finding> examine_all(const config::Config& config) {
  std::vector<Finding> findings = config::examine(config);
  const auto add_if_bad = [&](const std::string& path, const auto& parse) {
    try {
      parse();
    } catch (const Error& error) {
      // Told with all the others.
      findings.push_back(
          {Finding::Weight::error, concat(config.file.string(), ": ", path), error.what()});
    }
  };
  const policy::Catalogue catalogue(config.plugin_folders);
  for (const auto& entry : config.plugins)
    add_if_bad(concat("plugins.", entry.first), [&] { load_seat(entry.second, catalogue); });
  if (config.scan && !config.scan->rescan.empty())
    add_if_bad("scan.rescan", [&] { intake::Cron::parse(config.scan->rescan); });
  if (config.bases && !config.bases->watch.empty())
    add_if_bad("bases.watch", [&] { intake::Cron::parse(config.bases->watch); });
  for (const config::ReplicateRule& rule : config.replicate) {
    const std::string path = concat("replicate, rule \"", rule.name, '"');
    for (const auto* patterns :
         {&rule.from, &rule.names, &rule.tags, &rule.tags_except, &rule.labels})
      add_if_bad(path, [&] { Selection{*patterns}; });
    if (!rule.schedule.empty()) add_if_bad(path, [&] { intake::Cron::parse(rule.schedule); });
  }
  for (const config::RetainRule& rule : config.retain) {
    const std::string path = concat("retain, rule \"", rule.name, '"');
    for (const auto* patterns : {&rule.repositories, &rule.tags, &rule.protect})
      add_if_bad(path, [&] { Selection{*patterns}; });
    if (!rule.schedule.empty()) add_if_bad(path, [&] { intake::Cron::parse(rule.schedule); });
  }
  for (const auto& [name, source] : config.sources) {
    const std::string path = concat("sources.", name);
    for (const config::Schedule& schedule : source.schedules)
      add_if_bad(path + ".schedules", [&] { intake::Cron::parse(schedule.cron); });
    for (const auto& entry : source.images)
      add_if_bad(concat(path, ".images.", entry.first), [&] { matrix_variants(entry.second); });
  }
  return findings;
}

}  // namespace lighterman::pipeline
