// The effects of fields as JSON: in the reports of conform and in those of check.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "vary.h"

namespace truenorm::oracle {

/// {"field", "value", "matters", "passes", "fails", "tells_nothing"}; nlohmann-json finds it.
void to_json(nlohmann::ordered_json&, const FieldEffect&);

}  // namespace truenorm::oracle
