#include "api/followers.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "core/text.hpp"

namespace lighterman::api {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t lines_at_once = 500;
/// So many of the newest runs are told of, and so often: a list need not follow every line.
constexpr std::size_t newest_runs = 50;
constexpr std::chrono::milliseconds list_pace{500};
/// A follower that has so much unsent gets no more before it has taken some.
constexpr std::size_t unsent_limit = 128 << 10;
/// One that takes nothing for so long is gone.
constexpr std::chrono::seconds patience{30};
/// A follower's permit is looked at so often.
constexpr std::chrono::seconds permit_pace{2};
/// News are gathered for so long: a talkative build is told in few writes.
constexpr std::chrono::milliseconds breath{40};

void say(std::string& out, std::string_view event, const boost::json::value& value) {
  out += concat("event: ", event, "\ndata: ", boost::json::serialize(value), "\n\n");
}

}  // namespace

struct Followers::Follower {
  Place place;
  std::unique_ptr<Connection> connection;
  RunId run = 0;
  std::int64_t after = 0;
  Permit permit;
  Moment next_permit{};
  std::string unsent;
  std::string told_run;
  std::map<RunId, std::string> told_runs;
  Moment next_list{};
  std::map<std::pair<std::string, std::string>, std::string> told_stages;
  bool ended = false;   ///< the end was said
  bool behind = false;  ///< there is more than was sent
  Moment last_taken{};  ///< when it last took something
  Moment next_heartbeat{};
};

/// What the store says, asked once a round for all followers of a run.
struct Followers::News {
  struct Item {
    Run run;
    std::vector<Stage> stages;
  };
  const store::Store& store;
  std::map<RunId, Item> items{};
  std::map<std::string, std::vector<Run>> newest{};  ///< by source; "": of all

  const std::vector<Run>& newest_of(const std::string& source) {
    const auto known = newest.find(source);
    if (known != newest.end()) return known->second;
    store::RunFilter filter;
    filter.source = source;
    filter.limit = newest_runs;
    return newest.emplace(source, store.list(filter)).first->second;
  }
  std::vector<Run> newest_in(const Scope& scope) {
    if (scope.is_all()) return newest_of("");
    std::vector<Run> runs;
    for (const std::string& source : scope.sources()) {
      const std::vector<Run>& some = newest_of(source);
      runs.insert(runs.end(), some.begin(), some.end());
    }
    std::ranges::sort(runs, std::greater<>(), &Run::id);
    if (runs.size() > newest_runs) runs.erase(runs.begin() + newest_runs, runs.end());
    return runs;
  }

  const Item& of(RunId run) {
    const auto known = items.find(run);
    if (known != items.end()) return known->second;
    // The run before its lines: once it is final, all its lines are there.
    Item item{store.get(run), store.stages(run)};
    return items.emplace(run, std::move(item)).first->second;
  }
};

Followers::Followers(const Options& options, store::Store& store)
    : options_(options),
      store_(store),
      thread_([this](const std::stop_token& stop) { live(stop); }) {}

Followers::~Followers() {
  thread_.request_stop();
  {
    const std::lock_guard lock(mutex_);
    nudge_.request_stop();
  }
  thread_.join();
}

Followers::Place Followers::enter() {
  ++places_;
  Place place(&places_);
  if (places_ > options_.followers) place.reset();
  return place;
}

void Followers::add(Place place, std::unique_ptr<Connection> connection, RunId run,
                    std::int64_t after, Permit permit) {
  auto follower = std::make_unique<Follower>();
  follower->place = std::move(place);
  follower->connection = std::move(connection);
  follower->run = run;
  follower->after = after;
  follower->permit = std::move(permit);
  follower->next_permit = steady_clock::now() + permit_pace;
  follower->unsent = "retry: 2000\n\n";
  follower->last_taken = steady_clock::now();
  follower->next_heartbeat = steady_clock::now() + options_.heartbeat;
  const std::lock_guard lock(mutex_);
  arrived_.push_back(std::move(follower));
  nudge_.request_stop();
}

void Followers::take_new() {
  const std::lock_guard lock(mutex_);
  nudge_ = std::stop_source();
  for (auto& follower : arrived_) followers_.push_back(std::move(follower));
  arrived_.clear();
}

void Followers::live(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    take_new();
    const std::uint64_t seen = store_.version();
    News news{store_};
    bool again = false;
    std::erase_if(followers_, [&](const std::unique_ptr<Follower>& follower) {
      const bool goes_on = serve(*follower, news);
      again = again || (goes_on && follower->behind);
      return !goes_on;
    });
    wait(seen, again, stop);
  }
}

void Followers::wait(std::uint64_t seen, bool again, const std::stop_token& stop) {
  std::stop_token nudge;
  {
    const std::lock_guard lock(mutex_);
    if (stop.stop_requested() || !arrived_.empty()) return;
    nudge = nudge_.get_token();
  }
  const auto pause = [&](std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    pause_.wait_for(lock, nudge, time, [] { return false; });
  };
  // Nobody to tell: the store may change as it likes.
  if (followers_.empty()) return pause(std::chrono::hours(1));
  // A clogged follower is tried again soon; others are told when there is news, or a heartbeat due.
  const auto longest =
      again ? breath : std::min(options_.heartbeat, std::chrono::milliseconds(1000));
  store_.wait(seen, longest, nudge);
  pause(breath);
}

bool Followers::serve(Follower& follower, News& news) {
  const Moment now = steady_clock::now();
  if (follower.connection->hung_up()) return false;
  follower.behind = true;
  // Not longer, so that one who reads a long log does not keep the others from theirs.
  for (int turn = 0; turn < 8; ++turn) {
    // The one place of this thread that catches: a run that vanished ends its followers alone, and
    // so does a store that cannot say whether a permit holds.
    try {
      if (now >= follower.next_permit) {
        if (!follower.permit.holds()) return false;
        follower.next_permit = now + permit_pace;
      }
      if (!follower.ended && follower.unsent.size() < unsent_limit) tell(follower, news);
    } catch (const std::exception&) {
      return false;
    }
    if (now >= follower.next_heartbeat && follower.unsent.empty()) follower.unsent = ": alive\n\n";
    if (follower.unsent.empty()) {
      follower.behind = false;
      return !follower.ended;
    }
    const std::size_t before = follower.unsent.size();
    if (!follower.connection->offer(follower.unsent)) return false;
    if (follower.unsent.size() < before) {
      follower.last_taken = now;
      follower.next_heartbeat = now + options_.heartbeat;
    }
    if (!follower.unsent.empty()) return now - follower.last_taken < patience;
  }
  return true;
}

void Followers::tell_runs(Follower& follower, News& news) {
  const Moment now = steady_clock::now();
  if (now < follower.next_list) return;
  follower.next_list = now + list_pace;
  std::map<RunId, std::string> told;
  for (const Run& run : news.newest_in(follower.permit.scope)) {
    std::string text = boost::json::serialize(to_json(run));
    const auto known = follower.told_runs.find(run.id);
    if (known == follower.told_runs.end() || known->second != text)
      follower.unsent += concat("event: run\ndata: ", text, "\n\n");
    told.emplace(run.id, std::move(text));
  }
  follower.told_runs = std::move(told);
}

void Followers::tell(Follower& follower, News& news) {
  if (follower.run == 0) return tell_runs(follower, news);
  const News::Item& item = news.of(follower.run);
  for (const Stage& stage : item.stages) {
    std::string text = boost::json::serialize(to_json(stage));
    std::string& told = follower.told_stages[{stage.image, stage.name}];
    if (told == text) continue;
    follower.unsent += concat("event: stage\ndata: ", text, "\n\n");
    told = std::move(text);
  }
  std::string text = boost::json::serialize(to_json(item.run));
  if (text != follower.told_run) {
    follower.unsent += concat("event: run\ndata: ", text, "\n\n");
    follower.told_run = std::move(text);
  }
  const std::vector<JournalLine> lines =
      store_.journal(follower.run, follower.after, lines_at_once);
  for (const JournalLine& line : lines) {
    follower.unsent += concat("id: ", line.number, "\n");
    say(follower.unsent, "line", to_json(line));
    follower.after = line.number;
  }
  if (lines.size() < lines_at_once && is_final(item.run.state)) {
    say(follower.unsent, "end", to_json(item.run));
    follower.ended = true;
  }
}

}  // namespace lighterman::api
