// What a conformance run found: counts, scores and failures; how reports add up; and the forms in
// which they are handed out.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "judge.h"
#include "vary.h"

namespace truenorm::oracle {

using Counts = std::map<std::string, std::uint64_t>;

/// The highest score so far and the line that has it. Among equals the earliest case, so that the
/// order of arrival does not matter.
struct Peak {
  double score = -1;  // -1: nothing yet
  std::uint64_t index = 0;
  std::string line;
  bool improves(double other, std::uint64_t at) const {
    return other > score || (other == score && at < index);
  }
};

/// How many passes had which score in one kind of output: 0 first, then up to 2^-10, and from there
/// up to each power of two that follows, the last being 1.
inline constexpr std::size_t kScoreBins = 12;
using Histogram = std::array<std::uint64_t, kScoreBins>;
using Histograms = std::array<Histogram, kOutputs>;
std::size_t score_bin(double score);      // of a pass: 0 to 1
std::string score_bin_name(std::size_t);  // "0", "to 1/1024", ..., "to 1/2", "to 1"

/// The verdicts on the subject in one area.
struct Tally {
  std::array<std::uint64_t, kResults> results{};
  Peak worst;  // of the passes

  std::uint64_t operator[](Result r) const { return results[static_cast<std::size_t>(r)]; }
  std::uint64_t cases() const;
  std::uint64_t against() const {
    return (*this)[Result::fail] + (*this)[Result::crash] + (*this)[Result::timeout];
  }
  void add(const Tally&);
};

/// LibTorch on the same cases, judged by its own balls.
struct Rival {
  std::uint64_t agreed = 0;   // inside its balls
  std::uint64_t skipped = 0;  // does not take the case
  std::uint64_t fresh = 0;    // divergences that nobody has explained
  Counts known;               // explained divergences, by id
  Histograms scores{};        // of what is inside its balls
  std::uint64_t known_total() const;
  void add(const Rival&);
};

/// Why LibTorch differs, as the corpus has it.
struct Explanation {
  std::string cause, right;  // what LibTorch does; who is right
  std::string line;          // a case that shows it
};

/// A case with a verdict against the subject, or an unexplained divergence of LibTorch.
struct Failure {
  std::uint64_t index = 0;  // in the run; the order in which failures are listed
  std::string area;
  std::string line;   // minimal where it was shrunk, else as found
  std::string found;  // as found
  std::string where;  // "corpus/edges.cases:12", where a file has it
  bool shrunk = false;
  bool divergence = false;  // against LibTorch, not the subject
  Result result = Result::fail;
  std::string reason;                // as in the verdict
  std::string detail;                // one sentence
  std::string opinion;               // who is right, and who says so
  std::string command;               // plays `line` again
  bool published = false;            // a published vector, which no case line says
  std::vector<FieldEffect> effects;  // of the fields of `line`, where that was asked for
};

/// One part of the cases: those whose index is `index` modulo `count`.
struct Shard {
  std::uint64_t index = 0, count = 1;
  bool holds(std::uint64_t i) const { return i % count == index; }
  friend bool operator==(const Shard&, const Shard&) = default;
};

struct Report {
  std::string subject, subject_version;
  std::string libtorch;  // version; empty: not played
  std::uint64_t seed = 0;
  std::uint64_t random_cases = 0;  // asked for; 0 with a time limit
  std::vector<Shard> shards{Shard{}};
  bool interrupted = false;
  bool out_of_time = false;  // the random cases ended with the time limit
  unsigned threads = 1;
  double seconds = 0;

  std::vector<std::pair<std::string, Tally>> areas;  // in the order in which they are played
  Counts hollow, skipped;                            // by cause; of the subject
  Counts not_compared;                               // LibTorch's reasons for not taking a case
  std::array<Peak, kOutputs> outputs;                // by kind of output; of the passes
  Histograms scores{};                               // likewise
  Rival rival;
  std::map<std::string, Explanation> explained;  // of the known divergences that were met, by id
  Counts isas, thread_counts;                    // cases by what their Exec asks for
  std::map<std::pair<std::string, std::string>, std::uint64_t>
      census;                     // (area of classes, class) -> cases
  std::vector<Failure> failures;  // in case order

  Tally total() const;
  /// Something was shown: a pass that is not hollow, or a verdict against the subject.
  bool conclusive() const;
  bool all_good(bool allow_new_divergences) const;
  Tally& area(std::string_view name);  // made at its first mention
};

void add(Counts& to, const Counts&);
/// Adds up what was found: counts, scores, failures. What describes the run (subject, shards, time)
/// stays.
void absorb(Report& to, const Report& from);
void sort_failures(Report&);

/// The two reports do not add up ("seed: 1 and 2"), or a report cannot be read.
struct ReportError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Adds up reports of different shards of one run. Throws ReportError where they are not that.
Report merge(const std::vector<std::pair<std::string, Report>>& named);

/// A shard as people count them: i/n with i in 1..n.
std::string shard_name(const Shard&);
/// The shards that a report lacks, "2/4 4/4"; empty where it is whole.
std::string missing_shards(const Report&);

/// "truenorm-conform/1". from_json(to_json(r)) gives every field that merge() needs. `what` names
/// the file in errors.
std::string to_json(const Report&);
Report from_json(std::string_view text, std::string_view what);

/// The failures that stand for the rest: one of each kind and every minimal line once, up to `most`
/// of them, in case order. Against the subject, or the new divergences of LibTorch.
std::vector<const Failure*> chosen_failures(const Report&, bool divergences, std::size_t most);

/// What a report is shown as.
struct Look {
  bool colour = false;
  bool census = false;     // every class, not the short form
  std::size_t shown = 20;  // failures
  bool allow_new_divergences = false;
  bool whole = false;  // it is meant to be of all shards
};

/// What a run comes to, one thing each: "FAIL", "3 verdicts against naive". The word may be empty.
struct Conclusion {
  enum class Kind : std::uint8_t { plain, good, bad };
  std::string word, text;
  Kind kind = Kind::plain;
  std::string sentence() const { return word.empty() ? text : word + ": " + text; }
};
/// At least one; the last one is about the subject.
std::vector<Conclusion> conclusions(const Report&, const Look&);

/// "1 case", "2 cases".
std::string plural(std::uint64_t n, const char* one, const char* many);
/// The frequent first; among equals by name.
std::vector<std::pair<std::string, std::uint64_t>> ranked(const Counts&);

/// The report for people.
std::string to_text(const Report&, const Look&);

/// JUnit XML: a test suite for the run and one an area; in each a test case for each line that fails,
/// and one for all cases that passed, were hollow or were skipped. Counts are those of the test cases;
/// names are unique within a suite.
std::string to_junit(const Report&, const Look&);

/// One self-contained page.
std::string to_html(const Report&, const Look&);

/// Workflow commands of GitHub Actions, a line each: an error for each failure that is shown, of
/// which GitHub keeps ten of a step; a new divergence that is allowed is a warning. Files are named
/// relative to `root` where they are below it.
std::string to_annotations(const Report&, const Look&, const std::string& root);
/// Markdown for the summary of a job, well below the 1 MiB that GitHub takes.
std::string to_summary(const Report&, const Look&);

}  // namespace truenorm::oracle
