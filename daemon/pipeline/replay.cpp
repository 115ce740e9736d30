#include "pipeline/replay.hpp"

#include <boost/json.hpp>

#include "core/error.hpp"
#include "core/json.hpp"

namespace lighterman::pipeline {
namespace {

/// Gives the recorded answers, each once and in order; a question that was asked once more gets the
/// last answer again.
policy::Perform from_record(const boost::json::value& answers) {
  std::vector<std::pair<boost::json::value, bool>> kept;  // with whether it was given out
  for (const boost::json::value& each : answers.as_array()) kept.emplace_back(each, false);
  return [kept = std::move(kept)](const policy::Wish& wish) mutable -> boost::json::value {
    std::pair<boost::json::value, bool>* found = nullptr;
    for (auto& each : kept) {
      if (each.first.at("capability").as_string() != wish.capability ||
          each.first.at("wish") != wish.body)
        continue;
      found = &each;
      if (!each.second) break;
    }
    if (found == nullptr) {
      throw Error(ErrorKind::denied, concat(wish.capability, " was not asked this in that run: ",
                                            shortened(boost::json::serialize(wish.body), 200)));
    }
    found->second = true;
    const Fields fields(found->first, "answer");
    if (const auto why = fields.find_text("error")) throw Error(ErrorKind::unavailable, *why);
    if (fields.find("answer") == nullptr)
      throw Error(ErrorKind::not_found,
                  concat("the answer of ", wish.capability, " was too large to be kept"));
    return fields.get("answer");
  };
}

}  // namespace

policy::Decision ask_again(const std::vector<policy::Seat>& seats, const HookRecord& record) {
  policy::Question question;
  question.hook = policy::parse_hook(record.hook);
  question.source = record.source;
  question.facts = record.facts;
  question.now = record.now;
  question.perform = from_record(record.answers);
  return policy::ask(seats, question);
}

policy::Decision said_by(const std::string& plugin, const policy::Decision& decision) {
  const auto others = [&](const auto& said) { return said.plugin != plugin; };
  const auto others_at = [&](const auto& entry) { return entry.second.plugin != plugin; };
  policy::Decision own = decision;
  std::erase_if(own.tags, others);
  std::erase_if(own.args, others_at);
  std::erase_if(own.labels, others_at);
  std::erase_if(own.platforms, others);
  std::erase_if(own.skip, others);
  std::erase_if(own.deny, others);
  std::erase_if(own.actions, others);
  std::erase_if(own.problems, others);
  if (own.target && own.target->plugin != plugin) own.target.reset();
  return own;
}

}  // namespace lighterman::pipeline
