#include "registry/client.hpp"

#include <charconv>
#include <map>
#include <set>

#include "core/error.hpp"
#include "core/guarded.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "metrics/meters.hpp"
#include "os/hash.hpp"
#include "registry/access.hpp"
#include "registry/blob_reader.hpp"
#include "registry/credentials.hpp"
#include "registry/ground.hpp"
#include "registry/profile.hpp"
#include "registry/throttle.hpp"
#include "registry/upload.hpp"

namespace lighterman::registry {
namespace {

constexpr std::uint64_t largest_manifest = 16 << 20;
constexpr std::chrono::minutes remembered{1};
constexpr std::size_t most_remembered = 10000;
constexpr std::size_t most_tags = 100000;

std::string accepted_manifests() {
  return concat(media::oci_manifest, ", ", media::oci_index, ", ", media::docker_manifest, ", ",
                media::docker_index);
}

std::string name_of(const Reference& reference) {
  return reference.digest() ? reference.digest()->text() : reference.tag().value_or("latest");
}

/// The next page of `Link: </v2/...>; rel="next"` (RFC 8288).
std::optional<std::string> next_page(const net::Response& answer) {
  const auto link = answer.headers.find("Link");
  if (!link || link->find("next") == std::string::npos) return {};
  const std::size_t from = link->find('<'), to = link->find('>');
  if (from == std::string::npos || to == std::string::npos || to < from) return {};
  return link->substr(from + 1, to - from - 1);
}

/// The header's, without parameters; some registries leave it to the document.
std::string media_type_of(const net::Response& answer) {
  const std::string header = answer.headers.find("Content-Type").value_or("");
  const std::string type(trim(std::string_view(header).substr(0, header.find(';'))));
  if (type.starts_with("application/vnd.")) return type;
  const boost::json::value value = parse_json(answer.body, "the manifest");
  return Fields(value, "the manifest").text_or("mediaType", type);
}

using Key = std::pair<std::string, Digest>;

}  // namespace

struct Client::Inside {
  struct Seen {
    std::uint64_t size = 0;
    std::chrono::steady_clock::time_point when;
  };

  Options options;
  store::Store& store;
  net::Client http;
  Access access;
  Ground ground;
  Throttle throttle;
  Gate gate;
  Guarded<std::map<Key, Seen>> seen;
  std::mutex bringing_mutex;
  std::condition_variable_any brought;
  std::set<Key> bringing;

  Inside(Options given, store::Store& place)
      : options(std::move(given)),
        store(place),
        access(options, http),
        ground(options, store),
        throttle(options.push_limit),
        gate(options.uploads) {}

  void delete_stand_in(Client& client, const Reference& tagged, const std::stop_token& stop);

  template <class Work>
  auto retried(const std::stop_token& stop, Work&& work) {
    return net::retried(options.retry, stop, std::forward<Work>(work));
  }
  std::string url(const Reference& repository, std::string_view rest, const std::stop_token& stop) {
    return concat(access.probable_base(stop), "/v2/", repository.repository(), rest);
  }
  net::Response ask(const std::string& method, const std::string& url, const std::string& scope,
                    net::Headers headers, const std::stop_token& stop) {
    net::Request request;
    request.method = method;
    request.url = url;
    request.headers = std::move(headers);
    request.follow_redirects = method != "DELETE";
    request.body_limit = largest_manifest;
    return access.perform(std::move(request), scope, stop);
  }
  void remember(const Reference& repository, const Digest& blob, std::uint64_t size) {
    seen.with([&](auto& known) {
      if (known.size() >= most_remembered) known.clear();
      known[{repository.name(), blob}] = {size, std::chrono::steady_clock::now()};
    });
    store.put_place(options.host, repository.repository(), blob);
  }
  std::optional<std::uint64_t> look(const Reference& repository, const Digest& blob,
                                    const std::stop_token& stop);
  /// What is denied may only not be there yet.
  bool is_missing(const net::Response& answer, const Reference& repository,
                  const std::stop_token& stop) {
    return (answer.status == 401 || answer.status == 403) && ground.is_missing(repository, stop);
  }
  void note(Trait trait, bool can) { registry::note(store, options.host, trait, can); }
  void forget(const Reference& repository) {
    seen.with([&](auto& known) {
      std::erase_if(known,
                    [&](const auto& entry) { return entry.first.first == repository.name(); });
    });
  }
  void read_pages(std::string url, const std::string& scope, const std::string& doing,
                  const std::string& needs, const std::function<bool(const net::Response&)>& page,
                  const std::stop_token& stop);
  bool mount(const BlobSource& blob, const Reference& repository, const std::string& from,
             const std::stop_token& stop);
  LayerOutcome bring(Client& client, const BlobSource& blob, const Reference& repository,
                     const SendNews& news, const std::stop_token& stop);
};

Client::Client(Options options, store::Store& store)
    : inside_(std::make_unique<Inside>(std::move(options), store)) {}
Client::~Client() = default;
const Options& Client::options() const noexcept { return inside_->options; }
std::optional<std::pair<std::string, Secret>> Client::login() const {
  return inside_->access.credentials({});
}

Client::FreshToken Client::get_token(const std::string& realm, const std::string& service,
                                     const std::vector<std::string>& scopes,
                                     const std::stop_token& stop) {
  return inside_->access.get_token(realm, service, join(scopes, " "), stop);
}

void Client::ping(const std::stop_token& stop) {
  inside_->retried(stop, [&] {
    const net::Response answer =
        inside_->ask("GET", concat(inside_->access.base(stop), "/v2/"), "", {}, stop);
    if (answer.status != 200)
      refuse(inside_->options, answer, "asking for its API version", "log in");
  });
}

std::optional<std::uint64_t> Client::find_blob(const Reference& repository, const Digest& blob,
                                               const std::stop_token& stop) {
  const auto fresh = inside_->seen.with([&](auto& known) -> std::optional<std::uint64_t> {
    const auto found = known.find({repository.name(), blob});
    if (found == known.end() || std::chrono::steady_clock::now() - found->second.when > remembered)
      return {};
    return found->second.size;
  });
  if (fresh) return fresh;
  return inside_->retried(stop, [&] { return inside_->look(repository, blob, stop); });
}

std::optional<std::uint64_t> Client::Inside::look(const Reference& repository, const Digest& blob,
                                                  const std::stop_token& stop) {
  const net::Response answer = ask("HEAD", url(repository, concat("/blobs/", blob.text()), stop),
                                   pull_scope(repository.repository()), {}, stop);
  if (answer.status == 404) {
    store.forget_place(options.host, repository.repository(), blob);
    return {};
  }
  // Some registries deny to look into what does not exist yet, and the answer to a HEAD cannot say
  // more; the push will tell.
  if (answer.status == 401 || answer.status == 403) return {};
  if (answer.status != 200) {
    refuse(options, answer,
           concat("looking for blob ", blob.brief(), " in ", repository.repository()),
           concat("pull from ", repository.repository()));
  }
  const auto length = answer.headers.find("Content-Length");
  std::uint64_t size = 0;
  if (length) {
    std::from_chars(length->data(), length->data() + length->size(), size);
  } else {
    // Rare, and the size is wanted: the download's own head knows it.
    size = BlobReader(options, access, http, repository, blob, 0, stop).size().value_or(0);
  }
  remember(repository, blob, size);
  return size;
}

void Client::note_place(const Reference& repository, const Digest& blob) {
  inside_->store.put_place(inside_->options.host, repository.repository(), blob);
}

void Client::note(Trait trait, bool can) { inside_->note(trait, can); }

Pull Client::open_blob(const Reference& repository, const Digest& blob, std::uint64_t offset,
                       const std::stop_token& stop, Verify verify) {
  // Shared by the copies of the returned function, which std::function requires.
  auto reader = std::make_shared<BlobReader>(inside_->options, inside_->access, inside_->http,
                                             repository, blob, offset, stop, verify);
  return [reader](char* into, std::size_t room) { return reader->read(into, room); };
}

std::optional<StoredManifest> Client::find_manifest(const Reference& reference,
                                                    const std::stop_token& stop) {
  return inside_->retried(stop, [&]() -> std::optional<StoredManifest> {
    const net::Response answer = inside_->ask(
        "GET", inside_->url(reference, concat("/manifests/", name_of(reference)), stop),
        pull_scope(reference.repository()), {{"Accept", accepted_manifests()}}, stop);
    if (answer.status == 404 || inside_->is_missing(answer, reference, stop)) return {};
    if (answer.status != 200)
      refuse(inside_->options, answer, concat("reading ", reference.text()),
             concat("pull from ", reference.repository()));
    StoredManifest manifest{media_type_of(answer), answer.body, os::sha256(answer.body)};
    if (reference.digest() && *reference.digest() != manifest.digest) {
      throw Error(ErrorKind::invalid,
                  concat("registry ", inside_->options.host, ": the manifest of ", reference.text(),
                         " has other bytes than its digest says"));
    }
    return manifest;
  });
}

std::optional<Digest> Client::find_tag(const Reference& reference, const std::stop_token& stop) {
  const auto found = inside_->retried(stop, [&]() -> std::optional<std::string> {
    const auto ask = [&](const char* method) {
      return inside_->ask(
          method, inside_->url(reference, concat("/manifests/", name_of(reference)), stop),
          pull_scope(reference.repository()), {{"Accept", accepted_manifests()}}, stop);
    };
    net::Response answer = ask("HEAD");
    if (answer.status == 404 || inside_->is_missing(answer, reference, stop)) return {};
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
  const auto manifest = find_manifest(reference, stop);
  return manifest ? std::optional(manifest->digest) : std::nullopt;
}

std::vector<std::string> Client::tags(const Reference& repository, const std::stop_token& stop) {
  std::vector<std::string> tags;
  const auto add = [&](const net::Response& answer) {
    if (answer.status == 404) return false;
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

bool Client::Inside::mount(const BlobSource& blob, const Reference& repository,
                           const std::string& from, const std::stop_token& stop) {
  const std::string scope = concat(push_scope(repository.repository()), ' ', pull_scope(from));
  const std::string asked =
      url(repository,
          concat("/blobs/uploads/?mount=", render_url_part(blob.descriptor.digest.text()),
                 "&from=", render_url_part(from)),
          stop);
  net::Response answer;
  try {
    answer = ask("POST", asked, scope, {}, stop);
  } catch (const Error& error) {
    // A token service that gives no token for the other repository must not end the push.
    if (error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::cancelled) throw;
    return false;
  }
  if (answer.status == 201) {
    note(Trait::mounts, true);
    return true;
  }
  if (answer.status == 429 || answer.status >= 500) {
    refuse(options, answer, concat("mounting blob ", blob.descriptor.digest.brief()),
           concat("push to ", repository.repository()));
  }
  const auto location = answer.headers.find("Location");
  if (answer.status == 202 && location) {
    // It did not mount but began an upload, which nobody will go on with. Not all can delete it.
    ask("DELETE", access.resolve(asked, *location, stop), push_scope(repository.repository()), {},
        stop);
    // The blob may also be gone over there: what mounted once can do it.
    if (!find_trait(store, options.host, Trait::mounts)) note(Trait::mounts, false);
  }
  store.forget_place(options.host, from, blob.descriptor.digest);
  return false;
}

LayerOutcome Client::Inside::bring(Client& client, const BlobSource& blob,
                                   const Reference& repository, const SendNews& news,
                                   const std::stop_token& stop) {
  const Digest& digest = blob.descriptor.digest;
  LayerOutcome outcome{blob.descriptor, LayerFate::present, "the registry has it", 0, ""};
  ground.prepare(repository, stop);
  if (client.find_blob(repository, digest, stop)) return outcome;
  constexpr std::size_t most_mounts = 3;
  std::size_t tried = 0;
  for (const std::string& from : store.places(options.host, digest)) {
    if (from == repository.repository() || tried++ == most_mounts) continue;
    if (!retried(stop, [&] { return mount(blob, repository, from, stop); })) continue;
    remember(repository, digest, blob.descriptor.size);
    outcome.fate = LayerFate::mounted;
    outcome.reason = concat("mounted from ", from);
    return outcome;
  }
  const Gate::Pass pass(gate, stop);
  const metrics::Sending sending(options.host);
  BlobUpload upload(options, access, store, throttle, blob, repository, news);
  bool again = false;
  outcome.sent_bytes = retried(stop, [&] {
    // The answer to the last request may be what was lost.
    if (std::exchange(again, true) && look(repository, digest, stop)) return blob.descriptor.size;
    return upload.perform(stop);
  });
  outcome.fate = LayerFate::sent;
  outcome.reason = "new";
  remember(repository, digest, blob.descriptor.size);
  return outcome;
}

LayerOutcome Client::bring(const BlobSource& blob, const Reference& repository,
                           const SendNews& news, const std::stop_token& stop) {
  const Key key{repository.name(), blob.descriptor.digest};
  {
    // The same blob to the same place twice at a time: the second one finds it present.
    std::unique_lock lock(inside_->bringing_mutex);
    if (!inside_->brought.wait(lock, stop, [&] { return !inside_->bringing.contains(key); })) {
      throw Error(ErrorKind::cancelled, "stopped while another upload of the same blob went on");
    }
    inside_->bringing.insert(key);
  }
  struct Leave {
    Inside& inside;
    const Key& key;
    ~Leave() {
      {
        const std::lock_guard lock(inside.bringing_mutex);
        inside.bringing.erase(key);
      }
      inside.brought.notify_all();
    }
  } const leave{*inside_, key};
  return inside_->bring(*this, blob, repository, news, stop);
}

Digest Client::put_manifest(const Reference& reference, const std::string& media_type,
                            const std::string& bytes, const std::stop_token& stop) {
  const Digest digest = os::sha256(bytes);
  inside_->ground.prepare(reference, stop);
  inside_->retried(stop, [&] {
    net::Request request;
    request.method = "PUT";
    request.url = inside_->url(reference, concat("/manifests/", name_of(reference)), stop);
    request.headers.add("Content-Type", media_type);
    request.body = bytes;
    const net::Response answer =
        inside_->access.perform(std::move(request), push_scope(reference.repository()), stop);
    if (answer.status != 201 && answer.status != 200 && answer.status != 202) {
      // What we remember as present may be gone; the next attempt looks again.
      if (answer.body.find("BLOB_UNKNOWN") != std::string::npos) inside_->forget(reference);
      refuse(inside_->options, answer, concat("writing ", reference.text()),
             concat("push to ", reference.repository()));
    }
    // Whoever reads a manifest's subject says so (distribution-spec, "Pushing Manifests with
    // Subject").
    if (answer.headers.find("OCI-Subject")) inside_->note(Trait::referrers, true);
    const std::string confirmed =
        answer.headers.find("Docker-Content-Digest").value_or(digest.text());
    if (confirmed != digest.text()) {
      throw Error(ErrorKind::internal,
                  concat("registry ", inside_->options.host, ": it stored ", reference.text(),
                         " as ", shortened(confirmed, 80), ", not as ", digest));
    }
  });
  return digest;
}

void Client::delete_manifest(const Reference& by_digest, const std::stop_token& stop) {
  inside_->retried(stop, [&] {
    const net::Response answer = inside_->ask(
        "DELETE", inside_->url(by_digest, concat("/manifests/", name_of(by_digest)), stop),
        concat("repository:", by_digest.repository(), ":delete"), {}, stop);
    if (answer.status == 202 || answer.status == 200) inside_->note(Trait::deletes, true);
    if (answer.status == 405) inside_->note(Trait::deletes, false);
    if (answer.status != 202 && answer.status != 200 && answer.status != 404) {
      refuse(inside_->options, answer, concat("deleting ", by_digest.text()),
             concat("delete in ", by_digest.repository()));
    }
  });
}

void Client::delete_tag(const Reference& tagged, const Digest& digest,
                        const std::stop_token& stop) {
  if (find_tag(tagged, stop) != digest) return;
  const bool done = inside_->retried(stop, [&] {
    const net::Response answer =
        inside_->ask("DELETE", inside_->url(tagged, concat("/manifests/", name_of(tagged)), stop),
                     concat("repository:", tagged.repository(), ":delete"), {}, stop);
    // A registry may delete by digest only (distribution-spec, "Deleting tags").
    const bool by_digest_only = answer.status == 400 || answer.status == 405;
    if (answer.status != 404) inside_->note(Trait::deletes_tags, !by_digest_only);
    if (by_digest_only) return false;
    if (answer.status != 202 && answer.status != 200 && answer.status != 204 &&
        answer.status != 404) {
      refuse(inside_->options, answer, concat("deleting tag ", tagged.text()),
             concat("delete in ", tagged.repository()));
    }
    return true;
  });
  if (!done) inside_->delete_stand_in(*this, tagged, stop);
}

/// Points the tag to a manifest of no use to anybody and deletes that: the image and its other tags
/// stay.
void Client::Inside::delete_stand_in(Client& client, const Reference& tagged,
                                     const std::stop_token& stop) {
  const std::string config = concat(R"({"lighterman":"stands in for )", tagged.text(), "\"}");
  const BlobSource blob{{std::string(media::oci_config), os::sha256(config), config.size()},
                        [&config](std::uint64_t offset) {
                          return [rest = std::string_view(config).substr(offset)](
                                     char* into, std::size_t room) mutable {
                            const std::size_t part = rest.copy(into, room);
                            rest.remove_prefix(part);
                            return part;
                          };
                        }};
  client.bring(
      blob, tagged.bare(), [](const Digest&, std::uint64_t, std::uint64_t) {}, stop);
  const std::string manifest =
      concat(R"({"schemaVersion":2,"mediaType":")", media::oci_manifest,
             R"(","config":{"mediaType":")", media::oci_config, R"(","digest":")",
             blob.descriptor.digest, R"(","size":)", config.size(), R"(},"layers":[]})");
  const Digest digest =
      client.put_manifest(tagged, std::string(media::oci_manifest), manifest, stop);
  client.delete_manifest(tagged.at(digest), stop);
}

}  // namespace lighterman::registry
