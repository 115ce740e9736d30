#include <set>

#include "config/rows.hpp"
#include "config/status.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "engine/location.hpp"
#include "net/network.hpp"
#include "net/url.hpp"

namespace lighterman::config {
namespace {

/// Names stand in paths and addresses: /hooks/NAME, mirrors/NAME.
bool is_name(std::string_view name) {
  constexpr std::string_view first =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  return !name.empty() && name.size() <= 100 && first.find(name.front()) != first.npos &&
         std::ranges::all_of(name, [&](char letter) {
           return first.find(letter) != first.npos || letter == '.' || letter == '-';
         });
}

void check_name(std::string_view name, const Value& value) {
  if (!is_name(name))
    value.refuse("is no good name: letters, digits, '.', '_' and '-', 100 of them at most");
}

void check_address(const std::string& address, const Value& value) {
  const std::size_t colon = address.rfind(':');
  const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
  const bool digits = !port.empty() && port.size() <= 5 &&
                      port.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || std::stoi(port) > 65535 || colon == 0)
    value.refuse("must be an address and a port, like 127.0.0.1:7070");
}

void check_one_of(const std::string& given, std::initializer_list<std::string_view> known,
                  const Value& value) {
  if (std::ranges::find(known, given) != known.end()) return;
  const std::vector<std::string> names(known.begin(), known.end());
  value.refuse(concat("must be ", join(names, " or "), did_you_mean(given, names)));
}

/// By a parser that throws, and tells what it said.
template <class Parse>
void check_by(const Parse& parse, const Value& value) {
  try {
    parse();
  } catch (const Error& error) {
    value.refuse(error.what());
  }
}

void check_tokens(const Config& config, const Value& value) {
  std::set<std::string> names;
  for (const Token& token : config.tokens) {
    if (token.name.empty()) value.refuse("a token needs a `name`");
    if (!names.insert(token.name).second)
      value.refuse(concat("two tokens have the name \"", token.name, '"'));
    if (token.sha256.empty() == token.place.empty())
      value.refuse(concat("token \"", token.name, "\" needs either `sha256` or `place`"));
    if (!token.sha256.empty() && (token.sha256.size() != 64 || !parse_hex(token.sha256)))
      value.refuse(concat("token \"", token.name, "\": sha256 must be 64 hex digits"));
  }
}

/// Who is believed about who asks.
void check_access(const Config& config, const Value& top) {
  std::vector<std::string> known;
  for (const auto& [name, source] : config.sources) known.push_back(name);
  for (const Token& token : config.tokens) {
    for (const std::string& source : token.sources)
      if (!config.sources.contains(source))
        top.at({"tokens"})
            .refuse(concat("token \"", token.name, "\": no source is called \"", source, '"',
                           did_you_mean(source, known)));
  }
  for (const std::string& each : config.trusted_proxies)
    check_by([&] { net::Network::parse(each); }, top.at({"trusted_proxies"}));
  if (config.tls && (config.tls->certificate_file.empty() || config.tls->key_file.empty()))
    top.at({"tls"}).refuse("needs both `cert` and `key`, PEM files");
  if (!config.identity) return;
  const Value here = top.at({"identity"});
  // By default a proxy on this machine is believed about addresses; that anybody on this machine
  // is whoever they say is another thing, and has to be said.
  if (!top.node["trusted_proxies"])
    here.refuse("needs `trusted_proxies`: the networks of the proxies that say who is there");
  if (config.identity->user_header.empty()) here.at({"user"}).refuse("must name a header");
  if (config.identity->groups.empty() && !config.identity->everybody)
    here.refuse("gives nobody a role: set `roles` or `everybody`");
}

void check_engines(const Config& config, const Value& value) {
  std::set<std::string> names;
  for (const engine::Options& each : config.engines) {
    if (!names.insert(each.name).second)
      value.refuse(concat("two engines have the name \"", each.name, '"'));
    if (each.slots == 0)
      value.refuse(concat("engine \"", each.name, "\" needs at least one of `slots`"));
    if (each.host.empty()) continue;
    try {
      engine::parse_address(each.host, each.tls);
    } catch (const Error& error) {
      value.refuse(concat("engine \"", each.name, "\": ", error.what()));
    }
  }
}

/// Folders and files of a repository; nothing outside of it.
void check_inside(const std::string& given, const Value& value) {
  const std::filesystem::path path(given);
  if (path.is_absolute() || std::ranges::find(path, "..") != path.end())
    value.refuse("must lie in the repository: relative, without \"..\"");
}

void check_images(const Config& config, const Source& source, const Value& value) {
  std::vector<std::string> engines;
  for (const engine::Options& each : config.engines) {
    engines.push_back(each.name);
    engines.insert(engines.end(), each.labels.begin(), each.labels.end());
  }
  if (engines.empty()) engines.emplace_back("local");
  std::set<Reference> targets;
  for (const auto& [name, image] : source.images) {
    const Value here = value.node.IsMap() && value.node["image"] && name == source.name
                           ? value.at({"image"})
                           : value.at({"images", name});
    check_name(name, here);
    check_inside(image.context, here.at({"context"}));
    check_inside(image.dockerfile, here.at({"dockerfile"}));
    if (!image.engine.empty() && std::ranges::find(engines, image.engine) == engines.end())
      here.at({"engine"})
          .refuse(concat("no engine is called that", did_you_mean(image.engine, engines)));
    for (const auto& [context_name, context] : image.contexts) {
      const Value place = here.at({"contexts", context_name});
      check_inside(context.folder, place);
      if (context.source.empty() || config.sources.contains(context.source)) continue;
      std::vector<std::string> sources;
      for (const auto& each : config.sources) sources.push_back(each.first);
      place.refuse(concat("no source is called \"", context.source, '"',
                          did_you_mean(context.source, sources)));
    }
    for (const Reference& target : image.targets) {
      if (!targets.insert(target).second)
        here.refuse(concat("publishes to \"", target.name(), "\", as another one does"));
    }
  }
}

/// Two sources that tell the same commit by the same name would overwrite each other's word.
void check_told_once(const Config& config, const Source& source, const StatusPlace& place,
                     const Value& here) {
  for (const auto& [name, other] : config.sources) {
    if (name >= source.name || !other.status || other.status->context != source.status->context)
      continue;
    try {
      const StatusPlace others = status_place(other);
      if (others.api == place.api && others.repository == place.repository)
        here.at({"context"})
            .refuse(concat("is also that of source \"", name,
                           "\" at the same repository: give each its own"));
    } catch (const Error&) {
      // Told at that source.
    }
  }
}

void check_status(const Config& config, const Source& source, const Value& here) {
  const Status& status = *source.status;
  if (status.token_place.empty())
    here.at({"token"}).refuse("is missing: where the token lies, file:PATH or env:NAME");
  if (!status.api.empty()) check_by([&] { net::Url::parse(status.api); }, here.at({"api"}));
  const auto check_place = [&] {
    const StatusPlace place = status_place(source);
    const std::size_t longest = place.forge == Forge::bitbucket ? 40 : 255;
    if (status.context.empty() || status.context.size() > longest)
      here.at({"context"}).refuse(concat("must have 1 to ", longest, " characters"));
    check_told_once(config, source, place, here);
  };
  check_by(check_place, here);
}

void check_source(const Config& config, const Source& source, const Value& value) {
  check_name(source.name, value);
  if (source.url.empty()) value.at({"url"}).refuse("is missing: where git fetches from");
  if (source.images.empty() && !source.repository_file)
    value.refuse("has no image; set `image: registry/repository`");
  if (source.repository_file && source.allowed_targets.empty())
    value.at({"allowed_targets"})
        .refuse("is missing: which registry/repository that file may publish to (globs)");
  if (!source.forge.empty()) check_by([&] { parse_forge(source.forge); }, value.at({"forge"}));
  if (source.status) check_status(config, source, value.at({"status"}));
  check_images(config, source, value);
}

void check_plugins(const Config& config, const Value& top) {
  if (config.keys && config.keys->folder.empty())
    top.at({"keys", "folder"}).refuse("is missing: where the keys are");
  std::vector<std::string> secrets;
  for (const auto& [name, place] : config.secrets) {
    check_name(name, top.at({"secrets", name}));
    secrets.push_back(name);
  }
  for (const auto& [name, seat] : config.plugins) {
    const Value here = top.at({"plugins", name});
    check_name(name, here);
    if (!seat.use.empty()) check_name(seat.use, here.at({"use"}));
    const auto allowed = seat.allow.find("secret");
    if (allowed == seat.allow.end()) continue;
    for (const std::string& secret : allowed->second) {
      if (std::ranges::find(secrets, secret) == secrets.end())
        here.at({"allow", "secret"})
            .refuse(concat("no secret is called \"", secret, "\": `secrets:` at the top names them",
                           did_you_mean(secret, secrets)));
    }
  }
}

void check_carrying(const Config& config, const Value& top) {
  const Value carrying = top.at({"replicate"});
  std::set<std::string> names;
  for (const ReplicateRule& rule : config.replicate) {
    check_name(rule.name, carrying);
    const std::string what = concat("rule \"", rule.name, "\" ");
    if (!names.insert(rule.name).second) carrying.refuse(concat(what, "is there twice"));
    const bool by_harbor = !rule.terms.policy.empty();
    if (by_harbor && (!rule.to.empty() || rule.when != ReplicateWhen::immediate))
      carrying.refuse(concat(what,
                             "has Harbor perform a `policy`, which knows where to and has a "
                             "schedule of its own: leave out `to` and `when`"));
    const bool nowhere = by_harbor || (rule.to.empty() && !rule.terms.warm.empty());
    try {
      const Reference target =
          Reference::parse(nowhere ? concat("r.example/", by_harbor ? rule.terms.policy : "a")
                                   : concat(rule.to, "/a/b"));
      if (!nowhere && target.name() != concat(rule.to, "/a/b")) throw Error(ErrorKind::invalid, "");
    } catch (const Error&) {
      // What the parser says is about the name we completed.
      carrying.refuse(by_harbor
                          ? concat(what,
                                   "names no policy as Harbor has them: small letters, digits "
                                   "and ._-")
                          : concat(what,
                                   "needs `to`: registry.example or "
                                   "registry.example/namespace"));
    }
    if ((rule.when == ReplicateWhen::scheduled) == rule.schedule.empty())
      carrying.refuse(concat(what, "needs both `when: scheduled` and a `schedule`, or neither"));
    if (by_harbor && rule.from.empty())
      carrying.refuse(concat(what, "must say `from`: what is published to its Harbor"));
    if (rule.delete_vanished && rule.from.empty())
      carrying.refuse(concat(what, "deletes what vanished: it must say `from` where"));
    if (rule.terms.only_signed && !config.keys)
      carrying.refuse(concat(what, "carries only what is signed, but there are no `keys`"));
    for (const std::string& mirror : rule.terms.warm) {
      try {
        net::Url::parse(mirror);
      } catch (const Error& error) {
        carrying.refuse(concat(what, "has no URL in `warm`: ", error.what()));
      }
    }
    if (rule.terms.only_clean && !config.scan)
      carrying.refuse(concat(what, "carries only what is clean, but nothing is scanned (`scan`)"));
  }
  if (config.replications == 0) top.at({"replications"}).refuse("must be 1 at least");
  const Value staying = top.at({"retain"});
  names.clear();
  for (const RetainRule& rule : config.retain) {
    check_name(rule.name, staying);
    const std::string what = concat("rule \"", rule.name, "\" ");
    if (!names.insert(rule.name).second) staying.refuse(concat(what, "is there twice"));
    if (rule.repositories.empty())
      staying.refuse(concat(what, "needs `repositories` that it is for"));
    if (!rule.keep.value_or(0) && !rule.newer_than && !rule.pulled_within)
      staying.refuse(concat(
          what, "would keep nothing: set `keep` (1 at least), `newer_than` or `pulled_within`"));
  }
}

}  // namespace

void check(const Config& config, const Value& top) {
  check_address(config.listen, top.at({"listen"}));
  check_address(config.staging_listen, top.at({"staging", "listen"}));
  check_one_of(config.log_format, {"text", "json"}, top.at({"log_format"}));
  check_one_of(config.compression, {"gzip", "zstd"}, top.at({"staging", "compression"}));
  if (!config.data.is_absolute()) top.at({"data"}).refuse("must be an absolute path");
  check_tokens(config, top.at({"tokens"}));
  check_access(config, top);
  check_engines(config, top.at({"engines"}));
  for (const auto& [host, options] : config.registries) {
    const Value here = top.at({"registries", host});
    try {
      if (Reference::parse(concat(host, "/a")).host() != host)
        here.refuse("is no registry host, like registry.example:5000 or docker.io");
    } catch (const Error& error) {
      here.refuse(error.what());
    }
    if (options.username.empty() != options.password_place.empty())
      here.refuse("needs both `username` and `password`, or neither");
    const std::string& api = options.api;
    if (!api.empty()) check_by([&api] { net::Url::parse(api); }, here.at({"api"}));
    if (options.uploads == 0) here.at({"uploads"}).refuse("must be 1 at least");
  }
  for (const auto& [name, source] : config.sources)
    check_source(config, source, top.at({"sources", name}));
  check_plugins(config, top);
  check_carrying(config, top);
}

}  // namespace lighterman::config
