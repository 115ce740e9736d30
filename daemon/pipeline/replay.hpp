#pragma once

#include <string>
#include <vector>

#include "core/hook_record.hpp"
#include "policy/host.hpp"

namespace lighterman::pipeline {

/// Asks the seats what was asked then: the same facts, the same clock, and from capabilities the
/// answers they gave then. A use that was not made then is refused and so is told as a problem.
policy::Decision ask_again(const std::vector<policy::Seat>& seats, const HookRecord& record);

/// What one plugin said of a decision.
policy::Decision said_by(const std::string& plugin, const policy::Decision& decision);

}  // namespace lighterman::pipeline
