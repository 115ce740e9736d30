#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "core/bytes.hpp"
#include "source/mirror.hpp"

namespace lighterman::source {

/// What the stream held, known at its end.
struct ContextTotals {
  std::uint64_t files = 0, bytes = 0, ignored = 0;
};

/// A build context as a tar stream out of a commit's tree: `folder` of the repository, with the
/// ignore rules of "<dockerfile>.dockerignore" or ".dockerignore" applied as Docker does
/// (docs.docker.com/build/concepts/context/#dockerignore-files), submodules and LFS pointers
/// resolved. Owners are 0:0 and times come from each entry's content, so equal trees give equal
/// bytes and a changed file never keeps its time. A Dockerfile outside the folder is added at
/// `dockerfile_name`. Memory: one read buffer; large blobs are streamed. One thread at a time.
class Context {
 public:
  /// Error(not_found) when folder or Dockerfile is not in the commit, with near names.
  Context(const Mirror& mirror, std::string commit, const std::string& folder,
          const std::string& dockerfile);
  ~Context();
  Context(Context&&) noexcept;

  /// Path of the Dockerfile within the stream, for the engine's `dockerfile` parameter.
  const std::string& dockerfile_name() const noexcept;
  std::string dockerfile_text() const;
  /// Writes the whole tar. Call once per build attempt; each call gives the same bytes.
  ContextTotals write(const Push& out, const std::stop_token& stop) const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

/// The same as something to read, its writer on a thread of its own with a bounded buffer.
/// The thread ends before this does.
class ContextStream {
 public:
  ContextStream(const Context& context, const std::stop_token& stop);
  ~ContextStream();
  ContextStream(const ContextStream&) = delete;
  ContextStream& operator=(const ContextStream&) = delete;
  std::size_t read(char* into, std::size_t room);  ///< 0: the end; throws what the writer threw
  ContextTotals totals() const;                    ///< after the end

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace lighterman::source
