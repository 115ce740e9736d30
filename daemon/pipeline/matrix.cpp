#include "pipeline/matrix.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::pipeline {
namespace {

/// As a part of a name: lower case, and a dash for what no name has.
std::string name_part(std::string_view value) {
  std::string part = lower(value);
  std::ranges::replace_if(
      part, [](char c) { return !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.'); },
      '-');
  return part;
}

std::string suffix_of(const config::Image& variant) {
  std::string suffix;
  for (const auto& [arg, values] : variant.matrix) suffix += concat('-', name_part(values.front()));
  return suffix;
}

std::string filled(std::string text, const config::Image& variant) {
  for (const auto& [arg, values] : variant.matrix) {
    const std::string mark = concat("{matrix.", arg, '}');
    for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
      text.replace(at, mark.size(), values.front());
      at += values.front().size();
    }
  }
  return text;
}

}  // namespace

std::vector<config::Image> matrix_variants(const config::Image& image) {
  std::vector<config::Image> variants{image};
  variants.front().matrix.clear();
  if (image.matrix.empty()) return variants;
  for (const auto& [arg, values] : image.matrix) {
    const std::string mark = concat("{matrix.", arg, '}');
    const bool told_apart =
        values.size() < 2 ||
        (!image.tags.empty() && std::ranges::all_of(image.tags, [&](const std::string& tag) {
          return tag.find(mark) != std::string::npos;
        }));
    if (!told_apart) {
      throw Error(ErrorKind::invalid,
                  concat("image \"", image.name, "\": each of its `tags` needs ", mark,
                         ", for its matrix makes an image of each value"));
    }
    std::vector<config::Image> more;
    for (const config::Image& variant : variants) {
      for (const std::string& value : values) {
        more.push_back(variant);
        more.back().matrix[arg] = {value};
        more.back().args.insert_or_assign(arg, value);
      }
    }
    variants = std::move(more);
  }
  for (config::Image& variant : variants) {
    variant.cache_to = cache_apart(variant.cache_to, suffix_of(variant).substr(1));
    variant.name += suffix_of(variant);
    for (std::string& tag : variant.tags) tag = filled(tag, variant);
  }
  return variants;
}

std::string family_of(const config::Image& variant) {
  if (variant.matrix.empty()) return variant.name;
  return variant.name.substr(0, variant.name.size() - suffix_of(variant).size());
}

}  // namespace lighterman::pipeline
