// What a run has found: rows, their sums, and how both are shown.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "contestant.h"

namespace truenorm::bench {

std::string_view name(Op);

/// A peer's part of a row.
struct Against {
  std::string absent;  // why there is no figure; empty: there is one
  double ns = 0;       // median
  double ratio = 0;    // median over the rounds of peer/truenorm: above 1, truenorm is faster
  double spread = 0;   // of that ratio
  std::string implementation, verdict;
};

struct Row {
  std::string line, suite, shape;  // the case line; its shape
  Op op = Op::training;
  oracle::Layout layout = oracle::Layout::nchw;
  oracle::Dtype dtype = oracle::Dtype::f32;
  int threads = 1;
  std::int64_t channels = 0;
  std::size_t bytes = 0;  // of one tensor
  std::string verdict;    // "pass", else why there are no figures
  double score = 0;       // of the verdict
  bool measured = false;
  double ns = 0, spread = 0, aa = 1;
  double copy_ns = 0;  // one pass of the roofline
  double gbps = 0, roofline_pct = 0;
  std::size_t measurements = 0, disturbed = 0;  // by other processes, and no repetition was not
  std::map<std::string, std::vector<double>> samples;  // ns of a call by round, of everyone
  std::map<std::string, Against> peers;

  bool few_channels() const { return layout == oracle::Layout::nhwc && channels < 16; }
  /// The ratio against the fastest peer; none if no peer has a figure.
  std::optional<double> best_ratio() const;
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
  std::map<std::string, double> geomean;  // by peer
  std::optional<double> geomean_best;     // against the fastest peer of each row
  std::optional<double> minimum;          // against it; what is below 1 by noise alone counts as 1
  std::string minimum_line, minimum_shape;
};

struct Report {
  Machine machine;
  std::vector<std::string> peers;
  std::map<std::string, std::string> versions;
  int rounds = 0;
  std::vector<Row> rows;
  bool complete = true;

  /// 90th percentile over the rows of |truenorm/truenorm - 1|.
  double noise_floor() const;
  /// Per cent of the measurements that other processes have disturbed.
  double disturbed_pct() const;
  /// At the run's largest tensor; none where nothing was measured.
  std::optional<double> copy_gbps() const;
  /// By dtype and threads, operation and layout; few channels innermost left out.
  std::vector<Sum> sums() const;
};

std::string to_json(const Report&);

/// The table, line by line as the rows come.
class Table {
 public:
  Table(const std::vector<std::string>& peers, std::size_t shape_width, bool colour);
  std::string head() const;
  std::string line(const Row&) const;

 private:
  std::vector<std::string> peers_;
  std::size_t width_;
  bool colour_;
};

/// What stands below the table.
std::string to_text(const Report&);

}  // namespace truenorm::bench
