#include "pipeline/rescan.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "audit/trail.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/compress.hpp"
#include "os/file.hpp"
#include "pipeline/decide.hpp"
#include "pipeline/facts.hpp"
#include "pipeline/harbor_work.hpp"
#include "pipeline/hooks.hpp"
#include "registry/product.hpp"
#include "scan/waivers.hpp"

namespace lighterman::pipeline {
namespace {

constexpr std::uint64_t largest_sbom = 64 << 20;
constexpr std::size_t page = 50;
constexpr std::chrono::minutes look_again{1};

/// What makes a finding the same one tomorrow.
std::string name_of(const Finding& finding) { return concat(finding.id, ' ', finding.package); }

ScanRecord record_of(std::int64_t publication, const Findings& findings,
                     const config::Scan& options) {
  ScanRecord record;
  record.publication = publication;
  record.scanned = findings.scanned;
  record.database = findings.database_time;
  record.reasons = reasons_against(findings, options);
  record.clean = record.reasons.empty();
  record.counts = findings_facts(findings).at("counts").as_object();
  std::set<std::string> known;
  for (const Finding& finding : findings.list) known.insert(name_of(finding));
  record.known.assign(known.begin(), known.end());
  return record;
}

boost::json::array fresh_ones(const boost::json::object& facts, const Findings& findings,
                              const std::vector<std::string>& known) {
  std::set<std::pair<std::string, std::string>> fresh;
  for (const Finding& finding : findings.list) {
    if (!std::ranges::binary_search(known, name_of(finding)))
      fresh.emplace(finding.id, finding.package);
  }
  boost::json::array list;
  for (const auto& value : facts.at("list").as_array()) {
    const Fields fields(value, "finding");
    if (fresh.contains({fields.text("id"), fields.text("package")})) list.push_back(value);
  }
  return list;
}

/// As they were at the commit that the image was built from.
std::vector<scan::Waiver> waivers_of(Yard& yard, const Publication& publication) {
  scan::VexSubject subject{{}, publication.digest};
  for (const PublishedTarget& target : publication.targets)
    subject.repositories.push_back(target.repository.name());
  const Fields facts(publication.facts, "publication");
  const std::string commit = Fields(facts.get("push"), "push").text("commit");
  return waivers_for(*yard.config().scan, subject, [&](const std::string& path) {
    return yard.mirror(publication.source).find_file(commit, path);
  });
}

}  // namespace

void SbomShelf::put(const Digest& manifest, const std::string& sbom, std::size_t part) const {
  std::filesystem::create_directories(folder_);
  std::string packed;
  os::Compressor compressor(
      os::Compression::zstd, [&](std::string_view part) { packed += part; }, 1);
  compressor.write(sbom);
  compressor.finish();
  os::replace_file(file_of(manifest, part), packed, 0600);
}

std::optional<std::string> SbomShelf::find(const Digest& manifest, std::size_t part) const {
  const std::filesystem::path file = file_of(manifest, part);
  if (!std::filesystem::exists(file)) return {};
  const std::string packed = os::read_file(file, largest_sbom);
  std::string_view rest = packed;
  const Pull pull = os::decompressed([&](char* into, std::size_t room) {
    const std::size_t part = rest.copy(into, room);
    rest.remove_prefix(part);
    return part;
  });
  std::string sbom, buffer(64 << 10, '\0');
  while (const std::size_t got = pull(buffer.data(), buffer.size())) {
    sbom.append(buffer, 0, got);
    if (sbom.size() > largest_sbom)
      throw Error(ErrorKind::invalid, concat(file.string(), ": larger than any SBOM"));
  }
  return sbom;
}

void SbomShelf::forget(const Digest& manifest) const {
  for (std::size_t part = 0; std::filesystem::remove(file_of(manifest, part)); ++part) {
  }
}

void SbomShelf::clear(const store::Store& store, Instant before) const {
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, gone)) {
    const std::string name = entry.path().filename().string();
    const std::string hex = name.substr(0, name.find('.'));
    const auto written = std::chrono::file_clock::to_sys(entry.last_write_time(gone));
    if (gone || hex.size() != 64 || !parse_hex(hex) || written >= before) continue;
    store::PublicationFilter filter;
    filter.digest = Digest::parse(concat("sha256:", hex));
    filter.limit = 1;
    if (store.publications(filter).empty()) std::filesystem::remove(entry.path(), gone);
  }
}

std::filesystem::path SbomShelf::file_of(const Digest& manifest, std::size_t part) const {
  return folder_ / concat(manifest.hex(), part == 0 ? "" : concat('.', part), ".cdx.json.zst");
}

Rescan::Rescan(std::function<std::shared_ptr<Yard>()> yard, store::Store& store, Tell tell)
    : yard_(std::move(yard)),
      store_(store),
      tell_(std::move(tell)),
      due_(store, "rescan", "last"),
      thread_([this](const std::stop_token& stop) { work(stop); }) {}

Rescan::~Rescan() {
  thread_.request_stop();
  thread_.join();
}

void Rescan::wake() {
  const std::lock_guard lock(mutex_);
  wanted_ = true;
  woken_.notify_all();
}

void Rescan::work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    bool wanted = false;
    {
      std::unique_lock lock(mutex_);
      wanted = std::exchange(wanted_, false);
    }
    if (wanted || is_due(system_now())) {
      const Instant began = system_now();
      try {
        perform(stop);
        due_.done(began);
      } catch (const Error& error) {
        // The thread goes on; the round is begun again a minute later.
        if (error.kind() == ErrorKind::cancelled) continue;
        tell_("warn", error.what());
        due_.failed(began);
      }
    }
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, stop, look_again, [&] { return wanted_; });
  }
}

bool Rescan::is_due(Instant now) {
  const auto yard = yard_();
  if (!yard->config().scan || yard->config().scan->rescan.empty()) return false;
  return due_.is_due(yard->config().scan->rescan, now);
}

RescanRound Rescan::perform(const std::stop_token& stop) {
  const std::shared_ptr<Yard> yard = yard_();
  RescanRound round;
  if (!yard->config().scan) return round;
  store::PublicationFilter filter;
  filter.limit = page;
  for (;;) {
    std::vector<store::ScannedPublication> found = store_.publications(filter);
    for (store::ScannedPublication& each : found) {
      if (stop.stop_requested()) throw Error(ErrorKind::cancelled, "stopping");
      filter.before = each.publication.id;
      try {
        look_at(*yard, each, round, stop);
      } catch (const Error& error) {
        // The other images are looked at all the same; this one is in the next round.
        if (error.kind() == ErrorKind::cancelled) throw;
        ++round.failed;
        tell_("warn", concat(each.publication.image, "@", each.publication.digest,
                             " could not be scanned again: ", error.what()));
      }
    }
    if (found.size() < page) break;
  }
  tell_("info", concat(round.scanned, " published images scanned again: ", round.news,
                       " with new findings, ", round.dirty, " with findings that block, ",
                       round.gone, " no longer tagged, ", round.failed, " failed"));
  return round;
}

void Rescan::look_at(Yard& yard, store::ScannedPublication& each, RescanRound& round,
                     const std::stop_token& stop) {
  Publication& publication = each.publication;
  if (!still_tagged(yard, publication, stop)) {
    ++round.gone;
    SbomShelf(yard.config().data / "sboms").forget(publication.digest);
    return;
  }
  const config::Scan& options = *yard.config().scan;
  Findings findings = scan(yard, publication, stop);
  scan::tie(findings, layer_origins_from(publication.facts));
  waive(findings, waivers_of(yard, publication), system_now());
  ScanRecord record = record_of(publication.id, findings, options);
  ++round.scanned;
  if (!record.clean) ++round.dirty;

  const std::vector<std::string> known = each.last ? each.last->known : std::vector<std::string>();
  boost::json::array fresh = fresh_ones(findings_facts(findings), findings, known);
  if (!fresh.empty()) {
    ++round.news;
    const policy::Decision decision = ask(yard, publication, findings, std::move(fresh), stop);
    // What a hook that failed should have heard is news the next time as well.
    if (!decision.problems.empty()) record.known = known;
  }
  store_.put_scan(record);
}

/// All that is found in the image, or in any part of an index.
Findings Rescan::scan(Yard& yard, const Publication& publication, const std::stop_token& stop) {
  const SbomShelf shelf(yard.config().data / "sboms");
  std::vector<Digest> parts;
  for (const boost::json::value& platform :
       Fields(publication.facts, "publication").list("platforms"))
    parts.push_back(Digest::parse(Fields(platform, "publication.platforms").text("digest")));
  if (parts.empty()) parts.push_back(publication.digest);
  std::optional<Findings> all;
  const auto add = [&](const Findings& found) {
    if (all)
      unite(*all, found);
    else
      all = found;
  };
  const config::Scan& options = *yard.config().scan;
  for (std::size_t at = 0; yard.scanner() != nullptr && at < parts.size(); ++at) {
    std::optional<std::string> sbom = shelf.find(publication.digest, at);
    if (!sbom) {
      const Reference place = publication.targets.front().repository.at(parts[at]);
      sbom = yard.scanner()->make_sbom(yard.published_for_scan(place), scan::SbomFormat::cyclonedx,
                                       stop);
      shelf.put(publication.digest, *sbom, at);
    }
    add(yard.scanner()->scan_sbom(*sbom, parts[at], stop));
  }
  if (options.by == config::ScanBy::trivy) return *all;
  const auto harbor = std::ranges::find_if(publication.targets, [&](const PublishedTarget& target) {
    return registry::find_product(registry_options(yard.config(), target.repository.host()), store_,
                                  stop) == registry::Product::harbor;
  });
  if (harbor != publication.targets.end()) {
    for (const Digest& part : parts)
      add(scan_in_harbor(registry_options(yard.config(), harbor->repository.host()),
                         harbor->repository.at(part), options.trivy.timeout, stop));
  }
  if (!all) throw Error(ErrorKind::invalid, "it is in no Harbor any more, which shall scan it");
  return *all;
}

/// Asks the registries; tags that are gone or moved on are taken off the record.
bool Rescan::still_tagged(Yard& yard, Publication& publication, const std::stop_token& stop) {
  for (PublishedTarget& target : publication.targets) {
    registry::Client& client = yard.registry(target.repository.host());
    std::erase_if(target.tags, [&](const std::string& tag) {
      return client.find_tag(target.repository.with_tag(tag), stop) != publication.digest;
    });
  }
  std::erase_if(publication.targets,
                [](const PublishedTarget& target) { return target.tags.empty(); });
  publication.gone = publication.targets.empty();
  store_.update_publication(publication);
  return !publication.gone;
}

policy::Decision Rescan::ask(Yard& yard, const Publication& publication, const Findings& findings,
                             boost::json::array fresh, const std::stop_token& stop) {
  boost::json::object facts = publication.facts.as_object();
  facts.erase("layers");
  std::set<std::string> tags;
  boost::json::array references;
  for (const PublishedTarget& target : publication.targets) {
    tags.insert(target.tags.begin(), target.tags.end());
    references.emplace_back(target.repository.at(publication.digest).text());
  }
  facts["tags"] = boost::json::array(tags.begin(), tags.end());
  facts["references"] = std::move(references);
  facts["findings"] = findings_facts(findings);
  facts["new_findings"] = std::move(fresh);

  Journal journal(store_, publication.run);
  const lighterman::Run run = store_.get(publication.run);
  policy::Decision decision = Hooks(yard, store_, journal, run)
                                  .ask(policy::Hook::on_rescan, publication.image, facts, stop);
  Publication marked = publication;
  if (!decision.deny.empty()) {
    marked.denied = policy::reasons(decision.deny);
    store_.update_publication(marked);
    tell_("warn", concat(marked.image, '@', marked.digest, " is denied: ", marked.denied));
    for (const auto& denial : decision.deny)
      audit::Trail(store_).note({.who = concat("plugin \"", denial.plugin, '"'),
                                 .deed = "deny",
                                 .subject = concat(marked.image, '@', marked.digest),
                                 .why = denial.value});
  }
  for (const policy::Action& action : decision.actions)
    if (action.kind == "untag") untag(yard, marked, action, stop);
  for (const auto& problem : decision.problems)
    tell_("warn", concat("plugin ", problem.plugin, ": ", problem.value));
  return decision;
}

/// Takes the action's tags away where they still name this image.
void Rescan::untag(Yard& yard, Publication& publication, const policy::Action& action,
                   const std::stop_token& stop) {
  ActionRecord record;
  for (const ActionRecord& each : store_.actions(publication.run)) {
    const bool ours = each.kind == "untag" && each.image == publication.image &&
                      each.body == action.body && each.state == ActionState::planned;
    if (ours) record = each;
  }
  try {
    const std::vector<std::string> wanted = Fields(action.body, "untag").texts("tags");
    for (PublishedTarget& target : publication.targets) {
      std::erase_if(target.tags, [&](const std::string& tag) {
        if (std::ranges::find(wanted, tag) == wanted.end()) return false;
        yard.registry(target.repository.host())
            .delete_tag(target.repository.with_tag(tag), publication.digest, stop);
        tell_("info", concat(target.repository.with_tag(tag), " taken away, as plugin ",
                             action.plugin, " asked"));
        return true;
      });
    }
    record.state = ActionState::done;
    record.why.clear();
  } catch (const Error& error) {
    // Kept beside the action for whoever reads it, and told; the scan itself went well.
    if (error.kind() == ErrorKind::cancelled) throw;
    record.state = ActionState::failed;
    record.why = error.what();
    tell_("warn", error.what());
  }
  if (record.id != 0) store_.put_action(record);
  store_.update_publication(publication);
}

void put_on_record(store::Store& store, const config::Config& config,
                   const Publication& publication, const Findings& findings) {
  const std::int64_t id = store.put_publication(publication);
  store.put_scan(record_of(id, findings, *config.scan));
}

}  // namespace lighterman::pipeline
