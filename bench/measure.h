// Interleaved rounds: whatever disturbs the machine disturbs everyone alike.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace truenorm::bench {

/// One that is measured once a round.
struct Slot {
  std::string name;
  std::function<void()> call;
  long repetitions = 1;    // of a measurement
  std::vector<double> ns;  // a call, by round
  int disturbed = 0;       // rounds in which no measurement was left alone
};

/// Warms up, then finds the repetitions that take at least two milliseconds.
void calibrate(Slot&);

/// In each round every slot is measured once, the first one moving on by one from round to round. A
/// measurement during which another process took a core away is repeated, a few times at most.
/// False: interrupted between two measurements, and the rounds are not complete.
bool play_rounds(std::vector<Slot>&, int rounds, const std::function<bool()>& interrupted);

/// Linear between neighbours; `at` from 0 to 1.
double quantile(std::vector<double> values, double at);
inline double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

/// (p75 - p25)/median.
double spread(const std::vector<double>& values);

/// a[i]/b[i].
std::vector<double> ratios(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace truenorm::bench
