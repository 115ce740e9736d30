#include "api/metrics.hpp"

#include "api/exchange.hpp"
#include "api/routes.hpp"
#include "api/server.hpp"
#include "core/error.hpp"
#include "metrics/disk.hpp"
#include "metrics/sheet.hpp"
#include "store/store.hpp"
#include "trust/keyring.hpp"

namespace lighterman::api {
namespace {

using metrics::Sheet;

constexpr std::chrono::minutes kept_for{1};

constexpr RunState final_states[] = {RunState::succeeded, RunState::failed,     RunState::denied,
                                     RunState::cancelled, RunState::superseded, RunState::skipped};

double seconds(std::chrono::milliseconds length) {
  return std::chrono::duration<double>(length).count();
}

/// Sources that were never pushed to count 0: a first failure is then a change like any other.
void add_runs(Sheet& sheet, const store::Figures& figures, const config::Config& config,
              Instant now) {
  std::map<std::string, std::int64_t> queued = figures.queued, running = figures.running;
  std::map<std::pair<std::string, RunState>, std::int64_t> ends;
  for (const auto& [name, source] : config.sources) {
    queued[name] += 0;
    running[name] += 0;
    for (const RunState state : final_states) ends[{name, state}] = 0;
  }
  for (const auto& end : figures.ends) ends[{end.source, end.state}] = end.runs;
  for (const auto& [source, count] : queued)
    sheet.gauge("lighterman_runs_queued", "Runs that wait for a worker", static_cast<double>(count),
                {{"source", source}});
  for (const auto& [source, count] : running)
    sheet.gauge("lighterman_runs_running", "Runs on their way", static_cast<double>(count),
                {{"source", source}});
  for (const auto& [key, count] : ends)
    sheet.counter("lighterman_runs_ended_total", "Runs that ended, by how",
                  static_cast<double>(count),
                  {{"source", key.first}, {"state", render(key.second)}});
  sheet.gauge("lighterman_queue_oldest_age_seconds",
              "For how long the oldest run that waits has waited; 0: none waits",
              figures.oldest_queued ? seconds(now - *figures.oldest_queued) : 0);
  std::map<std::string, std::int64_t> waiting{{"post", 0}, {"status", 0}};
  for (const auto& [kind, count] : figures.waiting_actions) waiting[kind] = count;
  for (const auto& [kind, count] : waiting)
    sheet.gauge("lighterman_actions_waiting",
                "Notices of plugins (post) and commit statuses (status) that are not told yet",
                static_cast<double>(count), {{"kind", kind}});
  std::map<std::string, std::int64_t> replications{{"waiting", 0}, {"running", 0}};
  for (const auto& [state, count] : figures.replications) replications[state] = count;
  for (const auto& [state, count] : replications)
    sheet.gauge("lighterman_replications", "Images on their way from one registry to another",
                static_cast<double>(count), {{"state", state}});
}

void add_images(Sheet& sheet, const std::vector<store::ImageFigures>& images) {
  for (const store::ImageFigures& image : images) {
    sheet.gauge("lighterman_images_tagged", "Published images that a tag names",
                static_cast<double>(image.tagged),
                {{"source", image.source}, {"image", image.image}});
    sheet.gauge("lighterman_images_dirty",
                "Of these, those that would not be published today: their newest scan blocks",
                static_cast<double>(image.dirty),
                {{"source", image.source}, {"image", image.image}});
    for (const auto& [severity, count] : image.findings)
      sheet.gauge("lighterman_image_findings", "Findings in these images' newest scans",
                  static_cast<double>(count),
                  {{"source", image.source}, {"image", image.image}, {"severity", severity}});
  }
}

void add_keys(Sheet& sheet, const config::Config& config, Instant now) {
  if (!config.keys) return;
  std::vector<trust::KeyEntry> entries;
  bool readable = true;
  try {
    entries = trust::Keyring(config.keys->folder).entries();
  } catch (const Error&) {
    // The rest is wanted all the more; `lighterman status` says why.
    readable = false;
  }
  sheet.gauge("lighterman_keys_readable", "1 when the folder of signing keys can be read",
              readable ? 1 : 0);
  const trust::KeyEntry* newest = nullptr;
  for (const trust::KeyEntry& entry : entries) {
    if (newest != nullptr && newest->name == entry.name) continue;
    newest = &entry;
    sheet.gauge("lighterman_key_age_seconds", "Age of the newest signing key of this name",
                seconds(now - entry.created), {{"key", entry.name}});
    sheet.gauge("lighterman_key_age_limit_seconds", "The age from which on it signs no more",
                seconds(entry.most_age), {{"key", entry.name}});
  }
}

}  // namespace

std::vector<store::ImageFigures> ImageCounts::get(const store::Store& store, Instant now) {
  return kept_.with([&](Kept& kept) {
    if (!kept.when || now - *kept.when >= kept_for || now < *kept.when) {
      kept.images = store.image_figures();
      kept.when = now;
    }
    return kept.images;
  });
}

void tell_metrics(Room& room, Exchange& exchange) {
  expect_all_sources(exchange);
  const config::Config& config = *exchange.snapshot->config;
  const Instant now = room.options.clock();
  Sheet sheet;
  sheet.gauge("lighterman_build_info", "Always 1; which version this is", 1,
              {{"version", LIGHTERMAN_VERSION}});
  add_runs(sheet, room.store.figures(), config, now);
  add_images(sheet, room.image_counts.get(room.store, now));
  add_keys(sheet, config, now);
  sheet.gauge("lighterman_api_connections", "Open connections to webhooks and API",
              static_cast<double>(room.berths.open.load()));
  sheet.gauge("lighterman_api_connections_limit", "How many may be open",
              static_cast<double>(room.options.connections));
  metrics::add_disk(sheet, config.data);
  metrics::add_process(sheet);
  exchange.reply.status = 200;
  exchange.reply.set_header("Cache-Control", "no-store");
  exchange.reply.set_content(sheet.text(), metrics::text_type);
}

}  // namespace lighterman::api
