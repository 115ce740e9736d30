// How an image comes to be: taken again, or built by an engine.
#include <boost/json.hpp>
#include <cmath>

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "pipeline/build_steps.hpp"
#include "pipeline/holdings.hpp"
#include "pipeline/image_run.hpp"
#include "pipeline/named_contexts.hpp"
#include "pipeline/past_builds.hpp"
#include "pipeline/ssh_agents.hpp"
#include "pipeline/stage.hpp"
#include "source/context.hpp"

namespace lighterman::pipeline {
namespace {

std::optional<engine::Login> login_for(Yard& yard, const std::string& host) {
  const auto login = yard.registry(host).login();
  if (!login) return {};
  // docker's credential helpers mark an identity token by this user name.
  if (login->first == "<token>") return engine::Login{"", {}, login->second};
  return engine::Login{login->first, login->second, {}};
}

/// Without what a build has no business with: it may read, and write nothing but its cache. Empty:
/// it is of no repository.
std::string limited_scope(const std::string& scope, const std::string& host,
                          const BuildPlan& plan) {
  constexpr std::string_view kind = "repository:";
  const std::size_t actions = scope.rfind(':');
  if (!scope.starts_with(kind) || actions <= kind.size()) return {};
  const std::string name = scope.substr(kind.size(), actions - kind.size());
  if (!plan.cache_to.empty()) {
    const Reference cache = Reference::parse(plan.cache_to);
    if (cache.host() == host && cache.repository() == name) return scope;
  }
  return concat(kind, name, ":pull");
}

engine::RegistryToken token_for(Yard& yard, const BuildPlan& plan, const engine::TokenWish& wish,
                                const std::stop_token& stop) {
  std::vector<std::string> scopes;
  scopes.reserve(wish.scopes.size());
  for (const std::string& scope : wish.scopes) {
    std::string limited = limited_scope(scope, wish.host, plan);
    if (!limited.empty()) scopes.push_back(std::move(limited));
  }
  const auto token = yard.registry(wish.host).get_token(wish.realm, wish.service, scopes, stop);
  return {token.value, token.life};
}

bool answers(engine::Engine& engine, const std::stop_token& stop) {
  try {
    engine.about(stop);
    return true;
  } catch (const Error& error) {
    // This is the answer.
    if (error.kind() != ErrorKind::unavailable) throw;
    return false;
  }
}

std::string_view kind_of(const engine::BuildNews& news) {
  using Kind = engine::BuildNews::Kind;
  switch (news.kind) {
    case Kind::output:
      return news.error_stream ? "err" : "out";
    case Kind::warning:
      return "warn";
    case Kind::step_failed:
      return "error";
    case Kind::step_started:
    case Kind::step_cached:
    case Kind::step_done:
      return "step";
  }
  return "out";
}

std::string text_of(const engine::BuildNews& news) {
  using Kind = engine::BuildNews::Kind;
  if (news.kind == Kind::output || news.kind == Kind::warning) return news.text;
  const std::string_view word = news.kind == Kind::step_started  ? ""
                                : news.kind == Kind::step_cached ? "CACHED "
                                : news.kind == Kind::step_done   ? "DONE "
                                                                 : "FAILED ";
  return news.text.empty() || news.text == news.step ? concat(word, news.step)
                                                     : concat(word, news.step, ' ', news.text);
}

}  // namespace

std::optional<StagedImage> ImageRun::find_staged(staging::Session& session,
                                                 const std::stop_token& stop) {
  const auto stored = record("staging").find();
  if (!stored) return {};
  StagedImage image = staged_image_from(*stored);
  if (session.is_complete(image, stop)) return image;
  for (const Reference& target : plan_.targets) {
    // A part of a denied whole, or what was taken again, is there already.
    const auto published =
        yard_.registry(target.host()).find_manifest(target.at(image.manifest), stop);
    if (published) return session.adopt(published->bytes, stop);
  }
  log("staging").warn("the staged image is no longer complete; it is staged again");
  return {};
}

StagedImage ImageRun::stage(staging::Session& session, const std::stop_token& stop) {
  if (auto staged = find_staged(session, stop)) return *staged;
  if (auto again = take_again(session, stop)) return *again;
  const std::string name = concat(plan_.source, '/', plan_.image);
  BerthWish wish{plan_.engine, plan_.platform, store_.find_fact("engine", name).value_or("")};
  if (const auto built = record("engine").find()) {
    wish.rather = built->at("engine").as_string();
    // The very image that was denied is there and nowhere else.
    if (run_.allowed) wish.engine = wish.rather;
  }
  bool patient = false;
  while (true) {
    const Berth berth = yard_.take_berth(
        wish, [&](const std::string& why) { log("engine").note(why); }, stop);
    engine::Engine& engine = berth.engine();
    const std::string& chosen = engine.options().name;
    const bool last = !yard_.has_other(wish, chosen);
    try {
      net::Retry retry = options_.retry;
      if (!last && !patient) retry.attempts = 2;
      StagedImage image = stage_from(engine, session, retry, stop);
      store_.put_fact("engine", name, chosen);
      return image;
    } catch (const Error& error) {
      // Another engine may have it; what else is away is away for all of them.
      if (last || patient || error.kind() != ErrorKind::unavailable) throw;
      if (answers(engine, stop)) {
        patient = true;
        wish.rather = chosen;
        continue;
      }
      log("engine").warn(concat(error.what(), "; another engine takes it"));
      yard_.shun(chosen);
    }
  }
}

StagedImage ImageRun::stage_from(engine::Engine& engine, staging::Session& session,
                                 const net::Retry& retry, const std::stop_token& stop) {
  std::optional<boost::json::value> built = record("engine").find();
  if (built) {
    const std::string id(built->at("image_id").as_string());
    const auto inspected = steady(retry, store_, run_.id, log("engine"), stop,
                                  [&] { return engine.find_image(id, stop); });
    if (!inspected) built.reset();
  }
  if (!built && run_.allowed) {
    throw Error(ErrorKind::conflict,
                "the denied image is no longer in the engine, and another one was not allowed: "
                "retry the run");
  }
  if (!built) {
    built = record("engine").perform([&] {
      return steady(retry, store_, run_.id, log("engine"), stop,
                    [&] { return build(engine, session.name(), session.tag(), stop); });
    });
  }
  const std::string id(built->at("image_id").as_string());
  const boost::json::value staged = record("staging").perform([&] {
    return steady(retry, store_, run_.id, log("staging"), stop,
                  [&] { return bring_in(engine, session, id, stop); });
  });
  return staged_image_from(staged);
}

std::optional<StagedImage> ImageRun::take_again(staging::Session& session,
                                                const std::stop_token& stop) {
  const bool wanted = plan_.reuse == Reuse::automatic && !plan_.no_cache && !run_.allowed;
  if (!wanted || record("engine").find()) return {};
  const StageLog log = this->log("engine");
  const source::Context context = this->context();
  const auto looked = [&](auto&& look) {
    return steady(options_.retry, store_, run_.id, log, stop, look);
  };
  const NamedContexts named = looked([&] { return NamedContexts(plan_, yard_, stop); });
  PastBuilds past(yard_, store_, plan_, context, named);
  const PastBuilds::Found found = looked([&] { return past.find(stop); });
  if (!found.build) {
    log.note(concat("it has to be built: ", found.why));
    cause_ = {found.why, found.changed};
    plan_.pull = plan_.pull || found.newer_base;
    return {};
  }
  const PastBuild& build = *found.build;
  std::optional<StagedImage> image;
  try {
    image = looked([&] { return session.adopt(build.manifest, stop); });
  } catch (const Error& error) {
    // Somebody deleted it from the registry.
    if (error.kind() != ErrorKind::not_found) throw;
    log.note(
        concat("it has to be built: the image of run ", build.run, " is gone: ", error.what()));
    return {};
  }
  past.keep_again(build, plan_.ref);
  record("engine").perform([&] {
    boost::json::object again = build.built.as_object();
    again["steps"] = again["cached_steps"] = 0;
    again["because"] = "";
    again["explained"] = boost::json::array();
    again["seconds"] = 0;
    again["reused"] = boost::json::object{{"run", build.run},
                                          {"commit", build.commit},
                                          {"ref", build.ref},
                                          {"started", render_time(build.started)},
                                          {"finished", render_time(build.finished)}};
    return boost::json::value(std::move(again));
  });
  log.note(concat("nothing to build: same files, same Dockerfile, same bases as run ", build.run,
                  " (commit ", shortened(build.commit, 12), ')'));
  return staged_image_from(record("staging").perform([&] {
    boost::json::value result = to_json(*image);
    result.as_object()["way"] = "reused";
    return result;
  }));
}

/// For later runs, once the image is published.
void ImageRun::remember_build(const std::string& manifest, const std::stop_token& stop) {
  const boost::json::value built = record("engine").find().value_or(nullptr);
  const auto* facts = built.if_object();
  if (facts == nullptr || facts->contains("reused") || !facts->contains("asked")) return;
  PastBuild build;
  build.asked = asked_files_from(facts->at("asked").as_array());
  build.built = built;
  build.manifest = manifest;
  build.run = run_.id;
  build.commit = plan_.commit;
  build.ref = plan_.ref;
  build.refs = {plan_.ref};
  for (const Stage& stage : store_.stages(run_.id)) {
    if (stage.image != plan_.image) continue;
    if (stage.name == "engine") build.started = stage.started;
    if (stage.name == "staging" && stage.ended) build.finished = *stage.ended;
  }
  const source::Context context = this->context();
  const NamedContexts named(plan_, yard_, stop);
  PastBuilds(yard_, store_, plan_, context, named).keep(std::move(build), stop);
}

boost::json::value ImageRun::build(engine::Engine& engine, const std::string& name,
                                   const std::string& tag, const std::stop_token& stop) {
  const StageLog log = this->log("engine");
  const source::Mirror& mirror = yard_.mirror(plan_.source);
  const source::Context context = this->context();
  const NamedContexts named(plan_, yard_, stop);
  AskedFiles asked;
  std::optional<source::ContextStream> stream;

  BuildPlan plan = plan_;
  // Newer engines date the image by it, so that a commit gives the same image again
  // (reproducible-builds.org/docs/source-date-epoch); the classic builder would complain.
  if (plan.builder != Builder::classic && engine.options().builder != Builder::classic) {
    plan.args.try_emplace("SOURCE_DATE_EPOCH", std::to_string(source_date_epoch()));
  }
  engine::BuildRequest request;
  request.plan = &plan;
  request.dockerfile_name = context.dockerfile_name();
  request.dockerfile_text = context.dockerfile_text();
  request.tags = {concat(name, ':', tag)};
  request.context = [&](char* into, std::size_t room) {
    if (!stream) stream.emplace(context, stop);
    return stream->read(into, room);
  };
  request.folder = [&](const std::string& folder,
                       const os::FileChoice& choice) -> std::unique_ptr<os::FileTree> {
    if (folder == "context") {
      asked.add(choice);
      return context.files(choice, stop);
    }
    if (folder == "dockerfile") return context.dockerfile_files(stop);
    return named.files(folder, choice, stop);
  };
  request.context_key = os::sha256(concat(plan_.source, '\n', mirror.options().url, '\n',
                                          plan_.image, '\n', plan_.context))
                            .hex();
  request.login = [&](const std::string& host) { return login_for(yard_, host); };
  request.token = [&](const engine::TokenWish& wish) {
    return token_for(yard_, plan_, wish, stop);
  };
  request.secret = [&](const std::string& wanted) -> std::optional<Secret> {
    const auto place = plan_.secrets.find(wanted);
    if (place == plan_.secrets.end()) return {};
    return os::read_secret(place->second);
  };
  SshAgents agents(plan_.ssh, plan_.limits.timeout);
  request.ssh_agent = [&](const std::string& id) { return agents.socket(id); };
  BuildSteps steps;
  const engine::Dockerfile dockerfile(request.dockerfile_text);
  const std::vector<Base> named_images = named_bases(dockerfile, plan_, engine, yard_, stop);
  for (const auto& [name, context] : plan_.contexts) {
    const auto base = std::ranges::find(named_images, context.image, &Base::image);
    if (base == named_images.end() || !base->digest) continue;
    request.images[name] = Reference::parse(context.image).at(*base->digest).text();
  }
  BaseWatch bases(dockerfile, plan_, named_images);
  request.news = [&](const engine::BuildNews& news) {
    bases.see(news.step);
    steps.see(news);
    log.add(kind_of(news), text_of(news));
  };

  Holdings holdings(store_, engine.options().name);
  request.leaves = [&](const engine::Leaving& leaving) {
    holdings.see(leaving, run_.id, system_now());
  };

  log.note(concat("building on engine \"", engine.options().name, '"'));
  const auto began = std::chrono::steady_clock::now();
  const engine::BuiltImage built = engine.build(request, stop);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  if (built.context) {
    log.note(concat("context: ", built.context->files, " of ", built.context->entries,
                    " entries sent, ", render_size(built.context->bytes)));
  }
  const auto inspected = engine.find_image(built.image_id, stop);
  boost::json::object result{
      {"image_id", built.image_id},
      {"builder", std::string(render(built.builder))},
      {"engine", engine.options().name},
      {"steps", built.steps},
      {"cached_steps", built.cached_steps},
      {"because", cause_.why},
      {"explained", steps.explain(cause_)},
      {"size_bytes", inspected ? inspected->bytes : 0},
      {"bases", to_json(bases.finish(engine, built.builder, stop))},
      {"asked", built.context ? asked_files(asked.all()) : asked_files({os::FileChoice()})},
      {"seconds", std::round(took.count() * 1000) / 1000}};
  if (built.context) {
    result["context"] = boost::json::object{{"entries", built.context->entries},
                                            {"files", built.context->files},
                                            {"bytes", built.context->bytes}};
  }
  return result;
}

}  // namespace lighterman::pipeline
