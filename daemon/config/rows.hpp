#pragma once

#include "config/table.hpp"

namespace lighterman::config {

/// The tables: every key of lighterman.yml is a row of one of these.
const std::vector<Row<Config>>& config_rows();
const std::vector<Row<Token>>& token_rows();
const std::vector<Row<Tls>>& tls_rows();
const std::vector<Row<Identity>>& identity_rows();
const std::vector<Row<Source>>& source_rows();
const std::vector<Row<Image>>& image_rows();
const std::vector<Row<PluginSeat>>& plugin_rows();
const std::vector<Row<Keys>>& key_rows();
const std::vector<Row<Bases>>& base_rows();
const std::vector<Row<Scan>>& scan_rows();
const std::vector<Row<ReplicateRule>>& replicate_rows();
const std::vector<Row<RetainRule>>& retain_rows();
/// Rules of ours, of Harbor's JSON, or files of either.
void read_replicate(Config& to, const Value& value);
/// What `.lighterman.yml` in a repository may say of an image: what to build, and nothing that
/// decides over credentials, engines or limits.
const std::vector<Row<Image>>& repository_image_rows();

/// One image; a text is its reference.
void read_image(Image& to, const std::string& name, const Value& value,
                const std::vector<Row<Image>>& rows);
void read_images(std::map<std::string, Image>& to, const Value& value,
                 const std::vector<Row<Image>>& rows);

/// An unquoted scalar by YAML's core schema (yaml.org 1.2.2, section 10.3.2): boolean, number,
/// text.
Json plain_scalar(const std::string& text);

/// What no single key can tell: parts that must fit one another.
void check(const Config& config, const Value& top);

}  // namespace lighterman::config
