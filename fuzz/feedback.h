// How near each output has come to its bound: told to the engine as coverage, climbed on from by the
// mutator, and told to people.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "answer.h"
#include "case.h"
#include "dice.h"
#include "judge.h"

namespace truenorm::fuzz {

inline constexpr std::size_t kPlayers = 2;  // that one process judges, at most

/// What errors are compared within: pairs of dtypes and how many values a channel has, in powers of 8.
/// Long sums err in other ways than short ones, whose scores soon stand where no more can be climbed.
inline constexpr std::size_t kSizes = 5;
inline constexpr std::size_t kNiches = oracle::kDtypePairs.size() * kSizes;

/// Marks the counters that libFuzzer reads beside the edges of the code: for each player, output and
/// niche the bucket of the score, in steps of a quarter of a power of two. An input that
/// marks a new one is kept. Scores under 2^-12 are one bucket; 1 and above, which no pass has,
/// another.
void mark_scores(std::size_t player, const oracle::Case&, const oracle::Verdict&);

/// The highest score of a pass by output and niche, and the case that has it.
class Peaks {
 public:
  struct Peak {
    double score = -1;  // none yet
    oracle::Case value;
  };
  void add(const oracle::Case&, const oracle::Verdict&);
  /// Of all niches.
  const Peak& highest(oracle::Output) const;
  /// One to climb on from: as often as not the one that last rose by a bucket, else any that has a
  /// bucket to rise by. Null where there is none.
  const oracle::Case* draw(oracle::Dice&) const;

 private:
  std::array<std::array<Peak, oracle::kOutputs>, kNiches> peaks_;
  const Peak* risen_ = nullptr;
};

}  // namespace truenorm::fuzz
