// Is each array of a question right, and if not, for which other question would it be?
#pragma once

#include <string>
#include <vector>

#include "../contract.h"
#include "../judge.h"
#include "question.h"

namespace truenorm::oracle {

/// How the arrays are supposed to have been computed.
struct Arithmetic {
  bool wide_sums = false;  // sums in double, whatever the data are
};

/// Sums in any order, two passes over the data or pivots, the rest in f32 (f64 for f64 data), rounded
/// once when stored: what truenorm_plugin.h grants a kernel.
Contract contract_of(const Question&, const Arithmetic&);

/// Membership of one array in the balls of an answer to its question, which is as before afterwards.
Verdict judge_claim(const Claim&, Answer&);

/// For each claim that is asked about, in words, the other questions to which it is the right answer:
/// "eps = 0". Only what is near at hand is tried: what BatchNorms are known to do differently.
std::vector<std::vector<std::string>> right_for(const Question&, const std::vector<bool>& asked,
                                                const Arithmetic&);

}  // namespace truenorm::oracle
