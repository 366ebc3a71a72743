// The failure database: a file of case lines that once failed, each under a comment that says where.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "case.h"

namespace truenorm::oracle {

/// The file cannot be read or written; says which file, and why.
struct FoundError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A failure to keep.
struct FoundCase {
  Case value;           // minimal, where it was shrunk
  std::string subject;  // who failed: a player or a property
  std::string verdict, reason;
};

/// The text of a database at `path`: its cases, as read_found() has them, and what append_found() adds
/// to it on that day: nothing where it holds them all.
std::vector<Case> found_in(std::string_view text, const std::string& path);
struct Addition {
  std::string text;
  std::size_t cases = 0;
};
Addition addition(std::string_view before, const std::string& path, const std::vector<FoundCase>&,
                  std::string_view day);

/// The cases of a database in order, each with an Exec: one without takes all the standard ones.
/// None where there is no such file. Throws FoundError, and ParseError where a line is no case.
std::vector<Case> read_found(const std::string& path);

/// Throws FoundError where append_found(path) could not write.
void require_appendable(const std::string& path);

/// Appends the cases that the database does not hold, each with a comment and the date, and returns
/// how many they were. One write at the end of the file, then fsync, under a lock: what stood there
/// stays, whatever happens meanwhile, and processes side by side do not mix. Throws as read_found()
/// does; then nothing is changed.
std::size_t append_found(const std::string& path, const std::vector<FoundCase>&);

}  // namespace truenorm::oracle
