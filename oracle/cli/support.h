// What the verbs share: errors that are the user's, files that appear whole or not at all, players,
// the corpus and the terminal.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "../case.h"
#include "../conform.h"
#include "../divergence.h"
#include "../seat.h"

namespace truenorm::oracle::cli {

/// Exit statuses, the same for every verb.
inline constexpr int kGood = 0, kAgainst = 1, kUsage = 2, kInternal = 3, kInterrupted = 130;

/// Wrong usage or input: what, where, and what would be right. Ends with status 2.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The same where a worker has already said what and why, on the standard error that it shares.
struct ToldError : UsageError {
  ToldError() : UsageError("a worker said why") {}
};

/// Columns of the terminal that is open as `fd`; 0 where that is none.
std::size_t terminal_width(int fd);

/// A file to write at the end of a run: made under another name now, so that a wrong path shows
/// before the work, and renamed when it is whole.
class OutputFile {
 public:
  explicit OutputFile(
      const std::string& path);  // throws UsageError; "" is no file, "-" is standard output
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  bool wanted() const { return !path_.empty(); }
  void write(std::string_view bytes);  // throws UsageError where the disk says no

 private:
  std::string path_, temporary_;
};

/// An empty folder for temporary files, named after `purpose`, that goes with this. Throws UsageError.
class ScratchFolder {
 public:
  explicit ScratchFolder(const std::string& purpose);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// The whole of a file, or of standard input for "-". Throws UsageError.
std::string read_input(const std::string& path);

/// A case as written on the command line, with what to call it.
struct Asked {
  Case value;
  std::string where;  // "edges.cases:12"; empty for a line
};

/// One line. Throws UsageError with the line and a caret under the column.
Case parse_line(const std::string& line);

/// LINE, FILE.cases or "-" for lines on standard input.
std::vector<Asked> read_cases(const std::string& argument);

/// The case itself if it has a right side, else one for each standard Exec.
std::vector<Case> expand(const Case&);

/// Throws UsageError unless this build and this machine have the player that `spec` names.
void require_player(const std::string& spec);

/// A seat for it in a worker process; a plugin that does not load is the user's error.
std::unique_ptr<Seat> seat_for(const std::string& spec, const Setting& = {},
                               std::chrono::seconds timeout = kTimeout);

/// How the subject plays: in a worker process, with so many seconds for a case; or, not isolated, in
/// this one, where a debugger or a sanitizer sees it, and its death is that of the program.
struct Isolation {
  bool on = true;
  unsigned timeout = kTimeout.count();
};
std::unique_ptr<Seat> subject_seat(const std::string& spec, const Isolation&);

/// Who is judged, and everyone who plays.
struct Table {
  std::string subject;
  std::vector<std::string> players;
};

/// `players` is "a,b", "subject" standing for the subject; empty is the subject and LibTorch. Where
/// no `subject` is named it is truenorm, or without it the first but LibTorch. Throws UsageError for
/// players that are unknown or stand twice, and where the subject is not among them.
Table who_plays(const std::string& players, const std::string& subject);

/// The corpus: `option`, else $TRUENORM_CORPUS, else the program's own. Throws UsageError.
std::filesystem::path corpus_directory(const std::string& option);

/// Judges side by side: as many as asked for, or (0) one a core.
unsigned judges(unsigned asked);

/// Ctrl-C sets a flag from now on, until this is destroyed; a second one ends the program.
class Interruptible {
 public:
  Interruptible();
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;
  static bool interrupted();
};

/// One line on standard error that is written over; nothing where standard error is not a terminal.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void show(const Progress&);
  void show(const std::string& text);
  void clear();

 private:
  bool terminal_;
  bool shown_ = false;
};

/// Standard output is a terminal that takes colours.
bool colour();

/// The corpus's list of LibTorch's known divergences.
Divergences known_divergences(const std::string& corpus_option);

/// The id of the entry that explains a verdict against LibTorch; empty if none does.
std::string known_id(const Divergences&, const Case&, const Verdict&, const std::string& version);

}  // namespace truenorm::oracle::cli
