// What the targets over cases share: bytes to a case, the case to every player, each judged.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "answer.h"
#include "feedback.h"
#include "finding.h"
#include "mutate.h"
#include "options.h"
#include "player.h"

namespace truenorm::fuzz {

/// Who plays, and which of its verdicts are known.
struct Judged {
  std::unique_ptr<oracle::Player> player;
  std::function<bool(const oracle::Case&, const oracle::Verdict&)> known;  // none: none is
};

class CaseTarget {
 public:
  /// At most kPlayers; the first is the one that the status tells of.
  CaseTarget(std::string name, const Bounds&, const Options&, std::vector<Judged>);

  void run(Bytes input);
  const Bounds& bounds() const { return bounds_; }
  /// To climb on from; null where coverage alone guides.
  const Peaks* peaks(unsigned draw) const {
    return options_.feedback ? &peaks_[draw % players_.size()] : nullptr;
  }
  std::uint64_t judged() const { return judged_; }

 private:
  void judge(std::size_t player, const oracle::Case&, const oracle::Inputs&, Bytes input);
  void tell_status();

  std::string name_;
  Bounds bounds_;
  Options options_;
  std::vector<Judged> players_;
  Findings findings_;
  std::array<Peaks, kPlayers> peaks_;
  oracle::Answer answer_;  // of the case at hand: its memory is used again
  std::uint64_t executions_ = 0, judged_ = 0, passed_ = 0, known_ = 0;
  std::chrono::steady_clock::time_point told_{};
};

/// The subject that the options name, alone. Throws std::invalid_argument where there is none.
std::vector<Judged> subject_alone(const Options&);

/// The target of this program, which each *_fuzz.cc over cases defines; case_entry.cc has the
/// engine's entry points.
CaseTarget make_target(const Options&);

}  // namespace truenorm::fuzz
