#include "store/inside.hpp"

namespace lighterman::store {

void Store::append(RunId run, std::vector<JournalLine> lines) {
  if (lines.empty()) return;
  const Writer::Work work = [&](Connection& database) {
    require_run(database, run);
    std::int64_t number = 0;
    {
      Statement last = database.query("SELECT max(number) FROM journal WHERE run = ?", run);
      if (last.step()) number = last.number(0);
    }
    for (const JournalLine& line : lines)
      database.perform(
          "INSERT INTO journal (run, number, moment, image, stage, kind, text)"
          " VALUES (?, ?, ?, ?, ?, ?, ?)",
          run, ++number, line.when, line.image, line.stage, line.kind, line.text);
  };
  inside_->writer.perform(work, Durability::lazy, [&] { inside_->watch.bump(); });
}

std::int64_t Store::last_line(RunId run) const {
  return inside_->readers.with([&](Connection& database) {
    Statement last = database.query("SELECT max(number) FROM journal WHERE run = ?", run);
    return last.step() ? last.number(0) : 0;
  });
}

std::vector<JournalLine> Store::journal(RunId run, std::int64_t after, std::size_t limit) const {
  const auto most = static_cast<std::int64_t>(std::min<std::size_t>(limit, 1U << 30U));
  return inside_->readers.with([&](Connection& database) {
    Statement rows = database.query(
        "SELECT number, moment, image, stage, kind, text FROM journal"
        " WHERE run = ? AND number > ? ORDER BY number LIMIT ?",
        run, after, most);
    std::vector<JournalLine> lines;
    while (rows.step())
      lines.push_back(JournalLine{rows.number(0), rows.instant(1), rows.text(2), rows.text(3),
                                  rows.text(4), rows.text(5)});
    return lines;
  });
}

}  // namespace lighterman::store
