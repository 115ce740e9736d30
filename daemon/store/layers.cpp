#include "store/inside.hpp"

namespace lighterman::store {

std::optional<KnownLayer> Store::find_layer(const DiffId& diff_id,
                                            const std::string& compression) const {
  return inside_->readers.with([&](Connection& database) -> std::optional<KnownLayer> {
    Statement row = database.query(
        "SELECT media_type, blob, size, uncompressed_size FROM layers"
        " WHERE diff_id = ? AND compression = ?",
        diff_id, compression);
    if (!row.step()) return {};
    return KnownLayer{diff_id, compression,
                      Descriptor{row.text(0), Digest::parse(row.text(1)),
                                 static_cast<std::uint64_t>(row.number(2))},
                      static_cast<std::uint64_t>(row.number(3))};
  });
}

std::optional<DiffId> Store::find_diff_id(const Digest& blob) const {
  return inside_->readers.with([&](Connection& database) -> std::optional<DiffId> {
    Statement row = database.query("SELECT diff_id FROM layers WHERE blob = ? LIMIT 1", blob);
    if (!row.step()) return {};
    return DiffId::parse(row.text(0));
  });
}

void Store::put_layer(const KnownLayer& layer) {
  inside_->write(Watched::no, [&](Connection& database) {
    database.perform(
        "REPLACE INTO layers (diff_id, compression, media_type, blob, size, uncompressed_size)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        layer.diff_id, layer.compression, layer.blob.media_type, layer.blob.digest,
        static_cast<std::int64_t>(layer.blob.size),
        static_cast<std::int64_t>(layer.uncompressed_size));
  });
}

std::vector<std::string> Store::places(const std::string& host, const Digest& blob) const {
  return inside_->readers.with([&](Connection& database) {
    Statement rows = database.query(
        "SELECT repository FROM places WHERE host = ? AND blob = ? ORDER BY seen DESC", host, blob);
    std::vector<std::string> repositories;
    while (rows.step()) repositories.push_back(rows.text(0));
    return repositories;
  });
}

void Store::put_place(const std::string& host, const std::string& repository, const Digest& blob) {
  inside_->write_hint([&](Connection& database) {
    database.perform("REPLACE INTO places (host, blob, repository) VALUES (?, ?, ?)", host, blob,
                     repository);
  });
}

void Store::forget_place(const std::string& host, const std::string& repository,
                         const Digest& blob) {
  inside_->write_hint([&](Connection& database) {
    database.perform("DELETE FROM places WHERE host = ? AND blob = ? AND repository = ?", host,
                     blob, repository);
  });
}

std::optional<UploadRecord> Store::find_upload(const Reference& repository,
                                               const Digest& blob) const {
  return inside_->readers.with([&](Connection& database) -> std::optional<UploadRecord> {
    Statement row = database.query(
        "SELECT location, offset, updated FROM uploads WHERE repository = ? AND blob = ?",
        repository.name(), blob);
    if (!row.step()) return {};
    return UploadRecord{row.text(0), static_cast<std::uint64_t>(row.number(1)), row.instant(2)};
  });
}

void Store::put_upload(const Reference& repository, const Digest& blob,
                       const UploadRecord& record) {
  inside_->write_hint([&](Connection& database) {
    database.perform(
        "REPLACE INTO uploads (repository, blob, location, offset, updated) VALUES (?, ?, ?, ?, ?)",
        repository.name(), blob, record.location, static_cast<std::int64_t>(record.offset),
        record.updated);
  });
}

void Store::forget_upload(const Reference& repository, const Digest& blob) {
  inside_->write_hint([&](Connection& database) {
    database.perform("DELETE FROM uploads WHERE repository = ? AND blob = ?", repository.name(),
                     blob);
  });
}

}  // namespace lighterman::store
