#include "registry/upload.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/error.hpp"
#include "core/text.hpp"
#include "metrics/meters.hpp"
#include "registry/profile.hpp"

namespace lighterman::registry {
namespace {

// What is sent again after a cut, to save each blob below it a round trip.
constexpr std::uint64_t small = 2 << 20;
constexpr std::uint64_t smallest_chunk = 64 << 10;
constexpr std::uint64_t smallest_cut = 2 << 20;
/// No registry keeps an unfinished upload for longer.
constexpr std::chrono::days forgotten{7};

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// Bytes the registry holds, from "Range: 0-1023" (some write "bytes=0-1023"). docker's registry
/// says "0-0" for none as for one. Empty: it does not say.
std::optional<std::uint64_t> held(const net::Response& answer) {
  const auto range = answer.headers.find("Range");
  if (!range) return {};
  const std::size_t dash = range->find('-');
  std::uint64_t last = 0;
  if (dash == std::string::npos) return {};
  const char* const from = range->data() + dash + 1;
  const auto [end, error] = std::from_chars(from, range->data() + range->size(), last);
  if (error != std::errc() || end == from) return {};
  return last == 0 ? 0 : last + 1;
}

/// The upload is gone, or stands elsewhere than we think.
bool says_lost(const net::Response& answer) {
  if (answer.status == 404 || answer.status == 416) return true;
  return answer.status == 400 && (answer.body.find("BLOB_UPLOAD_") != std::string::npos ||
                                  answer.body.find("RANGE_INVALID") != std::string::npos);
}

std::string with_digest(const std::string& location, const Digest& digest) {
  return concat(location, location.find('?') == std::string::npos ? '?' : '&',
                "digest=", render_url_part(digest.text()));
}

}  // namespace

BlobUpload::BlobUpload(const Options& options, Access& access, store::Store& store,
                       Throttle& throttle, const BlobSource& blob, const Reference& repository,
                       const SendNews& news)
    : options_(options),
      access_(access),
      store_(store),
      throttle_(throttle),
      blob_(blob),
      repository_(repository),
      news_(news),
      size_(blob.descriptor.size) {}

std::string BlobUpload::doing() const {
  return concat("pushing blob ", blob_.descriptor.digest.brief(), " to ", repository_.repository());
}
std::string BlobUpload::needs() const { return concat("push to ", repository_.repository()); }

Error BlobUpload::trouble(ErrorKind kind, std::string_view what) const {
  return {kind, concat("registry ", options_.host, ": ", doing(), ": ", what)};
}
void BlobUpload::refused(const net::Response& answer) const {
  refuse(options_, answer, doing(), needs());
}

/// Bytes in one request: all that is left, as long as nobody on the way minds.
std::uint64_t BlobUpload::chunk_size() const {
  std::uint64_t chunk = options_.chunk == 0 ? size_ : options_.chunk;
  if (const auto known = find_largest_request(store_, options_.host))
    chunk = std::min(chunk, *known);
  return std::max(chunk, least_chunk_);
}

bool BlobUpload::takes_whole_only() const {
  return find_trait(store_, options_.host, Trait::chunks) == false;
}

/// A proxy that gathers a body before it passes it on, or a store that copies it once more, says
/// nothing for as long as that takes.
std::chrono::milliseconds BlobUpload::patience(std::uint64_t bytes) const {
  constexpr std::uint64_t bytes_a_second = 20'000'000;
  return options_.silence + std::chrono::milliseconds(bytes * 1000 / bytes_a_second);
}

/// Something on the way refuses bodies of this size: half of it is tried, and remembered.
void BlobUpload::shrink_chunks(std::uint64_t refused) {
  const std::uint64_t half = refused / 2;
  if (takes_whole_only() || half < std::max(smallest_chunk, least_chunk_)) {
    throw trouble(ErrorKind::invalid,
                  concat("a request body of ", render_size(refused),
                         " is too large for it or for a proxy before it: raise its limit"));
  }
  note_largest_request(store_, options_.host, half);
}

std::uint64_t BlobUpload::perform(const std::stop_token& stop) {
  for (;;) {
    const std::uint64_t before = reached_;
    std::chrono::milliseconds wait = net::backoff(options_.retry, 1);
    try {
      attempt(stop);
      return sent_;
    } catch (const Error& error) {
      // A long upload over a bad line must not run out of attempts while it gets on.
      if (error.kind() != ErrorKind::unavailable || reached_ <= before) throw;
      if (const auto* busy = dynamic_cast<const net::Busy*>(&error)) {
        wait = std::max(wait, busy->pause());
      }
    }
    net::pause(wait, stop);
  }
}

void BlobUpload::attempt(const std::stop_token& stop) {
  // What could not take chunks need not be asked for each blob.
  if (takes_whole_only() || size_ <= std::min(small, chunk_size())) {
    send_whole(stop);
  } else {
    send_chunks(stop);
  }
}

std::string BlobUpload::begin(const std::stop_token& stop) {
  if (!begun_.empty()) return std::exchange(begun_, {});
  open_beside();
  net::Request request;
  request.method = "POST";
  request.url = concat(access_.base(stop), "/v2/", repository_.repository(), "/blobs/uploads/");
  const std::string asked = request.url;
  const net::Response answer =
      access_.perform(std::move(request), push_scope(repository_.repository()), stop);
  if (answer.status != 202) refused(answer);
  adopt(asked, answer, stop);
  return std::exchange(begun_, {});
}

void BlobUpload::open_beside() {
  if (!opened_.valid())
    opened_ = std::async(std::launch::async, [open = blob_.open] { return open(0); });
}

void BlobUpload::adopt(const std::string& asked, const net::Response& answer,
                       const std::stop_token& stop) {
  const auto location = answer.headers.find("Location");
  if (!location) throw trouble(ErrorKind::invalid, "no Location in its answer");
  if (const auto least = answer.headers.find("OCI-Chunk-Min-Length")) {
    least_chunk_ = number(*least);
    note(store_, options_.host, least_chunk_fact, std::to_string(least_chunk_));
  }
  begun_ = access_.resolve(asked, *location, stop);
}

void BlobUpload::abandon(const std::stop_token& stop) {
  if (begun_.empty()) return;
  net::Request request;
  request.method = "DELETE";
  request.url = std::exchange(begun_, {});
  try {
    access_.perform(std::move(request), push_scope(repository_.repository()), stop);
  } catch (const Error& error) {
    // Not all can delete it, and all forget it by themselves.
    if (error.kind() == ErrorKind::cancelled) throw;
  }
}

void BlobUpload::begin_anew(const std::stop_token& stop) {
  location_ = begin(stop);
  offset_ = 0;
  resumed_ = false;
  remember();
}

net::Upload BlobUpload::body(std::uint64_t length, const std::stop_token& stop) {
  const std::uint64_t from = offset_;
  return {[this, pull = from == 0 && opened_.valid() ? opened_.get() : blob_.open(from),
           done = std::uint64_t{0}, from, length, stop](char* into, std::size_t room) mutable {
            const auto part =
                static_cast<std::size_t>(std::min<std::uint64_t>(room, length - done));
            if (part == 0) return std::size_t{0};
            const std::size_t allowed = throttle_.take(part, stop);
            std::size_t got = 0;
            try {
              got = pull(into, allowed);
            } catch (...) {
              // Or the registry would be blamed for it.
              source_failed_ = true;
              throw;
            }
            throttle_.give_back(allowed - got);
            if (got == 0) {
              throw trouble(ErrorKind::internal, concat("the blob ends early, after ", from + done,
                                                        " of ", size_, " bytes"));
            }
            done += got;
            sent_ += got;
            metrics::bytes_sent(options_.host, got);
            if (news_) news_(blob_.descriptor.digest, from + done, size_);
            return got;
          },
          length};
}

net::Response BlobUpload::put(const std::string& location,
                              std::variant<std::monostate, std::string, net::Upload> body,
                              const std::stop_token& stop) {
  net::Request request;
  request.method = "PUT";
  request.url = with_digest(location, blob_.descriptor.digest);
  request.headers.add("Content-Type", "application/octet-stream");
  request.body = std::move(body);
  request.silence_timeout = patience(size_);
  return access_.perform(std::move(request), push_scope(repository_.repository()), stop);
}

/// POST, then PUT with the body ("Pushing a blob monolithically").
void BlobUpload::send_whole(const std::stop_token& stop) {
  for (int attempts = 0;; ++attempts) {
    const std::string location = begin(stop);
    offset_ = 0;
    const net::Response answer = put(location, body(size_, stop), stop);
    if (answer.status == 201 || answer.status == 204) return;
    // The token had ended; the next request carries a new one.
    if (answer.status == 401 && attempts == 0) continue;
    if (answer.status == 413) {
      shrink_chunks(size_);
      return send_chunks(stop);
    }
    refused(answer);
  }
}

void BlobUpload::send_chunks(const std::stop_token& stop) {
  resumed_ = find_place(stop);
  resumed_ ? abandon(stop) : begin_anew(stop);
  while (offset_ < size_) {
    const std::uint64_t length = std::min(chunk_size(), size_ - offset_);
    const Sent sent = send_chunk(length, stop);
    if (sent == Sent::unsupported) {
      // Some registries take blobs in one piece only.
      note(store_, options_.host, Trait::chunks, false);
      store_.forget_upload(repository_, blob_.descriptor.digest);
      return send_whole(stop);
    }
    if (sent != Sent::accepted) recover(sent, length, stop);
  }
  finish(stop);
}

BlobUpload::Sent BlobUpload::send_chunk(std::uint64_t length, const std::stop_token& stop) {
  net::Request request;
  request.method = "PATCH";
  request.url = location_;
  request.headers.add("Content-Type", "application/octet-stream");
  request.headers.add("Content-Range", concat(offset_, '-', offset_ + length - 1));
  request.body = body(length, stop);
  request.silence_timeout = patience(length);
  const std::uint64_t sent_before = sent_;
  source_failed_ = false;
  net::Response answer;
  try {
    answer = access_.perform(std::move(request), push_scope(repository_.repository()), stop);
  } catch (const Error& error) {
    // Without any byte on its way it was no cut but a registry that is not there.
    if (error.kind() != ErrorKind::unavailable || sent_ == sent_before || source_failed_) throw;
    cut_ = std::current_exception();
    return Sent::cut;
  }
  if (says_lost(answer)) return Sent::lost;
  // A signed location whose time was over; find_place() looks at it again.
  if ((answer.status == 401 || answer.status == 403) && !access_.is_own(location_, stop))
    return Sent::lost;
  switch (answer.status) {
    case 200:
    case 201:
    case 202:
    case 204: {
      take_location(answer, stop);
      const auto bytes = held(answer);
      // A registry that keeps less than it was sent says so here.
      advance(bytes && *bytes > offset_ && *bytes <= offset_ + length ? *bytes : offset_ + length);
      cut_length_ = 0;
      note(store_, options_.host, Trait::chunks, true);
      remember();
      return Sent::accepted;
    }
    case 401:
      return Sent::refused_token;
    case 405:
    case 501:
      return Sent::unsupported;
    case 413:
      return Sent::too_large;
    default:
      refused(answer);
  }
}

/// Leaves with a place to go on from, or throws.
void BlobUpload::recover(Sent sent, std::uint64_t length, const std::stop_token& stop) {
  if (sent == Sent::cut) return after_cut(length, stop);
  if (sent == Sent::too_large) shrink_chunks(length);
  if (sent == Sent::refused_token && ++refused_tokens_ > 3) {
    throw trouble(ErrorKind::denied, "it keeps refusing new tokens: check its token service");
  }
  if (sent == Sent::lost && ++lost_ > 3) {
    throw trouble(ErrorKind::unavailable, "it keeps losing the upload");
  }
  if (!find_place(stop)) begin_anew(stop);
}

/// Some proxies cut the connection where others answer 413. That looks like any broken line, so a
/// request must be cut twice, leaving nothing, before smaller ones are tried.
void BlobUpload::after_cut(std::uint64_t length, const std::stop_token& stop) {
  const std::uint64_t before = offset_;
  const bool there = find_place(stop);
  if (there && offset_ > before) std::rethrow_exception(cut_);
  probing_ = probing_ || cut_length_ == length;
  cut_length_ = length;
  if (!probing_ || length < smallest_cut) std::rethrow_exception(cut_);
  shrink_chunks(length);
  net::pause(net::backoff(options_.retry, 1), stop);
  if (!there) begin_anew(stop);
}

/// Where an upload that had begun stands ("Checking upload status"); false: there is none.
bool BlobUpload::find_place(const std::stop_token& stop) {
  const auto record = store_.find_upload(repository_, blob_.descriptor.digest);
  if (!record) return false;
  if (record->updated + forgotten < system_now()) {
    store_.forget_upload(repository_, blob_.descriptor.digest);
    return false;
  }
  net::Request request;
  request.url = record->location;
  location_ = record->location;
  const net::Response answer =
      access_.perform(std::move(request), push_scope(repository_.repository()), stop);
  const int status = answer.status;
  // A registry in trouble still has the upload. What another host refuses is a signed location
  // whose time is over, and no matter of our permissions.
  const bool denied = status == 401 || status == 403;
  if ((denied && access_.is_own(record->location, stop)) || status == 429 || status >= 500)
    refused(answer);
  const std::uint64_t bytes = held(answer).value_or(0);
  if (status < 200 || status >= 300 || bytes > size_) {
    store_.forget_upload(repository_, blob_.descriptor.digest);
    return false;
  }
  take_location(answer, stop);
  advance(bytes);
  return true;
}

void BlobUpload::advance(std::uint64_t offset) {
  offset_ = offset;
  reached_ = std::max(reached_, offset);
}

void BlobUpload::take_location(const net::Response& answer, const std::stop_token& stop) {
  if (const auto location = answer.headers.find("Location"))
    location_ = access_.resolve(location_, *location, stop);
}

void BlobUpload::remember() const {
  store_.put_upload(repository_, blob_.descriptor.digest, {location_, offset_, system_now()});
}

void BlobUpload::finish(const std::stop_token& stop) {
  const net::Response answer = put(location_, std::string(), stop);
  const bool done = answer.status == 201 || answer.status == 204;
  const bool refusal = answer.status >= 400 && answer.status < 500 && answer.status != 429;
  // After an answer that says no, the upload cannot be gone on with.
  if (done || refusal) store_.forget_upload(repository_, blob_.descriptor.digest);
  if (done) return;
  if (answer.status == 404) throw trouble(ErrorKind::unavailable, "it lost the upload");
  if (refusal && resumed_) {
    throw trouble(ErrorKind::unavailable, "it had kept other bytes; they are sent again");
  }
  refused(answer);
}

}  // namespace lighterman::registry
