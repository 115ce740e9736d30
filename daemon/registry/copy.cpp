#include "registry/copy.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/json.hpp>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/manifest.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"
#include "registry/platforms.hpp"
#include "registry/referrers.hpp"
#include "registry/throttle.hpp"

namespace lighterman::registry {
namespace json = boost::json;
namespace {

/// Of one image, with all its platforms and what refers to them.
constexpr std::size_t most_manifests = 4000;
constexpr std::size_t most_manifest_bytes = 64 << 20;
/// An SBOM refers to an image, its signature to the SBOM.
constexpr int deepest_reference = 3;
/// Questions at a time; how many blobs travel at once, their registry's options say.
constexpr unsigned threads = 16;

/// One manifest on its way.
struct Parcel {
  StoredManifest manifest;
  std::optional<Digest> subject;  ///< what it refers to
  std::string tag;                ///< under which cosign looks for it
  int depth = 0;
  bool present = false;  ///< the other side has it, and so all it names
};

class Copy {
 public:
  Copy(Client& from, const Reference& source, Client& to, const Reference& repository,
       const CopyOptions& options, const CopyNews& news, const std::stop_token& stop)
      : from_(from),
        source_(source),
        to_(to),
        repository_(repository.bare()),
        options_(options),
        news_(news),
        pass_on_(stop, [this] { own_.request_stop(); }),
        stop_(own_.get_token()),
        own_beside_(from, source.bare()),
        beside_(options.beside != nullptr ? *options.beside : own_beside_) {}

  CopyOutcome perform(const std::vector<std::string>& tags);

 private:
  /// What to look at next: a manifest to get from the source.
  struct Wish {
    Reference reference;
    std::optional<Digest> subject;
    std::string tag;
    int depth = 0;
  };

  StoredManifest root();
  StoredManifest root_and_target(const std::vector<std::string>& tags);
  void walk(std::vector<Wish> wishes);
  void visit(const Wish& wish, std::vector<Wish>& next);
  bool is_there(const Parcel& parcel);
  bool is_root_there(const StoredManifest& root, const std::vector<std::string>& tags);
  bool admit(const Parcel& parcel);
  void look_below(const Parcel& parcel, std::vector<Wish>& next);
  void add_children(const StoredManifest& index, int depth, std::vector<Wish>& next);
  void add_referrers(const Digest& subject, int depth, std::vector<Wish>& next);
  void add_blobs(const StoredManifest& manifest);
  void bring_and_walk(const Parcel& whole);
  void bring_blobs();
  void bring(const Descriptor& blob);
  Pull slowed(Pull pull) const;
  void put_manifests(const std::vector<std::string>& tags);
  void put_by_tag(const Parcel& parcel);
  void tell() {
    if (news_) news_(tally_);
  }
  void note(std::string text) {
    const std::lock_guard lock(mutex_);
    notes_.push_back(std::move(text));
  }

  Client& from_;
  const Reference source_;
  Client& to_;
  const Reference repository_;
  const CopyOptions& options_;
  const CopyNews& news_;
  std::stop_source own_;  ///< ends with the caller's, and with a failure
  const std::stop_callback<std::function<void()>> pass_on_;
  const std::stop_token stop_;
  Beside own_beside_;
  Beside& beside_;

  std::optional<Digest> named_there_;  ///< by the first tag, before anything was copied

  std::mutex mutex_;  // of all below
  std::vector<Parcel> parcels_;
  std::size_t manifest_bytes_ = 0;
  std::set<Digest> seen_;
  std::set<Digest> blobs_;
  std::vector<Descriptor> waiting_;  ///< of those, what was not begun with
  CopyTally tally_;
  std::vector<std::string> notes_;
  std::set<Digest> arrived_;
};

StoredManifest Copy::root() {
  const auto found = from_.find_manifest(source_, stop_);
  if (!found) throw Error(ErrorKind::not_found, concat("there is no image ", source_.text()));
  if (options_.platforms.empty() || !is_index(found->media_type)) return *found;
  StoredManifest chosen = with_platforms(*found, options_.platforms);
  if (options_.referrers)
    note(concat("what refers to the whole index ", found->digest.brief(),
                " stays behind: with fewer platforms it is another index"));
  return chosen;
}

/// The first look at either side takes several round trips; none waits for another's.
StoredManifest Copy::root_and_target(const std::vector<std::string>& tags) {
  std::optional<StoredManifest> found;
  const std::array<std::function<void()>, 3> looks{
      [&] { found = root(); },
      [&] {
        if (!tags.empty() && !options_.tags_differ)
          named_there_ = to_.find_tag(repository_.with_tag(tags.front()), stop_, Client::For::push);
      },
      [&] {
        if (options_.referrers) beside_.list(stop_);
      }};
  at_once(
      looks.size(), looks.size(), [&](std::size_t i) { looks[i](); }, stop_);
  return *std::move(found);
}

/// All manifests below the image, level by level, each level's at once.
void Copy::walk(std::vector<Wish> wishes) {
  while (!wishes.empty()) {
    std::vector<Wish> next;
    at_once(
        wishes.size(), threads, [&](std::size_t i) { visit(wishes[i], next); }, stop_);
    wishes = std::move(next);
  }
}

void Copy::visit(const Wish& wish, std::vector<Wish>& next) {
  const auto manifest = from_.find_manifest(wish.reference, stop_);
  if (manifest) {
    Parcel parcel{*manifest, wish.subject, wish.tag, wish.depth, false};
    parcel.present = is_there(parcel);
    if (admit(parcel)) look_below(parcel, next);
    return;
  }
  if (!wish.subject)
    throw Error(ErrorKind::not_found,
                concat(source_.text(), " is incomplete: ", wish.reference.text(), " is missing"));
  // Some registries go on listing what was deleted; of cosign's tags most are not there.
  if (wish.tag.empty()) note(concat(wish.reference.text(), " is listed, but not there"));
}

bool Copy::is_there(const Parcel& parcel) {
  const Digest& digest = parcel.manifest.digest;
  if (!parcel.tag.empty())
    return to_.find_tag(repository_.with_tag(parcel.tag), stop_, Client::For::push) == digest;
  return digest == named_there_ ||
         to_.find_tag(repository_.at(digest), stop_, Client::For::push).has_value();
}

/// Of an image that no tag over there names, its layers tell as much as one more question would.
bool Copy::is_root_there(const StoredManifest& root, const std::vector<std::string>& tags) {
  const bool told_by_layers = !tags.empty() && !is_index(root.media_type);
  return root.digest == named_there_ ||
         (!told_by_layers &&
          to_.find_tag(repository_.at(root.digest), stop_, Client::For::push).has_value());
}

/// False: it was there already.
bool Copy::admit(const Parcel& parcel) {
  {
    const std::lock_guard lock(mutex_);
    if (!seen_.insert(parcel.manifest.digest).second) return false;
    manifest_bytes_ += parcel.manifest.bytes.size();
    if (parcels_.size() >= most_manifests || manifest_bytes_ > most_manifest_bytes)
      throw Error(ErrorKind::invalid,
                  concat(source_.text(), " has more manifests and referrers than ", most_manifests,
                         ", or larger ones than ", render_size(most_manifest_bytes), " in all"));
    ++tally_.manifests;
    if (parcel.subject) ++tally_.referrers;
    parcels_.push_back(parcel);
  }
  if (!parcel.present && !is_index(parcel.manifest.media_type)) add_blobs(parcel.manifest);
  return true;
}

/// Of what is there the parts are too; but what refers to a part may be newer.
void Copy::look_below(const Parcel& parcel, std::vector<Wish>& next) {
  const bool may_have_referrers = options_.referrers && parcel.tag.empty();
  if (is_index(parcel.manifest.media_type) && (!parcel.present || may_have_referrers))
    add_children(parcel.manifest, parcel.depth, next);
  if (may_have_referrers && parcel.depth < deepest_reference)
    add_referrers(parcel.manifest.digest, parcel.depth + 1, next);
}

void Copy::add_children(const StoredManifest& index, int depth, std::vector<Wish>& next) {
  const json::value value = parse_json(index.bytes, "the index");
  for (const json::value& entry : Fields(value, "the index").list("manifests")) {
    const Descriptor child = descriptor_from(entry);
    const std::lock_guard lock(mutex_);
    next.push_back({source_.at(child.digest), {}, "", depth});
  }
}

void Copy::add_referrers(const Digest& subject, int depth, std::vector<Wish>& next) {
  const Beside::Found found = beside_.find(subject, stop_);
  const std::lock_guard lock(mutex_);
  for (const Digest& digest : found.manifests)
    next.push_back({source_.at(digest), subject, "", depth});
  // Nobody signs a signature with a tag of its own.
  if (depth > 1) return;
  for (const std::string& tag : found.tags)
    next.push_back({source_.with_tag(tag), subject, tag, depth});
}

void Copy::add_blobs(const StoredManifest& manifest) {
  const Manifest parsed = Manifest::parse(manifest.bytes);
  std::vector<Descriptor> wanted{parsed.config()};
  for (const Descriptor& layer : parsed.layers()) {
    if (is_foreign(layer)) {
      note(
          concat("layer ", layer.digest.brief(), " stays behind: its owner gives it away himself"));
    } else {
      wanted.push_back(layer);
    }
  }
  const std::lock_guard lock(mutex_);
  for (const Descriptor& blob : wanted)
    if (blobs_.insert(blob.digest).second) {
      waiting_.push_back(blob);
      tally_.total += blob.size;
    }
}

/// The largest first, so that none of them is what everybody waits for at the end.
void Copy::bring_blobs() {
  std::vector<Descriptor> blobs;
  {
    const std::lock_guard lock(mutex_);
    blobs.swap(waiting_);
    tell();
  }
  std::ranges::sort(blobs, std::greater(), &Descriptor::size);
  at_once(
      blobs.size(), threads, [&](std::size_t i) { bring(blobs[i]); }, stop_);
}

void Copy::bring(const Descriptor& blob) {
  // A registry mounts what another repository of its own has.
  if (from_.options().host == to_.options().host) to_.note_place(source_, blob.digest);
  const BlobSource bytes{
      blob, [&](std::uint64_t offset) {
        // The other registry does not take bytes that do not fit their digest.
        return slowed(from_.open_blob(source_, blob.digest, offset, stop_, Client::Verify::no));
      }};
  std::uint64_t counted = 0;
  const auto progress = [&](const Digest&, std::uint64_t sent, std::uint64_t) {
    const std::lock_guard lock(mutex_);
    tally_.sent += sent - counted;  // less than before after a cut
    counted = sent;
    tell();
  };
  const LayerOutcome outcome =
      during(concat("blob ", blob.digest.brief(), " to ", repository_.name()),
             [&] { return to_.bring(bytes, repository_, progress, stop_); });
  const std::lock_guard lock(mutex_);
  ++tally_.blobs;
  if (outcome.fate != LayerFate::present) arrived_.insert(blob.digest);
  tally_.sent -= counted;
  (outcome.fate == LayerFate::present   ? tally_.present
   : outcome.fate == LayerFate::mounted ? tally_.mounted
                                        : tally_.sent) += blob.size;
  tell();
}

/// The same bytes, no faster than whoever asked for the copy allows.
Pull Copy::slowed(Pull pull) const {
  if (options_.throttle == nullptr) return pull;
  return [pull = std::move(pull), throttle = options_.throttle, stop = stop_](char* into,
                                                                              std::size_t room) {
    const std::size_t allowed = throttle->take(room, stop);
    const std::size_t got = pull(into, allowed);
    throttle->give_back(allowed - got);
    return got;
  };
}

/// Parts before the whole, and what refers to something after it. Where nothing does, the image
/// comes with its first tag.
void Copy::put_manifests(const std::vector<std::string>& tags) {
  const bool alone = std::ranges::none_of(
      parcels_, [](const Parcel& parcel) { return parcel.subject.has_value(); });
  for (auto parcel = parcels_.rbegin(); parcel != parcels_.rend(); ++parcel) {
    const bool with_tag = alone && !tags.empty() && std::next(parcel) == parcels_.rend();
    if (parcel->subject || parcel->present || with_tag) continue;
    to_.put_manifest(repository_.at(parcel->manifest.digest), parcel->manifest.media_type,
                     parcel->manifest.bytes, stop_);
  }
  TagEditor editor(to_);
  std::map<Digest, std::vector<TagContent>> by_subject;
  for (const Parcel& parcel : parcels_) {
    if (parcel.present || !parcel.subject) continue;
    if (parcel.tag.empty()) {
      by_subject[*parcel.subject].push_back({parcel.manifest.media_type, parcel.manifest.bytes});
    } else {
      put_by_tag(parcel);
    }
  }
  for (const auto& [subject, manifests] : by_subject)
    put_referrers(to_, repository_, subject, manifests, editor, stop_);
  editor.confirm(stop_);
}

/// Signatures that somebody made over there are not taken away by older ones from here.
void Copy::put_by_tag(const Parcel& parcel) {
  const Reference tag = repository_.with_tag(parcel.tag);
  if (const auto there = to_.find_manifest(tag, stop_, Client::For::push);
      there && !is_index(there->media_type)) {
    const auto held = Manifest::parse(there->bytes).layers();
    const bool has_all = std::ranges::all_of(
        Manifest::parse(parcel.manifest.bytes).layers(), [&](const Descriptor& layer) {
          return std::ranges::find(held, layer.digest, &Descriptor::digest) != held.end();
        });
    if (has_all) return;
    note(concat("what ", tag.text(), " named (", there->digest.brief(), ") was replaced"));
  }
  to_.put_manifest(tag, parcel.manifest.media_type, parcel.manifest.bytes, stop_);
}

CopyOutcome Copy::perform(const std::vector<std::string>& tags) {
  const StoredManifest root = root_and_target(tags);
  const Parcel whole{root, {}, "", 0, is_root_there(root, tags)};
  admit(whole);
  bring_and_walk(whole);
  bring_blobs();
  put_manifests(tags);
  CopyOutcome outcome{root.digest, {}, {}, {}};
  for (const std::string& tag : tags) {
    const Reference named = repository_.with_tag(tag);
    const bool known = options_.tags_differ || tag == tags.front();
    if ((known ? named_there_ : to_.find_tag(named, stop_, Client::For::push)) == root.digest)
      continue;
    to_.put_manifest(named, root.media_type, root.bytes, stop_);
    outcome.moved.push_back(tag);
  }
  outcome.tally = tally_;
  outcome.notes = std::move(notes_);
  outcome.arrived = std::move(arrived_);
  return outcome;
}

/// The image's own blobs need not wait for the questions after what refers to it.
void Copy::bring_and_walk(const Parcel& whole) {
  const std::array<std::function<void()>, 2> ways{[&] { bring_blobs(); },
                                                  [&] {
                                                    std::vector<Wish> wishes;
                                                    look_below(whole, wishes);
                                                    walk(std::move(wishes));
                                                  }};
  std::mutex failing;
  std::exception_ptr first;
  const auto go = [&](std::size_t i) {
    try {
      ways[i]();
    } catch (...) {
      // The other way would be gone for nothing; what it says of that is not the reason.
      {
        const std::lock_guard lock(failing);
        if (!first) first = std::current_exception();
      }
      own_.request_stop();
      throw;
    }
  };
  try {
    at_once(ways.size(), ways.size(), go, stop_);
  } catch (const Error&) {
    if (first) std::rethrow_exception(first);
    throw;
  }
}

}  // namespace

bool is_foreign(const Descriptor& layer) {
  return layer.media_type.find("nondistributable") != std::string::npos ||
         layer.media_type.find("foreign") != std::string::npos;
}

CopyOutcome copy(Client& from, const Reference& source, Client& to, const Reference& repository,
                 const std::vector<std::string>& tags, const CopyOptions& options,
                 const CopyNews& news, const std::stop_token& stop) {
  return during(concat("copying ", source.text(), " to ", repository.name()), [&] {
    return Copy(from, source, to, repository, options, news, stop).perform(tags);
  });
}

void at_once(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& act,
             const std::stop_token& stop) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&] {
    for (std::size_t i = next++; i < count && !failed && !stop.stop_requested(); i = next++) {
      try {
        act(i);
      } catch (...) {
        // Told once all threads are back: the others' work refers to what stands on this stack.
        const std::lock_guard lock(mutex);
        if (!failed.exchange(true)) failure = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> hands;
    for (std::size_t i = 1; i < std::min<std::size_t>(count, threads); ++i)
      hands.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
  if (stop.stop_requested()) throw Error(ErrorKind::cancelled, "stopped");
}

}  // namespace lighterman::registry
