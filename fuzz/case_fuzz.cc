// Cases of every kind, one thread: the subject against the exact reference.
#include "case_target.h"

truenorm::fuzz::CaseTarget truenorm::fuzz::make_target(const Options& options) {
  return {"case_fuzz", Bounds{}, options, subject_alone(options)};
}
