// The calls of the public interface that are no forward and no backward: folding, loading a state,
// making layers and contexts.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "byte_target.h"
#include "guarded.h"
#include "reader.h"

namespace truenorm::fuzz {

/// Numbers of few bytes: mostly small, some at the ends of what there is, any at need.
std::int64_t integer(Reader&);
double number(Reader&, double usual);
/// Nowhere, in some place, or anywhere.
void* address(Reader&, const calls::Places&);

/// `before` is room; `left_out` counts well-formed calls that were not made.
std::optional<Finding> look_at_folding(Reader&, GuardedPlaces&, std::vector<std::byte>& before,
                                       std::uint64_t& left_out);
std::optional<Finding> look_at_load(Reader&, GuardedPlaces&, std::vector<std::byte>& before,
                                    std::uint64_t& left_out);
std::optional<Finding> look_at_making(Reader&);

}  // namespace truenorm::fuzz
