#include "schedule.h"

#include <algorithm>

namespace truenorm::night {
namespace {

constexpr double kLongest = 60;      // seconds; what a kill may cost at the most
constexpr double kFirst = 10;        // seconds
constexpr double kShortest = 1;      // seconds; a process that starts for less has done nothing
constexpr double kLoads = 5;         // a slice is as long as so many loads of the corpus
constexpr double kPatience = 20;     // seconds that a few new inputs wait for more
constexpr std::size_t kMany = 64;    // new inputs that do not wait
constexpr std::size_t kMerge = 256;  // inputs; fewer are not worth a merge

/// A replay that is due, the one that has waited longest.
std::optional<Task> due_replay(const Situation& now) {
  std::optional<Task> best;
  double longest = -1;
  for (std::size_t t = 0; t < now.targets.size(); ++t)
    for (std::size_t r = 0; r < now.targets[t].replays.size(); ++r) {
      const ReplayState& replay = now.targets[t].replays[r];
      const bool due = replay.fresh >= kMany || (replay.fresh > 0 && replay.waited >= kPatience);
      if (replay.running || !due || replay.waited <= longest) continue;
      longest = replay.waited;
      best = Task{Task::Kind::replay, t, r, std::min(kLongest, now.left)};
    }
  return best;
}

/// A corpus that has doubled since it was last made small.
std::optional<Task> due_merge(const Situation& now) {
  for (std::size_t t = 0; t < now.targets.size(); ++t) {
    const TargetState& target = now.targets[t];
    if (!target.merging && target.corpus >= std::max(kMerge, 2 * target.merged))
      return Task{Task::Kind::merge, t, 0, std::min(kLongest, now.left)};
  }
  return std::nullopt;
}

double slice(const Situation& now, const TargetState& target) {
  const double turned = target.turns < 3 ? kFirst * (1u << target.turns) : kLongest;
  const double grown = std::max(turned, kLoads * target.load);
  // A short run, too, is to reach every target, and twice.
  const double fair = now.whole * now.jobs / (2.0 * static_cast<double>(now.targets.size()));
  return std::min({grown, kLongest, std::max(fair, kShortest), now.left});
}

}  // namespace

std::optional<Task> choose(const Situation& now) {
  if (now.left < kShortest || now.targets.empty()) return std::nullopt;
  // The only job there is explores first: there is nothing to replay before.
  const bool room = now.keeping < std::max(1u, now.jobs / 2) && 4 * now.kept <= now.spent;
  if (room) {
    if (const auto merge = due_merge(now)) return merge;
    if (const auto replay = due_replay(now)) return replay;
  }
  const auto behind = std::min_element(now.targets.begin(), now.targets.end(),
                                       [](const TargetState& a, const TargetState& b) {
                                         return a.explored * b.weight < b.explored * a.weight;
                                       });
  return Task{Task::Kind::explore, static_cast<std::size_t>(behind - now.targets.begin()), 0,
              slice(now, *behind)};
}

}  // namespace truenorm::night
