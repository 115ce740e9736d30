#include "intake/payload.hpp"

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"

namespace lighterman::intake {
namespace {

/// Application/x-www-form-urlencoded (WHATWG URL, 5.1).
std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '+') {
      plain += ' ';
    } else if (const auto byte = text[at] == '%' && at + 2 < text.size()
                                     ? parse_hex(lower(text.substr(at + 1, 2)))
                                     : std::nullopt) {
      plain += *byte;
      at += 2;
    } else {
      plain += text[at];
    }
  }
  return plain;
}

bool is_zero(std::string_view commit) {
  return commit.empty() || commit.find_first_not_of('0') == std::string_view::npos;
}

/// Commit ids reach git and file names: nothing but hex digits passes.
std::string commit_id(const Fields& fields, std::string_view name) {
  const std::string id = lower(fields.text_or(name, ""));
  if (is_zero(id)) return {};
  if ((id.size() != 40 && id.size() != 64) || !parse_hex(id))
    fields.refuse(name, "is not a full commit id (40 or 64 hex digits)");
  return id;
}

std::string ref_of(const Fields& fields, std::string_view name) {
  const std::string ref = fields.text(name);
  const bool broken = ref.size() > 512 || ref.find("..") != std::string::npos ||
                      std::ranges::any_of(ref, [](char letter) {
                        const auto code = static_cast<unsigned char>(letter);
                        return code <= 0x20 || code == 0x7f ||
                               std::string_view("~^:?*[\\").find(letter) != std::string_view::npos;
                      });
  if (ref.empty() || broken) fields.refuse(name, "is not a ref's name");
  return ref;
}

std::optional<Fields> inside(const Fields& fields, std::string_view name) {
  const boost::json::value* found = fields.find(name);
  if (!found || !found->is_object()) return {};
  return Fields(*found, fields.path(name));
}

std::string text_in(const Fields& fields, std::string_view object, std::string_view name) {
  const auto within = inside(fields, object);
  return within ? within->text_or(name, "") : std::string();
}

std::vector<PushEvent> read_github(const Fields& body, std::string& why) {
  PushEvent push;
  push.ref = ref_of(body, "ref");
  push.before = commit_id(body, "before");
  push.commit = commit_id(body, "after");
  if (body.flag_or("deleted", false) || (push.commit.empty() && body.find("after"))) {
    why = concat(push.ref, " was deleted");
    return {};
  }
  if (const auto head = inside(body, "head_commit")) {
    push.message = head->text_or("message", "");
    // Of an annotated tag, "after" is the tag's own object.
    if (const std::string commit = commit_id(*head, "id"); !commit.empty()) push.commit = commit;
  } else if (push.tag()) {
    push.commit.clear();
  }
  push.author = text_in(body, "pusher", "name");
  if (push.author.empty()) push.author = text_in(body, "pusher", "login");
  if (push.author.empty()) push.author = text_in(body, "sender", "login");
  return {push};
}

std::vector<PushEvent> read_gitlab(const Fields& body, std::string& why) {
  PushEvent push;
  push.ref = ref_of(body, "ref");
  push.before = commit_id(body, "before");
  push.commit = commit_id(body, "after");
  if (push.commit.empty()) {
    why = concat(push.ref, " was deleted");
    return {};
  }
  if (push.tag()) push.commit = commit_id(body, "checkout_sha");
  push.author = body.text_or("user_username", body.text_or("user_name", ""));
  for (const boost::json::value& commit : body.list("commits")) {
    const Fields fields(commit, body.path("commits"));
    if (fields.text_or("id", "") == push.commit) push.message = fields.text_or("message", "");
  }
  return {push};
}

std::vector<PushEvent> read_bitbucket(const Fields& body, std::string& why) {
  const auto push = inside(body, "push");
  if (!push) body.refuse("push", "is missing");
  std::vector<PushEvent> found;
  for (const boost::json::value& given : push->list("changes")) {
    const Fields change(given, "push.changes");
    const auto now = inside(change, "new");
    if (!now) {
      why = "a ref was deleted";
      continue;
    }
    PushEvent event;
    event.ref =
        concat(now->text("type") == "tag" ? "refs/tags/" : "refs/heads/", ref_of(*now, "name"));
    if (const auto target = inside(*now, "target")) {
      event.commit = commit_id(*target, "hash");
      event.message = target->text_or("message", "");
    }
    if (const auto old = inside(change, "old"))
      if (const auto target = inside(*old, "target")) event.before = commit_id(*target, "hash");
    event.author = text_in(body, "actor", "nickname");
    found.push_back(std::move(event));
  }
  return found;
}

/// Of toCommit and of commits[] only newer servers tell; the repository knows anyway.
std::vector<PushEvent> read_bitbucket_server(const Fields& body, std::string& why) {
  std::vector<PushEvent> found;
  for (const boost::json::value& given : body.list("changes")) {
    const Fields change(given, "changes");
    const auto ref = inside(change, "ref");
    if (!ref) change.refuse("ref", "is missing");
    PushEvent event;
    event.ref = ref_of(*ref, "id");
    event.before = commit_id(change, "fromHash");
    event.commit = commit_id(change, "toHash");
    event.author = text_in(body, "actor", "name");
    if (const auto head = inside(body, "toCommit"))
      if (head->text_or("id", "") == event.commit) event.message = head->text_or("message", "");
    if (event.commit.empty()) {
      why = concat(event.ref, " was deleted");
    } else {
      if (event.tag()) event.commit.clear();
      found.push_back(std::move(event));
    }
  }
  return found;
}

bool is_push(Forge forge, const std::string& event) {
  switch (forge) {
    case Forge::gitlab:
      return event == "Push Hook" || event == "Tag Push Hook";
    case Forge::bitbucket:
      return event == "repo:push";
    case Forge::bitbucket_server:
      return event == "repo:refs_changed";
    case Forge::generic:
      return event.empty() || event == "push";
    default:
      return event == "push";
  }
}

bool asks_to_skip(std::string_view message) {
  static constexpr std::array<std::string_view, 5> markers{"[skip ci]", "[ci skip]", "[no ci]",
                                                           "[skip build]", "[build skip]"};
  const std::string text = lower(message);
  return std::ranges::any_of(
      markers, [&](std::string_view marker) { return text.find(marker) != std::string::npos; });
}

}  // namespace

std::string json_of(const Delivery& delivery) {
  if (!lower(delivery.header("Content-Type")).starts_with("application/x-www-form-urlencoded"))
    return std::string(delivery.body);
  for (const std::string& pair : split(delivery.body, '&'))
    if (pair.starts_with("payload=")) return unescaped(std::string_view(pair).substr(8));
  throw Error(ErrorKind::invalid, "the form has no field \"payload\"; send application/json");
}

std::vector<PushEvent> pushes_of(Forge forge, const std::string& event, const std::string& json,
                                 std::string& why) {
  if (!is_push(forge, event)) {
    why = concat("\"", shortened(valid_utf8(event), 60), "\" is not a push");
    return {};
  }
  const boost::json::value value = parse_json(json, "webhook");
  const Fields body(value, "webhook");
  std::vector<PushEvent> found;
  if (forge == Forge::gitlab) {
    found = read_gitlab(body, why);
  } else if (forge == Forge::bitbucket) {
    found = read_bitbucket(body, why);
  } else if (forge == Forge::bitbucket_server) {
    found = read_bitbucket_server(body, why);
  } else {
    found = read_github(body, why);
  }
  std::erase_if(found, [&](const PushEvent& push) {
    const bool skip = asks_to_skip(push.message);
    if (skip) why = concat("the message of ", shortened(push.commit, 12), " asks to skip it");
    const bool other = !push.branch() && !push.tag();
    if (other) why = concat(push.ref, " is neither a branch nor a tag");
    return skip || other;
  });
  if (found.empty() && why.empty()) why = "no ref changed";
  return found;
}

}  // namespace lighterman::intake
