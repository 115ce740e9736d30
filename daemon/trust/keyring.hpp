#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/secret.hpp"
#include "core/time.hpp"
#include "trust/keys.hpp"

namespace lighterman::trust {

enum class KeyState {
  fresh,     ///< signs
  old,       ///< signs; its limit is near: rotate it
  expired,   ///< over its age limit; signs only where that is not enforced
  retiring,  ///< replaced; signs beside its successor until the overlap ends
  retired,   ///< its public part verifies what it signed
  ended,     ///< verifies nothing any more
};
std::string_view render(KeyState state) noexcept;

/// How long a key is for. The defaults are for keys in files, whose copies nobody can count.
struct KeyAges {
  std::chrono::milliseconds most{std::chrono::days(90)};     ///< its age limit
  std::chrono::milliseconds warn{std::chrono::days(75)};     ///< from here on it is old
  std::chrono::milliseconds overlap{std::chrono::days(7)};   ///< both sign after a rotation
  std::chrono::milliseconds verify{std::chrono::days(365)};  ///< after the overlap
};

/// One key of a keyring: a generation of its name.
struct KeyEntry {
  std::string name;                ///< "release"
  std::filesystem::path key_file;  ///< cosign's form, or plain PEM; gone once it is retired
  std::filesystem::path public_file;
  PublicKey public_key;
  Instant created;
  std::chrono::milliseconds most_age, warn_age;
  std::optional<Instant> signs_until, verifies_until;  ///< set by the rotation

  KeyState state(Instant now) const;
  bool signs(Instant now) const;     ///< fresh, old, expired and retiring ones do
  bool verifies(Instant now) const;  ///< all but ended ones do
  /// What the operator should know: "is 80 days old, its limit is 90 days: ..."; empty: all well.
  std::string warning(Instant now) const;
};

/// For whoever asks about it; without its places on this machine.
boost::json::object to_json(const KeyEntry& entry, Instant now);

/// A folder of keys: NAME.key and NAME.pub as cosign writes them, later generations NAME.2.key, and
/// NAME.json, which says when each was made and how long it lasts. Keys without it count from
/// their file's time. It reads the folder at each call, so the command line and the daemon may
/// share it. One writer at a time.
class Keyring {
 public:
  explicit Keyring(std::filesystem::path folder, KeyAges ages = {});

  std::vector<KeyEntry> entries() const;  ///< by name, newest generation first
  /// Error(not_found) when there is none of that name.
  std::vector<KeyEntry> entries(const std::string& name) const;
  /// A new key; Error(conflict) when the name is taken.
  KeyEntry add(const std::string& name, const Secret& password, Instant now);
  /// A successor for `name`. Both sign until the overlap ends; then the older one's private part
  /// is no longer used (see tidy), and its public part verifies until its end date.
  KeyEntry rotate(const std::string& name, const Secret& password, Instant now);
  /// Ends the overlap of `name` now, and deletes the private parts that it no longer signs with.
  void finish(const std::string& name, Instant now);
  /// Deletes the private parts of keys that sign no more, but for those that `spared` says are
  /// to be kept. Returns what was deleted.
  std::vector<std::filesystem::path> tidy(Instant now,
                                          const std::function<bool(const KeyEntry&)>& spared = {});

 private:
  std::filesystem::path folder_;
  KeyAges ages_;
};

/// Opens the entry's private key; Error(invalid) when it does not belong to its public file.
Key open(const KeyEntry& entry, const Secret& password);

}  // namespace lighterman::trust
