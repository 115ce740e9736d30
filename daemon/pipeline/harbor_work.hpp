#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/findings.hpp"
#include "core/reference.hpp"
#include "registry/options.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// Lets Harbor's scanner look at an image or index that lies there, by digest, and waits for what
/// it finds. Error(unavailable): it took longer than `limit`; Error(internal): it could not scan;
/// else as registry::Harbor. Any thread.
Findings scan_in_harbor(const registry::Options& options, const Reference& image,
                        std::chrono::milliseconds limit, const std::stop_token& stop);

/// Lets Harbor perform a replication policy of its own and waits for its end; what it says of that.
/// What was begun is remembered by the replication's number, so that after a stop of the daemon the
/// next call waits for the same. Error(internal): it failed there.
std::string carry_by_harbor(const registry::Options& options, const std::string& policy,
                            store::Store& store, std::int64_t replication,
                            const std::stop_token& stop);
/// Ends what carry_by_harbor() began and somebody broke off, and forgets it.
void stop_harbor(const registry::Options& options, store::Store& store, std::int64_t replication,
                 const std::function<void(std::string_view, const std::string&)>& tell);

}  // namespace lighterman::pipeline
