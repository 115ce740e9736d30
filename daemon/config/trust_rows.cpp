// Keys, bases and the scanner: what stands between a built image and its tag.
#include <boost/json.hpp>

#include "config/rows.hpp"
#include "core/choices.hpp"
#include "core/error.hpp"
#include "core/json.hpp"

namespace lighterman::config {
namespace {

template <class Member>
Row<Scan> trivy(std::string name, Member scan::TrivyOptions::*member, std::string meaning) {
  return {std::move(name), std::move(meaning),
          [member](Scan& to, const Value& value) { read(to.trivy.*member, value); },
          [member](const Scan& from) { return show(from.trivy.*member); }, schema_of(Member{})};
}

/// A word out of two: the first means `yes`.
template <class T, class Member>
Row<T> either(std::string name, Member T::*member, std::string meaning, std::string yes,
              std::string no, Member when_yes, Member when_no) {
  return {std::move(name),
          std::move(meaning),
          [=](T& to, const Value& value) {
            const auto given = value.text(concat(yes, " or ", no));
            if (!given) return;
            if (*given != yes && *given != no) {
              value.refuse(concat("must be ", yes, " or ", no));
            } else {
              to.*member = *given == yes ? when_yes : when_no;
            }
          },
          [=](const T& from) { return Json(from.*member == when_yes ? yes : no); },
          {{"enum", {yes, no}}}};
}

constexpr Choice<Resign> resign_names[] = {
    {Resign::tagged, "tagged"}, {Resign::all, "all"}, {Resign::none, "none"}};

void read_resign(Keys& to, const Value& value) {
  try {
    if (const auto given = value.text("tagged, all or none"))
      to.resign = choice_of(resign_names, *given, "policy");
  } catch (const Error& error) {
    value.refuse(error.what());
  }
}

constexpr Choice<ScanBy> scan_by_names[] = {
    {ScanBy::trivy, "trivy"}, {ScanBy::harbor, "harbor"}, {ScanBy::both, "both"}};

void read_scan_by(Scan& to, const Value& value) {
  try {
    if (const auto given = value.text("trivy, harbor or both"))
      to.by = choice_of(scan_by_names, *given, "scanner");
  } catch (const Error& error) {
    value.refuse(error.what());
  }
}

void read_severities(Scan& to, const Value& value) {
  to.block.clear();
  for (const Value& item : value.items()) {
    const auto given = item.text("a severity such as CRITICAL");
    if (!given) continue;
    try {
      to.block.push_back(parse_severity(*given));
    } catch (const Error& error) {
      item.refuse(error.what());
    }
  }
}

Json show_severities(const Scan& from) {
  boost::json::array names;
  for (const Severity each : from.block) names.emplace_back(render(each));
  return names;
}

const std::vector<Row<scan::Waiver>>& waiver_rows() {
  using scan::Waiver;
  static const std::vector<Row<Waiver>> rows{
      row("vulnerability", &Waiver::vulnerability, "Its id, such as CVE-2024-1234"),
      row("package", &Waiver::package, "Glob of package names; default: all"),
      row("reason", &Waiver::reason, "Why it does not count here"),
      row("who", &Waiver::who, "Who says so"),
      {"until", "Last day, such as 2026-12-31; afterwards it counts again",
       [](Waiver& to, const Value& value) {
         try {
           if (const auto given = value.text("a day such as 2026-12-31"))
             to.until = scan::parse_until(*given);
         } catch (const Error& error) {
           value.refuse(error.what());
         }
       },
       [](const Waiver& from) { return from.until ? Json(render_time(*from.until)) : Json(); },
       schema_of(std::string())},
  };
  return rows;
}

void read_waivers(Scan& to, const Value& value) {
  to.waivers.clear();
  for (const Value& item : value.items()) {
    scan::Waiver& waiver = to.waivers.emplace_back();
    read_object(waiver, waiver_rows(), item);
    if (waiver.vulnerability.empty() || waiver.reason.empty() || waiver.who.empty())
      item.refuse("needs `vulnerability`, `reason` and `who`");
  }
}

Json show_waivers(const Scan& from) {
  boost::json::array shown;
  for (const scan::Waiver& waiver : from.waivers)
    shown.push_back(show_object(waiver, waiver_rows()));
  return shown.empty() ? Json() : Json(std::move(shown));
}

}  // namespace

std::string_view render(Resign policy) noexcept { return name_of(resign_names, policy); }

const std::vector<Row<Keys>>& key_rows() {
  static const std::vector<Row<Keys>> rows{
      row("folder", &Keys::folder, "Keys as `lighterman key new` makes them"),
      place("password", &Keys::password_place,
            "The password of all of them: file:PATH or env:NAME"),
      either("expired", &Keys::refuse_expired,
             "A key over its age limit: refuse to sign with it, or warn", "refuse", "warn", true,
             false),
      {"resign",
       "After a rotation, sign again with the new key: tagged images, all, or none",
       read_resign,
       [](const Keys& from) { return Json(render(from.resign)); },
       {{"enum", {"tagged", "all", "none"}}}},
  };
  return rows;
}

const std::vector<Row<Bases>>& base_rows() {
  static const std::vector<Row<Bases>> rows{
      row("keys", &Bases::keys,
          "Public keys by name, as files (relative to this one), beside those in `keys`"),
      row("signed_by", &Bases::signed_by, "Names of keys, one of which must have signed each base"),
      row("max_age", &Bases::max_age, "How long ago a base may have been made; 0: any time"),
      row("except", &Bases::except, "Globs of bases of which nothing is asked"),
      row("watch", &Bases::watch,
          "When it is looked whether a base moved, so that its images are built anew: minute, "
          "hour, "
          "day of month, month, day of week, in UTC; default: never"),
  };
  return rows;
}

const std::vector<Row<Scan>>& scan_rows() {
  using scan::TrivyOptions;
  static const std::vector<Row<Scan>> rows{
      {"by",
       "Who scans: trivy, harbor (the scanner of the Harbor an image goes to) or both",
       read_scan_by,
       [](const Scan& from) { return Json(name_of(scan_by_names, from.by)); },
       {{"enum", {"trivy", "harbor", "both"}}}},
      trivy("program", &TrivyOptions::program, "Trivy, in PATH or by its path"),
      row("cache", &Scan::cache, "Folder of its database and layer cache; default: in `data`"),
      {"block",
       "Severities that keep an image from being published",
       read_severities,
       show_severities,
       {{"type", {"array", "string"}},
        {"items", {{"enum", {"UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL"}}}}}},
      row("ignore_unfixed", &Scan::ignore_unfixed, "Let pass what nobody can fix yet"),
      either("on_failure", &Scan::deny_unscanned,
             "An image that could not be scanned: deny or allow", "deny", "allow", true, false),
      row("rescan", &Scan::rescan,
          "When what is published is scanned again, as cron has it, in UTC; empty: never"),
      trivy("skip_update", &TrivyOptions::skip_update, "Never download a database"),
      trivy("offline", &TrivyOptions::offline, "Ask no server about packages"),
      trivy("timeout", &TrivyOptions::timeout, "For one scan"),
      trivy("server", &TrivyOptions::server, "URL of a Trivy server that keeps the database"),
      place("server_token", &Scan::server_token_place, "Its token: file:PATH or env:NAME"),
      trivy("database", &TrivyOptions::database_repository,
            "registry/repository of a mirror of the database"),
      trivy("database_age", &TrivyOptions::database_age_limit, "An older database is stale"),
      {"stale",
       "A stale database: warn or refuse to scan",
       [](Scan& to, const Value& value) {
         const auto given = value.text("warn or refuse");
         if (given && *given != "warn" && *given != "refuse")
           value.refuse("must be warn or refuse");
         if (given) to.trivy.stale = *given == "refuse" ? scan::Stale::refuse : scan::Stale::warn;
       },
       [](const Scan& from) {
         return Json(from.trivy.stale == scan::Stale::refuse ? "refuse" : "warn");
       },
       {{"enum", {"warn", "refuse"}}}},
      {"waivers",
       "Vulnerabilities that do not count",
       read_waivers,
       show_waivers,
       {{"type", "array"}, {"items", object_schema(waiver_rows())}}},
      row("vex", &Scan::vex,
          "OpenVEX documents that waive as well: absolute paths, or files of the repository, where "
          "whoever can push can waive"),
      row("keep", &Scan::keep, "How long findings of runs are kept, for `lighterman findings`"),
  };
  return rows;
}

}  // namespace lighterman::config
