// How fast a target is: in processor seconds, over a fixed list of cases.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "case.h"
#include "finding.h"
#include "mutate.h"

namespace truenorm::fuzz {

/// Runs the first thousand cases that sample() draws within the bounds `rounds` times, as inputs of
/// the target, and prints executions a second by the size of the largest tensor. A case's time is
/// the median over the rounds of the processor time of this process, which other processes disturb
/// little, less what the clock itself takes.
void measure_speed(const Bounds&,
                   const std::function<std::vector<std::uint8_t>(const oracle::Case&)>& input_of,
                   const std::function<void(Bytes)>& run, int rounds);

}  // namespace truenorm::fuzz
