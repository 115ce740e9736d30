#include "api/routes.hpp"

#include <algorithm>
#include <optional>

#include "core/text.hpp"

namespace lighterman::api {
namespace {

constexpr Route table[] = {
    {"POST", "/hooks/{source}", Access::open, receive_hook},
    {"POST", "/api/v1/runs", Access::trigger, start_run},
    {"GET", "/api/v1/runs", Access::viewer, list_runs},
    {"GET", "/api/v1/runs/{id}", Access::viewer, show_run},
    {"GET", "/api/v1/runs/{id}/log", Access::viewer, show_log},
    {"GET", "/api/v1/runs/{id}/log/outline", Access::viewer, show_outline},
    {"GET", "/api/v1/runs/{id}/images/{name}/findings", Access::viewer, show_findings},
    {"GET", "/api/v1/runs/{id}/events", Access::viewer, follow_run},
    {"POST", "/api/v1/runs/{id}/cancel", Access::trigger, cancel_run},
    {"POST", "/api/v1/runs/{id}/retry", Access::trigger, retry_run},
    {"POST", "/api/v1/runs/{id}/allow", Access::operate, allow_run},
    {"GET", "/api/v1/events", Access::viewer, follow_runs},
    {"POST", "/api/v1/plan", Access::viewer, plan_push},
    {"GET", "/api/v1/questions", Access::viewer, list_questions},
    {"GET", "/api/v1/images", Access::viewer, list_images},
    {"GET", "/api/v1/why", Access::viewer, show_why},
    {"POST", "/api/v1/rescan", Access::trigger, start_rescan},
    {"GET", "/api/v1/replications", Access::viewer, list_replications},
    {"POST", "/api/v1/replications", Access::operate, start_replication},
    {"GET", "/api/v1/replications/{id}", Access::viewer, show_replication},
    {"POST", "/api/v1/replications/{id}/cancel", Access::operate, cancel_replication},
    {"POST", "/api/v1/retention", Access::operate, apply_retention},
    {"GET", "/api/v1/registries", Access::viewer, list_registries},
    {"GET", "/api/v1/sources", Access::viewer, list_sources},
    {"GET", "/api/v1/keys", Access::viewer, list_keys},
    {"GET", "/api/v1/status", Access::viewer, tell_status},
    {"POST", "/api/v1/checkup", Access::operate, start_checkup},
    {"GET", "/api/v1/checkup", Access::operate, show_checkup},
    {"GET", "/api/v1/tokens", Access::admin, list_tokens},
    {"POST", "/api/v1/tokens", Access::admin, make_token},
    {"POST", "/api/v1/tokens/{name}/revoke", Access::admin, revoke_token},
    {"GET", "/api/v1/audit", Access::admin, list_audit},
    {"GET", "/api/v1/audit/verification", Access::admin, verify_audit},
    {"POST", "/api/v1/session", Access::open, begin_session},
    {"GET", "/api/v1/session", Access::viewer, show_session},
    {"DELETE", "/api/v1/session", Access::viewer, end_session},
    {"GET", "/badge/{source}.svg", Access::badge, show_badge},
    {"GET", "/", Access::open, show_page},
    {"GET", "/page/{version}/{file}", Access::open, show_page_file},
    {"GET", "/api/v1/healthz", Access::open, tell_health},
    {"GET", "/api/v1/readyz", Access::open, tell_readiness},
    {"GET", "/api/v1/version", Access::open, tell_version},
    {"GET", "/api/v1/openapi.json", Access::open, tell_description},
    // Where probes and people look first.
    {"GET", "/healthz", Access::open, tell_health},
    {"GET", "/readyz", Access::open, tell_readiness},
    {"GET", "/version", Access::open, tell_version},
    {"GET", "/openapi.json", Access::open, tell_description},
    {"GET", "/metrics", Access::metrics, tell_metrics},
};

std::string_view next_part(std::string_view& path) noexcept {
  path.remove_prefix(1);
  const std::string_view part = path.substr(0, path.find('/'));
  path.remove_prefix(part.size());
  return part;
}

/// What stands for the pattern's {...}; empty when the path is another. A {name} may hold slashes,
/// as "web@linux/arm64" does: the path came decoded.
std::optional<std::vector<std::string>> matched(std::string_view pattern, std::string_view path) {
  std::vector<std::string> names;
  auto more = std::ranges::count(path, '/') - std::ranges::count(pattern, '/');
  while (pattern.starts_with('/') && path.starts_with('/')) {
    const std::string_view wanted = next_part(pattern);
    const std::string_view given = next_part(path);
    if (wanted.starts_with('{') && !given.empty()) {
      names.emplace_back(given);
      for (; wanted == "{name}" && more > 0 && path.starts_with('/'); --more) {
        names.back() += concat('/', next_part(path));
      }
    } else if (wanted != given) {
      return {};
    }
  }
  if (!pattern.empty() || !path.empty()) return {};
  return names;
}

}  // namespace

std::span<const Route> routes() noexcept { return table; }

Found find_route(std::string_view method, std::string_view path) {
  Found found;
  const std::string_view meant = method == "HEAD" ? "GET" : method;
  for (const Route& route : table) {
    std::optional<std::vector<std::string>> names = matched(route.path, path);
    if (!names) continue;
    found.methods.emplace_back(route.method);
    if (route.method == "GET") found.methods.emplace_back("HEAD");
    if (route.method != meant) continue;
    found.route = &route;
    found.names = std::move(*names);
  }
  return found;
}

}  // namespace lighterman::api
