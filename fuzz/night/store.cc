#include "store.h"

#include <chrono>
#include <string_view>
#include <utility>

#include "oracle/sqlite/sqlite.h"

namespace truenorm::night {
namespace {

namespace fs = std::filesystem;
using sqlite::Blob;
using sqlite::Database;
using sqlite::Statement;

// Who looks in from outside does not stop the runner, nor the runner them.
constexpr sqlite::Schema kSchema{2, R"(
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE runs (
  id INTEGER PRIMARY KEY, started INTEGER NOT NULL, seconds REAL NOT NULL DEFAULT 0,
  subject TEXT NOT NULL, targets TEXT NOT NULL, jobs INTEGER NOT NULL, planned REAL NOT NULL,
  how TEXT NOT NULL DEFAULT '');
CREATE TABLE samples (
  run INTEGER NOT NULL, seconds REAL NOT NULL, target TEXT NOT NULL, executions INTEGER NOT NULL,
  exec_per_second REAL NOT NULL, coverage INTEGER NOT NULL, features INTEGER NOT NULL,
  corpus INTEGER NOT NULL, worst REAL NOT NULL);
CREATE INDEX samples_by_target ON samples (target);
CREATE TABLE findings (
  id INTEGER PRIMARY KEY, target TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL,
  kernel TEXT NOT NULL, subject TEXT NOT NULL, build TEXT NOT NULL, run INTEGER NOT NULL,
  first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, count INTEGER NOT NULL,
  state TEXT NOT NULL, line TEXT NOT NULL, minimal TEXT NOT NULL, detail TEXT NOT NULL,
  opinion TEXT NOT NULL, input BLOB NOT NULL, file TEXT NOT NULL,
  UNIQUE (target, verdict, reason, kernel));
CREATE TABLE worst (
  target TEXT NOT NULL, output TEXT NOT NULL, score REAL NOT NULL, line TEXT NOT NULL,
  run INTEGER NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (target, output));
CREATE TABLE replayed (
  target TEXT NOT NULL, build TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (target, build));
)",
                                 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"};

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Finding::State state_named(std::string_view word) {
  for (const auto state : {Finding::State::minimal, Finding::State::unreproduced})
    if (word == name(state)) return state;
  return Finding::State::fresh;
}

}  // namespace

const char* name(Finding::State state) {
  switch (state) {
    case Finding::State::fresh:
      return "fresh";
    case Finding::State::minimal:
      return "minimal";
    case Finding::State::unreproduced:
      return "unreproduced";
  }
  return "";
}

struct Store::Impl {
  Impl(std::string file, Database opened) : path(std::move(file)), database(std::move(opened)) {}

  std::string path, aside;
  Database database;

  /// Does the work; what SQLite throws comes out as a StoreError.
  template <class Work>
  auto guarded(Work work) -> decltype(work()) {
    try {
      return work();
    } catch (const sqlite::Error& e) {
      throw StoreError(path + ": " + e.what(), e.full());
    }
  }
  template <class... Arguments>
  void run(const char* text, const Arguments&... arguments) {
    guarded([&] { database.run(text, arguments...); });
  }
  /// What `read` makes of each row.
  template <class Read, class... Arguments>
  auto rows(Read read, const char* text, const Arguments&... arguments) {
    return guarded([&] {
      std::vector<decltype(read(std::declval<Statement&>()))> all;
      Statement statement(database, text, arguments...);
      while (statement.row()) all.push_back(read(statement));
      return all;
    });
  }
};

Store::Store(const fs::path& folder) {
  const std::string path = (folder / "fuzz.db").string();
  try {
    sqlite::Opened opened = sqlite::open(path, kSchema);
    impl_ = std::make_unique<Impl>(path, std::move(opened.database));
    impl_->aside = opened.aside;
  } catch (const sqlite::Error& e) {
    throw StoreError(path + ": " + e.what(), e.full());
  } catch (const std::exception& e) {
    throw StoreError(path + ": " + e.what());
  }
}

Store Store::look(const fs::path& folder) {
  const std::string path = (folder / "fuzz.db").string();
  if (!fs::exists(path)) throw StoreError(path + ": there is none; 'truenorm fuzz' makes one");
  try {
    return Store(std::make_unique<Impl>(path, sqlite::look(path, kSchema)));
  } catch (const std::exception& e) {
    throw StoreError(path + ": " + e.what());
  }
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;

const std::string& Store::moved_aside() const { return impl_->aside; }

std::string Store::subject() const {
  const auto all = impl_->rows([](Statement& row) { return row.text(0); },
                               "SELECT value FROM about WHERE key = 'subject'");
  return all.empty() ? std::string() : all.front();
}

void Store::set_subject(const std::string& subject) {
  impl_->run("INSERT OR REPLACE INTO about VALUES ('subject', ?)", subject);
}

std::int64_t Store::begin_run(const Run& run) {
  impl_->run("INSERT INTO runs (started, subject, targets, jobs, planned) VALUES (?, ?, ?, ?, ?)",
             run.started != 0 ? run.started : now(), run.subject, run.targets, run.jobs,
             run.planned);
  return impl_->database.last_id();
}

void Store::live(std::int64_t run, double seconds) {
  impl_->run("UPDATE runs SET seconds = ? WHERE id = ?", seconds, run);
}

void Store::end_run(std::int64_t run, double seconds, const std::string& how) {
  impl_->run("UPDATE runs SET seconds = ?, how = ? WHERE id = ?", seconds, how, run);
}

std::vector<Run> Store::runs() const {
  return impl_->rows(
      [](Statement& row) {
        return Run{row.whole(0),  row.whole(1), row.number(2),
                   row.text(3),   row.text(4),  static_cast<unsigned>(row.whole(5)),
                   row.number(6), row.text(7)};
      },
      "SELECT id, started, seconds, subject, targets, jobs, planned, how FROM runs ORDER BY id");
}

double Store::seconds() const {
  return impl_
      ->rows([](Statement& row) { return row.number(0); }, "SELECT total(seconds) FROM runs")
      .front();
}

namespace {

Sample read_sample(Statement& row) {
  const auto count = [&](int column) { return static_cast<std::uint64_t>(row.whole(column)); };
  return {row.whole(0), row.number(1), row.text(2), count(3),     row.number(4),
          count(5),     count(6),      count(7),    row.number(8)};
}

}  // namespace

void Store::add(const Sample& s) {
  impl_->run("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", s.run, s.seconds, s.target,
             s.executions, s.exec_per_second, s.coverage, s.features, s.corpus, s.worst_score);
}

std::vector<Sample> Store::samples() const {
  return impl_->rows(read_sample, "SELECT * FROM samples ORDER BY rowid");
}

std::vector<Sample> Store::latest() const {
  return impl_->rows(read_sample,
                     "SELECT * FROM samples WHERE rowid IN "
                     "(SELECT max(rowid) FROM samples GROUP BY target) ORDER BY target");
}

std::optional<Sample> Store::latest(const std::string& target) const {
  const auto all = impl_->rows(
      read_sample, "SELECT * FROM samples WHERE target = ? ORDER BY rowid DESC LIMIT 1", target);
  return all.empty() ? std::nullopt : std::optional(all.front());
}

namespace {

constexpr const char* kFindings =
    "SELECT id, target, verdict, reason, kernel, subject, build, run, first_seen, last_seen, "
    "count, "
    "state, line, minimal, detail, opinion, input, file FROM findings ";

Finding read_finding(Statement& row) {
  Finding f;
  f.id = row.whole(0);
  f.target = row.text(1);
  f.verdict = row.text(2);
  f.reason = row.text(3);
  f.kernel = row.text(4);
  f.subject = row.text(5);
  f.build = row.text(6);
  f.run = row.whole(7);
  f.first_seen = row.whole(8);
  f.last_seen = row.whole(9);
  f.count = static_cast<std::uint64_t>(row.whole(10));
  f.state = state_named(row.text(11));
  f.line = row.text(12);
  f.minimal = row.text(13);
  f.detail = row.text(14);
  f.opinion = row.text(15);
  f.input = row.text(16);
  f.file = row.text(17);
  return f;
}

}  // namespace

bool Store::add(const Finding& f) {
  const std::int64_t seen = f.last_seen != 0 ? f.last_seen : now();
  bool fresh = false;
  impl_->guarded([&] {
    impl_->database.transaction([&] {
      impl_->database.run(
          "UPDATE findings SET count = count + ?, last_seen = ? "
          "WHERE target = ? AND verdict = ? AND reason = ? AND kernel = ?",
          f.count, seen, f.target, f.verdict, f.reason, f.kernel);
      fresh = impl_->database.changes() == 0;
      if (!fresh) return;
      impl_->database.run(
          "INSERT INTO findings (target, verdict, reason, kernel, subject, build, run, first_seen, "
          "last_seen, count, state, line, minimal, detail, opinion, input, file) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
          f.target, f.verdict, f.reason, f.kernel, f.subject, f.build, f.run,
          f.first_seen != 0 ? f.first_seen : seen, seen, f.count, std::string_view(name(f.state)),
          f.line, f.minimal, f.detail, f.opinion, Blob{f.input}, f.file);
    });
  });
  return fresh;
}

void Store::update(const Finding& f) {
  impl_->run(
      "UPDATE findings SET state = ?, minimal = ?, detail = ?, opinion = ?, input = ?, file = ? "
      "WHERE id = ?",
      std::string_view(name(f.state)), f.minimal, f.detail, f.opinion, Blob{f.input}, f.file, f.id);
}

std::vector<Finding> Store::findings() const {
  return impl_->rows(read_finding, (std::string(kFindings) + "ORDER BY id").c_str());
}

std::optional<Finding> Store::finding(std::int64_t id) const {
  const auto all = impl_->rows(read_finding, (std::string(kFindings) + "WHERE id = ?").c_str(), id);
  return all.empty() ? std::nullopt : std::optional(all.front());
}

void Store::raise(const Worst& w) {
  impl_->run(
      "INSERT INTO worst VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (target, output) DO UPDATE "
      "SET score = ?3, line = ?4, run = ?5, seconds = ?6 WHERE ?3 > score",
      w.target, w.output, w.score, w.line, w.run, w.seconds);
}

std::vector<Worst> Store::worst() const {
  return impl_->rows(
      [](Statement& row) {
        return Worst{row.text(0), row.text(1),  row.number(2),
                     row.text(3), row.whole(4), row.number(5)};
      },
      "SELECT * FROM worst ORDER BY target, output");
}

std::int64_t Store::replayed(const std::string& target, const std::string& build) const {
  const auto all =
      impl_->rows([](Statement& row) { return row.whole(0); },
                  "SELECT until FROM replayed WHERE target = ? AND build = ?", target, build);
  return all.empty() ? 0 : all.front();
}

std::vector<Replayed> Store::replayed() const {
  return impl_->rows(
      [](Statement& row) {
        return Replayed{row.text(0), row.text(1), row.whole(2)};
      },
      "SELECT target, build, until FROM replayed ORDER BY target, build");
}

void Store::set_replayed(const Replayed& r) {
  impl_->run("INSERT OR REPLACE INTO replayed VALUES (?, ?, ?)", r.target, r.build, r.until);
}

}  // namespace truenorm::night
