// A run: items, and the rows that come of them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "contestant.h"
#include "items.h"
#include "measure.h"
#include "memory.h"
#include "report.h"

namespace truenorm::bench {

/// Measures items in their order. Keeps what the next one can use: contestants, data, memory.
class Session {
 public:
  Session(Asked, std::function<bool()> interrupted);

  /// The row; not measured where the verdict is not good, or if interrupted.
  Row play(const Item&);
  /// Its first half: whoever can is ready to run() this item and was judged. Not measured; with
  /// `ready` false if the verdict on truenorm or on the subject is not good.
  Row prepare(const Item&, bool& ready);
  /// "truenorm" or a peer that was asked for.
  Contestant& contestant(const std::string& name) const;
  /// "truenorm", "libtorch", ... to their versions.
  std::map<std::string, std::string> versions() const;

 private:
  void make_data(const Item&);
  Row row_of(const Item&) const;
  Work work_of(const Item&) const;
  bool judged(const Item&, const Work&, Row&);
  oracle::Verdict check_fresh(Contestant&, const Work&) const;
  bool invite(const Item&, const Work&, Row&);
  void evict_all(const Work&, const Contestant&) const;
  void measure(const Work&, Row&);
  void conclude(const std::vector<Slot>&, const Work&, Row&) const;

  Asked asked_;
  std::function<bool()> interrupted_;
  std::unique_ptr<Contestant> truenorm_;
  std::vector<std::unique_ptr<Contestant>> peers_;

  std::uint64_t played_ = 0;  // rows
  Caches caches_ = caches_here();
  oracle::Problem of_;  // what the data below are of
  bool made_ = false;
  oracle::Layout placed_ = oracle::Layout::nchw;
  oracle::Inputs inputs_;
  Buffer x_, dy_, moved_, weight_, bias_, running_mean_, running_var_;
};

}  // namespace truenorm::bench
