// numpy's .npy under arbitrary bytes: no crash, complaints that point into them, sizes within bounds,
// and the law of print() and parse().
#pragma once

#include <optional>

#include "byte_target.h"
#include "npz/npy.h"

namespace truenorm::fuzz {

/// parse(print(h, v)).header == h for every version, and what h claims is bounded.
std::optional<Finding> look_at_header(const oracle::npy::Header&);

/// A header for which that holds, and whose elements are those at their places; or a complaint about a
/// byte that is there.
std::optional<Finding> look_at_npy(Bytes);

}  // namespace truenorm::fuzz
