// The power of the cases: how soon they kill players that are known to be wrong, and that they
// spare those that are right.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "judge.h"
#include "plan.h"
#include "seat.h"

namespace truenorm::oracle {

/// A player to measure by.
struct Suspect {
  std::string id, what;
  Seats seats;  // each seat a process of its own: a crash is a verdict
};

/// The verdict that ended a player.
struct Kill {
  Result result = Result::fail;  // or crash, timeout
  std::string check;   // the verdict's reason: an output's name, "refusal", "out of bounds" ...
  std::string detail;  // in one line
  std::string area;
  std::uint64_t number = 0;  // of the case in its area, from 1
  std::string line;          // the case
};

/// What became of one.
struct Life {
  std::string id, what;
  std::uint64_t cases = 0;   // judged, the last one included
  std::uint64_t passed = 0;  // of them, and showed something
  double seconds = 0;
  std::optional<Kill> kill;
  bool whole = false;  // killed, or spared by every case there was for it
  bool survived() const { return whole && !kill; }
};

struct PowerReport {
  std::string subject;  // empty: the planted defects
  std::uint64_t seed = 0;
  unsigned threads = 1;
  double seconds = 0;
  bool interrupted = false;
  std::vector<Life> defects, honest;  // in the order in which they were given

  std::uint64_t killed() const;
  std::vector<std::string> survivors() const;
  /// Every honest player was spared, and some case showed something about it.
  bool honest_clean() const;
  /// Cases to a kill; one that was not killed counts those that it met. 0 where there is none.
  std::uint64_t median_cases() const;
  bool all_good() const;
};

struct PowerOptions {
  std::string subject;
  std::uint64_t seed = 1;
  unsigned threads = 1;
};

struct PowerWatch {
  /// Players that are done, of how many, and the kills among them. Called from the calling thread.
  std::function<void(std::uint64_t done, std::uint64_t total, std::uint64_t killed)> progress;
  std::function<bool()> interrupted;  // true: end now, with what there is
};

/// Plays the random cases of the plan first, its fixed ones after that, against each defect until
/// one of them kills it; then against each honest player as many as the longest-lived defect met,
/// 1000 at least. Same plan, same kills, whatever the number of threads. Throws what a
/// player's start throws.
PowerReport power(const Plan&, const std::vector<Suspect>& defects,
                  const std::vector<Suspect>& honest, const PowerOptions&, const PowerWatch&);

/// "truenorm-power/1".
std::string to_json(const PowerReport&);

/// The table for people; with `lines`, each killing case as a line below its row.
std::string to_text(const PowerReport&, bool lines, bool colour);

}  // namespace truenorm::oracle
