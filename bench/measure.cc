#include "measure.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <limits>

namespace truenorm::bench {
namespace {

constexpr double kLeastNs = 2e6;  // of a measurement: far above the clock's grain and a wake-up

double time_ns(const Slot& slot, long repetitions) {
  const auto begin = std::chrono::steady_clock::now();
  for (long i = 0; i < repetitions; ++i) slot.call();
  const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
  return time.count() / static_cast<double>(repetitions);
}

/// How often a thread of ours had to leave its core for somebody else. Threads that wait for each
/// other then wait for whole time slices: such a measurement is about the neighbour.
long evictions() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

void take(Slot& slot) {
  constexpr int kTries = 8;
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kTries; ++i) {
    const long before = evictions();
    const double ns = time_ns(slot, slot.repetitions);
    const bool alone = evictions() == before;
    best = alone ? ns : std::min(best, ns);
    if (alone) break;
    slot.disturbed += i + 1 == kTries;
  }
  slot.ns.push_back(best);
}

}  // namespace

void calibrate(Slot& slot) {
  slot.call();
  double best = std::numeric_limits<double>::infinity();
  long tries = 1;
  for (int i = 0; i < 3; ++i) {
    best = std::min(best, time_ns(slot, tries));
    // Short calls: as many as make a time that the clock can tell.
    if (best * static_cast<double>(tries) < kLeastNs / 10) tries *= 16;
  }
  slot.repetitions = std::max(1L, std::lround(std::ceil(kLeastNs / std::max(best, 1.0))));
}

bool play_rounds(std::vector<Slot>& slots, int rounds, const std::function<bool()>& interrupted) {
  for (int round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (interrupted()) return false;
      Slot& slot = slots[(i + static_cast<std::size_t>(round)) % slots.size()];
      slot.call();  // not timed: what is in the caches is to be its own, not its predecessor's
      take(slot);
    }
  return true;
}

double quantile(std::vector<double> values, double at) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const double place = at * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(place);
  const std::size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (place - static_cast<double>(low)) * (values[high] - values[low]);
}

double spread(const std::vector<double>& values) {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);
}

std::vector<double> ratios(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> r(std::min(a.size(), b.size()));
  for (std::size_t i = 0; i < r.size(); ++i) r[i] = a[i] / b[i];
  return r;
}

}  // namespace truenorm::bench
