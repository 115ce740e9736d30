// What asking plugins costs: a fresh state with ten plugins, one hook call, and the same rule as a
// program that a shell starts. Prints JSON.
#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <functional>
#include <iostream>

#include "core/text.hpp"
#include "os/program.hpp"
#include "policy/host.hpp"
#include "policy/values.hpp"

namespace lighterman::policy {
namespace {

using std::chrono::steady_clock;

constexpr const char* rule = R"(-- tag-rule: what ships under which tag.
return {
  settings = { prefix = { type = "text", default = "v", about = "before the version" } },
  on_push = function(push)
    if not push.tag then return end
    local version = semver.parse(push.tag)
    if not version then return skip("not a version: " .. push.tag) end
    if version.prerelease then return { tags = version.text } end
    return { tags = { version.text, version.major .. "." .. version.minor, "latest" } }
  end,
}
)";

/// The same for a shell: facts on standard input, tags on standard output.
constexpr const char* script = R"(read -r tag
version="${tag#v}"
case "$version" in
  *-*) echo "$version" ;;
  *.*.*) echo "$version ${version%.*} latest" ;;
  *) exit 1 ;;
esac
)";

boost::json::value facts() {
  boost::json::array paths;
  for (int i = 0; i < 20; ++i) paths.emplace_back(concat("src/file", i, ".c"));
  return {{"source", "shop"},
          {"tag", "v1.4.2"},
          {"commit", std::string(40, 'a')},
          {"short", std::string(12, 'a')},
          {"ref", "refs/tags/v1.4.2"},
          {"author", "Ada <ada@example.org>"},
          {"message", "Release 1.4.2\n\nFixes."},
          {"changed_paths", paths},
          {"origin", "webhook"},
          {"run", 42},
          {"image",
           {{"name", "web"},
            {"targets", {"registry.example/acme/web"}},
            {"labels", {{"org.opencontainers.image.title", "web"}}},
            {"tags", {{{"tag", "1.4.2"}, {"moving", false}}}}}}};
}

/// Microseconds: the median of many rounds.
double median(int rounds, const std::function<void()>& work) {
  std::vector<double> took;
  for (int round = 0; round < rounds; ++round) {
    const auto begin = steady_clock::now();
    work();
    took.push_back(std::chrono::duration<double, std::micro>(steady_clock::now() - begin).count());
  }
  std::ranges::sort(took);
  return took[took.size() / 2];
}

int measure() {
  std::vector<Seat> seats(10);
  for (std::size_t i = 0; i < seats.size(); ++i) {
    const std::string name = concat("rule", i);
    seats[i].name = name;
    seats[i].plugin = std::make_shared<Plugin>(parse_plugin(rule, name + ".lua"));
    seats[i].settings = check_settings(*seats[i].plugin, {});
  }
  Question question;
  question.source = "shop";
  question.facts = facts();
  const Decision decision = ask(seats, question);
  if (!decision.problems.empty() || decision.tags.size() != 3) {
    std::cerr << boost::json::serialize(to_json(decision)) << '\n';
    return 1;
  }
  const std::vector<Seat> one(seats.begin(), seats.begin() + 1);
  const double state = median(2000, [] { const State fresh; });
  const double asked_one = median(2000, [&] { ask(one, question); });
  const double asked_ten = median(2000, [&] { ask(seats, question); });
  // All ten loaded into a fresh state, and none asked.
  const double ready = median(2000, [&] {
    State fresh;
    for (const Seat& seat : seats)
      fresh.run([&](lua_State*) { push_plugin(fresh, *seat.plugin, seat.settings); });
  });
  os::Program shell{"sh", {"-c", script}};
  shell.input = "v1.4.2\n";
  const double program = median(200, [&] { os::perform(shell); });
  std::cout << boost::json::serialize(
                   boost::json::value{{"fresh_state_us", state},
                                      {"fresh_state_and_ten_plugins_us", ready},
                                      {"hook_call_us", (asked_ten - asked_one) / 9},
                                      {"fresh_state_and_one_plugin_asked_us", asked_one},
                                      {"fresh_state_and_ten_plugins_asked_us", asked_ten},
                                      {"questions_to_ten_plugins_per_second", 1e6 / asked_ten},
                                      {"shell_program_us", program},
                                      {"ten_shell_programs_us", 10 * program}})
            << '\n';
  return 0;
}

}  // namespace
}  // namespace lighterman::policy

int main() { return lighterman::policy::measure(); }
