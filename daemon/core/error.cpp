#include "core/error.hpp"

#include "core/choices.hpp"

namespace lighterman {
namespace {

constexpr Choice<ErrorKind> kinds[] = {
    {ErrorKind::invalid, "invalid"},         {ErrorKind::denied, "denied"},
    {ErrorKind::not_found, "not_found"},     {ErrorKind::conflict, "conflict"},
    {ErrorKind::unavailable, "unavailable"}, {ErrorKind::cancelled, "cancelled"},
    {ErrorKind::internal, "internal"}};

}  // namespace

std::string_view render(ErrorKind kind) noexcept { return name_of(kinds, kind); }
ErrorKind parse_error_kind(std::string_view given) {
  return choice_of(kinds, given, "kind of error");
}

}  // namespace lighterman
