// The case as bytes, for fuzzers: any byte string decodes to a valid case.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "case.h"

namespace truenorm::oracle {

/// Total and bounded: every byte string gives a valid case of at most `max_elements` a tensor;
/// missing bytes read as 0, surplus ones are ignored. Law: decode(encode(c)) == c for every valid
/// case within the bound.
Case decode(std::span<const std::uint8_t>, std::int64_t max_elements = kMaxElements);
std::vector<std::uint8_t> encode(const Case&);

}  // namespace truenorm::oracle
