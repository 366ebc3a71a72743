// No figure without a verdict: the harness judges the very buffers that are then timed.
#pragma once

#include <string>

#include "contestant.h"
#include "oracle/data.h"
#include "oracle/judge.h"

namespace truenorm::bench {

/// The case line's data, of all three operations: step 0 is x, step 1 is dy.
oracle::Inputs make_inputs(const oracle::Problem&);

/// The problem of one operation on these data: the program E, T or TB.
oracle::Problem problem_of(oracle::Problem, Op);

enum class Extent {
  all,      // every element, and the statistics
  tensors,  // every element of what `some` has
  some,     // the tensors y, or dx, dweight and dbias, of the first channels: for peers and further
            // outputs, whose verdict says that they compute the same thing
};

/// Judges what a contestant has put out there for `work` by its own contract. Channels do not depend on
/// each other, so they are judged in blocks: in parallel, and in little memory.
oracle::Verdict check(const Contestant&, const Outputs&, const Work&, const oracle::Inputs&,
                      Extent);

}  // namespace truenorm::bench
