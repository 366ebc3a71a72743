// The engine of `conform`: plays every case of a plan on the subject and on LibTorch, judges both,
// shrinks what fails and says who is right.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "judge.h"
#include "plan.h"
#include "report.h"
#include "seat.h"
#include "vary.h"

namespace truenorm::oracle {

struct ConformOptions {
  std::string subject = "truenorm";
  std::uint64_t seed = 1;
  std::optional<double> seconds;  // random cases end after this time
  Shard shard;
  unsigned threads = 1;
  std::size_t shrunk = 20;  // failures to shrink: one of each kind first
  int shrink_calls = 400;   // plays to spend on each
  bool explain = false;     // vary each field of what was shrunk
};

/// Who plays. Seats are made in the thread that uses them.
struct Bench {
  Seats subject;
  Seats libtorch;  // empty: the subject plays alone
  /// The id of the listed divergence of LibTorch that explains a verdict against it; empty if none
  /// does.
  std::function<std::string(const Case&, const Verdict&)> classify;
};

struct Progress {
  std::uint64_t done = 0, total = 0;  // total: Plan::kEndless where only time ends the run
  std::uint64_t against = 0, fresh = 0;
  double seconds = 0;
  bool shrinking = false;
};

struct Watch {
  std::function<void(const Progress&)>
      progress;                       // called from the calling thread, a few times a second
  std::function<bool()> interrupted;  // true: end now, with what there is
};

/// Same plan, seed and shard: the same report whatever the number of threads, but for the time.
/// Throws what a player's start throws; a player's death in mid-run is a verdict.
Report conform(const Plan&, const ConformOptions&, const Bench&, const Watch&);

/// The verdict on what a player answered to a case.
Verdict judge_reply(const Item&, const Inputs&, const RemotePlayer::Reply&);

/// What the verdict on a variation tells of a failure.
Sign sign_of(const Verdict&);

/// Shrinks a case on which `seen` was the verdict, for as long as the same goes wrong: the same
/// result for the same reason, or shrinking slides from one fault to another. `play` judges a case
/// that has an Exec; `calls` of it are spent at most. The result has an Exec.
Case shrink_verdict(const Case&, const Verdict& seen,
                    const std::function<Verdict(const Case&)>& play, int calls);

/// Both verdicts on one case, in words: who is right, and who says so. `rival`: LibTorch's, null if
/// it was not asked; `id`: its known divergence.
std::string opinion(const std::string& subject, const Verdict& verdict, const Verdict* rival,
                    const std::string& id);

}  // namespace truenorm::oracle
