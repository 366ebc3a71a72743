// How a comparison is shown: text for people, JSON for programs.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "bench/time_text.h"
#include "compare.h"

namespace truenorm::bench {
namespace {

using Json = nlohmann::ordered_json;

/// "+9.8 %"
std::string percent(double ratio) { return fmt::format("{:+.1f} %", 100 * (ratio - 1)); }

std::string interval_text(const RowChange& row) {
  if (!row.interval) return "";
  return fmt::format("{:+.1f} .. {:+.1f}", 100 * (row.interval->low - 1),
                     100 * (row.interval->high - 1));
}

std::string p_text(double p) { return p < 0.0001 ? "<0.0001" : fmt::format("{:.4f}", p); }

std::string coloured(Change change, bool colour) {
  std::string word = name(change);
  if (!colour || (change != Change::slower && change != Change::faster)) return word;
  return fmt::format("\x1b[{}m{}\x1b[0m", change == Change::slower ? 31 : 32, word);
}

std::string line(const RowChange& row, std::size_t width, bool colour) {
  const bool single = !row.line.empty();
  return fmt::format("{:<{}} {:>8} {:>8}  {:>8}  {:>16}  {:>7}  {:>4.2f}  {}\n",
                     label(row.line, row.op), width, single ? time_text(row.ns_before) : "",
                     single ? time_text(row.ns_after) : "", percent(row.ratio), interval_text(row),
                     p_text(row.p), row.superior, coloured(row.change, colour));
}

std::size_t count(const Comparison& c, Change change) {
  return static_cast<std::size_t>(std::count_if(
      c.rows.begin(), c.rows.end(), [&](const RowChange& row) { return row.change == change; }));
}

/// What there is to say against the figures.
std::string cautions(const Comparison& c) {
  std::string text;
  if (!c.can_tell())
    text += fmt::format(
        "CANNOT TELL: {} and {} sittings of {} rows leave no p below {:g}; {} each would "
        "(./run bench --keep --sittings {})\n",
        c.sittings_before, c.sittings_after, c.rows.size(), kSignificance, c.enough, c.enough);
  if (c.only_before + c.only_after > 0)
    text += fmt::format("not compared: {} rows of the first run only, {} of the second only\n",
                        c.only_before, c.only_after);
  return text;
}

Json row_json(const RowChange& row) {
  Json json;
  if (!row.line.empty()) {
    json["case"] = row.line;
    json["op"] = row.op;
    json["before_ns"] = row.ns_before;
    json["after_ns"] = row.ns_after;
  }
  json["ratio"] = row.ratio;
  json["ratio_low"] = row.interval ? Json(row.interval->low) : Json(nullptr);
  json["ratio_high"] = row.interval ? Json(row.interval->high) : Json(nullptr);
  json["p"] = row.p;
  json["superior"] = row.superior;
  json["change"] = name(row.change);
  return json;
}

Json run_json(const KeptRun& run) {
  Json json;
  json["id"] = run.id > 0 ? Json(run.id) : Json(nullptr);
  json["file"] = run.file.empty() ? Json(nullptr) : Json(run.file);
  json["commit"] = run.commit.empty() ? Json(nullptr) : Json(run.commit);
  json["dirty"] = run.dirty;
  json["sittings"] = run.sittings;
  json["rounds"] = run.rounds;
  return json;
}

}  // namespace

std::string to_text(const Comparison& c, const KeptRun& before, const KeptRun& after,
                    const Rule& rule, const Shown& shown) {
  std::string text =
      fmt::format("{} -> {}: {} rows, {} and {} sittings, times over {} of the same rounds\n",
                  before.name(), after.name(), c.rows.size(), c.sittings_before, c.sittings_after,
                  rule.beside == Beside::copy ? "the copy" : "the peers");
  std::size_t width = 8;
  for (const RowChange& row : c.rows) width = std::max(width, label(row.line, row.op).size());
  text += fmt::format("{:<{}} {:>8} {:>8}  {:>8}  {:>16}  {:>7}  {:>4}\n", "row", width, "before",
                      "after", "change", "95 %", "p", "P>");
  for (const RowChange& row : c.rows)
    if (shown.all || row.change == Change::slower || row.change == Change::faster)
      text += line(row, width, shown.colour);
  text += line(c.all, width, shown.colour);
  text += fmt::format(
      "{} slower, {} faster, {} same, {} unclear, by more than {:g} %; noise floor {:.1f} %\n",
      count(c, Change::slower), count(c, Change::faster), count(c, Change::same),
      count(c, Change::unclear), rule.pct, 100 * c.noise);
  return text + cautions(c);
}

std::string to_json(const Comparison& c, const KeptRun& before, const KeptRun& after,
                    const Rule& rule, const std::vector<std::string>& unlike,
                    const std::string& bisect) {
  Json json;
  json["schema"] = "truenorm-compare/1";
  json["before"] = run_json(before);
  json["after"] = run_json(after);
  json["unlike"] = unlike;
  json["pct"] = rule.pct;
  json["beside"] = rule.beside == Beside::copy ? "copy" : "peers";
  json["significance"] = kSignificance;
  json["noise_floor_pct"] = 100 * c.noise;
  json["can_tell"] = c.can_tell();
  json["regressed"] = c.regressed();
  json["only_before"] = c.only_before;
  json["only_after"] = c.only_after;
  json["all"] = row_json(c.all);
  json["rows"] = Json::array();
  for (const RowChange& row : c.rows) json["rows"].push_back(row_json(row));
  json["bisect"] = bisect.empty() ? Json(nullptr) : Json(bisect);
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace truenorm::bench
