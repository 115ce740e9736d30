#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lighterman::scan {

/// A package URL (package-url/purl-spec): "pkg:deb/debian/openssl@3.0.9-1?arch=amd64".
struct Purl {
  std::string type;        ///< lower case
  std::string name_space;  ///< may be empty
  std::string name;
  std::string version;  ///< empty: any; an epoch qualifier stands in front, as in "1:1.2.13"
  std::string arch, distro;
  std::string repository_url;  ///< of an "oci" one: "registry.example/acme/shop", in lower case

  /// Decoded, and made equal where the type says so; empty: not a package URL.
  static std::optional<Purl> parse(std::string_view text);
  /// Whether this one, as a statement's product, names `package`: what it leaves out is any.
  bool covers(const Purl& package) const;
};

/// The package URL of a package that Trivy found among those of `type`; empty: not known.
std::string purl_of_trivy(std::string_view type, std::string_view name, std::string_view version);

}  // namespace lighterman::scan
