// Interleaved rounds: whatever disturbs the machine disturbs everyone alike.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "oracle/dice.h"

namespace truenorm::bench {

/// One that is measured once a round.
struct Slot {
  std::string name;
  std::function<void()> call;
  std::function<void()> before = {};  // each call, not timed; calls are then timed one by one
  bool gives_back = false;            // malloc is the system's during these calls
  long repetitions = 1;               // of a measurement
  std::vector<double> ns = {};        // a call, by round
  int disturbed = 0;                  // rounds in which no measurement was left alone
};

/// Warms up, then finds the repetitions that take at least two milliseconds; where something is to be
/// done before each call, half a one, and 16 calls at most.
void calibrate(Slot&);

/// A permutation of 0 .. count - 1, each as likely as any other.
std::vector<std::size_t> random_order(std::size_t count, oracle::Dice&);

/// In each round every slot is measured once, in random order. A measurement during which another
/// process took a core away is repeated, a few times at most. False: interrupted between two
/// measurements, and the rounds are not complete.
bool play_rounds(std::vector<Slot>&, int rounds, oracle::Dice&,
                 const std::function<bool()>& interrupted);

}  // namespace truenorm::bench
