#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "core/hook_record.hpp"
#include "core/image.hpp"
#include "core/publication.hpp"
#include "core/replication.hpp"
#include "core/run.hpp"
#include "core/signature_record.hpp"

namespace lighterman::store {

struct Options {
  std::filesystem::path file;  ///< the SQLite database; its folder must exist
  Clock clock = system_now;
};

/// What came of adding an event.
struct Added {
  RunId run = 0;
  bool duplicate = false;  ///< the delivery was known: this is the run it made then
};

/// Which runs a list wants; empty fields do not filter.
struct RunFilter {
  std::string source, branch, commit;
  std::optional<RunState> state;
  std::optional<RunId> before;  ///< only ids below this one: the cursor of the next page
  std::size_t limit = 50;
};

/// Where a moving tag stands, as far as we set it.
struct TagRecord {
  std::string commit;
  std::string ref;  ///< the ref whose run set it
  Digest digest;
  RunId run = 0;
  std::string version = {};  ///< empty: that of `ref`, where it is a version
};

/// A layer whose compressed form is known: nothing is compressed twice.
struct KnownLayer {
  DiffId diff_id;
  std::string compression;  ///< "gzip" or "zstd", with the level: "gzip-1"
  Descriptor blob;
  std::uint64_t uncompressed_size = 0;
};

/// An upload that had begun, so that a restarted daemon can go on with it.
struct UploadRecord {
  std::string location;      ///< the absolute URL the registry gave
  std::uint64_t offset = 0;  ///< bytes the registry was last known to hold
  Instant updated{};
};

/// Which questions to plugins are wanted; empty fields do not filter.
struct HookFilter {
  std::string source, image, hook;
  std::optional<std::int64_t> before;  ///< only ids below this one
  std::size_t limit = 50;
};

/// Which signatures are wanted; empty fields do not filter.
struct SignatureFilter {
  std::string key_hint = {};
  std::optional<Reference> image = {};      ///< by digest
  std::string lacking = {};                 ///< a key's hint: only what that key did not sign too
  bool tagged = false;                      ///< only of images that a tag of ours points to
  bool troubled = false;                    ///< only those that could not be signed again
  std::optional<std::int64_t> before = {};  ///< only ids below this one
  std::size_t limit = 50;
};

struct SignatureCount {
  std::int64_t signatures = 0;
  std::int64_t images = 0;  ///< that carry them
};

/// Which publications are wanted; empty fields do not filter.
struct PublicationFilter {
  std::string source, image;
  std::optional<bool> clean;           ///< by the newest scan
  std::optional<Instant> clean_at;     ///< the newest scan up to then found nothing that blocks
  bool gone = false;                   ///< those that no tag names any more, instead of the others
  std::optional<std::int64_t> before;  ///< only ids below this one
  std::size_t limit = 50;
  std::optional<Digest> digest = {};
};

/// A publication and its newest scan.
struct ScannedPublication {
  Publication publication;
  std::optional<ScanRecord> last;
};

/// Which replications are wanted; empty fields do not filter.
struct ReplicationFilter {
  std::optional<RunId> run = {};
  std::string rule = {};
  std::optional<ReplicationState> state = {};
  bool open = false;                        ///< only those that are not at their end
  std::optional<std::int64_t> before = {};  ///< only ids below this one
  std::size_t limit = 50;
  std::optional<Digest> digest = {};  ///< of the image that travels
};

struct Figures;
struct ImageFigures;

/// Which actions somebody performs: what plugins asked for, or the forge is told how a run stands.
enum class Errand { notice, status };

/// Runs of one lane go one after the other, in the order they came: source, a line end, full ref
/// (a bare commit has its source's empty ref).
std::string lane_of(const PushEvent& event);

/// Everything that outlives the daemon. SQLite in WAL mode with foreign keys; a call that returns
/// has its change on disk (synchronous=FULL), but for journal lines and for where blobs and uploads
/// are, which a power cut may take. Concurrent add() calls share one commit. Any thread.
/// Throws Error(internal) when the disk fails, Error(not_found) where a run does not exist.
class Store {
 public:
  explicit Store(
      Options options);  ///< opens or creates, migrates; Error(conflict) if newer than we know
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Events and runs -------------------------------------------------------------------------
  /// Stores the event and its queued run; returns after fsync. The same (source, delivery) twice
  /// gives the first run. With `supersede`, queued runs of the same source and ref (branches only,
  /// and asking for the same images) become superseded in the same transaction.
  enum class Supersede { no, queued, running };
  Added add(const PushEvent& event, Supersede supersede, std::optional<RunId> retry_of = {});
  /// The run an earlier add() of this delivery made.
  std::optional<RunId> find_delivery(const std::string& source, const std::string& delivery) const;
  Run get(RunId run) const;
  std::vector<Run> list(const RunFilter& filter) const;  ///< newest first
  /// The oldest queued run whose lane_of() is not in `busy_lanes`, now running; empty: none.
  std::optional<Run> claim(std::span<const std::string> busy_lanes);
  /// At start: runs that were running when the daemon died are queued again, at their old place.
  std::vector<RunId> requeue_interrupted();
  void put_commit(RunId run, const std::string& commit);
  void put_why(RunId run, const std::string& why);
  void finish(RunId run, RunState state, const std::string& why);
  /// Back to queued, at its old place (clean stop).
  void hand_back(RunId run);
  /// A denied run is queued again, at its old place, and may publish now; who is told how it ends
  /// is told once more. Error(conflict) when it was not denied.
  void allow(RunId run, const Allowance& allowance);
  /// Marks the wish; a queued run is cancelled at once. False: it had already ended.
  bool request_cancel(RunId run, const std::string& why);
  bool cancel_wanted(RunId run) const;  ///< cheap: memory only

  // Stages ----------------------------------------------------------------------------------
  void begin_stage(RunId run, const std::string& image, const std::string& name);
  void end_stage(RunId run, const std::string& image, const std::string& name, StageState state,
                 const boost::json::value& result);
  std::optional<Stage> find_stage(RunId run, const std::string& image,
                                  const std::string& name) const;
  std::vector<Stage> stages(RunId run) const;  ///< in the order they began

  // Journal ---------------------------------------------------------------------------------
  /// Adds lines (their `number` is given here). Not fsynced on its own: a log line may be lost in
  /// a power cut, a result never.
  void append(RunId run, std::vector<JournalLine> lines);
  /// Lines with number > after, at most `limit`.
  std::vector<JournalLine> journal(RunId run, std::int64_t after, std::size_t limit) const;
  std::int64_t last_line(RunId run) const;  ///< the newest line's number; 0: there is none

  // Policy ----------------------------------------------------------------------------------
  /// Stores what was asked and decided together with the actions that follow from it; what was
  /// stored for this run, image and hook before is replaced, but for actions that are done.
  void put_hook(const HookRecord& record, std::span<const ActionRecord> actions);
  std::optional<HookRecord> find_hook(RunId run, const std::string& image,
                                      const std::string& hook) const;
  /// Newest first; those whose facts are still kept.
  std::vector<HookRecord> hooks(const HookFilter& filter) const;
  /// Drops the facts of runs that ended before; returns of how many questions.
  std::int64_t forget_hooks(Instant before);
  std::vector<ActionRecord> actions(RunId run) const;  ///< in the order they were asked for
  /// The action that waits longest for its time, which has come; empty: none.
  std::optional<ActionRecord> find_due_action(Instant now, Errand errand) const;
  /// When the next action's time comes; empty: none waits.
  std::optional<Instant> next_due(Errand errand) const;
  void put_action(const ActionRecord& record);  ///< state, tries, due and why
  /// From now on each new run of these sources gets one action of kind "status", which belongs to
  /// no plugin and is due again whenever the run's state or commit changes.
  void announce(std::set<std::string> sources);
  /// put_action() of a status, with its body. Where the run does not stand as `told` any more, it
  /// stays due: what is newer was not told.
  void put_status(const ActionRecord& record, const Run& told);

  // Counts ----------------------------------------------------------------------------------
  /// Cheap, however many runs there were.
  Figures figures() const;
  /// Of the images that a tag names; a look at each of them.
  std::vector<ImageFigures> image_figures() const;

  // Signatures ------------------------------------------------------------------------------
  /// What is in the book already only learns where it stands now.
  void put_signatures(std::span<const SignatureRecord> records);
  std::vector<SignatureRecord> signatures(const SignatureFilter& filter) const;  ///< newest first
  SignatureCount count_signatures(const SignatureFilter& filter) const;  ///< however many there are
  /// Why these could not be signed again.
  void put_signature_trouble(std::span<const std::int64_t> ids, const std::string& why);
  void forget_signatures_of(const Reference& image);  ///< it is gone
  void forget_signatures_by(const std::string& key_hint);

  // Publications ----------------------------------------------------------------------------
  /// Adds it, or renews the one of the same source, image and digest; returns its id. Tags that
  /// were given before stay with it.
  std::int64_t put_publication(const Publication& publication);
  void update_publication(const Publication& publication);  ///< targets, denied and gone
  void put_scan(const ScanRecord& record);
  std::vector<ScannedPublication> publications(const PublicationFilter& filter) const;

  // Replications ----------------------------------------------------------------------------
  /// Adds a waiting one and returns its id. One that waits for the same pair of repositories and
  /// carries no other tags is superseded by it; one that is to do the very same is returned.
  std::int64_t add_replication(const Replication& replication);
  /// The one that waits longest for its time, which has come, now running; never two that write to
  /// one repository at the same time. Empty: none.
  std::optional<Replication> claim_replication(Instant now);
  /// State, due, ended, bytes, why and notes of one that runs; false: it was cancelled meanwhile,
  /// and stays so.
  bool put_replication(const Replication& replication);
  /// False: it was at its end already.
  bool cancel_replication(std::int64_t id, const std::string& why);
  Replication get_replication(std::int64_t id) const;
  std::vector<Replication> replications(const ReplicationFilter& filter) const;  ///< newest first
  std::optional<Instant> next_replication() const;  ///< when the next one's time comes
  std::int64_t requeue_replications();  ///< at start: what ran when the daemon died waits again
  void forget_replications(Instant before);  ///< those that ended before

  // Waiting ---------------------------------------------------------------------------------
  /// Changes whenever anything that a watcher could see changes (runs, stages, journal).
  std::uint64_t version() const;
  /// Returns the version once it differs from `seen`, or after `timeout`, or on stop.
  std::uint64_t wait(std::uint64_t seen, std::chrono::milliseconds timeout,
                     const std::stop_token& stop) const;

  // What a later run wants to know ------------------------------------------------------------
  std::optional<std::string> find_head(const std::string& source, const std::string& ref) const;
  void put_head(const std::string& source, const std::string& ref, const std::string& commit);
  std::optional<TagRecord> find_tag(const Reference& reference) const;  ///< reference with a tag
  void put_tag(const Reference& reference, const TagRecord& record);
  std::optional<KnownLayer> find_layer(const DiffId& diff_id, const std::string& compression) const;
  std::optional<DiffId> find_diff_id(const Digest& blob) const;
  void put_layer(const KnownLayer& layer);
  /// Repositories of this registry host where the blob was seen, most recent first (for mounts).
  std::vector<std::string> places(const std::string& host, const Digest& blob) const;
  void put_place(const std::string& host, const std::string& repository, const Digest& blob);
  void forget_place(const std::string& host, const std::string& repository, const Digest& blob);
  std::optional<UploadRecord> find_upload(const Reference& repository, const Digest& blob) const;
  void put_upload(const Reference& repository, const Digest& blob, const UploadRecord& record);
  void forget_upload(const Reference& repository, const Digest& blob);
  /// Small facts by name: a registry's chunk size, an engine's rates.
  std::optional<std::string> find_fact(const std::string& scope, const std::string& name) const;
  void put_fact(const std::string& scope, const std::string& name, const std::string& value);
  std::map<std::string, std::string> facts(const std::string& scope) const;
  void forget_fact(const std::string& scope, const std::string& name);
  /// Drops the facts "RUN/..." in the scope "findings" of runs that ended before.
  std::int64_t forget_findings(Instant before);
  std::int64_t forget_scans(Instant before);  ///< the facts in the scope "scan" of older scans

  struct Inside;
  /// For the parts of this room that have headers of their own: tokens, ledger, backup.
  Inside& inside() noexcept { return *inside_; }

 private:
  std::unique_ptr<Inside> inside_;
};

}  // namespace lighterman::store
