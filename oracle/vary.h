// Varying one field of a case at a time: which fields does a failure depend on?
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "case.h"

namespace truenorm::oracle {

/// A valid case that differs from another in one word of its line.
struct Variation {
  std::string field;  // the word's key
  std::string value;  // what the word says here
  Case varied;
};

/// Each field with a few other values, in the order of the line: every enumerator, and numbers
/// beside and far from the case's own. All are valid, no two alike.
std::vector<Variation> variations(const Case&);

/// What a play of a variation tells of the failure.
enum class Sign : std::uint8_t { fails, passes, nothing };

/// One field of a failing case, and what came of its other values.
struct FieldEffect {
  std::string field, value;
  std::vector<std::string> fails, passes, nothing;  // by value

  /// With another value it does not fail.
  bool matters() const { return !passes.empty(); }
  /// Something was learnt.
  bool known() const { return !passes.empty() || !fails.empty(); }
  const std::vector<std::string>& of(Sign) const;
};

/// The effect of every field, in the order of the line; `play` is asked once for each variation.
std::vector<FieldEffect> field_effects(const Case&, const std::function<Sign(const Case&)>& play);

/// A table for people and the conclusion: which fields matter, and which do not. Each line begins
/// with `indent`.
std::string effects_text(const std::vector<FieldEffect>&, std::string_view indent);

}  // namespace truenorm::oracle
