// Programs of up to thirty steps over a layer, tensors small: the subject against the exact reference.
#include "case_target.h"

truenorm::fuzz::CaseTarget truenorm::fuzz::make_target(const Options& options) {
  constexpr Bounds kBounds{.elements = 64, .work = 30 * 64, .steps = 30, .threads = 1};
  return {"sequence_fuzz", kBounds, options, subject_alone(options)};
}
