#include "engine/solve.hpp"

#include <grpcpp/create_channel_posix.h>

#include <boost/json.hpp>
#include <future>

#include "net/upgrade.hpp"
#include "os/hash.hpp"
#include "proto/control.grpc.pb.h"

namespace lighterman::engine {
namespace {

namespace json = boost::json;
namespace moby = ::moby::buildkit::v1;

// BuildKit's own limit of a message.
constexpr int largest_message = 16 << 20;

json::object from_registry(const std::string& reference) {
  return {{"Type", "registry"}, {"Attrs", json::object{{"ref", reference}}}};
}

/// How the Dockerfile frontend is told (moby/buildkit, frontend/dockerui, "config.go").
void say_plan(moby::SolveRequest& to, const BuildRequest& request) {
  const BuildPlan& plan = *request.plan;
  auto& say = *to.mutable_frontendattrs();
  say["filename"] = request.dockerfile_name;
  if (!plan.target.empty()) say["target"] = plan.target;
  if (!plan.platform.empty()) say["platform"] = plan.platform;
  if (plan.network == "none" || plan.network == "host") say["force-network-mode"] = plan.network;
  if (plan.network == "host") to.add_entitlements("network.host");
  if (plan.no_cache) say["no-cache"] = "";
  say["image-resolve-mode"] = plan.pull ? "pull" : "default";
  for (const auto& [name, value] : plan.args) say[concat("build-arg:", name)] = value;
  for (const auto& [name, value] : plan.labels) say[concat("label:", name)] = value;
  for (const auto& [name, context] : plan.contexts) {
    const auto pinned = request.images.find(name);
    const std::string& image = pinned == request.images.end() ? context.image : pinned->second;
    say[concat("context:", name)] =
        image.empty() ? concat("local:", named_folder(name)) : concat("docker-image://", image);
  }
}

void say_caches(moby::SolveRequest& to, const BuildPlan& plan, bool write) {
  json::array imports;
  for (const std::string& reference : plan.cache_from) imports.push_back(from_registry(reference));
  if (!plan.cache_to.empty()) imports.push_back(from_registry(plan.cache_to));
  if (!imports.empty()) (*to.mutable_frontendattrs())["cache-imports"] = json::serialize(imports);
  if (!plan.cache_from.empty()) to.mutable_cache()->add_exports()->set_type("inline");
  if (!write) return;
  moby::CacheOptionsEntry& cache = *to.mutable_cache()->add_exports();
  cache.set_type("registry");
  auto& say = *cache.mutable_attrs();
  say["ref"] = plan.cache_to;
  say["mode"] = "max";
  // As an image's manifest: not all registries take an index of layers.
  say["image-manifest"] = say["oci-mediatypes"] = "true";
  // A cache that cannot be written is no reason to lose the image.
  say["ignore-error"] = "true";
}

}  // namespace

struct Solve::Inside {
  moby::SolveRequest request;
};

Solve::Solve(const BuildRequest& request, const std::string& session, bool cache)
    : inside_(std::make_unique<Inside>()) {
  moby::SolveRequest& solve = inside_->request;
  solve.set_ref(os::random_id());
  solve.set_session(session);
  solve.set_frontend("dockerfile.v0");
  solve.set_exporter("moby");
  (*solve.mutable_exporterattrs())["name"] = join(request.tags, ",");
  say_plan(solve, request);
  say_caches(solve, *request.plan, cache);
}

Solve::~Solve() = default;

void Solve::run(net::Request open, TracedProgress& progress, const std::stop_token& stop) {
  open.headers.add("Connection", "Upgrade");
  open.headers.add("Upgrade", "h2c");
  net::Upgraded connection = net::Upgraded::open(open, stop);
  ::grpc::ChannelArguments settings;
  settings.SetMaxReceiveMessageSize(largest_message);
  const auto control = moby::Control::NewStub(
      ::grpc::CreateCustomInsecureChannelFromFd("engine", connection.take_descriptor(), settings));

  ::grpc::ClientContext solving, watching;
  const std::stop_callback end(stop, [&] {
    solving.TryCancel();
    watching.TryCancel();
  });
  auto watched = std::async(std::launch::async, [&] {
    moby::StatusRequest which;
    which.set_ref(inside_->request.ref());
    const auto stream = control->Status(&watching, which);
    for (moby::StatusResponse status; stream->Read(&status);) progress.take_trace(status);
    // Whether the build failed is said by the other call.
    stream->Finish();
  });
  moby::SolveResponse answer;
  const ::grpc::Status outcome = control->Solve(&solving, inside_->request, &answer);
  // What is left to tell comes at once.
  if (watched.wait_for(std::chrono::seconds(5)) != std::future_status::ready) watching.TryCancel();
  watched.get();

  if (stop.stop_requested()) throw Error(ErrorKind::cancelled, "the build was stopped");
  if (outcome.error_code() == ::grpc::StatusCode::UNAVAILABLE) {
    throw Error(ErrorKind::unavailable,
                concat("the connection broke during the build: ", outcome.error_message()));
  }
  progress.finish();
  if (!outcome.ok()) return progress.fail(outcome.error_message());
  const auto image = answer.exporterresponse().find("containerimage.digest");
  if (image != answer.exporterresponse().end()) progress.end(image->second);
}

}  // namespace lighterman::engine
