#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace lighterman {

/// Names content by what it is: "sha256:" and 64 lower-case hex digits
/// (OCI image-spec, descriptor.md, "Digests").
class Digest {
 public:
  static Digest parse(std::string_view given);  ///< throws Error(invalid)

  const std::string& text() const noexcept { return text_; }
  std::string_view hex() const noexcept { return std::string_view(text_).substr(7); }
  std::string_view brief() const noexcept { return hex().substr(0, 12); }  ///< for people
  auto operator<=>(const Digest&) const = default;

 private:
  explicit Digest(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// The digest of a layer's uncompressed tar; not interchangeable with the stored blob's Digest
/// (OCI image-spec, config.md, "Layer DiffID").
class DiffId {
 public:
  static DiffId parse(std::string_view given) { return DiffId(Digest::parse(given)); }
  explicit DiffId(Digest digest) : digest_(std::move(digest)) {}

  const std::string& text() const noexcept { return digest_.text(); }
  const Digest& digest() const noexcept { return digest_; }
  auto operator<=>(const DiffId&) const = default;

 private:
  Digest digest_;
};

}  // namespace lighterman
