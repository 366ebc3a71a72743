// The case as one line of text: `tn1 n4c16s7x7 f32 eps=1e-05 mom=0.1 affine=gb stats=on x=...
// run=TB seed=42 | nhwc thr=2`.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "case.h"

namespace truenorm::oracle {

/// What is wrong in a line, where, and what was expected there.
struct ParseError : std::runtime_error {
  /// `place` stands before the column in what(), as in "edges.cases:12".
  ParseError(std::size_t column, std::string token, std::string expected,
             const std::string& place = {});
  std::size_t column;  // 1-based, in bytes
  std::string token;   // the offending token, as written
  std::string expected;
};

/// The canonical line: fixed key order, shortest round-trip numbers, data keys left out when they
/// have their default.
std::string print(const Case&);

/// One word of the canonical line: one field of the case.
struct Word {
  std::string key;    // "n", "dtype", "eps", ..., "layout", "layout dx", "thr", ...
  std::string value;  // "4", "f32", "1e-05", ...; of a layout like that of x: "as x"
  std::string text;   // as print() writes it; empty where it leaves a default out
};

/// Every word in order, also those left out; print() is their texts. Without an Exec there are no
/// words of it.
std::vector<Word> words(const Case&);

/// Parses a line; keys in any order, missing ones take their defaults, surrounding blanks are
/// ignored. Throws ParseError. Law: parse(print(c)) == c for every valid case.
Case parse(std::string_view line);

/// A file of lines: '#' at the start of a line or after a blank begins a comment (`#` within run=
/// does not), blank lines are skipped. `what` names the file in errors ("edges.cases:12:7: ...").
struct Line {
  Case value;
  int number;           // 1-based
  std::string comment;  // the comment lines right above it, without '#'
};
std::vector<Line> parse_file(std::string_view text, std::string_view what);

}  // namespace truenorm::oracle
