// case_fuzz for a kernel of the user's own: --subject=PATH.so.
#include <stdexcept>

#include "case_target.h"

truenorm::fuzz::CaseTarget truenorm::fuzz::make_target(const Options& options) {
  if (!options.subject.ends_with(".so"))
    throw std::invalid_argument(
        "plugin_fuzz judges a plugin: --subject=PATH.so, or TRUENORM_FUZZ_SUBJECT");
  return {"plugin_fuzz", bounds_for(Bounds{}, options.subject), options, subject_alone(options)};
}
