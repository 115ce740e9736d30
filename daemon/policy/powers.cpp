#include "policy/powers.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <boost/system/error_code.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/manifest.hpp"
#include "net/retry.hpp"
#include "net/url.hpp"
#include "policy/errand.hpp"
#include "policy/grants.hpp"
#include "registry/referrers.hpp"

namespace lighterman::policy {
namespace {

using Json = boost::json::value;
using Object = boost::json::object;

constexpr int most_redirects = 5;
constexpr std::uint64_t largest_config = 4 << 20;

/// Runs `work`; what leaves has its secrets blackened.
template <class Work>
auto blackened(const Opened& opened, Work&& work) {
  try {
    return work();
  } catch (const net::Busy& busy) {
    throw net::Busy(opened.blacken(busy.what()), busy.pause());
  } catch (const net::NotPublic& error) {
    throw Error(ErrorKind::denied,
                concat(opened.blacken(error.what()),
                       "; where that is meant, allow it as http: [\"private:HOST\"]"));
  } catch (const Error& error) {
    // Messages name the URL, and servers and programs repeat what they were given.
    throw Error(error.kind(), opened.blacken(error.what()));
  }
}

/// Follows redirects within one origin; another's is the answer.
net::Response perform_at_home(net::Client& client, net::Request request,
                              const std::stop_token& stop) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  for (int hop = 0;; ++hop) {
    net::Response answer = client.perform(request, stop);
    const auto location = answer.headers.find("Location");
    if (!reads || answer.status < 300 || answer.status > 399 || !location ||
        hop == most_redirects) {
      return answer;
    }
    const net::Url here = net::Url::parse(request.url);
    const net::Url next = here.resolve(*location);
    if (next.origin() != here.origin()) return answer;
    request.url = next.text();
  }
}

Json answer_of(const net::Response& answer, const Opened& opened) {
  Object headers;
  for (const auto& [name, value] : answer.headers.fields()) {
    headers[lower(name)] = valid_utf8(opened.blacken(value));
  }
  const std::string text = valid_utf8(opened.blacken(answer.body));
  Object told{{"status", answer.status}, {"headers", std::move(headers)}, {"text", text}};
  const std::string type = lower(answer.headers.find("Content-Type").value_or(""));
  if (type.find("json") != std::string::npos) {
    try {
      told["json"] = parse_json(text, "the answer");
    } catch (const Error&) {
      // Then there is no `json`, and `text` shows why.
    }
  }
  return told;
}

Json ask_http(net::Client& client, const PowersOptions& options, const Wish& wish,
              const std::stop_token& stop) {
  const Opened opened(wish.body, wish.granted, options.secrets);
  return blackened(opened, [&] {
    net::Request request = request_of(wish.body, wish.granted, opened);
    request.trust = options.trust;
    request.body_limit = options.answer_limit;
    request.connect_timeout = std::min(request.connect_timeout, wish.timeout);
    request.total_timeout = wish.timeout;
    return answer_of(perform_at_home(client, std::move(request), stop), opened);
  });
}

Json run_program(const PowersOptions& options, const Wish& wish, const std::stop_token& stop) {
  const Opened opened(wish.body, wish.granted, options.secrets);
  return blackened(opened, [&]() -> Json {
    os::Program program = program_of(wish.body, "program", opened);
    program.timeout = wish.timeout;
    program.output_limit = options.answer_limit;
    const os::Outcome outcome = os::perform(program, stop);
    return {{"code", outcome.exit_code},
            {"output", valid_utf8(opened.blacken(outcome.output))},
            {"errors", valid_utf8(opened.blacken(outcome.errors))}};
  });
}

/// The manifest itself, or of an index the one for linux/amd64, or its first.
registry::StoredManifest image_manifest(registry::Client& client, const Reference& reference,
                                        registry::StoredManifest found,
                                        const std::stop_token& stop) {
  if (found.media_type != media::oci_index && found.media_type != media::docker_index) return found;
  const Json index = parse_json(found.bytes, "the index");
  const Fields fields(index, "the index");
  std::optional<Digest> chosen;
  for (const Json& each : fields.list("manifests")) {
    const Fields entry(each, "the index's entry");
    boost::system::error_code missing;
    const auto* os = each.find_pointer("/platform/os", missing);
    const auto* cpu = each.find_pointer("/platform/architecture", missing);
    const bool usual = os != nullptr && cpu != nullptr && *os == "linux" && *cpu == "amd64";
    if (!chosen || usual) chosen = Digest::parse(entry.text("digest"));
    if (usual) break;
  }
  if (!chosen) throw Error(ErrorKind::not_found, concat(reference, ": the index is empty"));
  auto manifest = client.find_manifest(reference.at(*chosen), stop);
  if (!manifest) {
    throw Error(ErrorKind::not_found, concat(reference.at(*chosen), ": it is not there"));
  }
  return std::move(*manifest);
}

Json labels_of(registry::Client& client, const Reference& reference,
               const registry::StoredManifest& found, const std::stop_token& stop) {
  const Manifest manifest = Manifest::parse(image_manifest(client, reference, found, stop).bytes);
  if (manifest.config().size > largest_config) {
    throw Error(ErrorKind::invalid, concat(reference, ": its config is too large"));
  }
  const Pull pull = client.open_blob(reference, manifest.config().digest, 0, stop);
  std::string config;
  std::string room(64 << 10, '\0');
  while (const std::size_t count = pull(room.data(), room.size())) {
    config.append(room, 0, count);
    if (config.size() > largest_config) {
      throw Error(ErrorKind::invalid, concat(reference, ": its config is too large"));
    }
  }
  return json_object(ImageConfig::parse(config).labels);
}

Json referrers_of(registry::Client& client, const Reference& reference, const Digest& digest,
                  const std::stop_token& stop) {
  boost::json::array list;
  for (const auto& each : registry::find_referrers(client, reference.bare(), digest, "", stop)) {
    list.push_back({{"digest", each.manifest.digest.text()},
                    {"media_type", each.manifest.media_type},
                    {"size", each.manifest.size},
                    {"artifact_type", each.artifact_type},
                    {"annotations", json_object(each.annotations)}});
  }
  return list;
}

/// nil (null) where there is no such manifest.
Json ask_registry(const PowersOptions& options, const Wish& wish, const std::stop_token& stop) {
  const Fields fields(wish.body, "registry");
  const std::string what = fields.text("ask");
  const Reference reference =
      Reference::parse(fields.text(what == "tags" ? "repository" : "reference"));
  if (!options.registry) throw Error(ErrorKind::invalid, "registry: no registry is set up");
  registry::Client& client = options.registry(reference.host());
  if (what == "tags") return json_array(client.tags(reference, stop));
  if (what == "referrers" && reference.digest()) {
    return referrers_of(client, reference, *reference.digest(), stop);
  }
  const auto found = client.find_manifest(reference, stop);
  if (!found) return nullptr;
  if (what == "referrers") return referrers_of(client, reference, found->digest, stop);
  if (what == "labels") return labels_of(client, reference, *found, stop);
  return {{"media_type", found->media_type},
          {"digest", found->digest.text()},
          {"size", found->bytes.size()},
          {"manifest", parse_json(found->bytes, "the manifest")}};
}

Json ask_scan(const PowersOptions& options, const Wish& wish, const std::stop_token& stop) {
  if (!options.scan) {
    throw Error(ErrorKind::invalid, "scan: no scanner is set up (add one to the configuration)");
  }
  const Fields fields(wish.body, "scan");
  const auto* given = fields.find("options");
  return options.scan(fields.text("reference"), given == nullptr ? Json(Object()) : *given, stop);
}

bool is_welcome(const Json& body, int status) {
  const auto* ok = Fields(body, "post").find("ok");
  if (ok == nullptr) return status >= 200 && status < 300;
  return std::ranges::find(ok->as_array(), Json(status)) != ok->as_array().end();
}

[[noreturn]] void refuse_status(const net::Request& request, const net::Response& answer) {
  const std::string why = concat(request.method, ' ', net::Url::parse(request.url).shown(), ": ",
                                 answer.status, ": ", shortened(valid_utf8(answer.body), 200));
  if (answer.status == 408 || answer.status == 429 || answer.status >= 500) {
    if (const auto pause = net::retry_after(answer)) throw net::Busy(why, *pause);
    throw Error(ErrorKind::unavailable, why);
  }
  throw Error(answer.status == 401 || answer.status == 403 ? ErrorKind::denied
              : answer.status == 404                       ? ErrorKind::not_found
                                                           : ErrorKind::invalid,
              why);
}

/// Robots answer 200 to what they refuse, too: the answer's JSON says what became of it. They may
/// be asked too often, or for a moment not know the time, so that another try may help.
void check_expected(const Json& body, const net::Request& request, const net::Response& answer) {
  const auto* expected = Fields(body, "post").find("expect");
  if (expected == nullptr || !expected->is_object()) return;
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorKind::unavailable,
                concat(request.method, ' ', net::Url::parse(request.url).shown(), ": ", why, ": ",
                       shortened(valid_utf8(answer.body), 200)));
  };
  boost::system::error_code broken;
  const Json told = boost::json::parse(answer.body, broken);
  if (broken || !told.is_object()) refuse("the answer is no JSON object");
  for (const auto& field : expected->get_object()) {
    const auto* got = told.get_object().if_contains(field.key());
    if (got != nullptr && *got == field.value()) continue;
    refuse(concat("the answer's ", field.key(), " is ",
                  got == nullptr ? "not there" : shortened(boost::json::serialize(*got), 60),
                  ", where ", boost::json::serialize(field.value()), " was expected"));
  }
}

void post_by_program(const PowersOptions& options, const Grants& granted, const Json& body,
                     const Opened& opened, const std::stop_token& stop) {
  os::Program program = program_of(body, "run", opened);
  if (!covers(granted, "run", program.name)) {
    throw Error(ErrorKind::denied, concat("run \"", program.name, "\" is not allowed"));
  }
  program.timeout = options.post_timeout;
  program.output_limit = options.answer_limit;
  const os::Outcome outcome = os::perform(program, stop);
  if (outcome.exit_code == 0) return;
  throw Error(ErrorKind::unavailable,
              concat("running ", program.name, ": exit code ", outcome.exit_code, ": ",
                     shortened(trim(valid_utf8(outcome.errors)), 200)));
}

void post_by_http(net::Client& client, const PowersOptions& options, const Grants& granted,
                  const Json& body, const Opened& opened, const std::stop_token& stop) {
  net::Request request = request_of(body, granted, opened);
  if (request.method == "GET") request.method = "POST";
  add_signature(request, body, opened, system_now());
  request.trust = options.trust;
  request.body_limit = options.answer_limit;
  request.connect_timeout = std::min(request.connect_timeout, options.post_timeout);
  request.total_timeout = options.post_timeout;
  const net::Response answer = client.perform(request, stop);
  if (!is_welcome(body, answer.status)) refuse_status(request, answer);
  check_expected(body, request, answer);
}

}  // namespace

Powers::Powers(PowersOptions options) : options_(std::move(options)) {}

Perform Powers::performer(std::stop_token stop) {
  return [this, stop = std::move(stop)](const Wish& wish) -> Json {
    if (wish.capability == "http") return ask_http(client_, options_, wish, stop);
    if (wish.capability == "run") return run_program(options_, wish, stop);
    if (wish.capability == "registry") return ask_registry(options_, wish, stop);
    if (wish.capability == "scan") return ask_scan(options_, wish, stop);
    throw Error(ErrorKind::invalid, concat("no capability \"", wish.capability, '"'));
  };
}

void Powers::perform_post(const Seat& seat, const Json& body, const std::stop_token& stop) {
  // The configuration may have changed since the plugin asked for it.
  const Grants granted = usable(seat.plugin->needs, seat.granted);
  const Opened opened(body, granted, options_.secrets);
  blackened(opened, [&] {
    if (body.as_object().contains("run")) {
      post_by_program(options_, granted, body, opened, stop);
    } else {
      post_by_http(client_, options_, granted, body, opened, stop);
    }
  });
}

}  // namespace lighterman::policy
