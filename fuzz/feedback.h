// How near each output has come to its bound: told to the engine as coverage, and to people.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "answer.h"
#include "case.h"
#include "judge.h"

namespace truenorm::fuzz {

/// Marks the counters that libFuzzer reads beside the edges of the code: for each output and pair
/// of dtypes the bucket of the score, in steps of a quarter of a power of two. An input that marks
/// a new one is kept. Scores under 2^-12 are one bucket; 1 and above, which no pass has, another.
void mark_scores(const oracle::Case&, const oracle::Verdict&);

/// The highest score of a pass by output, and the case that has it.
class Worst {
 public:
  struct Peak {
    double score = -1;  // none yet
    oracle::Case value;
  };
  void add(const oracle::Case&, const oracle::Verdict&);
  const std::array<Peak, oracle::kOutputs>& peaks() const { return peaks_; }

 private:
  std::array<Peak, oracle::kOutputs> peaks_;
};

}  // namespace truenorm::fuzz
