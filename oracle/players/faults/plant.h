// A planted fault, ready to be seated.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "../players.h"
#include "truenorm_plugin.h"

namespace truenorm::oracle::planted {

struct Plant {
  Fault fault;
  std::optional<truenorm_kernel_v1> kernel;  // a kernel ...
  const truenorm_layer_v1* layer = nullptr;  // ... or a layer
  /// What it claims: the contract of the honest one that it was made from.
  Contract (*contract)(const Problem&, const Exec&) = nullptr;
  void (*before_case)() = nullptr;  // forgets what earlier cases left
};

using Plants = std::vector<Plant>;

Plants formulas();         // the textbook with one formula changed
Plants calls();            // the textbook with one call done otherwise
Plants blocked_kernels();  // the blocked kernel with one step changed
Plants layers();           // the textbook's layer with one decision changed

}  // namespace truenorm::oracle::planted
