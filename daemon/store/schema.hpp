#pragma once

#include <cstdint>
#include <span>

#include "store/connection.hpp"

namespace lighterman::store {

/// "LtMn", so that another program's database is not taken for an old one of ours.
inline constexpr std::int64_t application_id = 0x4c744d6e;

/// The way to the present schema: step N leads from version N to N + 1. Steps that were released
/// are never changed; a new need is a new step.
std::span<const char* const> schema_steps() noexcept;

/// Brings the file to the version that `steps` lead to, in one transaction. Throws Error(conflict)
/// when the file is newer than that, Error(invalid) when it is another program's database.
void migrate(Connection& database, std::span<const char* const> steps);

}  // namespace lighterman::store
