// Programs of up to thirty steps over a layer, tensors small: the subject against the exact reference.
#include "case_target.h"

truenorm::fuzz::CaseTarget truenorm::fuzz::make_target(const Options& options) {
  return {"sequence_fuzz", kSequenceBounds, options, subject_alone(options)};
}
