#include "pipeline/build_steps.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <sstream>

#include "core/text.hpp"
#include "source/choice.hpp"

namespace lighterman::pipeline {
namespace {

constexpr const char* not_cached = "the engine did not have it";

std::vector<std::string> words_of(const std::string& instruction) {
  std::istringstream text(instruction);
  std::vector<std::string> words;
  for (std::string word; text >> word;) {
    // Of the JSON form, too, only the names matter here.
    std::erase_if(word, [](char c) { return c == '[' || c == ']' || c == '"' || c == ','; });
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

/// The value of --from; empty: it is not there.
std::string from_of(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word.starts_with("--from=")) return word.substr(7);
  }
  return {};
}

/// What COPY and ADD take out of the context, as patterns.
std::vector<std::string> sources_of(const std::vector<std::string>& words) {
  std::vector<std::string> sources;
  for (std::size_t at = 1; at + 1 < words.size(); ++at) {
    std::string source = words[at];
    if (source.starts_with("--")) continue;
    while (source.starts_with("./") || source.starts_with('/')) {
      source.erase(0, source.find('/') + 1);
    }
    while (source.ends_with('/')) source.pop_back();
    sources.push_back(source.empty() ? "." : source);
  }
  return sources;
}

std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t shown = 3;
  const std::vector<std::string> some(
      names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(shown, names.size())));
  return concat(join(some, ", "),
                names.size() > shown ? concat(" and ", names.size() - shown, " more") : "");
}

}  // namespace

void BuildSteps::see(const engine::BuildNews& news) {
  using Kind = engine::BuildNews::Kind;
  if (news.kind == Kind::output || news.kind == Kind::warning) return;
  const std::size_t close = news.step.find("] ");
  if (!news.step.starts_with('[') || close == std::string::npos) return;
  const std::string mark = news.step.substr(1, close - 1);
  // "[build 2/4]", or "[2/4]" of the only stage; "[internal] ..." is no step of the Dockerfile.
  if (mark.find('/') == std::string::npos) return;
  auto step = std::ranges::find(steps_, news.step, &Step::name);
  if (step == steps_.end()) {
    const std::size_t space = mark.rfind(' ');
    Step fresh;
    fresh.name = news.step;
    fresh.number = std::atoi(mark.c_str() + (space == std::string::npos ? 0 : space + 1));
    fresh.stage = space == std::string::npos ? "" : mark.substr(0, space);
    fresh.instruction = news.step.substr(close + 2);
    fresh.line = news.line;
    fresh.began = Clock::now();
    step = steps_.insert(steps_.end(), std::move(fresh));
  }
  if (news.kind == Kind::step_started) return;
  step->ended = true;
  step->cached = news.kind == Kind::step_cached;
  step->seconds = std::chrono::duration<double>(Clock::now() - step->began).count();
}

const BuildSteps::Step* BuildSteps::first_done(const std::string& stage) const {
  const Step* first = nullptr;
  for (const Step& step : steps_) {
    const bool counts =
        step.stage == stage && !step.cached && !step.instruction.starts_with("FROM ");
    if (counts && (first == nullptr || step.number < first->number)) first = &step;
  }
  return first;
}

std::string BuildSteps::why(std::size_t at, const BuildCause& cause) const {
  const Step& step = steps_[at];
  if (step.cached) return "cached";
  const std::vector<std::string> words = words_of(step.instruction);
  const std::string kind = words.empty() ? "" : lower(words.front());
  if (kind == "from") return "the base";
  const bool copies = kind == "copy" || kind == "add";
  if (const std::string from = copies ? from_of(words) : ""; !from.empty()) {
    if (const Step* first = first_done(from))
      return concat("stage ", from, " changed: ", first->name);
  } else if (copies) {
    std::vector<std::string> changed = cause.changed;
    const std::vector<std::string> sources = sources_of(words);
    const bool everything = std::ranges::find(sources, ".") != sources.end();
    std::erase_if(changed, [&](const std::string& path) {
      return !everything && !source::includes(sources, path);
    });
    if (!changed.empty()) return concat(some_of(changed), " changed");
  }
  const Step* first = first_done(step.stage);
  if (first != nullptr && first->name != step.name) return concat("after ", first->name);
  return cause.changed.empty() && !cause.why.empty() ? cause.why : not_cached;
}

boost::json::array BuildSteps::explain(const BuildCause& cause) const {
  boost::json::array list;
  std::vector<std::size_t> order(steps_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t at) { return steps_[at].line; });
  for (const std::size_t at : order) {
    const Step& step = steps_[at];
    boost::json::object each{{"step", step.name},
                             {"cached", step.cached},
                             {"seconds", std::round(step.seconds * 1000) / 1000},
                             {"why", why(at, cause)}};
    if (step.line != 0) each["line"] = step.line;
    list.push_back(std::move(each));
  }
  return list;
}

}  // namespace lighterman::pipeline
