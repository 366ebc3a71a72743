// Published test vectors: literal BatchNorm cases of other projects, in the form that
// corpus/vectors/README.md describes.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "answer.h"
#include "case.h"
#include "data.h"
#include "judge.h"
#include "player.h"

namespace truenorm::oracle {

/// What a file gets wrong, where ("f.json: /cases/3/x: ..."), and what would be right.
struct VectorsError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The outputs that a file may state. The two derived ones are computed here from what a player
/// hands out.
enum class Published : std::uint8_t {
  y,
  running_mean,
  running_var,
  save_mean,
  save_var_biased,
  dx,
  dweight,
  dbias,
  y_activated
};
std::string_view name(Published);

struct Expectation {
  Published output = Published::y;
  std::vector<double> values;
  double accuracy = 0;  // how far a published number may lie from the exact result
};

/// What one forward, and the backward behind it, must answer.
struct VectorStep {
  std::size_t forward = 0;   // index in the program
  std::size_t backward = 0;  // index in the program; equal to `forward` where there is none
  std::vector<Expectation> expect, correct;  // correct: of known_wrong cases
};

struct VectorCase {
  std::string file, name;
  Case value;  // its distributions say nothing: the data are `inputs`
  Inputs inputs;
  double abs = 0, rel = 0;  // the source's tolerance
  bool known_wrong = false;
  std::vector<VectorStep> steps;
};

/// All cases of a file, checked against the schema: unknown keys, wrong sizes and inputs that the
/// dtype does not hold are errors.
std::vector<VectorCase> read_vectors(std::string_view text, std::string_view file);

/// The balls first, then the published numbers, twice: within the source's tolerance, and |got -
/// want| <= accuracy + radius. A known_wrong case must miss what was published and meet the
/// correction.
Verdict judge_vector(const VectorCase&, const Trace&, const Contract&);

}  // namespace truenorm::oracle
