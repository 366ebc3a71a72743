// The instruction sets of this machine, as cases name them.
#pragma once

#include <truenorm/context.h>

#include <vector>

#include "case.h"

namespace truenorm::oracle {

/// Those of available_isas() for which `chosen` holds, the best first.
template <class F>
std::vector<Isa> isas_where(F&& chosen) {
  std::vector<Isa> list;
  for (const truenorm::Isa isa : available_isas())
    for (int i = 0; chosen(isa) && i < kIsas; ++i)
      if (name(static_cast<Isa>(i)) == truenorm::name(isa)) list.push_back(static_cast<Isa>(i));
  return list;
}

/// All of them.
inline std::vector<Isa> isas() {
  return isas_where([](truenorm::Isa) { return true; });
}

/// In classes whose answers are the same bits: all sets with FMA, and each of the others alone.
inline std::vector<std::vector<Isa>> isa_classes() {
  std::vector<std::vector<Isa>> classes{isas_where(has_fma)};
  if (classes[0].empty()) classes.clear();
  for (const Isa isa : isas_where([](truenorm::Isa i) { return !has_fma(i); }))
    classes.push_back({isa});
  return classes;
}

}  // namespace truenorm::oracle
