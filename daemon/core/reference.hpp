#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "core/digest.hpp"

namespace lighterman {

/// host/repository[:tag][@digest], as in the distribution project's reference grammar.
/// Docker Hub's short forms are completed: "busybox" is "docker.io/library/busybox".
class Reference {
 public:
  static Reference parse(std::string_view given);  ///< throws Error(invalid)

  const std::string& host() const noexcept {
    return host_;
  }  ///< with port, "docker.io" for the Hub
  const std::string& repository() const noexcept { return repository_; }
  const std::optional<std::string>& tag() const noexcept { return tag_; }
  const std::optional<Digest>& digest() const noexcept { return digest_; }

  Reference with_tag(std::string_view tag) const;  ///< without a digest; throws Error(invalid)
  Reference at(const Digest& digest) const;        ///< by digest, without a tag
  Reference bare() const;                          ///< neither tag nor digest
  std::string name() const { return host_ + "/" + repository_; }
  std::string text() const;
  auto operator<=>(const Reference&) const = default;

 private:
  Reference() = default;
  std::string host_, repository_;
  std::optional<std::string> tag_;
  std::optional<Digest> digest_;
};

/// Whether `tag` fits distribution-spec's `<reference>` as a tag:
/// [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}.
bool is_tag(std::string_view tag) noexcept;
/// The nearest valid tag to any text: "feature/Ümlaut" becomes "feature-mlaut"; never empty.
std::string slug_tag(std::string_view text);

}  // namespace lighterman
