#include <boost/json/serialize.hpp>
#include <iostream>

#include "cli/check.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"

namespace lighterman::cli {
namespace {

constexpr std::string_view first_part =
    R"(# Lighterman: what to build, and where to publish it. `lighterman schema` knows every key.

# Webhooks and the API. Without tokens (`lighterman token new`) the API answers loopback only;
# webhooks are always open, because their signature is checked. `tls:`, or a proxy, makes it https.
listen: 127.0.0.1:7070

# Mirrors of your repositories, images on their way, and the database of runs.
data: /var/lib/lighterman

# Docker Engines to build on. Without this: the one that the docker command line uses.
#engines:
#  - name: local
#    host: unix:///var/run/docker.sock
#    slots: 2

# Logins. Without this: those of ~/.docker/config.json.
#registries:
#  registry.example.com:
#    username: lighterman
#    password: file:/etc/lighterman/registry.password

sources:
  hello:                                # its webhook: POST /hooks/hello
    url: https://git.example.com/acme/hello.git
    secret: file:)";

constexpr std::string_view last_part = R"(
    image: registry.example.com/acme/hello   # or several, with more to say:
#    images:
#      web:
#        reference: registry.example.com/acme/web
#        dockerfile: docker/Dockerfile
#        target: web
#        tags: ["{branch}", "sha-{short}", "{version}"]
)";

void refuse_if_there(const std::filesystem::path& path) {
  if (std::filesystem::exists(path))
    throw Error(ErrorKind::conflict,
                concat('"', path.string(), "\" is there already; nothing was changed"));
}

}  // namespace

int init(const std::filesystem::path& file, Form form) {
  const std::filesystem::path secret =
      std::filesystem::absolute(file).parent_path() / "hook.secret";
  refuse_if_there(file);
  refuse_if_there(secret);
  os::replace_file(secret, concat(render_hex(os::random_bytes(32)), '\n'), 0600);
  os::replace_file(file, concat(first_part, secret.string(), last_part));
  if (form == Form::json) {
    std::cout << boost::json::serialize(boost::json::object{{"configuration", file.string()},
                                                            {"secret", secret.string()}})
              << '\n';
  } else {
    std::cout << "wrote " << file.string() << " and " << secret.string()
              << "\nset url, image and the forge's webhook secret, then:\n  lighterman check "
                 "--config "
              << file.string() << '\n';
  }
  return 0;
}

}  // namespace lighterman::cli
