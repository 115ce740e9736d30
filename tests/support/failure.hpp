#pragma once

#include <gtest/gtest.h>

#include <string>

#include "core/error.hpp"

namespace lighterman {

/// "kind: message" of the Error that `act` throws; "nothing" when it throws none.
template <class Act>
std::string failure_of(Act&& act) {
  try {
    act();
  } catch (const Error& error) {
    return concat(render(error.kind()), ": ", error.what());
  }
  return "nothing";
}

/// That `act` throws Error(invalid) whose message holds `part`.
template <class Act>
void expect_refused(const std::string& part, Act&& act) {
  const std::string failure = failure_of(act);
  EXPECT_TRUE(failure.starts_with("invalid: ")) << failure;
  EXPECT_NE(failure.find(part), std::string::npos) << failure;
}

}  // namespace lighterman
