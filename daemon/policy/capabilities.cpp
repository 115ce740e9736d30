// What a hook can do outside Lua: each use becomes a wish that is checked here and performed
// elsewhere.
#include "policy/capabilities.hpp"

#include <boost/json.hpp>
#include <cstring>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/reference.hpp"
#include "net/url.hpp"
#include "policy/form.hpp"
#include "policy/grants.hpp"
#include "policy/modules.hpp"
#include "policy/values.hpp"

namespace lighterman::policy {
namespace {

using Json = boost::json::value;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr const char* secret_type = "secret";

std::string text_at(lua_State* lua, int index) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(lua, index, &size);
  return valid_utf8({text, size});
}

const Allowance& allowance_of(lua_State* lua) {
  if (const Allowance* allowance = State::of(lua).allowance) return *allowance;
  throw Error(ErrorKind::denied, "what a plugin may do, it may do in hooks only");
}

void check(const Allowance& allowance, const std::string& capability, const std::string& name) {
  if (covers(allowance.granted, capability, name)) return;
  refuse_grant(allowance.needs, allowance.seat, capability, name);
}

void check_secrets(const Allowance& allowance, const Json& body) {
  each_secret(body, [&](const std::string& name) { check(allowance, "secret", name); });
}

milliseconds timeout_in(const Json& body, milliseconds usual) {
  const auto* given = body.as_object().if_contains("timeout");
  if (given == nullptr) return usual;
  if (given->is_string()) return parse_duration(given->get_string());
  // Bounded first: a conversion of more than fits is undefined.
  return milliseconds(static_cast<std::int64_t>(std::min(given->to_number<double>(), 1e6) * 1000));
}

/// Has it performed; what that took does not count as the hook's own time.
int perform(lua_State* lua, const Allowance& allowance, const char* capability, Json body,
            milliseconds timeout) {
  if (!allowance.perform) {
    throw Error(ErrorKind::denied, concat(capability, " is not performed in a dry run"));
  }
  State& state = State::of(lua);
  Wish wish{allowance.seat, capability, std::move(body), allowance.granted, timeout};
  wish.timeout = std::min(timeout, state.take_wish(lua));
  const auto begin = steady_clock::now();
  struct Spent {
    State& state;
    steady_clock::time_point begin;
    ~Spent() { state.extend(steady_clock::now() - begin); }
  };
  Json answer;
  {
    const Spent spent{state, begin};
    answer = allowance.perform(wish);
  }
  push_json(lua, answer);
  return 1;
}

int run_program(lua_State* lua) {
  const Allowance& allowance = allowance_of(lua);
  luaL_checktype(lua, 1, LUA_TTABLE);
  Json body = json_at(lua, 1, "run");
  check_form("run", body,
             {{"program", Form::text, true},
              {"args", Form::texts},
              {"input", Form::any_text},
              {"env", Form::secret_map},
              {"timeout", Form::duration}});
  check(allowance, "run", std::string(body.at("program").as_string()));
  check_secrets(allowance, body);
  const milliseconds timeout = timeout_in(body, std::chrono::seconds(60));
  return perform(lua, allowance, "run", std::move(body), timeout);
}

int ask_http(lua_State* lua) {
  const Allowance& allowance = allowance_of(lua);
  luaL_checktype(lua, 1, LUA_TTABLE);
  Json body = json_at(lua, 1, "http");
  check_form("http", body,
             {{"url", Form::text_or_secret, true},
              {"method", Form::text},
              {"headers", Form::secret_map},
              {"json", Form::data},
              {"text", Form::any_text},
              {"form", Form::map},
              {"timeout", Form::duration}});
  const Fields fields(body, "http");
  int bodies = 0;
  for (const char* key : {"json", "text", "form"}) bodies += fields.find(key) != nullptr ? 1 : 0;
  if (bodies > 1) fields.refuse("json", "json, text and form exclude each other");
  const std::string method = fields.text_or("method", bodies == 0 ? "GET" : "POST");
  static const std::vector<std::string> methods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
  if (std::find(methods.begin(), methods.end(), method) == methods.end()) {
    fields.refuse("method", concat("must be one of ", join(methods, ", ")));
  }
  if (bodies != 0 && (method == "GET" || method == "HEAD")) {
    fields.refuse("method", concat(method, " sends no body"));
  }
  if (const auto* url = fields.find("url"); url->is_string()) {
    const net::Url parsed = net::Url::parse(url->get_string());
    if (!covers_host(allowance.granted, parsed.host, parsed.port)) {
      refuse_grant(allowance.needs, allowance.seat, "http", parsed.authority());
    }
  }
  check_secrets(allowance, body);
  body.as_object()["method"] = method;
  const milliseconds timeout = timeout_in(body, std::chrono::seconds(30));
  return perform(lua, allowance, "http", std::move(body), timeout);
}

int get_secret(lua_State* lua) {
  const std::string name = text_at(lua, 1);
  // At the top of a file it is only a name yet; using it is looked at later.
  if (const Allowance* allowance = State::of(lua).allowance) check(*allowance, "secret", name);
  push_secret(lua, name);
  return 1;
}

/// registry.tags(repository) and its kin; the upvalue is which.
int ask_registry(lua_State* lua) {
  const Allowance& allowance = allowance_of(lua);
  const char* what = lua_tostring(lua, lua_upvalueindex(1));
  const Reference reference =
      during(concat("registry.", what), [&] { return Reference::parse(text_at(lua, 1)); });
  check(allowance, "registry", reference.name());
  const bool tags = std::strcmp(what, "tags") == 0;
  Json body{{"ask", what},
            {tags ? "repository" : "reference", tags ? reference.name() : reference.text()}};
  return perform(lua, allowance, "registry", std::move(body), std::chrono::seconds(60));
}

int ask_scan(lua_State* lua) {
  const Allowance& allowance = allowance_of(lua);
  const std::string reference = text_at(lua, 1);
  const bool staged = !allowance.staged.empty() && reference == allowance.staged &&
                      covers(allowance.granted, "scan", "staged");
  if (!staged) check(allowance, "scan", reference);
  Json body{{"reference", reference}};
  if (!lua_isnoneornil(lua, 2)) {
    luaL_checktype(lua, 2, LUA_TTABLE);
    body.as_object()["options"] = json_at(lua, 2, "scan options");
    each_secret(body, [](const std::string&) {
      throw Error(ErrorKind::invalid, "scan: a secret cannot stand in its options");
    });
  }
  return perform(lua, allowance, "scan", std::move(body), std::chrono::minutes(10));
}

int sleep(lua_State*) {
  throw Error(ErrorKind::invalid, "what a plugin may do, it may do in hooks only");
}

int show_secret(lua_State* lua) {
  lua_pushliteral(lua, "***");
  return 1;
}

int guard_secret(lua_State*) {
  throw Error(
      ErrorKind::invalid,
      "a secret is a handle that becomes no text; it is opened in headers, url, hmac and env");
}

void add_function(lua_State* lua, const char* name, lua_CFunction function) {
  lua_pushcfunction(lua, function);
  lua_setfield(lua, -2, name);
}

void push_registry(lua_State* lua, lua_CFunction function) {
  lua_newtable(lua);
  for (const char* name : {"tags", "manifest", "labels", "referrers"}) {
    lua_pushstring(lua, name);
    lua_pushcclosure(lua, function, 1);
    lua_setfield(lua, -2, name);
  }
  seal(lua, "registry");
  lua_setfield(lua, -2, "registry");
}

}  // namespace

void add_capabilities(lua_State* lua, const Grants& needs) {
  if (needs.contains("run")) add_function(lua, "run", guarded<run_program>);
  if (needs.contains("http")) add_function(lua, "http", guarded<ask_http>);
  if (needs.contains("secret")) add_function(lua, "secret", guarded<get_secret>);
  if (needs.contains("scan")) add_function(lua, "scan", guarded<ask_scan>);
  if (needs.contains("registry")) push_registry(lua, guarded<ask_registry>);
}

void add_sleeping_capabilities(lua_State* lua) {
  for (const char* name : {"run", "http", "scan"}) add_function(lua, name, guarded<sleep>);
  add_function(lua, "secret", guarded<get_secret>);
  push_registry(lua, guarded<sleep>);
}

void push_secret(lua_State* lua, const std::string& name) {
  void* room = lua_newuserdatauv(lua, name.size() + 1, 0);
  std::memcpy(room, name.c_str(), name.size() + 1);
  if (luaL_newmetatable(lua, secret_type) != 0) {
    add_function(lua, "__tostring", show_secret);
    for (const char* event :
         {"__index", "__newindex", "__concat", "__len", "__call", "__lt", "__le"})
      add_function(lua, event, guarded<guard_secret>);
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
  }
  lua_setmetatable(lua, -2);
}

const char* secret_at(lua_State* lua, int index) {
  return static_cast<const char*>(luaL_testudata(lua, index, secret_type));
}

}  // namespace lighterman::policy
