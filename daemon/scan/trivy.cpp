#include "scan/trivy.hpp"

#include <cstdlib>

#include "core/choices.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "core/manifest.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "scan/report.hpp"

namespace lighterman::scan {
namespace {

/// Trivy's own limit fires first and says where it was; ours is for a Trivy that hangs.
constexpr std::chrono::seconds grace{10};
/// After a failed download; each try costs a start of Trivy.
constexpr std::chrono::minutes download_pause{10};
constexpr std::int64_t known_schema = 2;

std::string without_colours(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b')
      while (i < text.size() && text[i] != 'm') ++i;
    else
      result += text[i];
  }
  return result;
}

/// The last line that is not a mere note; many builds say nothing at all when they fail.
std::string last_words(const std::string& errors) {
  std::string words;
  for (const std::string& line : split(without_colours(errors), '\n'))
    if (!trim(line).empty() && line.find("INFO") == std::string::npos) words = trim(line);
  return shortened(valid_utf8(words), 400);
}

std::string severity_words(const std::vector<Severity>& severities) {
  std::vector<std::string> words;
  words.reserve(severities.size());
  for (const Severity severity : severities) words.emplace_back(render(severity));
  return join(words, ",");
}

const Digest& subject_of(const Image& image) {
  if (const auto* layout = std::get_if<LayoutImage>(&image)) return layout->manifest;
  const Reference& reference = std::get<RegistryImage>(image).reference;
  if (!reference.digest())
    throw Error(ErrorKind::invalid, concat("scanning ", reference, ": a digest is needed"));
  return *reference.digest();
}

/// As Trivy is told, and as it says it back.
std::string name_of(const Image& image) {
  if (const auto* layout = std::get_if<LayoutImage>(&image))
    return concat(std::filesystem::absolute(layout->folder).native(), "@", layout->manifest);
  return std::get<RegistryImage>(image).reference.at(subject_of(image)).text();
}

std::optional<Digest> config_of(const Image& image) {
  const auto* layout = std::get_if<LayoutImage>(&image);
  if (layout == nullptr) return std::get<RegistryImage>(image).config;
  const auto blob = layout->folder / "blobs" / "sha256" / std::string(layout->manifest.hex());
  return Manifest::parse(os::read_file(blob, 4 << 20)).config().digest;
}

/// Where the image is: arguments for its place, environment for its secrets.
void place(os::Program& program, const Image& image) {
  if (std::holds_alternative<LayoutImage>(image)) {
    program.arguments.insert(program.arguments.end(), {"--input", name_of(image)});
    return;
  }
  const auto& stored = std::get<RegistryImage>(image);
  if (!stored.username.empty()) {
    program.environment["TRIVY_USERNAME"] = stored.username;
    program.environment["TRIVY_PASSWORD"] = stored.password.reveal();
  }
  if (!stored.docker_config.empty())
    program.environment["DOCKER_CONFIG"] = stored.docker_config.native();
  program.arguments.insert(program.arguments.end(), {"--image-src", "remote", name_of(image)});
}

}  // namespace

/// Its holder may use the cache.
class Trivy::Turn {
 public:
  Turn(Trivy& trivy, const std::stop_token& stop) : trivy_(trivy) {
    std::unique_lock lock(trivy.mutex_);
    if (!trivy.freed_.wait(lock, stop, [&] { return !trivy.busy_; }))
      throw Error(ErrorKind::cancelled, "waiting for another scan: stopped");
    trivy.busy_ = true;
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    const std::lock_guard lock(trivy_.mutex_);
    trivy_.busy_ = false;
    trivy_.freed_.notify_one();
  }

 private:
  Trivy& trivy_;
};

Trivy::Trivy(TrivyOptions options) : options_(std::move(options)) {
  if (options_.cache_folder.empty())
    throw Error(ErrorKind::invalid, "scanner: a cache folder is needed");
  options_.cache_folder = std::filesystem::absolute(options_.cache_folder);
}

os::Program Trivy::program(std::vector<std::string> arguments,
                           const std::filesystem::path& folder) const {
  // Trivy reads trivy.yaml and .trivyignore where it stands: it stands in an empty folder.
  os::Program program{.name = options_.program,
                      .arguments = std::move(arguments),
                      .folder = folder,
                      .timeout = options_.timeout + grace};
  for (const char* name : {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy",
                           "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"})
    if (const char* value = std::getenv(name)) program.environment[name] = value;
  if (!options_.server_token.empty())
    program.environment["TRIVY_TOKEN"] = options_.server_token.reveal();
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(options_.timeout).count();
  program.arguments.insert(program.arguments.end(),
                           {"--cache-dir", options_.cache_folder.native(), "--timeout",
                            concat(seconds, "s"), "--no-progress"});
  return program;
}

void Trivy::run(const os::Program& program, const std::stop_token& stop) {
  os::Outcome outcome;
  try {
    outcome = os::perform(program, stop);
  } catch (const Error& error) {
    // Somebody who never installed it should be told how, not only that it is missing.
    if (error.kind() != ErrorKind::not_found) throw;
    throw Error(error.kind(),
                concat(error.what(), " (install Trivy, or say where it is in scan.program)"));
  }
  if (outcome.exit_code == 0) return;
  const std::string words = last_words(outcome.errors);
  if (outcome.exit_code > 128)
    throw Error(ErrorKind::unavailable,
                concat("trivy was killed by signal ", outcome.exit_code - 128,
                       outcome.exit_code == 137 ? " (out of memory?)" : "",
                       words.empty() ? "" : ": ", words));
  throw Error(ErrorKind::unavailable,
              concat("trivy failed with exit code ", outcome.exit_code, ": ",
                     words.empty() ? "it does not say why (can it read the image and its database?)"
                                   : words));
}

void Trivy::add_filters(std::vector<std::string>& arguments) const {
  arguments.insert(arguments.end(), {"--format", "json"});
  if (!options_.severities.empty())
    arguments.insert(arguments.end(), {"--severity", severity_words(options_.severities)});
  if (options_.ignore_unfixed) arguments.emplace_back("--ignore-unfixed");
  if (options_.offline) arguments.emplace_back("--offline-scan");
  if (!options_.server.empty()) {
    arguments.insert(arguments.end(), {"--server", options_.server});
    return;
  }
  arguments.emplace_back("--skip-db-update");
  if (options_.skip_update) arguments.emplace_back("--skip-java-db-update");
}

std::optional<DatabaseFacts> Trivy::find_database() const {
  const std::filesystem::path file = database_folder() / "metadata.json";
  if (!options_.server.empty() || !std::filesystem::exists(file) ||
      !std::filesystem::exists(database_folder() / "trivy.db"))
    return {};
  const boost::json::value given = parse_json(os::read_file(file), file.native());
  const Fields fields(given, file.native());
  return DatabaseFacts{fields.integer("Version"), fields.time_or("UpdatedAt", {}),
                       fields.time_or("NextUpdate", {})};
}

void Trivy::check_database(Findings& findings) const {
  if (!options_.server.empty()) return;
  const std::optional<DatabaseFacts> facts = find_database();
  if (!facts)
    throw Error(ErrorKind::not_found,
                concat("no vulnerability database in ", database_folder().native(),
                       options_.skip_update
                           ? " and scan.skip_update forbids to download one: put one there, or "
                             "allow it"
                           : ": it could not be downloaded yet"));
  if (facts->version != known_schema)
    throw Error(ErrorKind::invalid,
                concat("the vulnerability database in ", database_folder().native(),
                       " has schema version ", facts->version, "; ", known_schema, " is needed"));
  findings.database_version = std::to_string(facts->version);
  findings.database_time = facts->updated;
  const auto age = options_.clock() - facts->updated;
  if (age <= options_.database_age_limit) return;
  const std::string stale =
      concat("the vulnerability database is ", render_duration(age), " old, the limit is ",
             render_duration(options_.database_age_limit));
  if (options_.stale == Stale::refuse)
    throw Error(ErrorKind::unavailable,
                concat(stale, options_.skip_update ? ": update it, or unset scan.skip_update"
                                                   : ": can it be downloaded?"));
  findings.warnings.push_back(stale);
}

void Trivy::refresh_database(const std::stop_token& stop) {
  if (!options_.server.empty() || options_.skip_update) return;
  const Turn turn(*this, stop);
  const std::optional<DatabaseFacts> facts = find_database();
  const Instant now = options_.clock();
  if (facts && facts->version == known_schema && now < facts->next_update) return;
  {
    const std::lock_guard lock(mutex_);
    if (facts && now < not_before_) return;
  }
  std::vector<std::string> arguments{"image", "--download-db-only"};
  if (!options_.database_repository.empty())
    arguments.insert(arguments.end(), {"--db-repository", options_.database_repository});
  const os::ScratchFolder folder;
  std::string failure;
  try {
    during("downloading the vulnerability database",
           [&] { run(program(std::move(arguments), folder.path()), stop); });
  } catch (const Error& error) {
    // An older database is better than none; the age limit says when it no longer is.
    if (!facts || error.kind() != ErrorKind::unavailable) throw;
    failure = error.what();
  }
  const std::lock_guard lock(mutex_);
  not_before_ = now + download_pause;
  refresh_failure_ = failure;
}

std::optional<std::string> Trivy::key(const Digest& subject) const {
  const std::optional<DatabaseFacts> facts = find_database();
  if (!facts) return {};
  return concat(subject, " trivy db=", facts->version, "@", render_time(facts->updated),
                " severities=", severity_words(options_.severities),
                options_.ignore_unfixed ? " ignore_unfixed" : "");
}

Findings Trivy::report(Findings checked, const os::Program& program, const std::string& name,
                       const std::optional<Digest>& config, const std::filesystem::path& file,
                       const std::stop_token& stop) {
  run(program, stop);
  const boost::json::value told = read_report(file, options_.report_limit);
  Findings findings = findings_from_trivy(told);
  check_subject(told, name, *checked.subject, config);
  findings.database_version = checked.database_version;
  findings.database_time = checked.database_time;
  findings.warnings = std::move(checked.warnings);
  findings.subject = checked.subject;
  findings.scanned = options_.clock();
  findings.scanner_version = version(stop);
  const std::lock_guard lock(mutex_);
  if (!refresh_failure_.empty()) findings.warnings.push_back(refresh_failure_);
  return findings;
}

std::string Trivy::version(const std::stop_token& stop) {
  {
    const std::lock_guard lock(mutex_);
    if (!version_.empty()) return version_;
  }
  // A start of Trivy costs seconds, so it is asked once.
  const os::Outcome outcome =
      os::perform({.name = options_.program, .arguments = {"--version"}}, stop);
  const std::string line = outcome.output.substr(0, outcome.output.find('\n'));
  const std::string version =
      outcome.exit_code == 0 && line.starts_with("Version: ") ? line.substr(9) : "unknown";
  const std::lock_guard lock(mutex_);
  version_ = shortened(valid_utf8(version), 80);
  return version_;
}

Findings Trivy::scan(const Image& image, const std::stop_token& stop) {
  Findings checked;
  checked.subject = subject_of(image);
  std::optional<Turn> turn;
  if (options_.server.empty()) turn.emplace(*this, stop);
  check_database(checked);
  const os::ScratchFolder folder;
  const std::filesystem::path file = folder.path() / "report.json";
  std::vector<std::string> arguments{"image", "--scanners", "vuln", "--output", file.native()};
  add_filters(arguments);
  os::Program trivy = program(std::move(arguments), folder.path());
  place(trivy, image);
  return during(concat("scanning ", *checked.subject), [&] {
    return report(std::move(checked), trivy, name_of(image), config_of(image), file, stop);
  });
}

SbomFormat parse_sbom_format(std::string_view given) {
  static constexpr Choice<SbomFormat> formats[] = {{SbomFormat::cyclonedx, "cyclonedx"},
                                                   {SbomFormat::spdx, "spdx"}};
  return choice_of(formats, given, "SBOM format");
}

std::string Trivy::make_sbom(const Image& image, SbomFormat format, const std::stop_token& stop) {
  const bool spdx = format == SbomFormat::spdx;
  std::optional<Turn> turn;
  if (options_.server.empty()) turn.emplace(*this, stop);
  const os::ScratchFolder folder;
  const std::filesystem::path file = folder.path() / "sbom.json";
  os::Program trivy =
      program({"image", "--format", spdx ? "spdx-json" : "cyclonedx", "--output", file.native()},
              folder.path());
  if (options_.offline) trivy.arguments.emplace_back("--offline-scan");
  place(trivy, image);
  return during(concat("making the SBOM of ", subject_of(image)), [&] {
    run(trivy, stop);
    const boost::json::value sbom = read_report(file, options_.report_limit);
    const bool right = spdx ? Fields(sbom, "sbom").find("spdxVersion") != nullptr
                            : Fields(sbom, "sbom").text_or("bomFormat", "") == "CycloneDX";
    if (!right)
      throw Error(ErrorKind::invalid,
                  concat("trivy wrote something that is not ", spdx ? "SPDX" : "CycloneDX"));
    return os::read_file(file, options_.report_limit);
  });
}

Findings Trivy::scan_sbom(const std::string& sbom, const Digest& subject,
                          const std::stop_token& stop) {
  Findings checked;
  checked.subject = subject;
  std::optional<Turn> turn;
  if (options_.server.empty()) turn.emplace(*this, stop);
  check_database(checked);
  const os::ScratchFolder folder;
  const std::filesystem::path from = folder.path() / "sbom.json",
                              file = folder.path() / "report.json";
  os::replace_file(from, sbom, 0600);
  std::vector<std::string> arguments{"sbom", "--output", file.native()};
  add_filters(arguments);
  os::Program trivy = program(std::move(arguments), folder.path());
  trivy.arguments.push_back(from.native());
  return during(concat("scanning the SBOM of ", subject), [&] {
    Findings findings = report(std::move(checked), trivy, from.native(), {}, file, stop);
    restore_layers(findings, parse_json(sbom, "sbom"));
    return findings;
  });
}

}  // namespace lighterman::scan
