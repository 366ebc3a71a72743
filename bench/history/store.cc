#include "store.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "oracle/place.h"

namespace truenorm::bench {
namespace {

namespace fs = std::filesystem;
using sqlite::Database;
using sqlite::Statement;
using Json = nlohmann::json;

// Samples are a JSON list of ns by round, which SQLite's json_each() takes apart.
constexpr sqlite::Schema kSchema{101, R"(
CREATE TABLE machines (id INTEGER PRIMARY KEY, facts TEXT NOT NULL UNIQUE);
CREATE TABLE runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kept INTEGER NOT NULL,
  machine INTEGER NOT NULL REFERENCES machines, commit_name TEXT NOT NULL, dirty INTEGER NOT NULL,
  rounds INTEGER NOT NULL, sittings INTEGER NOT NULL);
CREATE TABLE cases (
  id INTEGER PRIMARY KEY, line TEXT NOT NULL, op TEXT NOT NULL, UNIQUE (line, op));
CREATE TABLE rows (
  id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs,
  case_id INTEGER NOT NULL REFERENCES cases);
CREATE INDEX rows_by_run ON rows (run);
CREATE TABLE samples (
  row_id INTEGER NOT NULL REFERENCES rows, who TEXT NOT NULL, ns TEXT NOT NULL,
  PRIMARY KEY (row_id, who)) WITHOUT ROWID;
)"};

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// Does the work; what SQLite throws comes out as a HistoryError.
template <class Work>
auto guarded(const std::string& path, Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const sqlite::Error& e) {
    const char* help = e.full() ? "; nothing of this run was kept, what was there before is as "
                                  "it was"
                       : e.damaged() ? "; the next run that is kept moves it aside"
                                     : "";
    throw HistoryError(fmt::format("{}: {}{}", path, e.what(), help));
  } catch (const std::runtime_error& e) {
    throw HistoryError(fmt::format("{}: {}", path, e.what()));
  }
}

/// The id of the row that has these values, which is made if there is none.
template <class... Arguments>
std::int64_t id_of(Database& database, const char* insert, const char* select,
                   const Arguments&... values) {
  database.run(insert, values...);
  Statement found(database, select, values...);
  found.row();
  return found.whole(0);
}

void keep_rows(Database& database, std::int64_t run, const std::vector<KeptRow>& rows) {
  for (const KeptRow& row : rows) {
    const std::int64_t id =
        id_of(database, "INSERT OR IGNORE INTO cases (line, op) VALUES (?, ?)",
              "SELECT id FROM cases WHERE line = ? AND op = ?", row.line, row.op);
    database.run("INSERT INTO rows (run, case_id) VALUES (?, ?)", run, id);
    const std::int64_t row_id = database.last_id();
    for (const auto& [who, ns] : row.samples)
      database.run("INSERT INTO samples VALUES (?, ?, ?)", row_id, who, Json(ns).dump());
  }
}

constexpr const char* kRun =
    "SELECT runs.id, kept, commit_name, dirty, rounds, sittings, facts FROM runs "
    "JOIN machines ON machines.id = machine ";

KeptRun read_run(const Statement& row) {
  KeptRun run;
  run.id = row.whole(0);
  run.kept = row.whole(1);
  run.commit = row.text(2);
  run.dirty = row.whole(3) != 0;
  run.rounds = static_cast<int>(row.whole(4));
  run.sittings = static_cast<std::size_t>(row.whole(5));
  run.machine = Json::parse(row.text(6)).get<std::map<std::string, std::string>>();
  return run;
}

}  // namespace

fs::path history_file(const std::string& option) {
  if (!option.empty()) return option;
  if (const char* named = std::getenv("TRUENORM_HISTORY"); named != nullptr && *named != '\0')
    return named;
  if (const fs::path build = oracle::build_folder(); !build.empty())
    return build.parent_path() / "history.db";
  fs::path state;  // where the XDG Base Directory Specification puts what a user's program keeps
  if (const char* set = std::getenv("XDG_STATE_HOME"); set != nullptr && *set == '/')
    state = set;
  else if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    state = fs::path(home) / ".local" / "state";
  else
    throw HistoryError(
        "there is no $HOME to keep a history in: --db FILE or TRUENORM_HISTORY names one");
  std::error_code ignored;  // what cannot be made cannot be opened, which is told
  fs::create_directories(state / "truenorm", ignored);
  return state / "truenorm" / "history.db";
}

History::History(const fs::path& path)
    : History(guarded(path.string(), [&] {
        sqlite::Opened opened = sqlite::open(path, kSchema);
        History history(path.string(), std::move(opened.database));
        history.aside_ = std::move(opened.aside);
        return history;
      })) {}

History History::look(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    throw HistoryError(
        fmt::format("{}: there is no history; './run bench --keep' makes one", path.string()));
  return guarded(path.string(),
                 [&] { return History(path.string(), sqlite::look(path, kSchema)); });
}

History open_history(const fs::path& path) {
  History history(path);
  if (!history.moved_aside().empty())
    fmt::print(stderr, "truenorm: {} was damaged; it is kept as {}, and a new one begun\n",
               path.string(), history.moved_aside());
  return history;
}

std::int64_t History::keep(const KeptRun& run) {
  std::int64_t id = 0;
  guarded(path_, [&] {
    database_.transaction([&] {
      const std::int64_t machine =
          id_of(database_, "INSERT OR IGNORE INTO machines (facts) VALUES (?)",
                "SELECT id FROM machines WHERE facts = ?", Json(run.machine).dump());
      database_.run(
          "INSERT INTO runs (kept, machine, commit_name, dirty, rounds, sittings) "
          "VALUES (?, ?, ?, ?, ?, ?)",
          run.kept != 0 ? run.kept : now(), machine, run.commit, std::int64_t{run.dirty},
          std::int64_t{run.rounds}, run.sittings);
      id = database_.last_id();
      keep_rows(database_, id, run.rows);
    });
  });
  return id;
}

void History::read_rows(KeptRun& run, const std::string& text) {
  Statement rows(database_,
                 "SELECT rows.id, line, op FROM rows JOIN cases ON cases.id = case_id "
                 "WHERE run = ? AND instr(line, ?) ORDER BY rows.id",
                 run.id, text);
  while (rows.row()) {
    KeptRow row;
    row.line = rows.text(1);
    row.op = rows.text(2);
    Statement all(database_, "SELECT who, ns FROM samples WHERE row_id = ?", rows.whole(0));
    while (all.row())
      row.samples[all.text(0)] = Json::parse(all.text(1)).get<std::vector<double>>();
    run.rows.push_back(std::move(row));
  }
}

std::vector<KeptRun> History::runs(std::int64_t since, const std::string& text) {
  return guarded(path_, [&] {
    std::vector<KeptRun> all;
    Statement rows(database_, (std::string(kRun) + "WHERE kept >= ? ORDER BY runs.id").c_str(),
                   since);
    while (rows.row()) {
      KeptRun run = read_run(rows);
      read_rows(run, text);
      if (text.empty() || !run.rows.empty()) all.push_back(std::move(run));
    }
    return all;
  });
}

std::optional<KeptRun> History::whole(std::optional<std::int64_t> id) {
  if (!id) return std::nullopt;
  std::optional<KeptRun> run;
  Statement row(database_, (std::string(kRun) + "WHERE runs.id = ?").c_str(), *id);
  if (!row.row()) return std::nullopt;
  run = read_run(row);
  read_rows(*run, "");
  return run;
}

namespace {

/// The id that a statement finds.
template <class... Arguments>
std::optional<std::int64_t> found(Database& database, const char* text,
                                  const Arguments&... arguments) {
  Statement row(database, text, arguments...);
  return row.row() ? std::optional(row.whole(0)) : std::nullopt;
}

}  // namespace

std::optional<KeptRun> History::run(std::int64_t id) {
  return guarded(path_, [&] { return whole(id); });
}

std::optional<KeptRun> History::last(std::int64_t before) {
  return guarded(path_, [&] {
    return whole(found(database_, "SELECT id FROM runs ORDER BY id DESC LIMIT 1 OFFSET ?", before));
  });
}

std::optional<KeptRun> History::of_commit(const std::string& prefix) {
  return guarded(path_, [&] {
    // Either may be the longer one: a report has twelve digits, git forty.
    return whole(found(database_,
                       "SELECT id FROM runs WHERE commit_name <> '' AND NOT dirty AND "
                       "(instr(commit_name, ?1) = 1 OR instr(?1, commit_name) = 1) "
                       "ORDER BY id DESC LIMIT 1",
                       prefix));
  });
}

}  // namespace truenorm::bench
