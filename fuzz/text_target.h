// The language of cases under arbitrary text: no crash, complaints that point into the text, and both
// laws.
#pragma once

#include <optional>
#include <string_view>

#include "byte_target.h"

namespace truenorm::fuzz {

/// parse(print(c)) == c and decode(encode(c)) == c: what parse() takes is a valid case.
std::optional<Finding> look_at_case(const oracle::Case&);

/// A line: a case, for which both laws hold, or a complaint about what stands at its column.
std::optional<Finding> look_at_line(std::string_view);

/// A file of lines: as look_at_line() for each; as a database of found cases it reads the same, and
/// holds what is added to it.
std::optional<Finding> look_at_file(std::string_view);

/// Text with a line feed is a file, bytes that begin with one above 0x7f are the byte form of a case,
/// all else is a line.
std::optional<Finding> look_at_text(Bytes);

}  // namespace truenorm::fuzz
