#include "pipeline/holdings.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "core/json.hpp"
#include "core/text.hpp"

namespace lighterman::pipeline {
namespace {

using Kind = Holding::Kind;
constexpr std::array kinds{Kind::image, Kind::base, Kind::name, Kind::container};

std::string_view render(Kind kind) {
  switch (kind) {
    case Kind::image:
      return "image";
    case Kind::base:
      return "base";
    case Kind::name:
      return "name";
    case Kind::container:
      return "container";
  }
  return "";
}

std::string render(const Holding& holding) {
  return boost::json::serialize(boost::json::object{{"kind", render(holding.kind)},
                                                    {"base", holding.base},
                                                    {"run", holding.run},
                                                    {"used", render_time(holding.used)},
                                                    {"made", render_time(holding.made)}});
}

Holding parse(const std::string& id, const std::string& kept) {
  const boost::json::value value = parse_json(kept, "what was left on an engine");
  const Fields fields(value, "what was left on an engine");
  Holding holding;
  const std::string kind = fields.text("kind");
  for (const Kind each : kinds)
    if (render(each) == kind) holding.kind = each;
  holding.id = id;
  holding.base = fields.text_or("base", "");
  holding.run = fields.integer("run");
  holding.used = fields.time_or("used", {});
  holding.made = fields.time_or("made", {});
  return holding;
}

}  // namespace

bool is_of_then(const Holding& holding, Instant created) {
  // Clocks differ, and a step that takes long is told of when it is over.
  constexpr std::chrono::minutes apart{5};
  return holding.made - apart < created && created < holding.made + apart;
}

Holdings::Holdings(store::Store& store, const std::string& engine)
    : store_(store), scope_(concat("left/", engine)) {}

void Holdings::put(const Holding& holding) { store_.put_fact(scope_, holding.id, render(holding)); }

void Holdings::touch(const std::string& id, RunId run, Instant now) {
  auto holding = find(id);
  if (!holding) return;
  holding->run = run;
  holding->used = now;
  put(*holding);
}

void Holdings::see(const engine::Leaving& leaving, RunId run, Instant now) {
  using Way = engine::Leaving::Kind;
  switch (leaving.kind) {
    case Way::made:
      return put({Kind::image, leaving.id, "", run, now, now});
    case Way::pulled:
      return put({Kind::base, leaving.id, leaving.name, run, now, now});
    case Way::container:
      return put({Kind::container, leaving.id, "", run, now, now});
    case Way::used:
      return touch(leaving.id, run, now);
  }
}

void Holdings::forget(const Holding& holding) { store_.forget_fact(scope_, holding.id); }

std::optional<Holding> Holdings::find(const std::string& id) const {
  const auto kept = store_.find_fact(scope_, id);
  if (!kept) return {};
  return parse(id, *kept);
}

std::vector<Holding> Holdings::all() const {
  std::vector<Holding> all;
  const auto kept = store_.facts(scope_);
  all.reserve(kept.size());
  for (const auto& [id, value] : kept) all.push_back(parse(id, value));
  std::ranges::stable_sort(all, {}, &Holding::used);
  return all;
}

}  // namespace lighterman::pipeline
