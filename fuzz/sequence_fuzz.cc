// Programs of up to thirty steps over a layer, tensors small: the subject against the exact reference.
#include "case_target.h"

truenorm::fuzz::CaseTarget truenorm::fuzz::make_target(const Options& options) {
  return {"sequence_fuzz", bounds_for(kSequenceBounds, options.subject), options,
          subject_alone(options)};
}
