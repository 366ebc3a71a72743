// How fast a target over cases is: in processor seconds, over a fixed list of cases.
#pragma once

#include "case_target.h"

namespace truenorm::fuzz {

/// Runs the first thousand cases that sample() draws within the target's bounds `rounds` times, and
/// prints executions a second by the size of the largest tensor. A case's time is the median over
/// the rounds of the processor time of this process, which other processes disturb little.
void measure_speed(CaseTarget&, int rounds);

}  // namespace truenorm::fuzz
