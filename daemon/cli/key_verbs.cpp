#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <memory>

#include "cli/live_log.hpp"
#include "cli/remote.hpp"
#include "cli/trust_verbs.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "trust/keyring.hpp"

namespace lighterman::cli {
namespace {

using trust::KeyEntry;
using trust::Keyring;

/// What the words of the command line fill.
struct KeyWords {
  std::filesystem::path folder = "/etc/lighterman/keys";
  std::string name, password, max_age = "90d", overlap = "7d", verify = "365d";
  bool json = false, finish = false;

  Keyring ring() const {
    trust::KeyAges ages;
    ages.most = parse_duration(max_age);
    // As 75 days are to 90.
    ages.warn = ages.most / 6 * 5;
    ages.overlap = parse_duration(overlap);
    ages.verify = parse_duration(verify);
    return Keyring(folder, ages);
  }
  /// A new key's: without one it would be in nobody's way, so that is to be said.
  Secret new_password() const {
    if (password.empty() && !std::getenv("COSIGN_PASSWORD"))
      throw Error(ErrorKind::invalid,
                  "say where the key's password is: --password file:PATH or env:NAME, or set "
                  "COSIGN_PASSWORD (empty: none)");
    return key_password(password);
  }
};

boost::json::object with_files(const KeyEntry& entry, Instant now) {
  boost::json::object told = trust::to_json(entry, now);
  told["key_file"] = entry.key_file.native();
  told["public_file"] = entry.public_file.native();
  return told;
}

void show(const std::vector<KeyEntry>& entries, bool json) {
  const Instant now = system_now();
  if (json) {
    boost::json::array keys;
    for (const KeyEntry& each : entries) keys.push_back(with_files(each, now));
    std::cout << boost::json::serialize(boost::json::object{{"keys", std::move(keys)}}) << '\n';
    return;
  }
  for (const KeyEntry& each : entries)
    std::cout << std::left << std::setw(16) << each.name << ' ' << std::setw(9)
              << trust::render(each.state(now)) << ' ' << render_time(each.created).substr(0, 10)
              << "  " << each.public_key.kind() << "  " << each.public_file.native() << '\n';
  std::cout.flush();
  for (const KeyEntry& each : entries)
    if (const std::string warning = each.warning(now); !warning.empty())
      std::cerr << "warning: " << warning << '\n';
}

int make(const KeyWords& words) {
  show({words.ring().add(words.name, words.new_password(), system_now())}, words.json);
  return 0;
}

int list(const KeyWords& words) {
  show(words.ring().entries(), words.json);
  return 0;
}

int show_one(const KeyWords& words) {
  const std::vector<KeyEntry> entries = words.ring().entries(words.name);
  show(entries, words.json);
  // For whoever verifies: what is to be handed out.
  if (!words.json)
    for (const KeyEntry& each : entries)
      if (each.verifies(system_now())) std::cout << each.public_key.pem();
  return 0;
}

int rotate(const KeyWords& words) {
  Keyring ring = words.ring();
  if (words.finish)
    ring.finish(words.name, system_now());
  else
    ring.rotate(words.name, words.new_password(), system_now());
  show(ring.entries(words.name), words.json);
  if (!words.json && !words.finish)
    std::cout << "both keys sign for " << words.overlap
              << "; hand out the new public key before that ends\n";
  return 0;
}

std::string counted(std::int64_t count, std::string_view what) {
  return concat(count, ' ', what, count == 1 ? "" : "s");
}

void show_report(const Fields& key) {
  const auto safe = [&](std::string_view name) { return harmless(key.text(name), false); };
  std::cout << std::left << std::setw(16) << safe("name") << ' ' << std::setw(9) << safe("state")
            << ' ' << key.integer("age_days") << " days old, ";
  if (const auto until = key.find_text("verifies_until"))
    std::cout << "signs until " << safe("signs_until").substr(0, 10) << ", verifies until "
              << harmless(*until, false).substr(0, 10);
  else
    std::cout << "limit " << safe("limit").substr(0, 10);
  std::cout << "\n  " << counted(key.integer("signatures"), "signature") << " on "
            << counted(key.integer("images"), "image");
  if (key.find("verifies_until") != nullptr)
    std::cout << "; " << counted(key.integer("depending"), "image") << " left that only it signed, "
              << key.integer("waiting") << " of them to be signed again";
  std::cout << '\n';
  for (const boost::json::value& each : key.list("troubles")) {
    const Fields trouble(each, "trouble");
    std::cout << "  not signed again: " << harmless(trouble.text("image"), false) << ": "
              << harmless(trouble.text("why"), false) << '\n';
  }
}

int report(Remote& remote, const KeyWords& words) {
  const boost::json::value answer =
      remote.get(words.name.empty() ? "/api/v1/keys"
                                    : concat("/api/v1/keys?name=", render_url_part(words.name)));
  if (words.json) {
    std::cout << boost::json::serialize(answer) << '\n';
    return 0;
  }
  const Fields fields(answer, "answer");
  const auto keys = fields.list("keys");
  if (keys.empty()) std::cout << "the daemon's configuration has no keys (keys: {folder: ...})\n";
  for (const boost::json::value& each : keys) show_report(Fields(each, "key"));
  std::cout.flush();
  for (const boost::json::value& each : keys)
    if (const std::string warning = Fields(each, "key").text("warning"); !warning.empty())
      std::cerr << "warning: " << harmless(warning, false) << '\n';
  return 0;
}

}  // namespace

void add_key_verbs(CLI::App& app, std::function<int()>& chosen) {
  CLI::App* key = app.add_subcommand("key", "Make, show and rotate the keys that sign images");
  key->require_subcommand(1);
  // The verbs share them, whichever is chosen.
  const auto words = std::make_shared<KeyWords>();
  const auto add = [&](const std::string& name, const std::string& meaning,
                       int (*act)(const KeyWords&)) {
    CLI::App* verb = key->add_subcommand(name, meaning);
    verb->add_option("--folder", words->folder, "Where the keys are")->capture_default_str();
    verb->add_flag("--json", words->json, "Print JSON for programs");
    verb->callback([&chosen, words, act] { chosen = [words, act] { return act(*words); }; });
    return verb;
  };
  const auto add_name = [&](CLI::App* verb) {
    verb->add_option("name", words->name, "The key's name")->required();
  };
  const auto add_making = [&](CLI::App* verb) {
    add_name(verb);
    verb->add_option("--password", words->password,
                     "Where its password is: file:PATH or env:NAME (COSIGN_PASSWORD)");
    verb->add_option("--max-age", words->max_age, "How old it may become")->capture_default_str();
  };
  add_making(add("new", "Make a key pair, as cosign would", make));
  add_name(add("show", "Show a key, and its public part", show_one));
  add("list", "List keys, their ages and what is to be done", list);
  CLI::App* verb = key->add_subcommand(
      "report", "Ask the daemon what its keys signed, and what depends on replaced ones");
  verb->add_option("name", words->name, "Of this key only");
  verb->add_flag("--json", words->json, "Print JSON for programs");
  verb->callback([&chosen, words] {
    chosen = with_daemon([words](Remote& remote) { return report(remote, *words); });
  });
  verb = add("rotate", "Make a successor; both sign until the overlap ends", rotate);
  add_making(verb);
  verb->add_option("--overlap", words->overlap, "How long both sign")->capture_default_str();
  verb->add_option("--verify", words->verify, "How long the old one verifies after that")
      ->capture_default_str();
  verb->add_flag("--finish", words->finish, "End the overlap now, and delete the old private key");
}

}  // namespace lighterman::cli
