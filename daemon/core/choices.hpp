#pragma once

#include <cassert>
#include <cstddef>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace lighterman {

/// One enum value and its name in files and JSON. A table of these is an enum's whole vocabulary.
template <class T>
struct Choice {
  T value;
  std::string_view name;
};

/// The name of `value`, which must be in the table.
template <class T, std::size_t count>
std::string_view name_of(const Choice<T> (&table)[count], T value) noexcept {
  for (const Choice<T>& choice : table)
    if (choice.value == value) return choice.name;
  assert(!"an enum value is missing in its table of names");
  return "unknown";
}

/// The value called `given`; Error(invalid) that lists the choices.
template <class T, std::size_t count>
T choice_of(const Choice<T> (&table)[count], std::string_view given, std::string_view what) {
  std::string choices;
  for (const Choice<T>& choice : table) {
    if (choice.name == given) return choice.value;
    choices += concat(choices.empty() ? "" : ", ", choice.name);
  }
  throw Error(ErrorKind::invalid, concat("unknown ", what, " \"", shortened(valid_utf8(given), 80),
                                         "\" (choices: ", choices, ")"));
}

}  // namespace lighterman
