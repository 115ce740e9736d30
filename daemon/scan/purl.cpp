#include "scan/purl.hpp"

#include <algorithm>
#include <utility>

#include "core/text.hpp"

namespace lighterman::scan {
namespace {

std::string decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = text[i] == '%' ? parse_hex(text.substr(i + 1, 2)) : std::nullopt;
    if (byte && byte->size() == 1) i += 2;
    result += byte && byte->size() == 1 ? byte->front() : text[i];
  }
  return result;
}

/// PEP 503: case, and which of "-_." stands between words, mean nothing.
std::string python_name(std::string_view name) {
  std::string result;
  for (const char letter : lower(name)) {
    const bool dash = letter == '-' || letter == '_' || letter == '.';
    if (!dash || !result.ends_with('-')) result += dash ? '-' : letter;
  }
  return result;
}

void read_qualifiers(Purl& purl, std::string_view text) {
  for (const std::string& pair : split(text, '&')) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos) continue;
    const std::string name = lower(pair.substr(0, equals)),
                      value = decoded(pair.substr(equals + 1));
    if (name == "arch") purl.arch = value;
    if (name == "distro") purl.distro = value;
    if (name == "repository_url") purl.repository_url = lower(value);
    if (name == "epoch" && value != "0" && !purl.version.empty())
      purl.version = concat(value, ':', purl.version);
  }
}

}  // namespace

std::optional<Purl> Purl::parse(std::string_view text) {
  if (!text.starts_with("pkg:")) return {};
  text.remove_prefix(4);
  while (text.starts_with('/')) text.remove_prefix(1);
  text = text.substr(0, text.find('#'));
  std::string_view qualifiers;
  if (const std::size_t question = text.find('?'); question != std::string_view::npos) {
    qualifiers = text.substr(question + 1);
    text = text.substr(0, question);
  }
  Purl purl;
  const std::size_t slash = text.find('/');
  if (slash == 0 || slash == std::string_view::npos) return {};
  purl.type = lower(text.substr(0, slash));
  text.remove_prefix(slash + 1);
  // "@scope/name" of npm may stand undecoded: the version's '@' is behind the last '/'.
  const std::size_t last = text.rfind('/');
  const std::size_t at = text.find('@', last == std::string_view::npos ? 1 : last + 1);
  if (at != std::string_view::npos) {
    purl.version = decoded(text.substr(at + 1));
    text = text.substr(0, at);
  }
  if (last != std::string_view::npos) purl.name_space = decoded(text.substr(0, last));
  purl.name = decoded(text.substr(last == std::string_view::npos ? 0 : last + 1));
  if (purl.name.empty()) return {};
  read_qualifiers(purl, qualifiers);
  if (purl.type == "pypi") purl.name = python_name(purl.name);
  if (purl.type == "deb" || purl.type == "apk" || purl.type == "oci" || purl.type == "golang" ||
      purl.type == "npm") {
    purl.name_space = lower(purl.name_space);
    purl.name = lower(purl.name);
  }
  // Scanners disagree on the "v" of Go's versions.
  if (purl.type == "golang" && purl.version.starts_with('v')) purl.version.erase(0, 1);
  return purl;
}

bool Purl::covers(const Purl& package) const {
  const auto agrees = [](const std::string& wanted, const std::string& given) {
    return wanted.empty() || given.empty() || wanted == given;
  };
  return type == package.type && name_space == package.name_space && name == package.name &&
         (version.empty() || version == package.version) && agrees(arch, package.arch) &&
         agrees(distro, package.distro);
}

std::string purl_of_trivy(std::string_view type, std::string_view name, std::string_view version) {
  constexpr std::pair<std::string_view, std::string_view> kinds[] = {
      {"debian", "deb/debian/"}, {"ubuntu", "deb/ubuntu/"}, {"alpine", "apk/alpine/"},
      {"wolfi", "apk/wolfi/"},   {"gobinary", "golang/"},   {"gomod", "golang/"},
      {"npm", "npm/"},           {"node-pkg", "npm/"},      {"yarn", "npm/"},
      {"pnpm", "npm/"},          {"pip", "pypi/"},          {"pipenv", "pypi/"},
      {"poetry", "pypi/"},       {"python-pkg", "pypi/"},
  };
  const auto* const kind = std::find_if(std::begin(kinds), std::end(kinds),
                                        [&](const auto& one) { return one.first == type; });
  if (kind == std::end(kinds) || name.empty()) return {};
  std::string path;
  for (const std::string& part : split(name, '/'))
    path += concat(path.empty() ? "" : "/", render_url_part(part));
  return concat("pkg:", kind->second, path, version.empty() ? "" : "@", render_url_part(version));
}

}  // namespace lighterman::scan
