#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"
#include "registry/inside.hpp"

namespace lighterman::registry {
namespace {

constexpr std::size_t most_tags = 100000;

/// The next page of `Link: </v2/...>; rel="next"` (RFC 8288).
std::optional<std::string> next_page(const net::Response& answer) {
  const auto link = answer.headers.find("Link");
  if (!link || link->find("next") == std::string::npos) return {};
  const std::size_t from = link->find('<'), to = link->find('>');
  if (from == std::string::npos || to == std::string::npos || to < from) return {};
  return link->substr(from + 1, to - from - 1);
}

/// A manifest of no use to anybody, for one tag the same each time.
struct StandIn {
  explicit StandIn(const Reference& tagged)
      : config(concat(R"({"lighterman":"stands in for )", tagged.text(), "\"}")),
        described{std::string(media::oci_config), os::sha256(config), config.size()},
        manifest(concat(R"({"schemaVersion":2,"mediaType":")", media::oci_manifest,
                        R"(","config":{"mediaType":")", media::oci_config, R"(","digest":")",
                        described.digest, R"(","size":)", config.size(), R"(},"layers":[]})")),
        digest(os::sha256(manifest)) {}
  void put(Client& client, const Reference& reference, const std::stop_token& stop) const {
    client.put_manifest(reference, std::string(media::oci_manifest), manifest, stop);
  }
  void bring_config(Client& client, const Reference& repository,
                    const std::stop_token& stop) const {
    const BlobSource blob{described, [this](std::uint64_t offset) {
                            return [rest = std::string_view(config).substr(offset)](
                                       char* into, std::size_t room) mutable {
                              const std::size_t part = rest.copy(into, room);
                              rest.remove_prefix(part);
                              return part;
                            };
                          }};
    client.bring(blob, repository, {}, stop);
  }

  const std::string config;
  const Descriptor described;
  const std::string manifest;
  const Digest digest;
};

/// Points the tag to the stand-in and deletes that: the image and its other tags stay. The tag is
/// not touched before the registry has shown that it deletes at all.
void delete_with(Client& client, const StandIn& stand_in, const Reference& tagged,
                 const Digest& digest, bool known_to_delete, const std::stop_token& stop) {
  const Reference by_digest = tagged.at(stand_in.digest);
  // Docker's registry says that it deletes nothing before it looks whether there is anything.
  client.delete_manifest(by_digest, stop);
  const auto image = client.find_manifest(tagged.at(digest), stop);
  if (!image) return;
  stand_in.bring_config(client, tagged.bare(), stop);
  if (!known_to_delete) {
    stand_in.put(client, by_digest, stop);
    client.delete_manifest(by_digest, stop);
  }
  try {
    stand_in.put(client, tagged, stop);
    client.delete_manifest(by_digest, stop);
  } catch (const Error&) {
    // Who pulls by that tag must get the image again, also when we are to stop.
    client.put_manifest(tagged, image->media_type, image->bytes, {});
    throw;
  }
}

}  // namespace

std::optional<Digest> Client::find_tag(const Reference& reference, const std::stop_token& stop,
                                       For what) {
  const auto found = inside_->retried(stop, [&]() -> std::optional<std::string> {
    const auto ask = [&](const char* method) {
      return inside_->ask(method, inside_->manifest_url(reference, stop),
                          Inside::scope_of(reference, what), {{"Accept", accepted_manifests()}},
                          stop);
    };
    net::Response answer = ask("HEAD");
    if (answer.status == 404 || inside_->is_missing(answer, reference, what, stop)) return {};
    // The answer to a HEAD cannot say why.
    if (answer.status == 401 || answer.status == 403) answer = ask("GET");
    if (answer.status == 404) return {};
    if (answer.status != 200)
      refuse(inside_->options, answer, concat("looking for ", reference.text()),
             concat("pull from ", reference.repository()));
    return answer.headers.find("Docker-Content-Digest").value_or("");
  });
  if (!found) return {};
  if (!found->empty()) return Digest::parse(*found);
  // The header is optional (distribution-spec, "Pulling manifests"): then the bytes tell.
  const auto manifest = find_manifest(reference, stop, what);
  return manifest ? std::optional(manifest->digest) : std::nullopt;
}

std::vector<std::string> Client::tags(const Reference& repository, const std::stop_token& stop) {
  std::vector<std::string> tags;
  const auto add = [&](const net::Response& answer) {
    if (answer.status == 404) {
      inside_->note_absent(repository);
      return false;
    }
    if (answer.status != 200)
      refuse(inside_->options, answer, concat("listing the tags of ", repository.repository()),
             concat("pull from ", repository.repository()));
    const boost::json::value value = parse_json(answer.body, "the list of tags");
    for (std::string& tag : Fields(value, "the list of tags").texts("tags"))
      tags.push_back(std::move(tag));
    return tags.size() < most_tags;
  };
  read_pages(repository, "/tags/list?n=1000", add, stop);
  return tags;
}

std::vector<std::string> Client::repositories(const std::stop_token& stop) {
  std::vector<std::string> names;
  const auto add = [&](const net::Response& answer) {
    if (answer.status == 200 || answer.status == 404)
      inside_->note(Trait::catalog, answer.status == 200);
    if (answer.status != 200)
      refuse(inside_->options, answer, "listing its repositories", "read the catalog");
    const boost::json::value value = parse_json(answer.body, "the catalog");
    for (std::string& name : Fields(value, "the catalog").texts("repositories"))
      names.push_back(std::move(name));
    return names.size() < most_tags;
  };
  inside_->read_pages(concat(inside_->access.base(stop), "/v2/_catalog?n=1000"),
                      "registry:catalog:*", "listing its repositories", "read the catalog", add,
                      stop);
  return names;
}

void Client::read_pages(const Reference& repository, const std::string& path,
                        const std::function<bool(const net::Response&)>& page,
                        const std::stop_token& stop) {
  inside_->read_pages(inside_->url(repository, path, stop), pull_scope(repository.repository()),
                      concat("reading ", path, " of ", repository.repository()),
                      concat("pull from ", repository.repository()), page, stop);
}

void Client::Inside::read_pages(std::string url, const std::string& scope, const std::string& doing,
                                const std::string& needs,
                                const std::function<bool(const net::Response&)>& page,
                                const std::stop_token& stop) {
  std::optional<std::string> at = std::move(url);
  while (at) {
    const net::Response answer = retried(stop, [&] {
      net::Response reply = ask("GET", *at, scope, {}, stop);
      const int status = reply.status;
      if (status == 401 || status == 403 || status == 429 || status >= 500)
        refuse(options, reply, doing, needs);
      return reply;
    });
    if (!page(answer)) return;
    std::optional<std::string> next = next_page(answer);
    if (next) next = access.resolve(*at, *next, stop);
    at = next == at ? std::nullopt : next;
  }
}

void Client::delete_manifest(const Reference& by_digest, const std::stop_token& stop) {
  inside_->retried(stop, [&] {
    const net::Response answer =
        inside_->ask("DELETE", inside_->manifest_url(by_digest, stop),
                     concat("repository:", by_digest.repository(), ":delete"), {}, stop);
    if (answer.status == 202 || answer.status == 200) inside_->note(Trait::deletes, true);
    if (answer.status == 405) {
      inside_->note(Trait::deletes, false);
      throw Error(ErrorKind::denied,
                  concat("registry ", inside_->options.host, ": deleting ", by_digest.text(),
                         ": 405: it deletes no manifests (docker's registry does with "
                         "`storage: {delete: {enabled: true}}` in its configuration, or "
                         "REGISTRY_STORAGE_DELETE_ENABLED=true)"));
    }
    if (answer.status != 202 && answer.status != 200 && answer.status != 404) {
      refuse(inside_->options, answer, concat("deleting ", by_digest.text()),
             concat("delete in ", by_digest.repository()));
    }
  });
}

void Client::delete_tag(const Reference& tagged, const Digest& digest,
                        const std::stop_token& stop) {
  const StandIn stand_in(tagged);
  const std::optional<Digest> names = find_tag(tagged, stop);
  // As somebody left it who was killed before he deleted it.
  if (names == stand_in.digest) return delete_manifest(tagged.at(stand_in.digest), stop);
  if (names != digest || inside_->delete_by_tag(tagged, stop)) return;
  delete_with(*this, stand_in, tagged, digest,
              find_trait(inside_->store, inside_->options.host, Trait::deletes) == true, stop);
}

bool Client::Inside::delete_by_tag(const Reference& tagged, const std::stop_token& stop) {
  return retried(stop, [&] {
    const net::Response answer =
        ask("DELETE", manifest_url(tagged, stop),
            concat("repository:", tagged.repository(), ":delete"), {}, stop);
    // A registry may delete by digest only (distribution-spec, "Deleting tags").
    const bool by_digest_only = answer.status == 400 || answer.status == 405;
    if (answer.status != 404) note(Trait::deletes_tags, !by_digest_only);
    if (by_digest_only) return false;
    if (answer.status != 202 && answer.status != 200 && answer.status != 204 &&
        answer.status != 404) {
      refuse(options, answer, concat("deleting tag ", tagged.text()),
             concat("delete in ", tagged.repository()));
    }
    return true;
  });
}

}  // namespace lighterman::registry
