#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "store/inside.hpp"

namespace lighterman::store {
namespace {

// The columns that stage_from reads, in its order.
constexpr std::string_view select_stage =
    "SELECT run, image, name, state, result, started, ended FROM stages";

Stage stage_from(const Statement& row) {
  Stage stage;
  stage.run = row.number(0);
  stage.image = row.text(1);
  stage.name = row.text(2);
  stage.state = parse_stage_state(row.text(3));
  stage.result = boost::json::parse(row.text(4));
  stage.started = row.instant(5);
  stage.ended = row.find_instant(6);
  return stage;
}

}  // namespace

void Store::begin_stage(RunId run, const std::string& image, const std::string& name) {
  inside_->write(Watched::yes, [&](Connection& database) {
    require_run(database, run);
    // Begun again after a restart, it goes to the end of the order, without its former result.
    database.perform(
        "REPLACE INTO stages (run, image, name, state, result, started)"
        " VALUES (?, ?, ?, ?, 'null', ?)",
        run, image, name, render(StageState::running), inside_->options.clock());
  });
}

void Store::end_stage(RunId run, const std::string& image, const std::string& name,
                      StageState state, const boost::json::value& result) {
  const std::string text = boost::json::serialize(result);
  inside_->write(Watched::yes, [&](Connection& database) {
    const std::int64_t found = database.perform(
        "UPDATE stages SET state = ?, result = ?, ended = ? WHERE run = ? AND image = ? AND name = "
        "?",
        render(state), text, inside_->options.clock(), run, image, name);
    if (found == 0)
      throw Error(ErrorKind::not_found,
                  concat("run ", run, " has no stage \"", name, "\" of image \"", image, "\""));
  });
}

std::optional<Stage> Store::find_stage(RunId run, const std::string& image,
                                       const std::string& name) const {
  return inside_->readers.with([&](Connection& database) -> std::optional<Stage> {
    Statement row = database.query(
        concat(select_stage, " WHERE run = ? AND image = ? AND name = ?"), run, image, name);
    if (!row.step()) return {};
    return stage_from(row);
  });
}

std::vector<Stage> Store::stages(RunId run) const {
  return inside_->readers.with([&](Connection& database) {
    Statement rows = database.query(concat(select_stage, " WHERE run = ? ORDER BY place"), run);
    std::vector<Stage> stages;
    while (rows.step()) stages.push_back(stage_from(rows));
    return stages;
  });
}

}  // namespace lighterman::store
