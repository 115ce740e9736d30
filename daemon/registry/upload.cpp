#include "registry/upload.hpp"

#include <algorithm>
#include <charconv>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::registry {
namespace {

constexpr std::uint64_t small = 1 << 20;
constexpr std::uint64_t smallest_chunk = 64 << 10;
constexpr const char* chunk_fact = "chunk";

/// Bytes the registry holds, from "Range: 0-1023"; docker's registry says "0-0" for none as for
/// one.
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
      news_(news) {}

std::string BlobUpload::doing() const {
  return concat("pushing blob ", blob_.descriptor.digest.brief(), " to ", repository_.repository());
}

std::uint64_t BlobUpload::chunk_size() const {
  std::uint64_t chunk = options_.chunk;
  if (chunk == 0) {
    if (const auto found = store_.find_fact(concat("registry:", options_.host), chunk_fact)) {
      std::from_chars(found->data(), found->data() + found->size(), chunk);
    }
  }
  return chunk == 0 ? blob_.descriptor.size : chunk;
}

/// A proxy on the way refuses bodies of this size: half of it is tried, and remembered.
void BlobUpload::shrink_chunks(std::uint64_t refused) {
  const std::uint64_t half = refused / 2;
  if (options_.chunk != 0 || half < smallest_chunk) {
    throw Error(ErrorKind::invalid,
                concat("registry ", options_.host, ": ", doing(), ": a request body of ",
                       render_size(refused),
                       " is too large for it or for a proxy before it (raise its limit",
                       options_.chunk != 0 ? ", or set a smaller chunk)" : ")"));
  }
  store_.put_fact(concat("registry:", options_.host), chunk_fact, std::to_string(half));
}

std::uint64_t BlobUpload::perform(const std::stop_token& stop) {
  if (blob_.descriptor.size <= std::min(small, chunk_size())) {
    send_whole(stop);
  } else {
    send_chunks(stop);
  }
  return sent_;
}

std::string BlobUpload::begin(const std::stop_token& stop) {
  net::Request request;
  request.method = "POST";
  request.url = concat(access_.base(stop), "/v2/", repository_.repository(), "/blobs/uploads/");
  const net::Response answer =
      access_.perform(std::move(request), push_scope(repository_.repository()), stop);
  if (answer.status != 202) refuse(options_, answer, doing());
  const auto location = answer.headers.find("Location");
  if (!location)
    throw Error(ErrorKind::invalid,
                concat("registry ", options_.host, ": ", doing(), ": no Location in its answer"));
  return access_.resolve(*location, stop);
}

net::Upload BlobUpload::body(std::uint64_t length, const std::stop_token& stop) {
  const std::uint64_t from = offset_;
  return {[this, pull = blob_.open(from), done = std::uint64_t{0}, from, length, stop](
              char* into, std::size_t room) mutable {
            const std::size_t part =
                static_cast<std::size_t>(std::min<std::uint64_t>(room, length - done));
            if (part == 0) return std::size_t{0};
            const std::size_t got = pull(into, throttle_.take(part, stop));
            if (got == 0) {
              throw Error(ErrorKind::internal, concat("blob ", blob_.descriptor.digest.brief(),
                                                      " ends early: ", from + done, " of ",
                                                      blob_.descriptor.size, " bytes"));
            }
            done += got;
            sent_ += got;
            if (news_) news_(blob_.descriptor.digest, from + done, blob_.descriptor.size);
            return got;
          },
          length};
}

/// POST, then PUT with the body ("Pushing a blob monolithically").
void BlobUpload::send_whole(const std::stop_token& stop) {
  for (int attempt = 0;; ++attempt) {
    net::Request request;
    request.method = "PUT";
    request.url = begin(stop);
    request.url += concat(request.url.find('?') == std::string::npos ? '?' : '&',
                          "digest=", render_url_part(blob_.descriptor.digest.text()));
    request.headers.add("Content-Type", "application/octet-stream");
    request.body = body(blob_.descriptor.size, stop);
    const net::Response answer =
        access_.perform(std::move(request), push_scope(repository_.repository()), stop);
    if (answer.status == 201 || answer.status == 204) return;
    // The token had ended; access_ has a way to a new one now.
    if (answer.status == 401 && attempt == 0) continue;
    if (answer.status == 413) shrink_chunks(blob_.descriptor.size);
    if (answer.status == 413) return send_chunks(stop);
    refuse(options_, answer, doing());
  }
}

void BlobUpload::send_chunks(const std::stop_token& stop) {
  if (!find_place(stop)) {
    location_ = begin(stop);
    offset_ = 0;
    remember();
  }
  int refused_tokens = 0, lost = 0;
  while (offset_ < blob_.descriptor.size) {
    const std::uint64_t length = std::min(chunk_size(), blob_.descriptor.size - offset_);
    const std::uint64_t before = offset_;
    Sent sent = Sent::accepted;
    try {
      sent = send_chunk(length, stop);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::unavailable ||
          dynamic_cast<const net::Busy*>(&error) != nullptr)
        throw;
      // Some proxies cut the connection instead of answering 413. That looks like any broken
      // line, so only a chunk that brought nothing at all makes the next one smaller.
      const bool nothing = !find_place(stop) || offset_ <= before;
      if (nothing && options_.chunk == 0 && sent_ > 0 && length > small) shrink_chunks(length);
      throw;
    }
    if (sent == Sent::too_large) shrink_chunks(length);
    if (sent == Sent::refused_token && ++refused_tokens > 2) {
      throw Error(ErrorKind::denied, concat("registry ", options_.host, ": ", doing(),
                                            ": it keeps refusing new tokens"));
    }
    if (sent == Sent::lost && ++lost > 3) {
      throw Error(ErrorKind::unavailable, concat("registry ", options_.host, ": ", doing(),
                                                 ": it keeps losing the upload"));
    }
    if (sent != Sent::accepted && !find_place(stop)) {
      location_ = begin(stop);
      offset_ = 0;
    }
    remember();
  }
  finish(stop);
}

/// Where an upload that had begun stands ("Checking upload status"); false: there is none.
bool BlobUpload::find_place(const std::stop_token& stop) {
  const auto record = store_.find_upload(repository_, blob_.descriptor.digest);
  if (!record) return false;
  net::Request request;
  request.url = record->location;
  const net::Response answer =
      access_.perform(std::move(request), push_scope(repository_.repository()), stop);
  const std::optional<std::uint64_t> bytes = held(answer);
  if ((answer.status != 204 && answer.status != 202) || !bytes || *bytes > blob_.descriptor.size) {
    store_.forget_upload(repository_, blob_.descriptor.digest);
    if (answer.status == 429 || answer.status >= 500) refuse(options_, answer, doing());
    return false;
  }
  location_ = record->location;
  offset_ = *bytes;
  take_location(answer, stop);
  return true;
}

void BlobUpload::take_location(const net::Response& answer, const std::stop_token& stop) {
  if (const auto location = answer.headers.find("Location"))
    location_ = access_.resolve(*location, stop);
}

void BlobUpload::remember() const {
  store_.put_upload(repository_, blob_.descriptor.digest, {location_, offset_, system_now()});
}

BlobUpload::Sent BlobUpload::send_chunk(std::uint64_t length, const std::stop_token& stop) {
  net::Request request;
  request.method = "PATCH";
  request.url = location_;
  request.headers.add("Content-Type", "application/octet-stream");
  request.headers.add("Content-Range", concat(offset_, '-', offset_ + length - 1));
  request.body = body(length, stop);
  const net::Response answer =
      access_.perform(std::move(request), push_scope(repository_.repository()), stop);
  switch (answer.status) {
    case 201:
    case 202:
    case 204: {
      take_location(answer, stop);
      const std::optional<std::uint64_t> bytes = held(answer);
      // A registry that keeps less than it was sent says so here.
      offset_ = bytes && *bytes > offset_ && *bytes <= offset_ + length ? *bytes : offset_ + length;
      return Sent::accepted;
    }
    case 401:
      return Sent::refused_token;
    case 404:
    case 416:
      return Sent::lost;
    case 413:
      return Sent::too_large;
    default:
      refuse(options_, answer, doing());
  }
}

void BlobUpload::finish(const std::stop_token& stop) {
  net::Request request;
  request.method = "PUT";
  request.url = concat(location_, location_.find('?') == std::string::npos ? '?' : '&',
                       "digest=", render_url_part(blob_.descriptor.digest.text()));
  request.body = std::string();
  request.headers.add("Content-Type", "application/octet-stream");
  const net::Response answer =
      access_.perform(std::move(request), push_scope(repository_.repository()), stop);
  const bool done = answer.status == 201 || answer.status == 204;
  // After an answer that says no, the upload cannot be gone on with.
  if (done || (answer.status >= 400 && answer.status < 500 && answer.status != 429)) {
    store_.forget_upload(repository_, blob_.descriptor.digest);
  }
  if (done) return;
  if (answer.status == 404) {
    throw Error(ErrorKind::unavailable,
                concat("registry ", options_.host, ": ", doing(), ": it lost the upload"));
  }
  refuse(options_, answer, doing());
}

}  // namespace lighterman::registry
