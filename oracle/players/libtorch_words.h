// What LibTorch says when it refuses. No LibTorch header is needed to know it.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "../player.h"

namespace truenorm::oracle {

inline constexpr const char* kOneValue = "Expected more than 1 value per channel when training";
inline constexpr const char* kNoStatistics = "running_mean must be defined in evaluation mode";

/// LibTorch's words to the class of refusal. The texts are the same in 1.13 and 2.6.
inline Refusal classify(std::string_view words) {
  const std::array<std::pair<std::string_view, Refusal>, 7> table{{
      {kOneValue, Refusal::one_value_per_channel},
      {kNoStatistics, Refusal::missing_statistics},
      {"running_var must be defined in evaluation mode", Refusal::missing_statistics},
      {"Expected a proper Tensor but got None", Refusal::missing_statistics},
      {"has been modified by an inplace operation", Refusal::stale_forward},
      {"invalid gradient at index", Refusal::shape_mismatch},
      {"Mismatch in shape", Refusal::shape_mismatch},
  }};
  for (const auto& [text, refusal] : table) {
    if (words.find(text) != std::string_view::npos) return refusal;
  }
  return Refusal::other;
}

/// Notes a refusal.
inline void refuse(StepTrace& step, std::string words) {
  step.refused = classify(words);
  step.message = std::move(words);
}

}  // namespace truenorm::oracle
