// Shrinking, written once: a case to simpler cases.
#pragma once

#include <functional>
#include <vector>

#include "case.h"

namespace truenorm::oracle {

/// Simpler valid cases, the boldest first: drop program steps, halve sizes, simplify data, fall
/// back to defaults, drop the exec's oddities. Each is strictly simpler by a measure that ends, so
/// that shrinking always terminates.
std::vector<Case> simpler(const Case&);

/// Greedy descent: follows the first simpler case for which `fails` holds until there is none, or
/// `budget` calls of `fails` are spent.
Case shrink(const Case&, const std::function<bool(const Case&)>& fails, int budget = 2000);

}  // namespace truenorm::oracle
