#include "cli/check.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <iostream>
#include <set>

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "pipeline/examine.hpp"
#include "pipeline/yard.hpp"
#include "store/store.hpp"

namespace lighterman::cli {
namespace {

using config::Config;
using config::Finding;

/// Something that was asked, and what came of it.
struct Probe {
  std::string what, answer;
  bool good = true;
};

template <class Ask>
Probe probe(const std::string& what, Ask&& ask) {
  try {
    return {what, ask(), true};
  } catch (const Error& error) {
    // All of them are asked, whatever one says.
    return {what, error.what(), false};
  }
}

std::vector<Probe> ask_all(const std::shared_ptr<const Config>& config) {
  const os::ScratchFolder scratch;
  store::Store store({scratch.path() / "check.db"});
  pipeline::Yard yard(config, store);
  std::vector<Probe> probes;
  for (const engine::Options& each : config->engines) {
    probes.push_back(probe(concat("engine ", each.name), [&] {
      const engine::About about = yard.engine(each.name).about({});
      return concat("version ", about.version, ", API ", about.api_version, ", ", about.os, '/',
                    about.architecture);
    }));
  }
  std::set<std::string> hosts;
  for (const auto& [name, source] : config->sources) {
    for (const auto& [image_name, image] : source.images)
      for (const Reference& target : image.targets) hosts.insert(target.host());
    const source::Options options = pipeline::mirror_options(source);
    const std::filesystem::path folder = scratch.path() / name;
    probes.push_back(probe(concat("source ", name), [&] {
      source::Mirror mirror(options, folder);
      const std::size_t heads = mirror.remote_heads({}).size();
      return concat(heads, heads == 1 ? " branch or tag" : " branches and tags");
    }));
  }
  for (const std::string& host : hosts) {
    probes.push_back(probe(concat("registry ", host), [&] {
      yard.registry(host).ping({});
      return std::string("answers");
    }));
  }
  return probes;
}

boost::json::value to_json(const std::vector<Finding>& findings) {
  boost::json::array all;
  for (const Finding& finding : findings) {
    const bool error = finding.weight == Finding::Weight::error;
    all.push_back({{"weight", error ? "error" : "warning"},
                   {"where", finding.where},
                   {"text", finding.text}});
  }
  return all;
}

boost::json::value to_json(const std::vector<Probe>& probes) {
  boost::json::array all;
  for (const Probe& each : probes)
    all.push_back({{"what", each.what}, {"answer", each.answer}, {"good", each.good}});
  return all;
}

bool is_error(const Finding& finding) { return finding.weight == Finding::Weight::error; }

}  // namespace

int check(const std::filesystem::path& file, bool online, Form form) {
  const auto config = std::make_shared<const Config>(config::load(file));
  const std::vector<Finding> findings = pipeline::examine_all(*config);
  const std::vector<Probe> probes = online ? ask_all(config) : std::vector<Probe>();
  const bool good = std::ranges::none_of(findings, is_error) &&
                    std::ranges::all_of(probes, [](const Probe& each) { return each.good; });
  if (form == Form::json) {
    std::cout << boost::json::serialize(boost::json::object{{"good", good},
                                                            {"findings", to_json(findings)},
                                                            {"online", to_json(probes)},
                                                            {"meaning", config::render(*config)}})
              << '\n';
  } else {
    std::cout << config::render(*config);
    std::cout.flush();
    for (const Finding& finding : findings)
      std::cerr << (is_error(finding) ? "error: " : "warning: ") << finding.where << ": "
                << finding.text << '\n';
    for (const Probe& each : probes)
      std::cerr << (each.good ? "ok: " : "error: ") << each.what << ": " << each.answer << '\n';
    std::cerr << file.string() << (good ? " is good\n" : " is not good\n");
  }
  return good ? 0 : bad_configuration;
}

}  // namespace lighterman::cli
