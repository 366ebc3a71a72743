// What a run has found: rows, their sums, and how both are shown.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "contestant.h"
#include "roofline.h"
#include "statistics.h"

namespace truenorm::bench {

/// A peer's times beside truenorm's of the same kind of calls.
struct Compared {
  double ns = 0;      // median
  double ratio = 0;   // median over the rounds of peer/truenorm: above 1, truenorm is faster
  double spread = 0;  // of that ratio
  std::optional<Interval> interval;  // of it; none of too few rounds

  /// The wider side of the interval, in per cent of the ratio.
  std::optional<double> interval_pct() const;
};

/// A peer's part of a row.
struct Against : Compared {
  std::string absent;  // why there is no figure; empty: there is one
  std::string implementation, verdict;
  std::optional<double> error;             // worst of its tensors, as a Row has it
  std::map<std::string, Compared> others;  // by "fresh", "cold", as far as asked
};

struct Row {
  std::string line, suite, shape;  // the case line; its shape
  Op op = Op::training;
  oracle::Layout layout = oracle::Layout::nchw;
  oracle::Dtype dtype = oracle::Dtype::f32;
  int threads = 1;
  std::int64_t channels = 0;
  int times = 1;            // BatchNorms of the suite's network that look like this
  bool one_layout = false;  // both orders of memory are the same one
  std::size_t bytes = 0;    // of one tensor
  std::string verdict;      // "pass", else why there are no figures
  double score = 0;         // of the verdict
  std::optional<double>
      error;  // |got - want| over the bound that truenorm promises, at its worst in
              // the channels that the peers, too, are looked at in
  bool measured = false;
  double ns = 0, spread = 0, aa = 1;
  std::optional<Interval> aa_interval;
  std::map<std::string, double> others;  // truenorm's median by "fresh", "cold", as far as asked
  double copy_ns = 0;                    // one pass of the roofline
  int must = 0;                          // tensors that must be moved
  Level level = Level::memory;           // where that pass reads and writes
  double gbps = 0;                       // of the tensors that the textbook's loops move
  double must_gbps = 0;                  // of those that must be moved
  double roofline_pct = 0;
  std::size_t measurements = 0, disturbed = 0;  // by other processes, and no repetition was not
  std::map<std::string, std::vector<double>> samples;  // ns of a call by round, of everyone
  std::map<std::string, Against> peers;

  bool few_channels() const { return layout == oracle::Layout::nhwc && channels < 16; }
  /// The ratio against the fastest peer; none if no peer has a figure.
  std::optional<double> best_ratio() const;
};

/// A peer in the order of memory that it is faster in.
struct Fastest {
  oracle::Layout layout = oracle::Layout::nchw;
  double ns = 0;  // median, of that layout's row
  double ratio =
      0;  // over truenorm's in the row's own layout: of medians, for they are of two rows
};

/// Copies of one level of the memory, and what truenorm reaches of them.
struct LevelSum {
  Level level = Level::memory;
  int threads = 1;
  std::size_t rows = 0;
  double copy_gbps = 0;     // median over the rows
  double roofline_pct = 0;  // geometric mean
};

struct Machine {
  std::string cpu, isa, os, compiler, flags;  // the compiler's
  unsigned logical_cpus = 0;
  long l1 = 0, l2 = 0, l3 = 0;
  std::int64_t memory = 0;              // bytes
  std::optional<std::string> governor;  // of its frequency; none where that cannot be read
  std::optional<double> load;           // average of the last minute, when the run began
  std::optional<std::string> commit;
  std::optional<bool> dirty;  // files differ from that commit
};
Machine this_machine();

/// Geometric means of ratios over the rows of one operation and layout.
struct Sum {
  std::string op, layout;  // "all" layouts
  std::string dtype;
  int threads = 1;
  std::size_t rows = 0;
  bool weighted = false;                  // rows count as often as the suite's network has them
  std::map<std::string, double> geomean;  // by peer
  std::optional<double> geomean_best;     // against the fastest peer of each row
  std::optional<double> geomean_layout;   // the same, each peer in its faster order of memory; none
                                          // unless all rows have both
  std::optional<double> minimum;          // against it; what is below 1 by noise alone counts as 1
  std::string minimum_line, minimum_shape;
};

struct Report {
  Machine machine;
  std::vector<std::string> peers;
  std::map<std::string, std::string> versions;
  int rounds = 0;                   // of a sitting
  int sittings = 1;                 // processes that measured each row
  std::uint64_t seed = 1;           // of the order within the rounds
  std::vector<std::string> others;  // columns beside the plain one: "fresh", "cold"
  std::string command;              // that this run was asked for with
  std::vector<Row> rows;
  bool complete = true;

  /// 90th percentile over the rows of |truenorm/truenorm - 1|.
  double noise_floor() const;
  /// How wide the intervals are: a quantile over rows and peers. None where there are none.
  std::optional<double> interval_pct(double at) const;
  /// Per cent of the measurements that other processes have disturbed.
  double disturbed_pct() const;
  /// At the run's largest tensor; none where nothing was measured.
  std::optional<double> copy_gbps() const;
  /// By dtype and threads, operation and layout; few channels innermost left out. Weighted where all
  /// of these rows are of one suite.
  std::vector<Sum> sums() const;
  std::vector<LevelSum> levels() const;
  /// None where only one of two layouts was measured.
  std::optional<Fastest> fastest_layout(const Row&, const std::string& peer) const;
  /// Of the rows' peer/truenorm, beside the noise floor.
  Difference difference_of(const Compared&) const;
  /// Why nothing should be made of these figures, and what would help; empty if nothing speaks
  /// against them.
  std::vector<std::string> warnings() const;
};

std::string to_json(const Report&);

/// The table, line by line as the rows come.
class Table {
 public:
  Table(const Report&, std::size_t shape_width, bool colour);
  std::string head() const;
  std::string line(const Row&) const;

 private:
  std::string ratios(const Row&, const std::string& column) const;

  std::vector<std::string> peers_, others_;
  std::size_t width_;
  bool colour_;
};

/// What stands below the table.
std::string to_text(const Report&);

}  // namespace truenorm::bench
