#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>

#include "core/guarded.hpp"
#include "registry/access.hpp"
#include "registry/client.hpp"
#include "registry/ground.hpp"
#include "registry/profile.hpp"
#include "registry/throttle.hpp"
#include "store/store.hpp"

namespace lighterman::registry {

class BlobUpload;

/// What the parts of a client share: client.cpp has blobs and manifests, tags.cpp tags and lists.
struct Client::Inside {
  static constexpr std::uint64_t largest_manifest = 16 << 20;
  static constexpr std::size_t most_remembered = 10000;
  using Key = std::pair<std::string, Digest>;
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
  /// Repositories that were not there when they were asked for their tags, and when that was.
  Guarded<std::map<std::string, std::chrono::steady_clock::time_point>> absent;
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

  /// False: it does not delete tags alone.
  bool delete_by_tag(const Reference& tagged, const std::stop_token& stop);

  template <class Work>
  auto retried(const std::stop_token& stop, Work&& work) {
    return net::retried(options.retry, stop, std::forward<Work>(work));
  }
  std::string url(const Reference& repository, std::string_view rest, const std::stop_token& stop) {
    return concat(access.probable_base(stop), "/v2/", repository.repository(), rest);
  }
  std::string manifest_url(const Reference& reference, const std::stop_token& stop) {
    return url(reference,
               concat("/manifests/", reference.digest() ? reference.digest()->text()
                                                        : reference.tag().value_or("latest")),
               stop);
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
  void note_absent(const Reference& repository) {
    absent.with([&](auto& known) {
      if (known.size() >= most_remembered) known.clear();
      known[repository.name()] = std::chrono::steady_clock::now();
    });
  }
  /// Nobody has put the blob there, as far as we know: whatever else is there we brought ourselves.
  bool is_surely_missing(const Reference& repository, const Digest& blob);
  static std::string scope_of(const Reference& repository, For what) {
    return what == For::push ? push_scope(repository.repository())
                             : pull_scope(repository.repository());
  }
  std::optional<std::uint64_t> look(const Reference& repository, const Digest& blob, For what,
                                    const std::stop_token& stop);
  /// What is denied may only not be there yet.
  bool is_missing(const net::Response& answer, const Reference& repository, For what,
                  const std::stop_token& stop) {
    return (answer.status == 401 || answer.status == 403) &&
           (what == For::push || ground.is_missing(repository, stop));
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
  /// False: it has to be sent, perhaps by the upload that was begun instead.
  bool mount(const BlobSource& blob, const Reference& repository, const std::string& from,
             BlobUpload& upload, const std::stop_token& stop);
  /// The repository it was mounted from.
  std::optional<std::string> find_mount(const BlobSource& blob, const Reference& repository,
                                        BlobUpload& upload, const std::stop_token& stop);
  LayerOutcome bring(Client& client, const BlobSource& blob, const Reference& repository,
                     const SendNews& news, const std::stop_token& stop);
};

/// For Accept, of whoever asks for a manifest.
std::string accepted_manifests();

}  // namespace lighterman::registry
