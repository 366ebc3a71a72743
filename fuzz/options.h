// What a target's process is asked for, beside the engine's own options.
#pragma once

#include <optional>
#include <string>

#include "case.h"

namespace truenorm::fuzz {

struct Options {
  std::string subject = "truenorm";  // who is judged: a player that lives in this process
  std::optional<oracle::Isa> isa;    // every case on this instruction set
  std::string findings;              // folder to keep findings in and go on; empty: the first ends
  std::string status;                // file to tell executions and worst scores in
  bool feedback = true;              // scores guide the engine, too
  int threads = 0;                   // every case whole, and on so many threads; 0: by the bounds
  int speed = 0;                     // rounds of measure_speed() instead of fuzzing; 0: none
};

/// --NAME=VALUE of the command line, else $TRUENORM_FUZZ_NAME; words that do not begin with -- are
/// the engine's. Throws std::invalid_argument: which option, what is wrong with it, what there is.
Options read_options(int argc, const char* const* argv);

}  // namespace truenorm::fuzz
