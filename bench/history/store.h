// The runs that were kept, in one SQLite file: machines, runs, cases, rows, samples. Each run is kept
// in one transaction, whole or not at all; several processes may keep theirs in one file at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "kept.h"
#include "oracle/sqlite/sqlite.h"

namespace truenorm::bench {

/// The database cannot be opened, read or written; says which file, and why.
struct HistoryError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// `option`, else $TRUENORM_HISTORY, else history.db beside the build folder that this program is in:
/// a build that is removed takes no history with it. Of an installed program
/// $XDG_STATE_HOME/truenorm/history.db, ~/.local/state being the default; the folder is made.
std::filesystem::path history_file(const std::string& option);

class History {
 public:
  /// To keep runs in; made where there is none. One that is damaged is moved aside, and
  /// moved_aside() says where to. Throws HistoryError, as everything here does.
  explicit History(const std::filesystem::path&);
  /// To read; nothing in it changes. Throws also where there is none, or where it is damaged.
  static History look(const std::filesystem::path&);

  /// Where a damaged one was moved to; empty: it was sound.
  const std::string& moved_aside() const { return aside_; }

  std::int64_t keep(const KeptRun&);  // returns its id; `kept` 0 is now

  /// Oldest first: those kept at `since` (seconds) or later, with the rows whose case line has this
  /// text.
  std::vector<KeptRun> runs(std::int64_t since = 0, const std::string& text = "");
  std::optional<KeptRun> run(std::int64_t id);
  /// 0: the last one, 1: the one before.
  std::optional<KeptRun> last(std::int64_t before);
  /// The last one of a commit that begins so, and of no changed files.
  std::optional<KeptRun> of_commit(const std::string& prefix);

 private:
  History(std::string path, sqlite::Database database)
      : path_(std::move(path)), database_(std::move(database)) {}
  void read_rows(KeptRun&, const std::string& text);
  std::optional<KeptRun> whole(std::optional<std::int64_t> id);

  std::string path_, aside_;
  sqlite::Database database_;
};

/// To keep runs in; that a damaged one was moved aside is told on standard error.
History open_history(const std::filesystem::path&);

}  // namespace truenorm::bench
