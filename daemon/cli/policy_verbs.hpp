#pragma once

#include <string>
#include <vector>

#include "cli/remote.hpp"
#include "cli/verbs.hpp"
#include "policy/host.hpp"

namespace lighterman::cli {

struct PlanWish {
  std::string source, ref, commit;
  std::vector<std::string> images, args;
};

struct FindingsWish {
  RunId run = 0;
  std::string image;  ///< empty: all
  std::string format = "text", severity = "UNKNOWN";
};

struct ReplayWish {
  std::string source, hook;
  unsigned last = 200;  ///< questions
};

/// What a push would do: built, tagged, denied, with the plugin behind each line. Returns 0, or 1
/// when it would fail or be denied.
int plan(Remote& remote, const PlanWish& wish, Form form);
/// What the scanner found in a run's images. As a report for programs, of one image only.
int findings(Remote& remote, const FindingsWish& wish);
/// Asks the plugin what past runs asked, and shows where it decides otherwise than it did then (or
/// than nothing, where it had no say). Returns 0, or 1 where its hook fails.
int replay(Remote& remote, const policy::Seat& seat, const ReplayWish& wish, Form form);

}  // namespace lighterman::cli
