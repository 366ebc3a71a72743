// What command lines share: checks of numbers, options of several verbs, help that fits the terminal.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>

#include "support.h"

namespace truenorm::oracle::cli {

/// Help that is as wide as the terminal it goes to. Elsewhere its lines are left whole.
std::shared_ptr<CLI::Formatter> help_formatter();

/// A check of an option: digits and nothing else, so that a sign, a blank or a number that does not
/// fit is told, not wrapped.
CLI::Validator whole_number(std::uint64_t least, std::uint64_t most);

/// Adds --isolate, --no-isolate and --timeout.
void add_isolation(CLI::App& verb, Isolation&);

}  // namespace truenorm::oracle::cli
