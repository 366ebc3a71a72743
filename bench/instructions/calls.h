// The calls whose instructions are counted: a fixed list, small enough for callgrind.
#pragma once

#include <string>
#include <vector>

namespace truenorm::bench {

/// Callgrind counts within this function and dumps when it returns.
inline constexpr const char* kCounted = "truenorm_counted";

/// The rows' names, in the order in which make_calls() makes them.
std::vector<std::string> call_names();

/// Makes each call once that is not counted, and once that is. One thread, AVX2, and caches of one
/// size, so that the counts are those of any machine. Throws std::runtime_error where there is no AVX2.
void make_calls();

/// "1.0.3"
std::string highway_version();

}  // namespace truenorm::bench
