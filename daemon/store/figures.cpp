#include "store/figures.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "store/inside.hpp"

namespace lighterman::store {

Figures Store::figures() const {
  return inside_->readers.with([](Connection& database) {
    Figures figures;
    {
      // Few runs are open at a time, and they have an index of their own.
      Statement rows = database.query(
          "SELECT source, state = 'running', count(*), min(created) FROM runs INDEXED BY runs_open"
          " WHERE ended IS NULL GROUP BY source, state");
      while (rows.step()) {
        if (rows.number(1) != 0) {
          figures.running[rows.text(0)] = rows.number(2);
          continue;
        }
        figures.queued[rows.text(0)] = rows.number(2);
        const Instant since = rows.instant(3);
        if (!figures.oldest_queued || since < *figures.oldest_queued) figures.oldest_queued = since;
      }
    }
    {
      Statement rows = database.query("SELECT source, state, runs FROM ends");
      while (rows.step())
        figures.ends.push_back({rows.text(0), parse_run_state(rows.text(1)), rows.number(2)});
    }
    const auto count = [&](std::map<std::string, std::int64_t>& into, const char* sql) {
      Statement rows = database.query(sql);
      while (rows.step()) into[rows.text(0)] = rows.number(1);
    };
    count(figures.waiting_actions,
          "SELECT kind, count(*) FROM actions INDEXED BY actions_due WHERE state = 'waiting'"
          " GROUP BY kind");
    count(figures.replications,
          "SELECT state, count(*) FROM replications INDEXED BY replications_open"
          " WHERE state IN ('waiting', 'running') GROUP BY state");
    return figures;
  });
}

std::vector<ImageFigures> Store::image_figures() const {
  return inside_->readers.with([](Connection& database) {
    std::vector<ImageFigures> images;
    Statement rows = database.query(
        "SELECT p.source, p.image, p.denied <> '' OR NOT coalesce(s.clean, 1), s.counts"
        " FROM publications p INDEXED BY publications_tagged LEFT JOIN scans s"
        " ON s.publication = p.id AND s.scanned ="
        " (SELECT max(scanned) FROM scans WHERE publication = p.id)"
        " WHERE p.gone = 0 ORDER BY p.source, p.image");
    while (rows.step()) {
      const std::string source = rows.text(0), name = rows.text(1);
      if (images.empty() || images.back().source != source || images.back().image != name)
        images.push_back({source, name, 0, 0, {}});
      ImageFigures& image = images.back();
      ++image.tagged;
      image.dirty += rows.number(2);
      if (!rows.has(3)) continue;
      const boost::json::value counts = boost::json::parse(rows.text(3));
      for (const auto& count : counts.as_object())
        if (count.value().is_number())
          image.findings[std::string(count.key())] += count.value().to_number<std::int64_t>();
    }
    return images;
  });
}

}  // namespace lighterman::store
