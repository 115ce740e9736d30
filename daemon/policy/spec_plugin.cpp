// plugin(name, settings, fakes), and the facts that specs hand to its hooks.
#include <boost/json.hpp>
#include <set>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "policy/catalogue.hpp"
#include "policy/spec.hpp"
#include "policy/spec_bench.hpp"
#include "policy/values.hpp"

namespace lighterman::policy {
namespace {

using Json = boost::json::value;
using boost::json::object;

constexpr const char* given_key = "given";

/// The wish as a spec sees it: its body, and which capability was wished for.
Json told(const Wish& wish) {
  object body = wish.body.is_object() ? wish.body.get_object() : object{{"wish", wish.body}};
  body["capability"] = wish.capability;
  return body;
}

/// Secrets become what the spec calls their values: a fake stands where they are opened.
void open_secrets(Json& value, const object& secrets) {
  if (value.is_array()) {
    for (Json& item : value.get_array()) open_secrets(item, secrets);
  } else if (value.is_object()) {
    const auto* name = value.get_object().if_contains("$secret");
    const auto* text =
        name != nullptr && name->is_string() ? secrets.if_contains(name->get_string()) : nullptr;
    if (text != nullptr) {
      value = Json(*text);
    } else {
      for (auto& field : value.get_object()) open_secrets(field.value(), secrets);
    }
  }
}

/// The table of the spec's fakes, or an empty one, is pushed.
void push_table(lua_State* lua, int reference) { lua_rawgeti(lua, LUA_REGISTRYINDEX, reference); }

void remember(lua_State* lua, const Subject& subject, const Wish& wish) {
  push_table(lua, subject.wishes);
  push_json(lua, told(wish));
  lua_rawseti(lua, -2, static_cast<lua_Integer>(lua_rawlen(lua, -2)) + 1);
  lua_pop(lua, 1);
}

/// The spec's own answer to a wish: what its fake returns, or the fake itself where it is no
/// function. `unanswered` is set where there is none.
int answer_wish(lua_State* lua) {
  const auto& subject = *static_cast<const Subject*>(lua_touserdata(lua, 1));
  const auto& wish = *static_cast<const Wish*>(lua_touserdata(lua, 2));
  auto& unanswered = *static_cast<std::string*>(lua_touserdata(lua, 3));
  remember(lua, subject, wish);
  push_table(lua, subject.fakes);
  lua_getfield(lua, -1, "secret");
  const object secrets = object_at(lua, lua_gettop(lua), "secret");
  lua_pop(lua, 1);
  lua_getfield(lua, -1, wish.capability.c_str());
  std::string name = wish.capability;
  // registry.tags(repository): each question has its own fake, which gets what the question gets.
  const auto* ask = wish.body.is_object() ? wish.body.get_object().if_contains("ask") : nullptr;
  if (ask != nullptr) {
    name += concat('.', ask->as_string());
    if (lua_istable(lua, -1)) lua_getfield(lua, -1, ask->as_string().c_str());
  }
  if (lua_isnil(lua, -1)) {
    unanswered = concat("no fake answers ", name, ' ', boost::json::serialize(wish.body),
                        "; plugin(name, settings, { ", wish.capability, " = ... }) takes one");
    throw Error(ErrorKind::invalid, unanswered);
  }
  if (!lua_isfunction(lua, -1)) return 1;
  int arguments = 1;
  for (const char* key : {"repository", "reference"}) {
    if (ask == nullptr || !wish.body.get_object().contains(key)) continue;
    push_json(lua, wish.body.at(key));
    ++arguments;
  }
  Json body = told(wish);
  open_secrets(body, secrets);
  push_json(lua, body);
  lua_call(lua, arguments, 1);
  return 1;
}

Json answer_of(lua_State* lua, const Subject& subject, const Wish& wish, std::string& unanswered) {
  const int top = lua_gettop(lua);
  luaL_checkstack(lua, 8, "too many wishes");
  lua_pushcfunction(lua, guarded<answer_wish>);
  lua_pushlightuserdata(lua, const_cast<Subject*>(&subject));
  lua_pushlightuserdata(lua, const_cast<Wish*>(&wish));
  lua_pushlightuserdata(lua, &unanswered);
  if (lua_pcall(lua, 3, 1, 0) != LUA_OK) {
    // A fake may fail as what it stands for does.
    const std::string why =
        lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : shown_at(lua, -1);
    lua_settop(lua, top);
    throw Error(ErrorKind::unavailable, why);
  }
  Json answer = json_at(lua, -1, concat("the fake of ", wish.capability, " returned"));
  lua_settop(lua, top);
  return answer;
}

/// The decision as one answer, without what nobody said and by whom.
object combined(const Decision& decision) {
  object answer;
  boost::json::array tags, actions;
  for (const auto& tag : decision.tags) tags.push_back(to_json(tag.value));
  for (const Action& action : decision.actions) {
    actions.push_back({{"kind", action.kind}, {"body", action.body}});
  }
  if (!tags.empty()) answer["tags"] = tags;
  if (!actions.empty()) answer["actions"] = actions;
  for (const auto& [key, map] :
       {std::pair{"args", &decision.args}, std::pair{"labels", &decision.labels}}) {
    for (const auto& [name, said] : *map) {
      if (!answer.contains(key)) answer[key] = object();
      answer[key].as_object()[name] = said.value;
    }
  }
  for (const auto& [key, list] :
       {std::pair{"platforms", &decision.platforms}, std::pair{"skip", &decision.skip},
        std::pair{"deny", &decision.deny}}) {
    if (list->empty()) continue;
    boost::json::array texts;
    for (const auto& said : *list) texts.emplace_back(said.value);
    answer[key] = texts;
  }
  if (decision.target) answer["target"] = decision.target->value;
  return answer;
}

/// answer.problems, looked up: from now on the test answers for them.
int look_at_problems(lua_State* lua) {
  if (lua_type(lua, 2) != LUA_TSTRING || std::string_view(lua_tostring(lua, 2)) != "problems") {
    return 0;
  }
  Bench& bench = Bench::of(lua);
  const auto last = static_cast<int>(lua_tointeger(lua, lua_upvalueindex(3)));
  const auto count = static_cast<int>(lua_rawlen(lua, lua_upvalueindex(2)));
  for (int each = last - count + 1; each <= last; ++each) bench.problems.erase(each);
  lua_pushvalue(lua, lua_upvalueindex(2));
  return 1;
}

/// Pushes the answer. Problems are in it when they are looked up; those that a test never looks at
/// fail it, or else a hook that broke would pass for one without an opinion.
void push_answer(lua_State* lua, Bench& bench, const Decision& decision) {
  push_json(lua, combined(decision));
  if (decision.problems.empty()) return;
  lua_newtable(lua);  // the metatable
  lua_pushlightuserdata(lua, &bench);
  lua_newtable(lua);
  for (const auto& problem : decision.problems) {
    // The facts are the spec's own: what was given is not told again.
    const std::string text = problem.value.substr(0, problem.value.rfind(" (it was given "));
    bench.problems[++bench.last_problem] = text;
    lua_pushlstring(lua, text.data(), text.size());
    lua_rawseti(lua, -2, static_cast<lua_Integer>(lua_rawlen(lua, -2)) + 1);
  }
  lua_pushinteger(lua, bench.last_problem);
  lua_pushcclosure(lua, guarded<look_at_problems>, 3);
  lua_setfield(lua, -2, "__index");
  lua_setmetatable(lua, -2);
}

/// What image{} made fits each hook that is about an image: fields that only this hook has join,
/// but for those that the spec spoke of.
void complete_image(lua_State* lua, Hook hook, object& facts) {
  if (!lua_istable(lua, 1) || luaL_getmetafield(lua, 1, given_key) == LUA_TNIL) return;
  const object given = object_at(lua, lua_gettop(lua), "image");
  lua_pop(lua, 1);
  facts = image_for(hook, facts, given);
}

int call_hook(lua_State* lua) {  // upvalues: the bench, the subject, the hook
  Bench& bench = Bench::of(lua);
  const auto& subject = *static_cast<const Subject*>(lua_touserdata(lua, lua_upvalueindex(2)));
  const Hook hook = hooks.at(static_cast<std::size_t>(lua_tointeger(lua, lua_upvalueindex(3))));
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_settop(lua, 1);
  if (!subject.seat.plugin->defined.contains(hook)) {
    throw Error(ErrorKind::invalid,
                concat("plugin \"", subject.seat.name, "\" has no ", render(hook)));
  }
  object facts = object_at(lua, 1, "facts");
  complete_image(lua, hook, facts);
  std::string unanswered;
  const auto perform = [&](const Wish& wish) { return answer_of(lua, subject, wish, unanswered); };
  const auto begin = std::chrono::steady_clock::now();
  const Decision decision =
      ask({subject.seat}, {hook, "shop", facts, subject.now, perform, nullptr});
  State::of(lua).extend(std::chrono::steady_clock::now() - begin);
  if (!unanswered.empty()) throw Error(ErrorKind::invalid, unanswered);
  push_answer(lua, bench, decision);
  return 1;
}

/// What an operator would allow: all that is named, and for "*" what the fakes speak of.
Grants grants_for(const Plugin& plugin, const object& secrets, const object& allow) {
  Grants granted;
  const Json whole(allow);  // Fields keep a reference
  const Fields allowed(whole, "allow");
  for (const auto& [capability, names] : plugin.needs) {
    std::set<std::string> all(names.begin(), names.end());
    const bool any = all.erase("*") > 0;
    for (const std::string& name : allowed.texts(capability)) all.insert(name);
    if (any && capability == "secret") {
      for (const auto& field : secrets) all.insert(field.key());
    }
    if (any && (capability == "registry" || capability == "scan")) all.insert("**");
    granted[capability] = {all.begin(), all.end()};
  }
  return granted;
}

/// fakes.KEY as data.
object fake_data(lua_State* lua, int fakes, const char* key) {
  if (!lua_istable(lua, fakes)) return {};
  lua_getfield(lua, fakes, key);
  object data = object_at(lua, lua_gettop(lua), key);
  lua_pop(lua, 1);
  return data;
}

Instant now_of(lua_State* lua, int fakes) {
  const object& push = sample_facts(Hook::on_push);
  std::string now(push.at("received").as_string());
  if (lua_istable(lua, fakes) && lua_getfield(lua, fakes, "now") == LUA_TSTRING) {
    now = lua_tostring(lua, -1);
  }
  lua_settop(lua, fakes);
  return parse_time(now);
}

int make_plugin(lua_State* lua) {
  Bench& bench = Bench::of(lua);
  const std::string name = luaL_checkstring(lua, 1);
  check_name(name);
  lua_settop(lua, 3);
  const std::filesystem::path file = bench.folder / concat(name, plugin_end);
  if (!std::filesystem::exists(file)) {
    throw Error(ErrorKind::not_found, concat(file.string(), ": there is no such plugin"));
  }
  auto subject = std::make_unique<Subject>();
  auto plugin = std::make_shared<Plugin>(load_plugin(file));
  object settings = check_settings(*plugin, object_at(lua, 2, "settings"));
  Grants granted = grants_for(*plugin, fake_data(lua, 3, "secret"), fake_data(lua, 3, "allow"));
  subject->seat = {name, plugin, std::move(settings), std::move(granted), {}};
  subject->now = now_of(lua, 3);
  lua_pushvalue(lua, 3);
  if (lua_isnil(lua, -1)) lua_newtable(lua), lua_replace(lua, -2);
  subject->fakes = luaL_ref(lua, LUA_REGISTRYINDEX);
  lua_newtable(lua);  // what the spec gets
  lua_newtable(lua);
  lua_pushvalue(lua, -1);
  subject->wishes = luaL_ref(lua, LUA_REGISTRYINDEX);
  lua_setfield(lua, -2, "wishes");
  for (std::size_t hook = 0; hook < hooks.size(); ++hook) {
    lua_pushlightuserdata(lua, &bench);
    lua_pushlightuserdata(lua, subject.get());
    lua_pushinteger(lua, static_cast<lua_Integer>(hook));
    lua_pushcclosure(lua, guarded<call_hook>, 3);
    lua_setfield(lua, -2, std::string(render(hooks.at(hook))).c_str());
  }
  bench.subjects.push_back(std::move(subject));
  return 1;
}

/// push{...}, image{...}, finished{...}.
template <Hook hook>
int make_facts(lua_State* lua) {
  lua_settop(lua, 1);
  const object given = object_at(lua, 1, std::string(render(hook)));
  object facts = facts_with(sample_facts(hook), given);
  // A push that push{} made is whole: what it lacks was taken out.
  if (lua_istable(lua, 1) && lua_getfield(lua, 1, "push") == LUA_TTABLE &&
      luaL_getmetafield(lua, -1, given_key) != LUA_TNIL) {
    object push = given.at("push").as_object();
    push.erase("image");
    facts["push"] = push;
  }
  push_json(lua, facts);
  lua_newtable(lua);
  push_json(lua, given);
  lua_setfield(lua, -2, given_key);
  lua_setmetatable(lua, -2);
  return 1;
}

int make_secret(lua_State* lua) {
  push_json(lua, {{"$secret", luaL_checkstring(lua, 1)}});
  return 1;
}

}  // namespace

object object_at(lua_State* lua, int index, const std::string& what) {
  if (lua_isnoneornil(lua, index)) return {};
  const Json value = json_at(lua, index, what);
  if (value.is_object()) return value.get_object();
  if (value.is_array() && value.get_array().empty()) return {};
  throw Error(ErrorKind::invalid, concat(what, ": must be a table with names"));
}

void add_plugin(lua_State* lua, Bench& bench) {
  add_spec_function(lua, bench, "plugin", guarded<make_plugin>);
  add_spec_function(lua, bench, "push", guarded<make_facts<Hook::on_push>>);
  add_spec_function(lua, bench, "image", guarded<make_facts<Hook::on_staged>>);
  add_spec_function(lua, bench, "finished", guarded<make_facts<Hook::on_finished>>);
  add_spec_function(lua, bench, "secret", guarded<make_secret>);
  push_json(lua, {{"$none", true}});
  lua_setfield(lua, -2, "none");
}

}  // namespace lighterman::policy
