#include "registry/client.hpp"

#include <algorithm>
#include <charconv>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "metrics/meters.hpp"
#include "os/hash.hpp"
#include "registry/blob_reader.hpp"
#include "registry/inside.hpp"
#include "registry/upload.hpp"

namespace lighterman::registry {
namespace {

constexpr std::chrono::minutes remembered{1};
/// If somebody else fills it meanwhile, bytes are sent that could have been spared.
constexpr std::chrono::minutes remembered_absent{10};

/// The header's, without parameters; some registries leave it to the document.
std::string media_type_of(const net::Response& answer) {
  const std::string header = answer.headers.find("Content-Type").value_or("");
  const std::string type(trim(std::string_view(header).substr(0, header.find(';'))));
  if (type.starts_with("application/vnd.")) return type;
  const boost::json::value value = parse_json(answer.body, "the manifest");
  return Fields(value, "the manifest").text_or("mediaType", type);
}

}  // namespace

std::string accepted_manifests() {
  return concat(media::oci_manifest, ", ", media::oci_index, ", ", media::docker_manifest, ", ",
                media::docker_index);
}

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
                                               const std::stop_token& stop, For what) {
  const auto fresh = inside_->seen.with([&](auto& known) -> std::optional<std::uint64_t> {
    const auto found = known.find({repository.name(), blob});
    if (found == known.end() || std::chrono::steady_clock::now() - found->second.when > remembered)
      return {};
    return found->second.size;
  });
  if (fresh) return fresh;
  if (what == For::push && inside_->is_surely_missing(repository, blob)) return {};
  return inside_->retried(stop, [&] { return inside_->look(repository, blob, what, stop); });
}

bool Client::Inside::is_surely_missing(const Reference& repository, const Digest& blob) {
  const bool was_absent = absent.with([&](auto& known) {
    const auto found = known.find(repository.name());
    return found != known.end() &&
           std::chrono::steady_clock::now() - found->second < remembered_absent;
  });
  if (!was_absent) return false;
  const auto places = store.places(options.host, blob);
  return std::ranges::find(places, repository.repository()) == places.end();
}

std::optional<std::uint64_t> Client::Inside::look(const Reference& repository, const Digest& blob,
                                                  For what, const std::stop_token& stop) {
  const net::Response answer = ask("HEAD", url(repository, concat("/blobs/", blob.text()), stop),
                                   scope_of(repository, what), {}, stop);
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
                                                    const std::stop_token& stop, For what) {
  return inside_->retried(stop, [&]() -> std::optional<StoredManifest> {
    const net::Response answer =
        inside_->ask("GET", inside_->manifest_url(reference, stop),
                     Inside::scope_of(reference, what), {{"Accept", accepted_manifests()}}, stop);
    if (answer.status == 404 || inside_->is_missing(answer, reference, what, stop)) return {};
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

bool Client::Inside::mount(const BlobSource& blob, const Reference& repository,
                           const std::string& from, BlobUpload& upload,
                           const std::stop_token& stop) {
  const Digest& digest = blob.descriptor.digest;
  const std::string scope = concat(push_scope(repository.repository()), ' ', pull_scope(from));
  const std::string asked = url(repository,
                                concat("/blobs/uploads/?mount=", render_url_part(digest.text()),
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
    refuse(options, answer, concat("mounting blob ", digest.brief()),
           concat("push to ", repository.repository()));
  }
  if (answer.status == 202 && answer.headers.find("Location")) {
    // It did not mount but began an upload (distribution-spec, "Mounting a blob from another
    // repository").
    upload.abandon(stop);
    upload.adopt(asked, answer, stop);
    // The blob may also be gone over there: what mounted once can do it.
    const Reference place = Reference::parse(concat(options.host, '/', from));
    if (!find_trait(store, options.host, Trait::mounts) && look(place, digest, For::pull, stop))
      note(Trait::mounts, false);
  }
  store.forget_place(options.host, from, digest);
  return false;
}

std::optional<std::string> Client::Inside::find_mount(const BlobSource& blob,
                                                      const Reference& repository,
                                                      BlobUpload& upload,
                                                      const std::stop_token& stop) {
  constexpr std::size_t most_mounts = 3;
  std::size_t tried = 0;
  for (const std::string& from : store.places(options.host, blob.descriptor.digest)) {
    if (from == repository.repository()) continue;
    if (tried++ == most_mounts || find_trait(store, options.host, Trait::mounts) == false) break;
    if (!retried(stop, [&] { return mount(blob, repository, from, upload, stop); })) continue;
    upload.abandon(stop);
    return from;
  }
  return {};
}

LayerOutcome Client::Inside::bring(Client& client, const BlobSource& blob,
                                   const Reference& repository, const SendNews& news,
                                   const std::stop_token& stop) {
  const Digest& digest = blob.descriptor.digest;
  LayerOutcome outcome{blob.descriptor, LayerFate::present, "the registry has it", 0, ""};
  ground.prepare(repository, stop);
  if (client.find_blob(repository, digest, stop, For::push)) return outcome;
  BlobUpload upload(options, access, store, throttle, blob, repository, news);
  if (const auto from = find_mount(blob, repository, upload, stop)) {
    outcome.fate = LayerFate::mounted;
    outcome.reason = concat("mounted from ", *from);
  } else {
    const Gate::Pass pass(gate, stop);
    const metrics::Sending sending(options.host);
    bool again = false;
    outcome.sent_bytes = retried(stop, [&] {
      // The answer to the last request may be what was lost.
      if (std::exchange(again, true) && look(repository, digest, For::push, stop))
        return blob.descriptor.size;
      return upload.perform(stop);
    });
    outcome.fate = LayerFate::sent;
    outcome.reason = "new";
  }
  remember(repository, digest, blob.descriptor.size);
  return outcome;
}

LayerOutcome Client::bring(const BlobSource& blob, const Reference& repository,
                           const SendNews& news, const std::stop_token& stop) {
  const Inside::Key key{repository.name(), blob.descriptor.digest};
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
    const Inside::Key& key;
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
    request.url = inside_->manifest_url(reference, stop);
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

}  // namespace lighterman::registry
