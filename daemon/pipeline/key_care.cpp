#include "pipeline/key_care.hpp"

#include <algorithm>
#include <map>

#include "core/error.hpp"
#include "core/text.hpp"
#include "intake/cron.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "pipeline/signing.hpp"

namespace lighterman::pipeline {
namespace {

using trust::KeyEntry;
using trust::KeyState;

constexpr std::size_t page = 100;
constexpr std::chrono::seconds look_again{2};

std::string images(std::int64_t count) { return concat(count, count == 1 ? " image" : " images"); }

/// What a key said of an image. Only what it signed for us counts: whoever stole it may have signed
/// more since.
struct Said {
  std::map<std::string, std::vector<Assertion>> by_form;
  std::vector<std::string> missing;
};

/// One call of care_for_keys().
class Round {
 public:
  Round(Yard& yard, store::Store& store, Instant now, const KeyReport& report,
        const std::stop_token& stop)
      : yard_(yard),
        store_(store),
        keys_(*yard.config().keys),
        ring_(keys_.folder),
        now_(now),
        report_(report),
        stop_(stop) {}

  bool perform();

 private:
  void replace(const KeyEntry& older, const KeyEntry& successor);
  void sign_again(const Reference& image, const std::vector<SignatureRecord>& records,
                  const KeyEntry& older);
  Said said_by(const KeyEntry& older, const Subject& subject,
               const std::vector<SignatureRecord>& records) const;
  void open(const KeyEntry& successor);
  void end(const KeyEntry& entry);
  void tidy();
  void tell(const KeyEntry& entry, bool good, std::string text) const {
    report_({good, entry.name, std::move(text)});
  }

  Yard& yard_;
  store::Store& store_;
  const config::Keys& keys_;
  trust::Keyring ring_;
  Instant now_;
  const KeyReport& report_;
  const std::stop_token& stop_;
  bool good_ = true;
  /// Of the key that signs again; or why it cannot.
  std::optional<trust::Key> key_;
  std::optional<Error> no_key_;
  /// How it goes with the key that is being replaced.
  std::int64_t signed_ = 0, gone_ = 0, failed_ = 0;
  std::string why_;
};

bool Round::perform() {
  const std::vector<KeyEntry> entries = ring_.entries();
  const KeyEntry* newest = nullptr;
  for (const KeyEntry& entry : entries) {
    if (newest == nullptr || newest->name != entry.name) {
      newest = &entry;
    } else if (entry.state(now_) == KeyState::ended) {
      end(entry);
    } else {
      replace(entry, *newest);
    }
  }
  tidy();
  for (const KeyEntry& entry : entries)
    if (const std::string warning = entry.warning(now_); !warning.empty())
      tell(entry, false, warning);
  return good_;
}

void Round::replace(const KeyEntry& older, const KeyEntry& successor) {
  auto filter = left_to_sign(keys_, older, successor);
  if (!filter || store_.count_signatures(*filter).signatures == 0) return;
  signed_ = gone_ = failed_ = 0;
  open(successor);
  filter->limit = page;
  for (;;) {
    const std::vector<SignatureRecord> records = store_.signatures(*filter);
    if (records.empty()) break;
    filter->before = records.back().id;
    std::map<Reference, std::vector<SignatureRecord>> by_image;
    for (const SignatureRecord& each : records) by_image[each.image].push_back(each);
    for (const auto& [image, of_image] : by_image) sign_again(image, of_image, older);
  }
  if (signed_ != 0) tell(older, true, concat("its successor signed ", images(signed_), " again"));
  if (gone_ != 0) tell(older, true, concat(images(gone_), " that it signed are gone"));
  if (failed_ != 0) {
    good_ = false;
    tell(older, false,
         concat(images(failed_), " could not be signed again, which is tried later (", why_,
                "); lighterman key report ", older.name, " says more"));
  }
}

void Round::open(const KeyEntry& successor) {
  key_.reset();
  no_key_.reset();
  try {
    if (successor.state(now_) == KeyState::expired && keys_.refuse_expired)
      throw Error(ErrorKind::denied, successor.warning(now_));
    key_ = trust::open(
        successor, keys_.password_place.empty() ? Secret() : os::read_secret(keys_.password_place));
  } catch (const Error& error) {
    // Kept beside each image, so that whoever asks what is left reads why.
    no_key_ = error;
  }
}

void Round::sign_again(const Reference& image, const std::vector<SignatureRecord>& records,
                       const KeyEntry& older) {
  try {
    if (no_key_) throw Error(*no_key_);
    registry::Client& client = yard_.registry(image.host());
    const auto manifest = client.find_manifest(image, stop_);
    if (!manifest) {
      store_.forget_signatures_of(image);
      ++gone_;
      return;
    }
    const Subject subject{
        &client, image, {manifest->media_type, manifest->digest, manifest->bytes.size()}};
    const Said said = said_by(older, subject, records);
    for (const auto& [form, assertions] : said.by_form) {
      const auto made =
          attach(subject, {*key_}, assertions, parse_signature_forms(form), now_, stop_);
      store_.put_signatures(made);
      note_signatures(store_, made, concat("it replaced key ", older.public_key.hint()));
    }
    if (!said.missing.empty())
      throw Error(ErrorKind::not_found,
                  concat("what the key signed does not stand there any more, or was changed: ",
                         join(said.missing, ", ")));
    ++signed_;
  } catch (const Error& error) {
    // One image that cannot be signed must not keep the others from it.
    if (stop_.stop_requested()) throw;
    std::vector<std::int64_t> ids;
    ids.reserve(records.size());
    for (const SignatureRecord& each : records) ids.push_back(each.id);
    why_ = concat(image, ": ", error.what());
    store_.put_signature_trouble(ids, error.what());
    ++failed_;
  }
}

Said Round::said_by(const KeyEntry& older, const Subject& subject,
                    const std::vector<SignatureRecord>& records) const {
  const std::vector<trust::PublicKey> keys{older.public_key};
  std::map<std::string, std::vector<SignatureRecord>> by_type;
  for (const SignatureRecord& each : records) by_type[each.predicate_type].push_back(each);
  Said said;
  for (const auto& [type, of_type] : by_type) {
    const Demand demand{.predicate_type = type, .repository = subject.image.bare()};
    const Verification verified = verify(*subject.client, subject.image, keys, demand, stop_);
    for (const SignatureRecord& record : of_type) {
      const auto proof = std::ranges::find_if(verified.proofs, [&](const Proof& each) {
        return each.form == record.form && os::sha256(each.payload) == record.payload;
      });
      if (proof == verified.proofs.end()) {
        said.missing.push_back(concat(record.predicate_type, " (", record.form, ')'));
      } else {
        said.by_form[record.form].push_back({record.predicate_type, "{}", {}, proof->payload});
      }
    }
  }
  return said;
}

/// Nothing can be verified with it, so there is nothing left to be signed again either.
void Round::end(const KeyEntry& entry) {
  const std::string& hint = entry.public_key.hint();
  const auto count = store_.count_signatures({.key_hint = hint});
  if (count.signatures == 0) return;
  store_.forget_signatures_by(hint);
  tell(entry, true, concat("its end date is over; it had signed ", images(count.images)));
}

void Round::tidy() {
  const std::vector<KeyEntry> entries = ring_.entries();
  const auto spared = [&](const KeyEntry& older) {
    if (older.state(now_) == KeyState::ended) return false;
    const auto successor = std::ranges::find(entries, older.name, &KeyEntry::name);
    const auto filter = left_to_sign(keys_, older, *successor);
    return filter && store_.count_signatures(*filter).signatures != 0;
  };
  for (const auto& file : ring_.tidy(now_, spared))
    report_({true, file.stem(),
             concat("deleted the private key ", file.native(), ", which signs no more")});
}

/// Changes when a key is added or rotated.
std::string mark_of(const config::Keys& keys) {
  std::error_code none;
  const auto changed = std::filesystem::last_write_time(keys.folder, none);
  return concat(keys.folder.native(), ' ', changed.time_since_epoch().count());
}

}  // namespace

std::optional<store::SignatureFilter> left_to_sign(const config::Keys& keys, const KeyEntry& older,
                                                   const KeyEntry& successor) {
  if (keys.resign == config::Resign::none) return {};
  return store::SignatureFilter{.key_hint = older.public_key.hint(),
                                .lacking = successor.public_key.hint(),
                                .tagged = keys.resign == config::Resign::tagged};
}

bool care_for_keys(Yard& yard, store::Store& store, Instant now, const KeyReport& report,
                   const std::stop_token& stop) {
  return !yard.config().keys || Round(yard, store, now, report, stop).perform();
}

KeyCare::KeyCare(std::function<std::shared_ptr<Yard>()> yard, store::Store& store, KeyReport report,
                 net::Retry retry)
    : yard_(std::move(yard)),
      store_(store),
      report_(std::move(report)),
      retry_(std::move(retry)),
      thread_([this](const std::stop_token& stop) { work(stop); }) {}

void KeyCare::work(const std::stop_token& stop) {
  const intake::Cron daily = intake::Cron::parse("@daily");
  Instant due{};
  std::string seen;
  int failures = 0;
  while (!stop.stop_requested()) {
    const std::shared_ptr<Yard> yard = yard_();
    const auto mark = [&] { return yard->config().keys ? mark_of(*yard->config().keys) : ""; };
    const Instant now = system_now();
    if (const std::string before = mark(); now >= due || before != seen) {
      failures = care(*yard, stop) ? 0 : failures + 1;
      const Instant tomorrow = intake::next(daily, now).value();
      due = failures == 0 ? tomorrow : std::min(tomorrow, now + net::backoff(retry_, failures));
      seen = before;
    }
    std::unique_lock lock(waiting_);
    woken_.wait_for(lock, stop, look_again, [] { return false; });
  }
}

bool KeyCare::care(Yard& yard, const std::stop_token& stop) {
  try {
    return care_for_keys(yard, store_, system_now(), report_, stop);
  } catch (const std::exception& error) {
    // Nobody waits for this: it is told and tried again.
    if (!stop.stop_requested()) report_({false, "", error.what()});
    return false;
  }
}

}  // namespace lighterman::pipeline
