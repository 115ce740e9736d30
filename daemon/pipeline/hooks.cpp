#include "pipeline/hooks.hpp"

#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "net/retry.hpp"
#include "pipeline/decide.hpp"

namespace lighterman::pipeline {
namespace {

/// A capability's answer larger than this is not kept; replay says so.
constexpr std::size_t largest_kept = 256 << 10;

const net::Retry patience{3, std::chrono::seconds(1), std::chrono::seconds(5), {}};

bool tells_others(policy::Hook hook) {
  return hook == policy::Hook::on_published || hook == policy::Hook::on_finished;
}

/// Performs wishes for real and remembers the answers, so that a replay can give them again.
policy::Perform recorded(policy::Perform perform, boost::json::array& answers) {
  return [perform = std::move(perform), &answers](const policy::Wish& wish) {
    boost::json::object kept{
        {"seat", wish.seat}, {"capability", wish.capability}, {"wish", wish.body}};
    try {
      boost::json::value answer = perform(wish);
      const bool small = boost::json::serialize(answer).size() <= largest_kept;
      kept["answer"] = small ? answer : boost::json::value();
      answers.push_back(std::move(kept));
      return answer;
    } catch (const Error& error) {
      // The hook sees it too, and may go on.
      kept["error"] = error.what();
      answers.push_back(std::move(kept));
      throw;
    }
  };
}

bool wants_approval(const policy::Action& action) {
  return Fields(action.body, action.kind).flag_or("approve", true);
}

std::vector<ActionRecord> actions_of(const policy::Decision& decision, Instant now) {
  std::vector<ActionRecord> records;
  for (const policy::Action& action : decision.actions) {
    ActionRecord record;
    record.plugin = action.plugin;
    record.kind = action.kind;
    record.body = action.body;
    record.due = now;
    if (action.kind == "post") {
      record.state = ActionState::waiting;
    } else if (action.kind == "sign" || action.kind == "attach") {
      record.why = "done before the tags are set";
    } else if (action.kind == "untag") {
      record.why = "not done yet";
    } else if (action.kind == "promote" && wants_approval(action)) {
      record.why = "waits for somebody: lighterman promote";
    } else {
      record.why = "done once the image is published";
    }
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace

policy::Decision Hooks::ask(policy::Hook hook, const std::string& image,
                            const boost::json::value& facts, const std::stop_token& stop) {
  const std::string name(render(hook));
  if (tells_others(hook)) {
    if (const auto asked = store_.find_hook(run_.id, image, name))
      return policy::decision_from(asked->decision);
  }
  boost::json::array answers;
  policy::Question question;
  question.hook = hook;
  question.source = run_.event.source;
  question.facts = facts;
  question.now = run_.created;
  question.perform = recorded(yard_.rulebook().powers().performer(stop), answers);
  question.log = [&](const std::string& plugin, std::string_view level, std::string_view text) {
    journal_.add(image, name, level, concat(plugin, ": ", text));
  };
  policy::Decision decision = policy::ask(*yard_.rulebook().seats(), question);
  // Too late to keep anything back, and what the hook reaches for may be back in a moment.
  for (int attempt = 1; hook == policy::Hook::on_published && !decision.problems.empty() &&
                        attempt < patience.attempts;
       ++attempt) {
    StageLog(journal_, image, name)
        .warn(concat(policy::reasons(decision.problems), "; asked again"));
    net::pause(net::backoff(patience, attempt), stop);
    answers.clear();
    decision = policy::ask(*yard_.rulebook().seats(), question);
  }
  // What was broken off is no answer: it is asked for when the run goes on.
  if (stop.stop_requested() && !decision.problems.empty())
    throw Error(ErrorKind::cancelled, concat("stopped while plugins were asked ", name));
  tell(hook, image, decision);

  HookRecord record;
  record.run = run_.id;
  record.source = run_.event.source;
  record.image = image;
  record.hook = name;
  record.now = question.now;
  record.decision = to_json(decision);
  record.answers = std::move(answers);
  if (yard_.config().plugin_history.count() != 0) record.facts = facts;
  store_.put_hook(record, actions_of(decision, system_now()));
  return decision;
}

void Hooks::tell(policy::Hook hook, const std::string& image, const policy::Decision& decision) {
  const StageLog log(journal_, image, std::string(render(hook)));
  for (const Said& said : told(decision)) log.note(concat(said.plugin, ": ", said.text));
}

}  // namespace lighterman::pipeline
