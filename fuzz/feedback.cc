#include "feedback.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace truenorm::fuzz {
namespace {

constexpr int kOctaves = 12, kSteps = 4;  // buckets a power of two
constexpr std::size_t kBuckets = kOctaves * kSteps + 2;
constexpr std::size_t kCounters = kPlayers * kNiches * oracle::kOutputs * kBuckets;

// libFuzzer finds its extra counters by the section's name and clears them before each input.
__attribute__((section("__libfuzzer_extra_counters"), used)) std::uint8_t counters[kCounters];

/// 0 for the smallest scores, kBuckets - 1 for 1 and above.
std::size_t bucket(double score) {
  if (!(score < 1)) return kBuckets - 1;
  const double steps = std::floor(kSteps * (std::log2(score) + kOctaves));
  return steps < 0 ? 0 : 1 + static_cast<std::size_t>(steps);
}

std::size_t niche_of(const oracle::Problem& p) {
  const auto& all = oracle::kDtypePairs;
  const auto at = std::find(all.begin(), all.end(), std::pair{p.dtype, p.param_dtype});
  std::size_t size = 0;
  for (std::int64_t n = p.shape.per_channel(); n >= 8 && size + 1 < kSizes; n /= 8) ++size;
  return static_cast<std::size_t>(at - all.begin()) * kSizes + size;
}

}  // namespace

void mark_scores(std::size_t player, const oracle::Case& c, const oracle::Verdict& v) {
  const std::size_t row = player * kNiches + niche_of(c.problem);
  for (std::size_t o = 0; o < oracle::kOutputs; ++o)
    if (v.scores[o] >= 0)
      counters[(row * oracle::kOutputs + o) * kBuckets + bucket(v.scores[o])] = 1;
}

void Peaks::add(const oracle::Case& c, const oracle::Verdict& v) {
  if (v.result != oracle::Result::pass) return;
  for (std::size_t o = 0; o < oracle::kOutputs; ++o) {
    Peak& peak = peaks_[niche_of(c.problem)][o];
    if (v.scores[o] <= peak.score) continue;
    if (peak.score < 0 || bucket(v.scores[o]) > bucket(peak.score)) risen_ = &peak;
    peak = {v.scores[o], c};
  }
}

const Peaks::Peak& Peaks::highest(oracle::Output output) const {
  const auto o = static_cast<std::size_t>(output);
  return (*std::max_element(peaks_.begin(), peaks_.end(), [o](const auto& a, const auto& b) {
    return a[o].score < b[o].score;
  }))[o];
}

const oracle::Case* Peaks::draw(oracle::Dice& dice) const {
  if (dice.below(2) == 0 && risen_ != nullptr) return &risen_->value;
  std::vector<const Peak*> open;
  for (const auto& outputs : peaks_)
    for (const Peak& peak : outputs)
      if (peak.score >= 0 && bucket(peak.score) < kBuckets - 2) open.push_back(&peak);
  if (open.empty()) return nullptr;
  return &open[static_cast<std::size_t>(dice.below(static_cast<std::int64_t>(open.size())))]->value;
}

}  // namespace truenorm::fuzz
