// What the targets whose inputs are no cases share: bytes to a look, the look to a finding.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "case.h"
#include "finding.h"
#include "options.h"

namespace truenorm::fuzz {

struct ByteTarget {
  std::string name;
  /// What is wrong with Truenorm on this input.
  std::function<std::optional<Finding>(Bytes)> look;
  /// How many inputs were not judged.
  std::function<std::uint64_t()> left_out = [] { return std::uint64_t{0}; };
  /// A case as an input, for --speed; none where inputs have no cases.
  std::function<std::vector<std::uint8_t>(const oracle::Case&)> input_of = nullptr;
};

/// The target of this program, which each *_fuzz.cc over bytes defines; byte_entry.cc has the
/// engine's entry points. Throws std::invalid_argument where an option does not go with it.
ByteTarget make_byte_target(const Options&);

/// A finding against Truenorm itself.
inline Finding against_truenorm(std::string reason, std::string where, std::string detail) {
  return {"truenorm", "fail", std::move(reason), std::move(where), {}, std::move(detail)};
}

}  // namespace truenorm::fuzz
