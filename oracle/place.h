// Where the running program stands: in a build folder of a clone, or in an installed prefix.
#pragma once

#include <filesystem>
#include <string>

namespace truenorm::oracle {

/// The folder of the running program; empty where the system does not tell.
std::filesystem::path program_folder();

/// The build folder whose bin/ the program stands in; empty: it is installed.
std::filesystem::path build_folder();

/// The corpus that belongs to the program: share/truenorm/corpus beside its bin/, in both.
std::filesystem::path shipped_corpus();

/// A text about commands of a clone, `./run VERB ...`, as they are typed here: `truenorm VERB ...` where
/// the program is installed.
std::string as_typed(std::string text);

}  // namespace truenorm::oracle
