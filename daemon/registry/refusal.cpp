#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "net/retry.hpp"
#include "registry/access.hpp"
#include "registry/ecr.hpp"
#include "registry/product.hpp"

namespace lighterman::registry {
namespace {

constexpr std::size_t longest_words = 300;

/// The registry's own words: "DENIED: requested access is denied".
std::string words_of(const net::Response& answer) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(answer.body, error);
  std::string words;
  const boost::json::value* const errors =
      !error && value.is_object() ? value.get_object().if_contains("errors") : nullptr;
  if (errors != nullptr && errors->is_array()) {
    for (const boost::json::value& entry : errors->get_array()) {
      if (!entry.is_object()) continue;
      const Fields fields(entry, "error");
      const auto text = [&](std::string_view name) {
        const boost::json::value* const found = fields.find(name);
        return found != nullptr && found->is_string() ? std::string(found->get_string())
                                                      : std::string();
      };
      words += concat(words.empty() ? "" : "; ", text("code"), ": ", text("message"));
    }
  }
  if (words.empty()) words = std::string(trim(answer.body.substr(0, answer.body.find('\n'))));
  return shortened(valid_utf8(words), longest_words);
}

std::string_view hint_to_create(const Options& options) {
  if (options.product != Product::ecr && !ecr_place(options.host)) return "";
  return options.create ? "; `create: true` takes the permission ecr:CreateRepository"
                        : "; `create: true` lets a push create it";
}

}  // namespace

void refuse(const Options& options, const net::Response& answer, const std::string& doing,
            const std::string& needs) {
  const std::string words = words_of(answer);
  const std::string text = concat("registry ", options.host, ": ", doing, ": ", answer.status,
                                  words.empty() ? "" : " ", words);
  switch (answer.status) {
    case 401:
      // Harbor answers so to an account that it knows very well.
      if (words.find("unauthorized to access repository") != std::string::npos)
        throw Error(ErrorKind::denied, concat(text, " (the account may not ", needs, ": ",
                                              how_granted(options, needs, words), ")"));
      throw Error(ErrorKind::denied,
                  concat(text, " (it does not accept our credentials to ", needs,
                         ": check this registry's username and password in the configuration, or "
                         "run docker login ",
                         options.host, ")"));
    case 403:
      throw Error(ErrorKind::denied, concat(text, " (the account may not ", needs, ": ",
                                            how_granted(options, needs, words), ")"));
    case 404:
      throw Error(ErrorKind::not_found,
                  words.find("NAME_UNKNOWN") == std::string::npos
                      ? text
                      : concat(text, " (create the repository in the registry, or check its name",
                               hint_to_create(options), ")"));
    case 409:
    case 412:
      throw Error(ErrorKind::conflict, text);
    default:
      break;
  }
  if (answer.status == 429 || answer.status >= 500) {
    if (const auto wait = net::retry_after(answer)) throw net::Busy(text, *wait);
    throw Error(ErrorKind::unavailable, text);
  }
  throw Error(ErrorKind::invalid, text);
}

}  // namespace lighterman::registry
