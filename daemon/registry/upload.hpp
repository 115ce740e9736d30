#pragma once

#include <exception>
#include <future>
#include <stop_token>
#include <string>

#include "registry/access.hpp"
#include "registry/throttle.hpp"
#include "store/store.hpp"

namespace lighterman::registry {

/// One blob on its way up (distribution-spec, "Pushing blobs"). Small ones go in one request,
/// others in as few as the way allows, and can be resumed: what the registry gave as location is
/// kept in the store. One thread.
class BlobUpload {
 public:
  BlobUpload(const Options& options, Access& access, store::Store& store, Throttle& throttle,
             const BlobSource& blob, const Reference& repository, const SendNews& news);

  /// Goes on where the registry says the last attempt stopped, and does not give up while each
  /// attempt leaves more bytes there than the one before. Error(unavailable): try again. Returns
  /// the bytes that were sent, in all attempts.
  std::uint64_t perform(const std::stop_token& stop);

  /// The registry began an upload (202) when it was asked for something else at `asked`: it spares
  /// perform() that question.
  void adopt(const std::string& asked, const net::Response& answer, const std::stop_token& stop);
  /// Takes back what was adopted and not used.
  void abandon(const std::stop_token& stop);

 private:
  enum class Sent { accepted, too_large, lost, refused_token, unsupported, cut };
  void attempt(const std::stop_token& stop);
  std::string begin(const std::stop_token& stop);
  /// The source needs a round trip as well, which need not wait for the one of begin().
  void open_beside();
  void begin_anew(const std::stop_token& stop);
  void send_whole(const std::stop_token& stop);
  void send_chunks(const std::stop_token& stop);
  bool find_place(const std::stop_token& stop);
  Sent send_chunk(std::uint64_t length, const std::stop_token& stop);
  void after_cut(std::uint64_t length, const std::stop_token& stop);
  void recover(Sent sent, std::uint64_t length, const std::stop_token& stop);
  void finish(const std::stop_token& stop);
  net::Upload body(std::uint64_t length, const std::stop_token& stop);
  net::Response put(const std::string& location,
                    std::variant<std::monostate, std::string, net::Upload> body,
                    const std::stop_token& stop);
  std::uint64_t chunk_size() const;
  std::chrono::milliseconds patience(std::uint64_t bytes) const;
  bool takes_whole_only() const;  ///< no chunks, as it showed
  void shrink_chunks(std::uint64_t refused);
  void advance(std::uint64_t offset);
  void take_location(const net::Response& answer, const std::stop_token& stop);
  void remember() const;
  std::string doing() const;
  std::string needs() const;
  Error trouble(ErrorKind kind, std::string_view what) const;
  [[noreturn]] void refused(const net::Response& answer) const;

  const Options& options_;
  Access& access_;
  store::Store& store_;
  Throttle& throttle_;
  const BlobSource& blob_;
  const Reference& repository_;
  const SendNews& news_;
  const std::uint64_t size_;
  std::string location_;
  std::future<Pull> opened_;   ///< the blob from its beginning, nothing of it read yet
  std::string begun_;          ///< an upload that nothing was sent to
  std::uint64_t offset_ = 0;   ///< bytes the registry holds of this upload
  std::uint64_t reached_ = 0;  ///< the highest offset_ so far
  std::uint64_t sent_ = 0;
  std::uint64_t least_chunk_ = 0;  ///< what the registry asks for as a minimum
  std::uint64_t cut_length_ = 0;   ///< of the last request that was cut and left nothing
  bool probing_ = false;           ///< cuts are taken for a limit on the way
  bool resumed_ = false;           ///< some bytes are from an earlier upload
  int lost_ = 0, refused_tokens_ = 0;
  std::exception_ptr cut_;
  bool source_failed_ = false;  ///< what broke off a request was where the bytes come from
};

}  // namespace lighterman::registry
