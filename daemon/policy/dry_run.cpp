#include "policy/dry_run.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/json.hpp"
#include "policy/form.hpp"

namespace lighterman::policy {
namespace {

using Json = boost::json::value;

constexpr std::string_view refusal = "is not performed in a dry run";
constexpr std::size_t longest_wish = 200;
/// A hook may wish a hundred times; a person reads fewer.
constexpr std::size_t most_wishes = 20;

bool only_reads(const Wish& wish) {
  if (wish.capability == "registry") return true;
  const auto* method = wish.body.as_object().if_contains("method");
  return wish.capability == "http" && method != nullptr && (*method == "GET" || *method == "HEAD");
}

std::string in_words(const Wish& wish) {
  const Fields fields(wish.body, wish.capability);
  if (wish.capability == "http") {
    const auto& url = fields.get("url");
    const auto secret = secret_name(url);
    return concat("would ", fields.text_or("method", "GET"), ' ',
                  secret ? concat("the URL in secret \"", *secret, '"') : fields.text("url"));
  }
  if (wish.capability == "run") {
    const auto* args = fields.find("args");
    return concat("would run ", fields.text("program"), ' ',
                  args == nullptr     ? std::string()
                  : args->is_string() ? fields.text("args")
                                      : join(fields.texts("args"), " "));
  }
  if (wish.capability == "scan") return concat("would scan ", fields.text("reference"));
  return concat("would ask a registry for the ", fields.text("ask"), " of ",
                fields.text(fields.find("reference") == nullptr ? "repository" : "reference"));
}

}  // namespace

Perform DryRun::performer(Perform look) {
  return [this, look = std::move(look)](const Wish& wish) -> Json {
    if (look && only_reads(wish)) return look(wish);
    const std::string words(trim(in_words(wish)));
    const auto same = [&](const auto& said) {
      return said.plugin == wish.seat && said.value == shortened(words, longest_wish);
    };
    if (wished_.size() < most_wishes && std::ranges::none_of(wished_, same)) {
      wished_.push_back({shortened(words, longest_wish), wish.seat});
    }
    throw Error(ErrorKind::denied, concat(wish.capability, ' ', refusal));
  };
}

std::vector<Said<std::string>> DryRun::take_unknown(Decision& decision) const {
  std::vector<Said<std::string>> unknown;
  std::erase_if(decision.problems, [&](const Said<std::string>& problem) {
    if (problem.value.find(refusal) == std::string::npos) return false;
    unknown.push_back({"what it says then, a dry run cannot know", problem.plugin});
    return true;
  });
  return unknown;
}

}  // namespace lighterman::policy
