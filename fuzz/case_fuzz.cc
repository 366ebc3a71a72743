// Cases of every kind: the subject against the exact reference.
#include "case_target.h"

truenorm::fuzz::CaseTarget truenorm::fuzz::make_target(const Options& options) {
  return {"case_fuzz", bounds_for(Bounds{}, options.subject), options, subject_alone(options)};
}
