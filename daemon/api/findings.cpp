#include <boost/json.hpp>

#include "api/exchange.hpp"
#include "api/routes.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "scan/kept.hpp"
#include "scan/writers.hpp"
#include "store/store.hpp"

namespace lighterman::api {
namespace {

/// The image's stages; refuses a run that has no such image.
std::vector<Stage> stages_of(const std::vector<Stage>& stages, RunId run,
                             const std::string& image) {
  std::vector<Stage> own;
  std::vector<std::string> names;
  for (const Stage& stage : stages) {
    if (stage.image == image) own.push_back(stage);
    if (!stage.image.empty() && (names.empty() || names.back() != stage.image))
      names.push_back(stage.image);
  }
  if (own.empty())
    refuse(404, concat("run ", run, " built no image \"", image, '"', did_you_mean(image, names)));
  return own;
}

/// What others call the image: by digest where it is published.
std::string title_of(const std::vector<Stage>& stages, const std::string& image) {
  for (const Stage& stage : stages)
    if (stage.image == image && stage.name.starts_with("publish:") &&
        stage.state == StageState::done)
      return Fields(stage.result, "publish").text_or("reference", image);
  return image;
}

Findings get_findings(Room& room, RunId run, const std::string& image,
                      const std::vector<Stage>& stages) {
  if (const auto kept = room.store.find_fact(scan::kept_scope, scan::kept_name(run, image)))
    return scan::unpack(*kept);
  const auto scan = std::ranges::find(stages, "scan", &Stage::name);
  if (scan == stages.end())
    refuse(404, concat("image \"", image, "\" of run ", run,
                       " was not scanned, or not yet (`scan:` in the configuration)"));
  if (scan->state == StageState::failed)
    refuse(404, concat("image \"", image, "\" of run ", run, " could not be scanned: ",
                       Fields(scan->result, "scan").text_or("error", "")));
  refuse(404, concat("the findings of image \"", image, "\" of run ", run,
                     scan->state == StageState::done
                         ? " are no longer kept (`scan.keep` in the configuration)"
                         : " are not there yet"));
}

/// Of an image for several platforms: the names of its parts ("web@linux/arm64").
std::vector<std::string> parts_of(const std::vector<Stage>& stages, const std::string& image) {
  std::vector<std::string> parts;
  for (const Stage& stage : stages) {
    const bool fresh = std::ranges::find(parts, stage.image) == parts.end();
    if (fresh && stage.image.starts_with(concat(image, '@'))) parts.push_back(stage.image);
  }
  return parts;
}

/// All that was found in any of them.
Findings get_findings_of_parts(Room& room, RunId run, const std::vector<std::string>& parts,
                               const std::vector<Stage>& stages) {
  std::optional<Findings> all;
  for (const std::string& part : parts) {
    const Findings found = get_findings(room, run, part, stages_of(stages, run, part));
    if (all)
      unite(*all, found);
    else
      all = found;
  }
  return *all;
}

void answer_as(Exchange& exchange, const char* type, const boost::json::value& report) {
  exchange.reply.status = 200;
  exchange.reply.set_content(boost::json::serialize(report), type);
}

}  // namespace

void show_findings(Room& room, Exchange& exchange) {
  expect_parameters(exchange, {"format", "severity"});
  const std::string format = find_parameter(exchange, "format").value_or("json");
  const Severity least = during("parameter \"severity\"", [&] {
    return parse_severity(find_parameter(exchange, "severity").value_or("UNKNOWN"));
  });
  const Run run = get_run(room, exchange);
  const std::string& image = exchange.names.at(1);
  const std::vector<Stage> all = room.store.stages(run.id);
  const std::vector<std::string> parts = parts_of(all, image);
  const Findings found = parts.empty()
                             ? get_findings(room, run.id, image, stages_of(all, run.id, image))
                             : get_findings_of_parts(room, run.id, parts, all);
  const Findings findings = scan::only_from(least, found);
  const std::string title = title_of(all, image);
  if (format == "json") {
    answer(exchange, to_json(findings));
  } else if (format == "sarif") {
    answer_as(exchange, "application/sarif+json", scan::sarif_of(findings, title));
  } else if (format == "cyclonedx") {
    answer_as(exchange, "application/vnd.cyclonedx+json", scan::cyclonedx_of(findings, title));
  } else if (format == "text") {
    exchange.reply.status = 200;
    exchange.reply.set_content(scan::table_of(findings), "text/plain; charset=utf-8");
  } else {
    refuse(400, concat("format must be json, sarif, cyclonedx or text, not \"",
                       shortened(format, 40), '"'));
  }
}

}  // namespace lighterman::api
