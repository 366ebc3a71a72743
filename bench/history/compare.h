// Two kept runs, compared: which rows are slower, and is that the change or the machine? A pure
// function; why the rule is this one: docs/notes/018-history.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kept.h"
#include "mann_whitney.h"

namespace truenorm::bench {

/// p, corrected over the list, below which a difference is none of chance.
inline constexpr double kSignificance = 0.01;

/// What times are divided by before they are compared.
enum class Beside {
  copy,   // the copy of the same tensors in the same round
  peers,  // the geometric mean of the peers that are in both runs
};

struct Rule {
  double pct = 5;  // smaller changes are none
  Beside beside = Beside::copy;
};

enum class Change {
  same,     // its interval is within the stated per cent
  slower,   // significant, by more than the stated per cent and than the noise of the runs
  faster,   // likewise
  unclear,  // neither; more sittings would tell
};
const char* name(Change);

struct RowChange {
  std::string line, op;                // both empty: all rows together
  double ns_before = 0, ns_after = 0;  // medians, as measured: not what is compared
  double ratio = 1;                    // after/before of the times over what they are beside
  std::optional<Interval> interval;    // of 95 %
  double p = 1;                        // corrected over the list
  double superior = 0.5;               // probability that a sitting after is slower than one before
  Change change = Change::unclear;
};

struct Comparison {
  std::vector<RowChange> rows;  // in the order of the run before; those that are in both
  RowChange all;                // geometric mean over the rows, sitting by sitting
  std::size_t only_before = 0, only_after = 0;  // rows
  std::size_t sittings_before = 0, sittings_after = 0;
  double noise = 0;    // the larger noise floor of the two: 0.02 is 2 %
  double least_p = 1;  // that these sittings and rows can come to; not below kSignificance: nothing
                       // can be told
  std::size_t enough = 0;  // sittings of each run that can tell

  bool can_tell() const { return least_p < kSignificance; }
  bool regressed() const;
};

/// Empty `rows` where the runs have none in common.
Comparison compare(const KeptRun& before, const KeptRun& after, const Rule&);

/// "cpu: A here, B there" for each fact that both runs know and that differs.
std::vector<std::string> unlike(const KeptRun& before, const KeptRun& after);

/// How far truenorm is off itself, over a run's rows: the report's noise floor; 0.02 is 2 %.
double noise_of(const KeptRun&);

/// truenorm's time over the copy's, the median over the sittings; none where one of the two was not
/// measured.
std::optional<double> over_copy(const KeptRun&, const KeptRow&);

/// "n8c64s56x56 f32 training nchw thr=2".
std::string label(const std::string& line, const std::string& op);

struct Shown {
  bool all = false, colour = false;  // all: rows without a change, too
};
std::string to_text(const Comparison&, const KeptRun& before, const KeptRun& after, const Rule&,
                    const Shown&);
std::string to_json(const Comparison&, const KeptRun& before, const KeptRun& after, const Rule&,
                    const std::vector<std::string>& unlike, const std::string& bisect);

}  // namespace truenorm::bench
