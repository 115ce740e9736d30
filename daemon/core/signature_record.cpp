#include "core/signature_record.hpp"

#include "core/choices.hpp"

namespace lighterman {
namespace {

constexpr Choice<SignatureForms> forms_names[] = {{SignatureForms::both, "both"},
                                                  {SignatureForms::legacy, "legacy"},
                                                  {SignatureForms::bundle, "bundle"}};

}  // namespace

std::string_view render(SignatureForms forms) noexcept { return name_of(forms_names, forms); }
SignatureForms parse_signature_forms(std::string_view given) {
  return choice_of(forms_names, given, "form of signature");
}

}  // namespace lighterman
