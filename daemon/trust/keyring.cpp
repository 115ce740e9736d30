#include "trust/keyring.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <set>

#include "core/choices.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "os/file.hpp"

namespace lighterman::trust {
namespace fs = std::filesystem;
namespace {

constexpr Choice<KeyState> states[] = {
    {KeyState::fresh, "fresh"},     {KeyState::old, "old"},
    {KeyState::expired, "expired"}, {KeyState::retiring, "retiring"},
    {KeyState::retired, "retired"}, {KeyState::ended, "ended"},
};

/// What NAME.json says of one generation.
struct Generation {
  unsigned number = 1;
  Instant created;
  std::chrono::milliseconds most_age{}, warn_age{};
  std::optional<Instant> signs_until, verifies_until;
};

void check_name(const std::string& name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  if (name.empty() || name.size() > 64 || !std::ranges::all_of(name, good))
    throw Error(ErrorKind::invalid, concat("\"", shortened(valid_utf8(name), 80),
                                           "\" is no name for a key (letters, digits, - and _)"));
}

fs::path stem_of(const fs::path& folder, const std::string& name, unsigned number) {
  return folder / (number == 1 ? name : concat(name, '.', number));
}
fs::path with(fs::path stem, std::string_view extension) { return stem += extension; }
fs::path book_of(const fs::path& folder, const std::string& name) {
  return folder / concat(name, ".json");
}

std::optional<Instant> time_in(const Fields& fields, std::string_view name) {
  const auto text = fields.find_text(name);
  return text ? std::optional(parse_time(*text)) : std::nullopt;
}

std::vector<Generation> read_book(const fs::path& file) {
  return during(concat("key book ", file.native()), [&] {
    const boost::json::value value = parse_json(os::read_file(file), "it");
    const Fields book(value, "it");
    std::vector<Generation> generations;
    for (const boost::json::value& each : book.list("generations")) {
      const Fields fields(each, "generation");
      generations.push_back({static_cast<unsigned>(fields.natural("number")),
                             parse_time(fields.text("created")),
                             std::chrono::seconds(fields.natural("most_age_seconds")),
                             std::chrono::seconds(fields.natural("warn_age_seconds")),
                             time_in(fields, "signs_until"), time_in(fields, "verifies_until")});
    }
    if (generations.empty()) book.refuse("generations", "at least one is expected");
    return generations;
  });
}

void write_book(const fs::path& file, const std::vector<Generation>& generations) {
  boost::json::array all;
  for (const Generation& each : generations)
    all.push_back({{"number", each.number},
                   {"created", render_time(each.created)},
                   {"most_age_seconds", each.most_age / std::chrono::seconds(1)},
                   {"warn_age_seconds", each.warn_age / std::chrono::seconds(1)},
                   {"signs_until", json_time(each.signs_until)},
                   {"verifies_until", json_time(each.verifies_until)}});
  os::replace_file(
      file,
      concat(boost::json::serialize(boost::json::object{{"generations", std::move(all)}}), '\n'));
}

Instant time_of(const fs::path& file) {
  const auto written = std::chrono::file_clock::to_sys(fs::last_write_time(file));
  return std::chrono::time_point_cast<std::chrono::milliseconds>(written);
}

KeyEntry entry_of(const fs::path& folder, const std::string& name, const Generation& generation) {
  const fs::path stem = stem_of(folder, name, generation.number);
  return {name,
          with(stem, ".key"),
          with(stem, ".pub"),
          PublicKey::load(with(stem, ".pub")),
          generation.created,
          generation.most_age,
          generation.warn_age,
          generation.signs_until,
          generation.verifies_until};
}

/// The private file first: a public one without it would claim a key that nobody has.
KeyEntry write_key(const fs::path& folder, const std::string& name, const Generation& generation,
                   const Secret& password) {
  const Key key = Key::make();
  const fs::path stem = stem_of(folder, name, generation.number);
  os::replace_file(with(stem, ".key"), key.sealed(password), 0600);
  os::replace_file(with(stem, ".pub"), key.public_key().pem());
  return entry_of(folder, name, generation);
}

/// A key that came without a book began when its file was written.
std::vector<Generation> generations_of(const fs::path& folder, const std::string& name,
                                       const KeyAges& ages) {
  const fs::path book = book_of(folder, name);
  if (fs::exists(book)) return read_book(book);
  const fs::path key = with(stem_of(folder, name, 1), ".key");
  return {{1, time_of(key), ages.most, ages.warn, {}, {}}};
}

std::string days(std::chrono::milliseconds length) {
  const auto count = std::chrono::floor<std::chrono::days>(length).count();
  return concat(count, count == 1 ? " day" : " days");
}

}  // namespace

std::string_view render(KeyState state) noexcept { return name_of(states, state); }

KeyState KeyEntry::state(Instant now) const {
  if (verifies_until && now >= *verifies_until) return KeyState::ended;
  if (signs_until) return now < *signs_until ? KeyState::retiring : KeyState::retired;
  if (now - created >= most_age) return KeyState::expired;
  return now - created >= warn_age ? KeyState::old : KeyState::fresh;
}

bool KeyEntry::signs(Instant now) const { return state(now) <= KeyState::retiring; }
bool KeyEntry::verifies(Instant now) const { return state(now) != KeyState::ended; }

std::string KeyEntry::warning(Instant now) const {
  switch (state(now)) {
    case KeyState::old:
    case KeyState::expired:
      return concat("key \"", name, "\" is ", days(now - created), " old, its limit is ",
                    days(most_age), ": rotate it (lighterman key rotate ", name, ")");
    case KeyState::retired:
      if (fs::exists(key_file))
        return concat("key \"", name, "\" is retired, but its private part is still in ",
                      key_file.native(),
                      ": the daemon deletes it once nothing depends on the key any more (at once: "
                      "lighterman key rotate ",
                      name, " --finish)");
      break;
    case KeyState::fresh:
    case KeyState::retiring:
    case KeyState::ended:
      break;
  }
  return {};
}

boost::json::object to_json(const KeyEntry& entry, Instant now) {
  return {{"name", entry.name},
          {"state", render(entry.state(now))},
          {"kind", entry.public_key.kind()},
          {"hint", entry.public_key.hint()},
          {"created", render_time(entry.created)},
          {"age_days", std::chrono::floor<std::chrono::days>(now - entry.created).count()},
          {"limit", render_time(entry.created + entry.most_age)},
          {"signs_until", json_time(entry.signs_until)},
          {"verifies_until", json_time(entry.verifies_until)},
          {"public_key", entry.public_key.pem()},
          {"warning", entry.warning(now)}};
}

Keyring::Keyring(fs::path folder, KeyAges ages) : folder_(std::move(folder)), ages_(ages) {}

std::vector<KeyEntry> Keyring::entries() const {
  std::set<std::string> names;
  if (fs::is_directory(folder_))
    for (const fs::directory_entry& file : fs::directory_iterator(folder_)) {
      const std::string extension = file.path().extension(), name = file.path().stem();
      // "release.2" is a generation of "release", which its book tells.
      if ((extension == ".key" || extension == ".json") && name.find('.') == std::string::npos)
        names.insert(name);
    }
  std::vector<KeyEntry> all;
  for (const std::string& name : names)
    for (KeyEntry& entry : entries(name)) all.push_back(std::move(entry));
  return all;
}

std::vector<KeyEntry> Keyring::entries(const std::string& name) const {
  check_name(name);
  if (!fs::exists(book_of(folder_, name)) && !fs::exists(with(stem_of(folder_, name, 1), ".key")))
    throw Error(ErrorKind::not_found, concat("no key \"", name, "\" in ", folder_.native(),
                                             " (make one: lighterman key new ", name, ")"));
  std::vector<KeyEntry> all;
  for (const Generation& each : generations_of(folder_, name, ages_))
    all.push_back(entry_of(folder_, name, each));
  std::ranges::reverse(all);
  return all;
}

KeyEntry Keyring::add(const std::string& name, const Secret& password, Instant now) {
  check_name(name);
  const fs::path stem = stem_of(folder_, name, 1);
  for (const fs::path& file : {with(stem, ".key"), with(stem, ".pub"), book_of(folder_, name)})
    if (fs::exists(file))
      throw Error(ErrorKind::conflict,
                  concat(file.native(), " is there already; nothing was changed"));
  fs::create_directories(folder_);
  const Generation first{1, now, ages_.most, ages_.warn, {}, {}};
  KeyEntry entry = write_key(folder_, name, first, password);
  write_book(book_of(folder_, name), {first});
  return entry;
}

KeyEntry Keyring::rotate(const std::string& name, const Secret& password, Instant now) {
  const std::vector<KeyEntry> before = entries(name);
  std::vector<Generation> generations = generations_of(folder_, name, ages_);
  // A wrong password would make a successor that the daemon cannot open.
  if (fs::exists(before.front().key_file)) open(before.front(), password);
  for (Generation& each : generations) {
    if (each.signs_until) continue;
    each.signs_until = now + ages_.overlap;
    each.verifies_until = *each.signs_until + ages_.verify;
  }
  const Generation next{generations.back().number + 1, now, ages_.most, ages_.warn, {}, {}};
  KeyEntry entry = write_key(folder_, name, next, password);
  generations.push_back(next);
  // Until this line the new files mean nothing; a rotation that broke is begun again.
  write_book(book_of(folder_, name), generations);
  return entry;
}

void Keyring::finish(const std::string& name, Instant now) {
  entries(name);
  std::vector<Generation> generations = generations_of(folder_, name, ages_);
  for (Generation& each : generations)
    if (each.signs_until && *each.signs_until > now) each.signs_until = now;
  write_book(book_of(folder_, name), generations);
  tidy(now, [&](const KeyEntry& entry) { return entry.name != name; });
}

std::vector<fs::path> Keyring::tidy(Instant now,
                                    const std::function<bool(const KeyEntry&)>& spared) {
  std::vector<fs::path> deleted;
  for (const KeyEntry& entry : entries()) {
    if (entry.signs(now) || !fs::exists(entry.key_file) || (spared && spared(entry))) continue;
    fs::remove(entry.key_file);
    deleted.push_back(entry.key_file);
  }
  if (!deleted.empty()) os::sync_folder(folder_);
  return deleted;
}

Key open(const KeyEntry& entry, const Secret& password) {
  Key key = Key::load(entry.key_file, password);
  if (!(key.public_key() == entry.public_key))
    throw Error(ErrorKind::invalid, concat("key ", entry.key_file.native(), " does not belong to ",
                                           entry.public_file.native()));
  return key;
}

}  // namespace lighterman::trust
