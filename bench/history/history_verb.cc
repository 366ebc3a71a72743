// history: the runs that were kept, or what became of a row over them.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <charconv>
#include <ctime>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "bench/time_text.h"
#include "compare.h"
#include "oracle/cli/support.h"
#include "store.h"
#include "trend.h"
#include "verbs.h"

namespace truenorm::bench {
namespace {

namespace cli = oracle::cli;
using Json = nlohmann::ordered_json;

struct Options {
  std::string db, text, since, json, html;
  std::vector<std::string> add;
};

std::string when(std::int64_t seconds) {
  return fmt::format("{:%Y-%m-%d %H:%M}", fmt::localtime(static_cast<std::time_t>(seconds)));
}

/// A day, or how long ago: 2026-11-28, 7d, 12h.
std::int64_t since_of(const std::string& text) {
  if (text.empty()) return 0;
  int count = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  if (error == std::errc() && rest + 1 == end && count >= 0 && (*rest == 'd' || *rest == 'h'))
    return std::time(nullptr) - std::int64_t{count} * (*rest == 'd' ? 86400 : 3600);
  std::tm day{};
  const char* read = ::strptime(text.c_str(), "%Y-%m-%d", &day);
  day.tm_isdst = -1;
  if (read == nullptr || *read != '\0')
    throw cli::UsageError(
        fmt::format("--since '{}': a day was expected, such as 2026-11-28, or 7d, or 12h", text));
  return std::mktime(&day);
}

std::string fact(const KeptRun& run, const char* name) {
  const auto it = run.machine.find(name);
  return it == run.machine.end() ? "-" : it->second;
}

std::string commit_text(const KeptRun& run) {
  return run.commit.empty() ? "-" : run.commit.substr(0, 12) + (run.dirty ? "*" : "");
}

/// Geometric mean over the rows.
std::optional<double> over_copy(const KeptRun& run) {
  GeometricMean mean;
  for (const KeptRow& row : run.rows)
    if (const auto ratio = over_copy(run, row)) mean.add(*ratio);
  return mean.value();
}

std::string number(const std::optional<double>& value) {
  return value ? fmt::format("{:.3f}", *value) : "-";
}

std::string runs_text(const std::vector<KeptRun>& runs) {
  std::string text = fmt::format("{:<5} {:<16} {:<13} {:>5} {:>8} {:>6} {:>6}  {}\n", "run", "kept",
                                 "commit", "rows", "sittings", "A/A%", "/copy", "machine");
  for (const KeptRun& run : runs)
    text +=
        fmt::format("{:<5} {:<16} {:<13} {:>5} {:>8} {:>6.1f} {:>6}  {}, {}, {} threads, {}\n",
                    fmt::format("#{}", run.id), when(run.kept), commit_text(run), run.rows.size(),
                    run.sittings, 100 * noise_of(run), number(over_copy(run)), fact(run, "cpu"),
                    fact(run, "isa"), fact(run, "threads"), fact(run, "compiler"));
  return text + "/copy: Truenorm's time over the copy's, mean of the rows; *: files were changed\n";
}

/// Row by row, each run in its order.
std::string rows_text(const std::vector<KeptRun>& runs) {
  std::vector<std::string> order;
  std::map<std::string, std::string> texts;
  for (const KeptRun& run : runs)
    for (const KeptRow& row : run.rows) {
      const auto own = row.samples.find("truenorm");
      if (own == row.samples.end()) continue;
      std::string& text = texts[row.key()];
      if (text.empty()) {
        order.push_back(row.key());
        text = fmt::format("{}\n", label(row.line, row.op));
      }
      text += fmt::format("  {:<5} {:<16} {:<13} {:>9} {:>6} of the copy\n",
                          fmt::format("#{}", run.id), when(run.kept), commit_text(run),
                          time_text(median(own->second)), number(over_copy(run, row)));
    }
  std::string all;
  for (const std::string& key : order) all += texts[key];
  return all;
}

std::string to_json(const std::vector<KeptRun>& runs) {
  const auto optional = [](const std::optional<double>& v) { return v ? Json(*v) : Json(nullptr); };
  Json json;
  json["schema"] = "truenorm-history/1";
  json["runs"] = Json::array();
  for (const KeptRun& run : runs) {
    Json one{{"id", run.id},
             {"kept", run.kept},
             {"commit", run.commit},
             {"dirty", run.dirty},
             {"sittings", run.sittings},
             {"rounds", run.rounds},
             {"noise_floor_pct", 100 * noise_of(run)},
             {"over_copy", optional(over_copy(run))},
             {"machine", run.machine}};
    one["rows"] = Json::array();
    for (const KeptRow& row : run.rows)
      one["rows"].push_back({{"case", row.line},
                             {"op", row.op},
                             {"over_copy", optional(over_copy(run, row))},
                             {"samples", row.samples}});
    json["runs"].push_back(std::move(one));
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// All of the reports are read before one is kept.
void add_reports(const std::vector<std::string>& files, const std::string& db) {
  std::vector<KeptRun> runs;
  for (const std::string& file : files) {
    try {
      runs.push_back(read_report(cli::read_input(file), file));
    } catch (const ReportError& e) {
      throw cli::UsageError(e.what());
    }
    if (runs.back().rows.empty())
      throw cli::UsageError(fmt::format("{}: no row has samples", file));
    if (!runs.back().complete)
      throw cli::UsageError(
          fmt::format("{}: of a run that was interrupted, and only whole ones are kept", file));
  }
  const auto path = history_file(db);
  History history = open_history(path);
  for (const KeptRun& run : runs)
    fmt::print("{} kept as #{} in {}\n", run.name(), history.keep(run), path.string());
}

int run(const Options& o) {
  if (!o.add.empty()) {
    add_reports(o.add, o.db);
    return cli::kGood;
  }
  const std::int64_t since = since_of(o.since);
  History history = History::look(history_file(o.db));
  if (o.json == "-" && o.html == "-")
    throw cli::UsageError("--json, --html: one of them can be standard output");
  cli::OutputFile json(o.json), html(o.html);
  const std::vector<KeptRun> runs = history.runs(since, o.text);
  if (runs.empty())
    throw cli::UsageError(fmt::format("{}: no such run was kept", history_file(o.db).string()));
  if (o.json != "-" && o.html != "-")
    fmt::print("{}", o.text.empty() ? runs_text(runs) : rows_text(runs));
  if (json.wanted()) json.write(to_json(runs));
  if (html.wanted()) html.write(to_html(runs));
  return cli::kGood;
}

}  // namespace

void add_history(CLI::App& app, int& status) {
  const auto o = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("history", "The runs that './run bench --keep' has kept");
  verb->add_option("--case", o->text, "The rows whose case line has this text, run by run");
  verb->add_option("--since", o->since, "Kept since a day (2026-11-28), or 7d or 12h ago");
  verb->add_option("--json", o->json, "Write it with all samples as JSON; - for standard output");
  verb->add_option("--html", o->html, "Write the trend over the runs as a page; - likewise");
  verb->add_option("--add", o->add, "Keep reports that 'truenorm-bench --json' has written");
  add_db_option(*verb, o->db);
  verb->footer("Example: ./run history --case c64s56x56 --since 7d");
  verb->callback([o, &status] { status = run(*o); });
}

}  // namespace truenorm::bench
