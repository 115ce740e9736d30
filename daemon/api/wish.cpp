#include "api/wish.hpp"

#include <algorithm>

#include "api/problem.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"

namespace lighterman::api {
namespace {

constexpr std::size_t key_limit = 255;

[[noreturn]] void refuse_ref(std::string_view given, std::string_view why) {
  throw Error(ErrorKind::invalid, concat("ref \"", shortened(valid_utf8(given), 120), "\" ", why));
}

/// git-check-ref-format(1).
void check_ref(std::string_view given, std::string_view ref) {
  if (ref.size() > 512) refuse_ref(given, "is too long");
  for (const char letter : ref) {
    const auto code = static_cast<unsigned char>(letter);
    if (code <= 0x20 || code == 0x7f ||
        std::string_view("~^:?*[\\").find(letter) != std::string_view::npos)
      refuse_ref(given, "has a character that no ref has");
  }
  if (ref.find("..") != std::string_view::npos || ref.find("@{") != std::string_view::npos ||
      ref.ends_with('.')) {
    refuse_ref(given, "is not a ref's name");
  }
  for (const std::string& part : split(ref, '/')) {
    if (part.empty() || part.starts_with('.') || part.ends_with(".lock"))
      refuse_ref(given, "is not a ref's name");
  }
}

void check_images(const std::vector<std::string>& images, const config::Source& source) {
  std::vector<std::string> known;
  for (const auto& [name, image] : source.images) known.push_back(name);
  // The repository may describe images of its own; those we cannot know here.
  if (source.repository_file) return;
  for (const std::string& image : images) {
    if (source.images.contains(image)) continue;
    refuse(422, "unknown-image", "Unknown image",
           concat("images: source \"", source.name, "\" has no image \"",
                  shortened(valid_utf8(image), 80), "\"", did_you_mean(image, known)));
  }
}

void check_args(const std::map<std::string, std::string>& args) {
  for (const auto& [name, value] : args) {
    const bool good =
        !name.empty() && name.front() > '9' && std::ranges::all_of(name, [](char letter) {
          return letter == '_' || (letter >= '0' && letter <= '9') ||
                 (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
        });
    if (!good) {
      throw Error(ErrorKind::invalid, concat("args: \"", shortened(valid_utf8(name), 80),
                                             "\" is not a build argument's name"));
    }
  }
}

const config::Source& known_source(const config::Config& config, const Scope& scope,
                                   const std::string& name) {
  if (!scope.covers(name)) {
    refuse(422, "unknown-source", "Unknown source",
           concat("source \"", shortened(valid_utf8(name), 80), "\" is not configured",
                  did_you_mean(name, scope.sources())));
  }
  try {
    return config.source(name);
  } catch (const Error& error) {
    // The page exists; what it was asked for does not.
    refuse(422, "unknown-source", "Unknown source", error.what());
  }
}

}  // namespace

std::string full_ref(std::string_view given) {
  std::string ref;
  if (given.starts_with("refs/")) {
    if (!given.starts_with("refs/heads/") && !given.starts_with("refs/tags/"))
      refuse_ref(given, "is neither a branch (refs/heads/) nor a tag (refs/tags/)");
    ref = given;
  } else if (given.starts_with("tag:")) {
    ref = concat("refs/tags/", given.substr(4));
  } else {
    ref = concat("refs/heads/", given);
  }
  check_ref(given, ref);
  return ref;
}

std::string full_commit(std::string_view given) {
  const bool hex = std::ranges::all_of(given, [](char letter) {
    return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f') ||
           (letter >= 'A' && letter <= 'F');
  });
  if (!hex || (given.size() != 40 && given.size() != 64)) {
    throw Error(ErrorKind::invalid, concat("commit \"", shortened(valid_utf8(given), 80),
                                           "\" is not a full commit id (40 or 64 hex digits)"));
  }
  return lower(given);
}

std::string one_line(std::string_view text) {
  std::string line;
  for (const char letter : text) {
    const bool blank = static_cast<unsigned char>(letter) <= 0x20 || letter == 0x7f;
    if (!blank) {
      line += letter;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  return shortened(valid_utf8(trim(line)), 500);
}

PushEvent wish_from(const boost::json::value& body, const config::Config& config,
                    const Scope& scope) {
  const Fields fields(body, "body");
  PushEvent event;
  event.origin = Origin::api;
  const config::Source& source = known_source(config, scope, fields.text("source"));
  event.source = source.name;
  if (const auto ref = fields.find_text("ref")) event.ref = full_ref(*ref);
  if (const auto commit = fields.find_text("commit")) event.commit = full_commit(*commit);
  if (event.ref.empty() && event.commit.empty()) {
    throw Error(ErrorKind::invalid,
                "body: a ref (\"main\", \"tag:v1.0\") or a commit is needed to say what to build");
  }
  event.images = fields.texts("images");
  check_images(event.images, source);
  event.args = fields.text_map("args");
  check_args(event.args);
  event.reason = one_line(fields.text_or("reason", ""));
  event.no_cache = fields.flag_or("no_cache", false);
  return event;
}

std::string delivery_of(std::string_view caller, std::string_view key) {
  if (key.empty()) return concat("api-", os::random_id());
  if (key.size() > key_limit) refuse(400, "Idempotency-Key is longer than 255 characters");
  return concat("key-", os::sha256(concat(caller, '\n', key)).hex());
}

void refuse_other_wish(const PushEvent& former, const PushEvent& now) {
  if (former.source == now.source && former.ref == now.ref && former.commit == now.commit &&
      former.images == now.images && former.args == now.args && former.reason == now.reason &&
      former.no_cache == now.no_cache) {
    return;
  }
  refuse(422, "idempotency-key-reused", "Idempotency key reused",
         "this Idempotency-Key was used for another request; each request needs its own");
}

void refuse_other_source(const store::Store& store, const config::Config& config,
                         const PushEvent& now) {
  for (const auto& [name, source] : config.sources) {
    if (name == now.source) continue;
    if (const auto run = store.find_delivery(name, now.delivery))
      refuse_other_wish(store.get(*run).event, now);
  }
}

store::Store::Supersede supersede_of(const config::Source& source) noexcept {
  switch (source.supersede) {
    case config::Supersede::never:
      return store::Store::Supersede::no;
    case config::Supersede::queued:
      return store::Store::Supersede::queued;
    case config::Supersede::running:
      return store::Store::Supersede::running;
  }
  return store::Store::Supersede::no;
}

}  // namespace lighterman::api
