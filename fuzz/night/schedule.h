// What a free job does next. Pure: no clock, no files, so that every choice can be tested.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace truenorm::night {

/// A way to replay, from the scheduler's side.
struct ReplayState {
  std::size_t fresh = 0;  // inputs that it has not seen
  double waited = 0;      // seconds since it was last at work
  bool running = false;
};

/// A target, from the scheduler's side.
struct TargetState {
  unsigned weight = 1;
  double explored = 0;  // seconds of jobs, those that run now with all they were given
  unsigned turns = 0;   // slices so far
  double load = 0;      // seconds that a process takes to load the corpus
  std::size_t corpus = 0, merged = 0;  // inputs now, and when they were last merged
  bool merging = false;
  std::vector<ReplayState> replays;
};

struct Situation {
  std::vector<TargetState> targets;
  unsigned jobs = 1;
  double left = 0;       // seconds until the end of the run
  double whole = 0;      // seconds of the whole run
  double spent = 0;      // seconds of jobs in this run
  double kept = 0;       // of these, in replays and merges
  unsigned keeping = 0;  // replays and merges at work
};

struct Task {
  enum class Kind { explore, replay, merge };
  Kind kind = Kind::explore;
  std::size_t target = 0, replay = 0;
  double seconds = 0;
};

/// Nothing where the time is up. Replays and merges get a fourth of the time at most, exploration
/// the rest: the target that is furthest behind its share, for ten seconds first, so that all have
/// their turn soon, then for twice as long each time, up to a minute; and for five times as long as
/// its corpus takes to load.
std::optional<Task> choose(const Situation&);

}  // namespace truenorm::night
