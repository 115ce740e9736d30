#include "registry/blob_reader.hpp"

#include <algorithm>
#include <charconv>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::registry {

BlobReader::BlobReader(const Options& options, Access& access, net::Client& http,
                       Reference repository, Digest blob, std::uint64_t offset,
                       std::stop_token stop, Client::Verify verify)
    : options_(options),
      access_(access),
      http_(http),
      repository_(std::move(repository)),
      blob_(std::move(blob)),
      stop_(std::move(stop)),
      offset_(offset) {
  if (offset == 0 && verify == Client::Verify::yes) hash_.emplace();
  net::retried(options_.retry, stop_, [this] { open(); });
}

std::string BlobReader::doing() const {
  return concat("reading blob ", blob_.brief(), " of ", repository_.repository());
}

void BlobReader::open() {
  const std::string scope = pull_scope(repository_.repository());
  download_.reset();
  bool denied = false;
  for (int attempt = 0;; ++attempt) {
    net::Request request;
    request.url =
        concat(access_.base(stop_), "/v2/", repository_.repository(), "/blobs/", blob_.text());
    if (attempt == 1) {
      // Learns the challenge by asking for the same without the bytes.
      net::Request ask = request;
      ask.method = "HEAD";
      denied = access_.perform(std::move(ask), scope, stop_).status == 403;
    }
    request.follow_redirects = true;
    if (offset_ > 0) request.headers.add("Range", concat("bytes=", offset_, '-'));
    access_.prepare(request, scope, stop_);
    auto download = std::make_unique<net::Download>(http_, std::move(request), stop_);
    const net::Response& head = download->head();
    if (head.status == 401 && attempt == 0) continue;
    if (head.status != 200 && head.status != 206) {
      net::Response refusal = head;
      if (denied && refusal.status == 401) refusal.status = 403;
      refuse(options_, refusal, doing(), concat("pull from ", repository_.repository()));
    }
    const std::string length = head.headers.find("Content-Length").value_or("");
    std::uint64_t bytes = 0;
    if (const auto [end, error] =
            std::from_chars(length.data(), length.data() + length.size(), bytes);
        error == std::errc()) {
      size_ = head.status == 206 ? offset_ + bytes : bytes;
    }
    download_ = std::move(download);
    // It does not know ranges: what was asked to be left out is read and dropped.
    if (head.status == 200) skip(offset_);
    return;
  }
}

void BlobReader::skip(std::uint64_t count) {
  std::string dropped(64 << 10, '\0');
  while (count > 0) {
    const std::size_t got =
        download_->read(dropped.data(), std::min<std::uint64_t>(count, dropped.size()));
    if (got == 0) {
      throw Error(ErrorKind::invalid, concat("registry ", options_.host, ": ", doing(),
                                             ": it is shorter than ", offset_, " bytes"));
    }
    count -= got;
  }
}

std::size_t BlobReader::read(char* into, std::size_t room) {
  const std::uint64_t before = offset_;
  const std::size_t got = net::retried(options_.retry, stop_, [&] {
    if (!download_) open();
    try {
      return download_->read(into, room);
    } catch (const Error&) {
      // The next attempt asks for the rest.
      download_.reset();
      throw;
    }
  });
  offset_ = before + got;
  if (hash_ && got > 0) hash_->update({into, got});
  if (got == 0 && hash_) {
    const Digest seen = hash_->finish();
    hash_.reset();
    if (seen != blob_) {
      throw Error(ErrorKind::invalid,
                  concat("registry ", options_.host, ": ", doing(), ": its bytes have the digest ",
                         seen, ": the registry's storage is damaged; delete the blob there"));
    }
  }
  return got;
}

}  // namespace lighterman::registry
