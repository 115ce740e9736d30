#pragma once

#include <boost/json/object.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/dockerfile.hpp"
#include "engine/engine.hpp"
#include "engine/lines.hpp"

namespace moby::buildkit::v1 {
class StatusResponse;
}

namespace lighterman::engine {

/// Follows a build by what its stream says: tells the news and knows in the end how it went. Each
/// builder has its own way of telling. One thread at a time.
class Progress {
 public:
  explicit Progress(const BuildRequest& request);
  virtual ~Progress() = default;
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void take(const boost::json::object& line);
  /// The engine says that the build failed, or which image came of it.
  void fail(std::string_view error);
  void end(std::string image_id) { image_id_ = std::move(image_id); }
  /// After a clean end of the stream: gives out what has no line end yet.
  virtual void finish() = 0;

  /// The engine's own word that the build failed; empty: it did not say so.
  const std::string& error() const noexcept { return error_; }
  const std::string& image_id() const noexcept { return image_id_; }
  virtual unsigned steps() const noexcept = 0;
  virtual unsigned cached_steps() const noexcept = 0;
  /// The failure that `error()`, or another `reason`, stands for; tells the news of it.
  BuildFailure failure(const std::string& reason);
  std::optional<int> exit_code() const { return exit_code_; }

 protected:
  /// A member "stream", "aux" or "status" of a line.
  virtual void take_stream(std::string_view text) = 0;
  virtual void take_aux(const boost::json::object& line) = 0;
  virtual void take_status(std::string_view) {}
  /// Where the build stands when it fails.
  struct Place {
    std::string step;
    int line = 0;
  };
  virtual Place place_of_failure() const = 0;
  /// The exit code that an error text names, where no field holds it.
  virtual std::optional<int> exit_code_in(std::string_view error) const = 0;

  void tell(const BuildNews& news);
  void tell_output(const std::string& step, std::string text, bool error_stream);

  const BuildRequest& request_;
  const Dockerfile dockerfile_;
  std::string image_id_;

 private:
  struct Output {
    std::string step, text;
  };
  std::deque<Output> last_;
  std::string error_;
  std::optional<int> exit_code_;
};

/// Of BuildKit, which tells each step's state.
class TracedProgress : public Progress {
 public:
  using Progress::Progress;
  virtual void take_trace(const ::moby::buildkit::v1::StatusResponse& status) = 0;
};

/// The classic builder: text lines, an aux with the image of each stage.
std::unique_ptr<Progress> follow_classic(const BuildRequest& request);
/// BuildKit: protobuf, in base64 in JSON where it comes by /build.
std::unique_ptr<TracedProgress> follow_buildkit(const BuildRequest& request);

/// The number after "line " in a parser's complaint ("dockerfile parse error on line 2: ..."), for
/// which engines have no field; 0: none.
int line_in_complaint(std::string_view error);

}  // namespace lighterman::engine
