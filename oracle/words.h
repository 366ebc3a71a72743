// Verdicts in words for people.
#pragma once

#include <string>
#include <vector>

#include "case.h"
#include "judge.h"

namespace truenorm::oracle {

/// A number of a tensor: nine digits tell any two f32, bf16 and f16 values apart, f64 needs
/// seventeen.
std::string number(double value, Dtype);

/// "dx[1,0,3]" or "running_var[2]": the logical index of an element.
std::string element_name(const Problem&, const Where&);

/// "step 2 (B): dx[1,0,3]: got 1.5, want 1.25 ± 3.1e-07" or "want NaN", or what else went wrong, in
/// one line.
std::string describe(const Case&, const Verdict&);

/// The verdict is against the player: fail, crash or timeout.
bool against(const Verdict&);

/// A word as the shell takes it, in quotes where it needs them.
std::string shell_word(const std::string&);

/// The command that plays a line again.
std::string rerun_command(const std::string& line, const std::string& subject);

/// The command that plays several, one after the other in one process.
std::string rerun_command(const std::vector<Case>&, const std::string& subject);

}  // namespace truenorm::oracle
