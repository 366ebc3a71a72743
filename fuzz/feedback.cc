#include "feedback.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace truenorm::fuzz {
namespace {

constexpr int kOctaves = 12, kSteps = 4;  // buckets a power of two
constexpr std::size_t kBuckets = kOctaves * kSteps + 2;
constexpr std::size_t kCounters = oracle::kDtypePairs.size() * oracle::kOutputs * kBuckets;

// libFuzzer finds its extra counters by the section's name and clears them before each input.
__attribute__((section("__libfuzzer_extra_counters"), used)) std::uint8_t counters[kCounters];

/// 0 for the smallest scores, kBuckets - 1 for 1 and above.
std::size_t bucket(double score) {
  if (!(score < 1)) return kBuckets - 1;
  const double steps = std::floor(kSteps * (std::log2(score) + kOctaves));
  return steps < 0 ? 0 : 1 + static_cast<std::size_t>(steps);
}

std::size_t dtype_index(const oracle::Problem& p) {
  const auto& all = oracle::kDtypePairs;
  const auto at = std::find(all.begin(), all.end(), std::pair{p.dtype, p.param_dtype});
  return static_cast<std::size_t>(at - all.begin());
}

}  // namespace

void mark_scores(const oracle::Case& c, const oracle::Verdict& v) {
  const std::size_t dtype = dtype_index(c.problem);
  for (std::size_t o = 0; o < oracle::kOutputs; ++o)
    if (v.scores[o] >= 0)
      counters[(dtype * oracle::kOutputs + o) * kBuckets + bucket(v.scores[o])] = 1;
}

void Worst::add(const oracle::Case& c, const oracle::Verdict& v) {
  if (v.result != oracle::Result::pass) return;
  for (std::size_t o = 0; o < oracle::kOutputs; ++o)
    if (v.scores[o] > peaks_[o].score) peaks_[o] = {v.scores[o], c};
}

}  // namespace truenorm::fuzz
