#include "core/error.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"
#include "source/tree_walk.hpp"

namespace lighterman::source {
namespace {

std::string host_of(const std::string& url) {
  std::string rest = url;
  if (const std::size_t scheme = rest.find("://"); scheme != std::string::npos) {
    rest = rest.substr(scheme + 3);
    rest = rest.substr(0, rest.find('/'));
  } else {
    rest = rest.substr(0, rest.find(':'));
  }
  const std::size_t at = rest.rfind('@');
  return lower(at == std::string::npos ? rest : rest.substr(at + 1));
}

std::string unquoted(std::string_view value) {
  std::string plain;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '"') continue;
    if (value[i] == '\\' && i + 1 < value.size()) ++i;
    plain.push_back(value[i]);
  }
  return plain;
}

}  // namespace

std::map<std::string, Submodule> parse_gitmodules(const std::string& text) {
  std::map<std::string, Submodule> by_path;
  Submodule current;
  const auto keep = [&] {
    if (!current.path.empty() && !current.url.empty()) by_path[current.path] = current;
    current = {};
  };
  for (const std::string& raw : split(text, '\n')) {
    const std::string_view line = trim(raw);
    if (line.starts_with('[')) keep();
    const std::size_t equals = line.find('=');
    if (line.starts_with('[') || line.starts_with('#') || line.starts_with(';') ||
        equals == std::string_view::npos)
      continue;
    const std::string key = lower(trim(line.substr(0, equals)));
    const std::string value = unquoted(trim(line.substr(equals + 1)));
    if (key == "path") current.path = value;
    if (key == "url") current.url = value;
  }
  keep();
  return by_path;
}

std::string resolve_submodule_url(const std::string& parent, const std::string& url) {
  if (!url.starts_with("./") && !url.starts_with("../")) return url;
  std::string base = parent;
  while (base.ends_with('/')) base.pop_back();
  std::string_view rest = url;
  while (true) {
    if (rest.starts_with("./")) {
      rest.remove_prefix(2);
    } else if (rest.starts_with("../")) {
      rest.remove_prefix(3);
      const std::size_t cut = base.find_last_of("/:");
      if (cut == std::string::npos)
        throw Error(ErrorKind::invalid,
                    concat("submodule url \"", url, "\" leads out of \"", parent, '"'));
      // "host:path" keeps its colon: only the path goes up.
      base.resize(base[cut] == ':' ? cut + 1 : cut);
    } else {
      break;
    }
  }
  return base.ends_with(':') ? concat(base, rest) : concat(base, '/', rest);
}

Options submodule_options(const Options& parent, const Submodule& submodule) {
  Options options;
  options.url = resolve_submodule_url(parent.url, submodule.url);
  const bool is_plain_path =
      options.url.find("://") == std::string::npos && options.url.starts_with('/');
  const bool parent_is_local = parent.url.starts_with('/') || parent.url.starts_with("file://");
  if ((is_plain_path || options.url.starts_with("file://")) && !parent_is_local) {
    throw Error(ErrorKind::denied,
                concat("submodule url \"", submodule.url, "\" names a file of this machine"));
  }
  options.name = concat(parent.name, "-submodule-", os::sha256(options.url).brief());
  options.submodules = parent.submodules;
  options.lfs = parent.lfs;
  options.timeout = parent.timeout;
  options.ca_file = parent.ca_file;
  options.known_hosts_file = parent.known_hosts_file;
  if (host_of(options.url) != host_of(parent.url)) return options;
  // A repository may name any server as a submodule: the credentials go to their own host only.
  options.username = parent.username;
  options.password_place = parent.password_place;
  options.ssh_key_file = parent.ssh_key_file;
  options.ssh_passphrase_place = parent.ssh_passphrase_place;
  return options;
}

}  // namespace lighterman::source
