#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/reference.hpp"

namespace lighterman {

enum class Builder { automatic, buildkit, classic };
enum class StagingWay { automatic, push, exported };
/// Whether an image that was built of the same files in the same way is taken again.
enum class Reuse { automatic, never };
std::string_view render(Builder builder) noexcept;  ///< "auto", "buildkit", "classic"
Builder parse_builder(std::string_view given);      ///< throws Error(invalid)
std::string_view render(StagingWay way) noexcept;   ///< "auto", "push", "export"
StagingWay parse_staging_way(std::string_view given);
std::string_view render(Reuse reuse) noexcept;  ///< "auto", "never"
Reuse parse_reuse(std::string_view given);

/// A tag to set. Moving tags ("latest", "1.2") only move forward; fixed ones name one commit.
struct TagPlan {
  std::string tag;
  bool moving = false;
  /// What a moving tag moves by, where the git tag has more than a version: 1.4.2 of shop-v1.4.2;
  /// empty: the git tag is the version, or there is none.
  std::string version = {};
  bool operator==(const TagPlan&) const = default;
};
boost::json::object to_json(const TagPlan& plan);

/// What a Dockerfile's FROM, COPY --from and RUN --mount call by a name of their own
/// (docs.docker.com/ reference/cli/docker/buildx/build/#build-context): an image, or a folder of
/// files.
struct NamedContext {
  std::string image;   ///< its reference; empty: files
  std::string source;  ///< whose files; empty: those of the commit that is built
  std::string ref;  ///< of that source: branch, tag, full ref or commit; empty: its default branch
  std::string folder = ".";  ///< in the repository
  bool operator==(const NamedContext&) const = default;
};
/// "docker-image://REFERENCE", "source:NAME[#REF[:FOLDER]]" or a folder. Throws Error(invalid).
NamedContext parse_named_context(std::string_view given);
/// The name as BuildKit looks it up, however long it was written: "alpine" for
/// "docker.io/library/alpine:latest". Throws Error(invalid) for what FROM could not name.
std::string context_name(std::string_view given);
std::string render(const NamedContext& context);

struct BuildLimits {
  std::uint64_t memory_bytes = 0;  ///< 0: none
  double cpus = 0;                 ///< 0: none
  std::chrono::milliseconds timeout{std::chrono::hours(1)};
};

/// All that is needed to build and publish one image of one commit. Holds no secret: secrets are
/// named here and looked up in the configuration when the build asks for them.
struct BuildPlan {
  std::string image;  ///< the image's name in the configuration
  std::string source;
  std::string commit;
  std::string ref;
  std::string context = ".";              ///< folder in the repository
  std::string dockerfile = "Dockerfile";  ///< path in the repository
  std::string target;                     ///< stage to build; empty: the last
  std::string platform;                   ///< "linux/amd64"; empty: the engine's own
  std::vector<std::string> platforms;     ///< two or more: an index of an image for each
  std::string network;                    ///< "none", "host" or empty for the engine's default
  std::string engine;                     ///< its name or a label of it; empty: any
  Builder builder = Builder::automatic;
  StagingWay staging = StagingWay::automatic;
  Reuse reuse = Reuse::automatic;
  bool reproducible = false;  ///< its times do not tell when it was built
  bool no_cache = false;
  bool pull = false;
  std::map<std::string, std::string> args;
  std::map<std::string, std::string> labels;
  std::vector<std::string> cache_from;
  std::string cache_to;  ///< an image that keeps the cache of all steps; empty: none
  std::map<std::string, NamedContext> contexts;
  std::map<std::string, std::string> secrets;  ///< id in the Dockerfile -> "file:..." or "env:..."
  std::map<std::string, std::string> ssh;      ///< id -> "file:KEY" or "agent:SOCKET"
  std::vector<Reference> targets;              ///< repositories to publish to, without tags
  std::vector<TagPlan> tags;
  BuildLimits limits;
};

/// One platform is built as it is, several as parts of an index.
void set_platforms(BuildPlan& plan, std::vector<std::string> platforms);

/// Gives one of several builds of an image a tag of its own for its cache ("main-linux-arm64"):
/// they would overwrite each other's.
std::string cache_apart(const std::string& cache_to, std::string_view part);

boost::json::value to_json(const BuildPlan& plan);
BuildPlan build_plan_from(const boost::json::value& given);

}  // namespace lighterman
