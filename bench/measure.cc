#include "measure.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <utility>

#include "memory.h"

namespace truenorm::bench {
namespace {

constexpr double kLeastNs = 2e6;  // of a measurement: far above the clock's grain and a wake-up
constexpr double kLeastSinglesNs = 5e5;  // of calls that are timed one by one
constexpr long kMostSingles = 16;

using Clock = std::chrono::steady_clock;
using Ns = std::chrono::duration<double, std::nano>;

/// Of a call.
double time_ns(const Slot& slot, long repetitions) {
  Ns time{};
  if (slot.before) {
    for (long i = 0; i < repetitions; ++i) {
      slot.before();
      const auto begin = Clock::now();
      slot.call();
      time += Clock::now() - begin;
    }
  } else {
    const auto begin = Clock::now();
    for (long i = 0; i < repetitions; ++i) slot.call();
    time = Clock::now() - begin;
  }
  return time.count() / static_cast<double>(repetitions);
}

/// malloc as this slot wants it, while this lives.
class Malloc {
 public:
  explicit Malloc(const Slot& slot) : changed_(slot.gives_back) {
    if (changed_) give_back_freed_memory();
  }
  ~Malloc() {
    if (changed_) keep_freed_memory();
  }
  Malloc(const Malloc&) = delete;
  Malloc& operator=(const Malloc&) = delete;

 private:
  bool changed_;
};

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
  const Malloc malloc(slot);
  slot.call();
  double best = std::numeric_limits<double>::infinity();
  long tries = 1;
  for (int i = 0; i < 3; ++i) {
    best = std::min(best, time_ns(slot, tries));
    // Short calls: as many as make a time that the clock can tell.
    if (!slot.before && best * static_cast<double>(tries) < kLeastNs / 10) tries *= 16;
  }
  const double least = slot.before ? kLeastSinglesNs : kLeastNs;
  slot.repetitions = std::max(1L, std::lround(std::ceil(least / std::max(best, 1.0))));
  if (slot.before) slot.repetitions = std::min(slot.repetitions, kMostSingles);
}

std::vector<std::size_t> random_order(std::size_t count, oracle::Dice& dice) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = count; i > 1; --i)
    std::swap(order[i - 1],
              order[static_cast<std::size_t>(dice.below(static_cast<std::int64_t>(i)))]);
  return order;
}

bool play_rounds(std::vector<Slot>& slots, int rounds, oracle::Dice& dice,
                 const std::function<bool()>& interrupted) {
  for (int round = 0; round < rounds; ++round)
    for (const std::size_t i : random_order(slots.size(), dice)) {
      if (interrupted()) return false;
      Slot& slot = slots[i];
      const Malloc malloc(slot);
      slot.call();  // not timed: what is in the caches is to be its own, not its predecessor's
      take(slot);
    }
  return true;
}

}  // namespace truenorm::bench
