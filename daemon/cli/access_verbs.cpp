#include "cli/access_verbs.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>

#include "audit/trail.hpp"
#include "cli/live_log.hpp"
#include "cli/local_store.hpp"
#include "cli/remote.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "store/tokens.hpp"

namespace lighterman::cli {
namespace {

constexpr std::size_t page_size = 1000;
constexpr std::size_t line_limit = 64 << 10;

/// What the words of the command line fill.
struct AccessWords {
  std::filesystem::path config, file;
  std::string name, role = "trigger", expires, reason, format = "jsonl", since, head, who, deed;
  std::vector<std::string> sources;
  unsigned limit = 20;
  bool json = false;
};

std::string safe(std::string_view text) { return harmless(text, false); }
void print(const boost::json::value& value) { std::cout << boost::json::serialize(value) << '\n'; }

boost::json::value make_here(const AccessWords& words) {
  LocalStore local = LocalStore::open(words.config);
  TokenRecord token;
  token.name = words.name;
  check_token_name(token.name);
  token.role = parse_role(words.role);
  token.scope = Scope(words.sources);
  for (const std::string& source : words.sources) local.config.source(source);
  for (const config::Token& each : local.config.tokens)
    if (each.name == token.name)
      throw Error(ErrorKind::conflict, concat("the configuration has a token \"", token.name, '"'));
  token.created = system_now();
  token.expires = expiry_of(words.expires, token.created);
  token.creator = local_user();
  const std::string value = os::random_token();
  store::Tokens(local.store).add(token, std::string(os::sha256(value).hex()));
  audit::Trail(local.store)
      .add({.who = token.creator,
            .deed = "token new",
            .subject = terms_of(token),
            .why = words.reason});
  boost::json::object made = to_json(token, token.created);
  made["token"] = value;
  return made;
}

boost::json::value make_there(Remote& remote, const AccessWords& words) {
  boost::json::object body{{"name", words.name}, {"role", words.role}};
  if (!words.sources.empty()) body["sources"] = json_array(words.sources);
  if (!words.expires.empty()) body["expires"] = words.expires;
  if (!words.reason.empty()) body["reason"] = words.reason;
  return remote.post("/api/v1/tokens", body);
}

int show_made(const AccessWords& words, const boost::json::value& made) {
  if (words.json) {
    print(made);
    return 0;
  }
  const Fields token(made, "token");
  std::cout << token.text("token") << '\n' << std::flush;
  std::cerr << "this is the token of \"" << token.text("name") << "\" (" << token.text("role")
            << "); it is kept nowhere else, and can be made only anew\n";
  return 0;
}

std::string time_of(const Fields& fields, std::string_view name, std::string_view none) {
  const std::string time = fields.text_or(name, "");
  return time.empty() ? std::string(none) : concat(time.substr(0, 10), ' ', time.substr(11, 5));
}

int show_tokens(const AccessWords& words, const boost::json::value& answer) {
  if (words.json) {
    print(answer);
    return 0;
  }
  for (const boost::json::value& each : Fields(answer, "answer").list("tokens")) {
    const Fields token(each, "token");
    const std::vector<std::string> sources = token.texts("sources");
    std::cout << safe(token.text("name")) << "  " << token.text("role") << "  "
              << (sources.empty() ? "all sources" : safe(join(sources, ","))) << "  "
              << token.text("state") << ", expires " << time_of(token, "expires", "never")
              << ", last used " << time_of(token, "used", "never") << ", by "
              << safe(token.text("creator")) << '\n';
  }
  return 0;
}

boost::json::value tokens_here(const AccessWords& words) {
  LocalStore local = LocalStore::open(words.config);
  boost::json::array tokens;
  const Instant now = system_now();
  for (const TokenRecord& token : store::Tokens(local.store).list())
    tokens.push_back(to_json(token, now));
  return boost::json::object{{"tokens", std::move(tokens)}};
}

boost::json::value revoke_here(const AccessWords& words) {
  LocalStore local = LocalStore::open(words.config);
  const TokenRecord token = store::Tokens(local.store).revoke(words.name);
  audit::Trail(local.store)
      .add({.who = local_user(),
            .deed = "token revoke",
            .subject = concat("token ", words.name),
            .why = words.reason});
  return to_json(token, system_now());
}

boost::json::value revoke_there(Remote& remote, const AccessWords& words) {
  boost::json::object body;
  if (!words.reason.empty()) body["reason"] = words.reason;
  return remote.post(concat("/api/v1/tokens/", render_url_part(words.name), "/revoke"), body);
}

int show_revoked(const AccessWords& words, const boost::json::value& token) {
  if (words.json) {
    print(token);
  } else {
    std::cout << "token \"" << safe(words.name) << "\" lets nobody in any more\n";
  }
  return 0;
}

/// Where a trail is read from, a page at a time.
struct Source {
  audit::Pages pages;
  /// The highest number ever given; empty: it cannot be told.
  std::function<std::optional<std::int64_t>()> last_given = [] {
    return std::optional<std::int64_t>();
  };
};

Source from_daemon(Remote& remote) {
  const auto page_after = [&remote](std::int64_t after, std::size_t limit) {
    return remote.get(concat("/api/v1/audit?after=", after, "&limit=", limit));
  };
  return {[page_after](std::int64_t after) {
            const boost::json::value page = page_after(after, page_size);
            std::vector<AuditEntry> entries;
            for (const boost::json::value& each : Fields(page, "page").list("entries"))
              entries.push_back(audit_entry_from(each));
            return entries;
          },
          [page_after]() -> std::optional<std::int64_t> {
            const boost::json::value page = page_after(0, 1);
            return Fields(page, "page").integer("last_given");
          }};
}

Source from_store(store::Store& store) {
  return {[&store](std::int64_t after) { return store::Ledger(store).after(after, page_size); },
          [&store]() -> std::optional<std::int64_t> { return store::Ledger(store).last_given(); }};
}

/// The lines of `audit export`, in the order of the file.
Source from_file(const std::filesystem::path& path) {
  auto file = std::make_shared<std::ifstream>(path);  // shared by the copies of the function
  if (!*file) throw Error(ErrorKind::not_found, concat('"', path.string(), "\" cannot be read"));
  auto number = std::make_shared<std::int64_t>(0);
  return {[file, number, path](std::int64_t) {
    std::vector<AuditEntry> entries;
    std::string line;
    while (entries.size() < page_size && std::getline(*file, line)) {
      ++*number;
      const std::string where = concat(path.string(), ':', *number);
      if (line.size() > line_limit)
        throw Error(ErrorKind::invalid, concat(where, ": longer than any entry"));
      if (trim(line).empty()) continue;
      entries.push_back(during(where, [&] { return audit_entry_from(parse_json(line, "entry")); }));
    }
    return entries;
  }};
}

/// Calls `act` with the trail that the words mean.
int with_trail(const AccessWords& words, const std::function<int(const Source&)>& act) {
  if (!words.file.empty()) return act(from_file(words.file));
  if (!words.config.empty()) {
    LocalStore local = LocalStore::open(words.config);
    return act(from_store(local.store));
  }
  return with_daemon([&](Remote& remote) { return act(from_daemon(remote)); })();
}

int verify(const AccessWords& words, const Source& source) {
  audit::Check check;
  if (!words.head.empty()) {
    const std::size_t colon = words.head.find(':');
    const std::string digits = words.head.substr(0, colon);
    if (colon == std::string::npos || digits.empty() || digits.size() > 18 ||
        digits.find_first_not_of("0123456789") != std::string::npos)
      throw Error(ErrorKind::invalid,
                  "--head is what an earlier `audit verify` printed: NUMBER:HASH");
    check.expect(std::stoll(digits), words.head.substr(colon + 1));
  }
  // Asked before the entries are read: those that come meanwhile are more, and not too many.
  const std::optional<std::int64_t> last = source.last_given();
  audit::walk(source.pages, [&](const AuditEntry& entry) { check.see(entry); });
  check.end_at(last.value_or(check.head_number()));
  const std::string head = concat(check.head_number(), ':', check.head());
  if (words.json) {
    print({{"entries", check.entries()},
           {"head", head},
           {"faults", json_array(check.faults())},
           {"fault_count", check.fault_count()}});
  } else {
    for (const std::string& fault : check.faults()) std::cout << fault << '\n';
    if (check.fault_count() > check.faults().size())
      std::cout << "and " << check.fault_count() - check.faults().size() << " more\n";
    std::cout << check.entries() << " entries"
              << (check.fault_count() == 0 ? ", each follows the one before" : "") << "; head "
              << head << '\n';
  }
  return check.fault_count() == 0 ? 0 : 1;
}

/// "2026-11-23" (its begin, UTC) or RFC 3339.
Instant moment_of(const std::string& given) {
  return during("--since",
                [&] { return parse_time(given.size() == 10 ? given + "T00:00:00Z" : given); });
}

int write_out(const AccessWords& words, const Source& source) {
  const std::optional<Instant> since =
      words.since.empty() ? std::nullopt : std::optional(moment_of(words.since));
  const bool csv = words.format == "csv";
  if (csv) std::cout << audit::csv_head();
  audit::walk(source.pages, [&](const AuditEntry& entry) {
    if (since && entry.when < *since) return;
    if (csv) {
      std::cout << audit::csv_line(entry);
    } else {
      print(to_json(entry));
    }
  });
  return 0;
}

int show(Remote& remote, const AccessWords& words) {
  std::string path = concat("/api/v1/audit?limit=", words.limit);
  for (const auto& [name, value] : {std::pair{"who", words.who}, {"deed", words.deed}})
    if (!value.empty()) path += concat('&', name, '=', render_url_part(value));
  if (!words.since.empty())
    path += concat("&since=", render_url_part(render_time(moment_of(words.since))));
  const boost::json::value answer = remote.get(path);
  if (words.json) {
    print(answer);
    return 0;
  }
  for (const boost::json::value& each : Fields(answer, "answer").list("entries")) {
    const AuditEntry entry = audit_entry_from(each);
    std::cout << render_time(entry.when).substr(0, 19) << "Z  " << safe(entry.who) << "  "
              << safe(entry.deed) << "  " << safe(entry.subject);
    if (!entry.why.empty()) std::cout << "  (" << safe(entry.why) << ')';
    if (!entry.address.empty()) std::cout << "  from " << safe(entry.address);
    std::cout << '\n';
  }
  return 0;
}

using Shared = std::shared_ptr<AccessWords>;  // the verbs share them, whichever is chosen

void add_config(CLI::App* verb, const Shared& words) {
  verb->add_option("--config", words->config,
                   "Ask no daemon: use the store of this configuration on this machine");
}

/// A verb that `here` does with the store on this machine and `there` by asking the daemon.
CLI::App* add_token_verb(CLI::App* token, std::function<int()>& chosen, const Shared& words,
                         const std::string& name, const std::string& meaning,
                         boost::json::value (*here)(const AccessWords&),
                         boost::json::value (*there)(Remote&, const AccessWords&),
                         int (*show_it)(const AccessWords&, const boost::json::value&)) {
  CLI::App* verb = token->add_subcommand(name, meaning);
  verb->add_flag("--json", words->json, "Print JSON for programs");
  add_config(verb, words);
  verb->callback([&chosen, words, here, there, show_it] {
    if (!words->config.empty()) {
      chosen = [words, here, show_it] { return show_it(*words, here(*words)); };
    } else {
      chosen = with_daemon([words, there, show_it](Remote& remote) {
        return show_it(*words, there(remote, *words));
      });
    }
  });
  return verb;
}

void add_token_verbs(CLI::App& app, std::function<int()>& chosen, const Shared& words) {
  CLI::App* token =
      app.add_subcommand("token", "Make, list and revoke the tokens that the API asks for");
  token->require_subcommand(1);
  CLI::App* verb =
      add_token_verb(token, chosen, words, "new", "Make a token, and print it this once", make_here,
                     make_there, show_made);
  verb->add_option("name", words->name, "Who holds it; the audit trail calls them so")->required();
  verb->add_option("--role", words->role,
                   "viewer (looks), trigger (starts runs), operator (overrules policy) or admin")
      ->capture_default_str();
  verb->add_option("--sources", words->sources, "It sees and touches these alone (a,b)")
      ->delimiter(',');
  verb->add_option("--expires", words->expires, "In how long (30d), or when; default: never");
  verb->add_option("--reason", words->reason, "Why, for the audit trail");
  add_token_verb(
      token, chosen, words, "list", "List tokens, and when each was used last", tokens_here,
      [](Remote& remote, const AccessWords&) { return remote.get("/api/v1/tokens"); }, show_tokens);
  verb = add_token_verb(token, chosen, words, "revoke", "Let a token in no more", revoke_here,
                        revoke_there, show_revoked);
  verb->add_option("name", words->name, "Whose")->required();
  verb->add_option("--reason", words->reason, "Why, for the audit trail");
}

void add_audit_verbs(CLI::App& app, std::function<int()>& chosen, const Shared& words) {
  CLI::App* audit = app.add_subcommand("audit", "Show, check and export who did what");
  audit->require_subcommand(1);
  CLI::App* verb = audit->add_subcommand("show", "The newest entries");
  verb->add_flag("--json", words->json, "Print JSON for programs");
  verb->add_option("--who", words->who, "By this one alone, such as 'token \"ann\"'");
  verb->add_option("--deed", words->deed, "Of this kind alone, such as retry");
  verb->add_option("--since", words->since, "Not older than this: 2026-11-23, or RFC 3339");
  verb->add_option("--limit", words->limit, "How many")->capture_default_str();
  verb->callback([&chosen, words] {
    chosen = with_daemon([words](Remote& remote) { return show(remote, *words); });
  });
  const auto add = [&](const std::string& name, const std::string& meaning,
                       int (*act)(const AccessWords&, const Source&)) {
    CLI::App* added = audit->add_subcommand(name, meaning);
    add_config(added, words);
    added->callback([&chosen, words, act] {
      chosen = [words, act] {
        return with_trail(*words, [&](const Source& source) { return act(*words, source); });
      };
    });
    return added;
  };
  verb = add("verify", "Check that no entry was changed, moved or removed", verify);
  verb->add_flag("--json", words->json, "Print JSON for programs");
  verb->add_option("--file", words->file, "Check what `audit export` wrote (jsonl)");
  verb->add_option("--head", words->head,
                   "What an earlier verify printed (NUMBER:HASH): that entry must be there still");
  verb = add("export", "Print all entries, oldest first", write_out);
  verb->add_option("--format", words->format, "jsonl or csv")
      ->check(CLI::IsMember({"jsonl", "csv"}))
      ->capture_default_str();
  verb->add_option("--since", words->since, "Not older than this: 2026-11-23, or RFC 3339");
}

}  // namespace

void add_access_verbs(CLI::App& app, std::function<int()>& chosen) {
  const auto words = std::make_shared<AccessWords>();
  add_token_verbs(app, chosen, words);
  add_audit_verbs(app, chosen, words);
}

}  // namespace lighterman::cli
