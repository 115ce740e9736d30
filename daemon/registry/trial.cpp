#include "registry/trial.hpp"

#include "core/error.hpp"
#include "net/server.hpp"
#include "os/hash.hpp"
#include "registry/access.hpp"
#include "registry/profile.hpp"
#include "registry/referrers.hpp"

namespace lighterman::registry {

Door look_at(const Options& options, const std::stop_token& stop) {
  net::Client http;
  Access access(options, http);
  Door door;
  door.url = access.base(stop);
  net::Request request;
  request.url = concat(door.url, "/v2/");
  const net::Response answer = access.perform(std::move(request), "", stop);
  if (answer.status != 200) refuse(options, answer, "asking for its API version", "log in");
  door.clock = net::clock_of(answer);
  if (door.url.starts_with("https://")) door.certificate = net::certificate_end(door.url);
  return door;
}

void try_push(const Options& options, const Reference& repository, const std::stop_token& stop) {
  net::Client http;
  Access access(options, http);
  const std::string& name = repository.repository();
  const std::string scope = push_scope(name);
  net::Request begin;
  begin.method = "POST";
  begin.url = concat(access.base(stop), "/v2/", name, "/blobs/uploads/");
  const std::string asked = begin.url;
  const net::Response begun = access.perform(std::move(begin), scope, stop);
  if (begun.status != 202)
    refuse(options, begun, concat("trying to push to ", name), concat("push to ", name));
  const auto location = begun.headers.find("Location");
  if (!location) return;
  net::Request cancel;
  cancel.method = "DELETE";
  cancel.url = access.resolve(asked, *location, stop);
  // Some cannot; what was begun is then forgotten by itself.
  access.perform(std::move(cancel), scope, stop);
}

void look_around(Client& client, const Reference& repository, const std::stop_token& stop) {
  const auto is_refusal = [](const Error& error) {
    return error.kind() == ErrorKind::denied || error.kind() == ErrorKind::not_found;
  };
  try {
    // That nothing refers to these bytes does not matter.
    ask_for_referrers(client, repository, os::sha256("nothing"), "", stop);
  } catch (const Error& error) {
    // A repository that is not there yet may be denied; then nobody knows.
    if (!is_refusal(error)) throw;
  }
  try {
    client.repositories(stop);
  } catch (const Error& error) {
    // To us it has none.
    if (!is_refusal(error)) throw;
    client.note(Trait::catalog, false);
  }
}

}  // namespace lighterman::registry
