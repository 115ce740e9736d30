#include "engine/build.hpp"

#include <atomic>
#include <boost/json.hpp>
#include <cassert>
#include <cmath>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <thread>

#include "core/time.hpp"
#include "core/version.hpp"
#include "engine/about.hpp"
#include "engine/dockerfile.hpp"
#include "engine/file_sync.hpp"
#include "engine/lines.hpp"
#include "engine/progress.hpp"
#include "engine/session.hpp"
#include "engine/solve.hpp"
#include "os/hash.hpp"

namespace lighterman::engine {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

std::string render_object(const std::map<std::string, std::string>& members) {
  json::object object;
  for (const auto& [name, value] : members) object[name] = value;
  return json::serialize(object);
}

Builder choose(const BuildPlan& plan, const Options& options, const Wire::Greeting& greeting) {
  if (plan.builder != Builder::automatic) return plan.builder;
  if (options.builder != Builder::automatic) return options.builder;
  // Windows engines have no BuildKit. Elsewhere a missing header says nothing; one with another
  // value says that the engine's owner turned BuildKit off (or that it is none of Docker's).
  const bool off = greeting.os == "windows" || (greeting.builder && *greeting.builder != "2");
  return off ? Builder::classic : Builder::buildkit;
}

/// Ends a build when its time is up or the caller wants it.
class TimeLimit {
 public:
  TimeLimit(milliseconds limit, const std::stop_token& caller)
      : caller_(caller, [this] { ended_.request_stop(); }) {
    if (limit <= milliseconds::zero()) return;
    watch_ = std::jthread([this, limit](const std::stop_token& done) {
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, done, limit, [] { return false; }) || done.stop_requested()) return;
      passed_ = true;
      ended_.request_stop();
    });
  }

  bool passed() const noexcept { return passed_; }
  std::stop_token token() const noexcept { return ended_.get_token(); }

 private:
  std::stop_source ended_;
  std::atomic<bool> passed_ = false;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::stop_callback<std::function<void()>> caller_;
  std::jthread watch_;
};

/// The context, remembering what went wrong with it: that is the reason, and not what the engine
/// or the connection then say of a body that broke off.
class Context {
 public:
  explicit Context(const Pull& pull) : pull_(pull) {}

  std::size_t read(char* into, std::size_t room) {
    try {
      return pull_(into, room);
    } catch (...) {
      // It goes on its way through the transfer, which may put another in its place.
      failure_ = std::current_exception();
      throw;
    }
  }
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  const Pull& pull_;
  std::exception_ptr failure_;
};

std::string query_of(const BuildRequest& request, Builder builder, const std::string& build_id,
                     const std::string& session, bool synced) {
  const BuildPlan& plan = *request.plan;
  Query query;
  for (const std::string& tag : request.tags) query.add("t", tag);
  query.add("dockerfile", request.dockerfile_name).add("rm", "1").add("forcerm", "1");
  if (!plan.target.empty()) query.add("target", plan.target);
  if (!plan.platform.empty()) query.add("platform", plan.platform);
  if (!plan.network.empty()) query.add("networkmode", plan.network);
  if (plan.no_cache) query.add("nocache", "1");
  if (plan.pull) query.add("pull", "1");
  std::map<std::string, std::string> args = plan.args;
  if (!plan.cache_from.empty()) {
    query.add("cachefrom",
              json::serialize(json::array(plan.cache_from.begin(), plan.cache_from.end())));
    if (builder == Builder::buildkit) args.try_emplace("BUILDKIT_INLINE_CACHE", "1");
  }
  if (!args.empty()) query.add("buildargs", render_object(args));
  if (!plan.labels.empty()) query.add("labels", render_object(plan.labels));
  if (builder == Builder::buildkit) {
    query.add("version", "2").add("buildid", build_id);
    if (!session.empty()) query.add("session", session);
    if (synced) query.add("remote", "client-session");
    return query.text();
  }
  if (plan.limits.memory_bytes != 0) {
    const std::string memory = std::to_string(plan.limits.memory_bytes);
    // Without the second, as much again in swap.
    query.add("memory", memory).add("memswap", memory);
  }
  if (plan.limits.cpus > 0) {
    constexpr int period_microseconds = 100'000;
    query.add("cpuperiod", std::to_string(period_microseconds))
        .add("cpuquota", std::to_string(std::llround(plan.limits.cpus * period_microseconds)));
  }
  return query.text();
}

/// X-Registry-Config: the classic builder cannot ask, so it gets the logins beforehand.
std::string registry_config(const BuildRequest& request) {
  json::object hosts;
  for (const std::string& host : request.login_hosts) {
    const std::optional<Login> login = request.login ? request.login(host) : std::nullopt;
    if (!login) continue;
    json::object entry;
    if (!login->identity_token.empty()) {
      entry["identitytoken"] = login->identity_token.reveal();
    } else {
      entry["username"] = login->username;
      entry["password"] = login->password.reveal();
    }
    hosts[host == "docker.io" ? "https://index.docker.io/v1/" : host] = std::move(entry);
  }
  return hosts.empty() ? std::string() : render_base64url(json::serialize(hosts));
}

void warn_of_limits(const BuildRequest& request, Builder builder) {
  const auto warn = [&](std::string text) {
    if (request.news) request.news({BuildNews::Kind::warning, {}, std::move(text), false, 0});
  };
  const BuildPlan& plan = *request.plan;
  if (builder == Builder::buildkit) {
    if (plan.limits.memory_bytes != 0 || plan.limits.cpus > 0) {
      warn(
          "BuildKit has no memory and CPU limits for a build, so this one runs without them: set "
          "`builder: classic`, or limit the engine itself");
    }
  } else if (!plan.secrets.empty()) {
    warn("the classic builder has no RUN --mount=type=secret: this build gets no secrets");
  }
}

/// The first API of engines whose own frontend knows here-documents, COPY --link and named
/// contexts.
constexpr std::string_view dockerfile_1_4 = "1.42";

/// Whether the Dockerfile is read by the frontend of an engine that is older.
bool has_old_frontend(const BuildRequest& request, const Wire::Greeting& greeting) {
  return Dockerfile(request.dockerfile_text).syntax().empty() &&
         !request.plan->args.contains("BUILDKIT_SYNTAX") &&
         Version::parse(greeting.api + ".0") < Version::parse(concat(dockerfile_1_4, ".0"));
}

class Build {
 public:
  Build(Wire& wire, const BuildRequest& request, const std::stop_token& stop)
      : wire_(wire), request_(request), stop_(stop), limit_(request.plan->limits.timeout, stop) {}

  BuiltImage run();

 private:
  /// Runs `work`; says what it means when the limit, or the caller, ended it.
  template <class Work>
  auto ended_by_limit(Work&& work) {
    try {
      return work();
    } catch (const Error& error) {
      // The transfer knows only that it was stopped.
      if (error.kind() != ErrorKind::cancelled) throw;
      if (stop_.stop_requested() || !limit_.passed()) {
        throw Error(ErrorKind::cancelled, "the build was cancelled");
      }
      const std::string limit = render_duration(request_.plan->limits.timeout);
      const std::string reason =
          concat("the build took longer than its limit of ", limit, " (raise `timeout` of image \"",
                 request_.plan->image, "\" if it needs more)");
      if (progress_) throw progress_->failure(reason);
      throw BuildFailure(reason, {}, 0, std::nullopt);
    }
  }

  /// Whether only BuildKit's own API can be told all of the plan.
  bool needs_solve() {
    const BuildPlan& plan = *request_.plan;
    if (!plan.contexts.empty()) {
      const auto refuse = [&](std::string_view why) {
        throw BuildFailure(concat("image \"", plan.image, "\" has `contexts`, ", why), {}, 0, {});
      };
      if (builder_ == Builder::classic)
        refuse("which only BuildKit knows: leave out `builder: classic`");
      if (has_old_frontend(request_, greeting_)) {
        refuse(
            concat("which the Dockerfile frontend of engine \"", wire_.options().name,
                   "\" does not know: use Docker Engine 23 or newer, or begin the Dockerfile with "
                   "\"# syntax=docker/dockerfile:1\", which the engine pulls"));
      }
    }
    if (builder_ != Builder::buildkit) return false;
    writes_cache_ =
        !plan.cache_to.empty() && ask_about(wire_, greeting_, limit_.token()).containerd_store;
    if (!plan.cache_to.empty() && !writes_cache_ && request_.news) {
      request_.news(
          {BuildNews::Kind::warning,
           {},
           concat("engine \"", wire_.options().name,
                  "\" has no containerd image store, so it cannot write the cache to ",
                  plan.cache_to, " (dockerd: \"features\": {\"containerd-snapshotter\": true})"),
           false,
           0});
    }
    return !plan.contexts.empty() || writes_cache_;
  }

  BuiltImage solve(const Session& session) {
    net::Request open = wire_.request("POST", greeting_, "/grpc");
    open.silence_timeout = milliseconds::zero();
    try {
      wire_.reaching([&] {
        Solve(request_, session.id(), writes_cache_).run(std::move(open), *trace_, limit_.token());
      });
    } catch (const Error&) {
      // What went wrong with the context is the reason of what the engine then says.
      session.files().rethrow();
      throw;
    }
    session.files().rethrow();
    BuiltImage built = judge();
    built.context = session.files().sent();
    return built;
  }

  BuiltImage transfer() {
    const bool solves = needs_solve();
    std::optional<Session> session;
    const bool synced = builder_ == Builder::buildkit && request_.folder;
    if (builder_ == Builder::buildkit) {
      net::Request open = wire_.request("POST", greeting_, "/session");
      open.silence_timeout = milliseconds::zero();
      wire_.reaching([&] { session.emplace(std::move(open), request_, limit_.token()); });
    }

    if (solves) return solve(*session);

    Context context(request_.context);
    net::Request post = wire_.request(
        "POST", greeting_,
        concat("/build",
               query_of(request_, builder_, build_id_, session ? session->id() : "", synced)));
    if (builder_ == Builder::classic) {
      std::string logins = registry_config(request_);
      if (!logins.empty()) post.headers.add("X-Registry-Config", std::move(logins));
    }
    if (!synced) {
      post.headers.add("Content-Type", "application/x-tar");
      post.body = net::Upload{
          [&](char* into, std::size_t room) { return context.read(into, room); }, std::nullopt};
    }
    // A step may be silent for as long as it likes; the build's own limit ends it.
    post.silence_timeout = milliseconds::zero();
    post.body_limit = std::numeric_limits<std::uint64_t>::max();

    JsonLines lines([this](const json::object& line) { progress_->take(line); });
    net::Response answer;
    try {
      answer = wire_.stream(
          post, [&](std::string_view bytes) { lines.write(bytes); }, limit_.token());
      lines.finish();
    } catch (...) {
      // However we came to leave it: nobody waits for this build any more.
      abandon();
      context.rethrow();
      if (session) session->files().rethrow();
      throw;
    }
    if (session) session->files().rethrow();
    BuiltImage built = judge(answer);
    if (synced) built.context = session->files().sent();
    return built;
  }

  /// Success is a clean end of the stream, an image id and no error line.
  BuiltImage judge(const net::Response& answer) {
    if (answer.status != 200) {
      const Error refused = refusal(answer, "starting the build");
      if (refused.kind() == ErrorKind::unavailable) throw refused;
      throw progress_->failure(message_of(answer));
    }
    progress_->finish();
    return judge();
  }

  BuiltImage judge() {
    if (!progress_->error().empty()) {
      if (interrupted()) {
        throw Error(ErrorKind::unavailable,
                    concat("engine \"", wire_.options().name,
                           "\" broke the build off: did it stop or restart? it said: ",
                           progress_->error()));
      }
      throw progress_->failure(progress_->error() + advice());
    }
    if (progress_->image_id().empty()) {
      throw Error(ErrorKind::unavailable,
                  concat("engine \"", wire_.options().name, "\" ended the build without an image"));
    }
    return {progress_->image_id(), builder_, progress_->steps(), progress_->cached_steps()};
  }

  /// What an old engine's complaint about a newer Dockerfile does not say.
  std::string advice() const {
    const std::string error = lower(progress_->error());
    const bool unread = Dockerfile(request_.dockerfile_text).has_here_documents()
                            ? error.find("parse error") != error.npos
                            : error.find("unknown flag") != error.npos;
    if (builder_ != Builder::buildkit || !unread || !has_old_frontend(request_, greeting_))
      return {};
    return concat("; the Dockerfile frontend of engine \"", wire_.options().name,
                  "\" is older than this Dockerfile: use Docker Engine 23 or newer, or begin the "
                  "Dockerfile with \"# syntax=docker/dockerfile:1\", which the engine pulls");
  }

  /// Whether the engine gave the build up for a reason of its own. An engine that shuts down words
  /// that like a failed build ("context canceled", or a step killed with code 137), and nobody else
  /// cancels our builds; so ask whether it is still there.
  bool interrupted() {
    if (!progress_->exit_code() &&
        progress_->error().find("context canceled") != std::string::npos) {
      return true;
    }
    try {
      wire_.greet(limit_.token());
      return false;
    } catch (const Error& error) {
      // This is the answer that we look for.
      return error.kind() == ErrorKind::unavailable;
    }
  }

  /// The closed connection ends the build; a proxy in between may keep it open towards the engine,
  /// and BuildKit has a call for that.
  void abandon() noexcept {
    if (builder_ != Builder::buildkit) return;
    try {
      net::Request cancel =
          wire_.request("POST", greeting_, concat("/build/cancel?id=", build_id_));
      cancel.connect_timeout = cancel.silence_timeout = std::chrono::seconds(5);
      wire_.perform(cancel, {});
    } catch (const std::exception&) {
      // The engine is gone, and so is the build.
    }
  }

  Wire& wire_;
  const BuildRequest& request_;
  const std::stop_token stop_;
  TimeLimit limit_;
  const std::string build_id_ = os::random_id();
  Wire::Greeting greeting_;
  Builder builder_ = Builder::automatic;
  std::unique_ptr<Progress> progress_;
  TracedProgress* trace_ = nullptr;  ///< the same, of BuildKit
  bool writes_cache_ = false;
};

BuiltImage Build::run() {
  greeting_ = ended_by_limit([&] { return wire_.greet(limit_.token()); });
  builder_ = choose(*request_.plan, wire_.options(), greeting_);
  warn_of_limits(request_, builder_);
  if (builder_ == Builder::buildkit) {
    auto traced = follow_buildkit(request_);
    trace_ = traced.get();
    progress_ = std::move(traced);
  } else {
    progress_ = follow_classic(request_);
  }
  return ended_by_limit([&] { return transfer(); });
}

}  // namespace

std::string named_folder(std::string_view context) { return concat("named-", context); }

BuiltImage build(Wire& wire, const BuildRequest& request, const std::stop_token& stop) {
  assert(request.plan && (request.context || request.folder));
  return Build(wire, request, stop).run();
}

}  // namespace lighterman::engine
