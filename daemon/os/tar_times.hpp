#pragma once

#include <cstdint>

#include "core/bytes.hpp"

namespace lighterman::os {

/// The same tar (POSIX.1-2001 ustar and pax, GNU) with no entry's time later than `latest` seconds
/// since 1970; everything else, the length as well, stays as it is. Of an entry's content nothing
/// is held. Error(invalid) for a header that cannot be read.
Pull limit_tar_times(Pull in, std::int64_t latest);

}  // namespace lighterman::os
