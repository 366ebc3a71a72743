// A run: what is asked, and the rows that come of it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "contestant.h"
#include "measure.h"
#include "memory.h"
#include "report.h"
#include "suites.h"

namespace truenorm::bench {

struct Asked {
  std::vector<std::string> peers;  // "libtorch", "onednn"
  std::vector<oracle::Dtype> dtypes;
  std::vector<oracle::Layout> layouts;
  std::vector<Op> ops;
  std::vector<int> threads;
  oracle::Isa isa = oracle::Isa::best;
  std::vector<std::int64_t> caches;  // as make_truenorm() takes them
  int rounds = 11;
};

/// One row to be measured.
struct Item {
  Entry entry;
  oracle::Case value;
  Op op = Op::training;
};

/// The rows of entries, those of one tensor's data next to each other.
std::vector<Item> items(const std::vector<Entry>&, const Asked&);

/// Measures items in their order. Keeps what the next one can use: contestants, data, memory.
class Session {
 public:
  Session(Asked, std::function<bool()> interrupted);

  /// The row; not measured where the verdict is not good, or if interrupted.
  Row play(const Item&);
  /// "truenorm", "libtorch", ... to their versions.
  std::map<std::string, std::string> versions() const;

 private:
  void make_data(const Item&);
  Work work_of(const Item&) const;
  bool judged(const Item&, const Work&, Row&);
  void invite(const Work&, Row&);
  void measure(const Work&, Row&);

  Asked asked_;
  std::function<bool()> interrupted_;
  std::unique_ptr<Contestant> truenorm_;
  std::vector<std::unique_ptr<Contestant>> peers_;

  oracle::Problem of_;  // what the data below are of
  bool made_ = false;
  oracle::Layout placed_ = oracle::Layout::nchw;
  oracle::Inputs inputs_;
  Buffer x_, dy_, moved_, weight_, bias_, running_mean_, running_var_;
};

}  // namespace truenorm::bench
