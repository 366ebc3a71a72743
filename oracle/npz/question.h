// A file of arrays as a question: what BatchNorm was asked, and what somebody answered.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../answer.h"
#include "../case.h"
#include "../data.h"
#include "archive.h"

namespace truenorm::oracle {

/// One array that is to be judged.
struct Claim {
  std::string name;  // of the array: "running_var_after"
  Output output = Output::y;
  std::size_t step = 0;        // of the program
  std::vector<double> values;  // in logical order (N, C, spatial), as many as the output has
};

struct Question {
  Problem problem;  // one forward, and a backward where there is dy; its distributions say nothing
  Inputs inputs;
  std::vector<Claim> claims;        // at least one
  std::vector<std::int64_t> sizes;  // of x as it stands in the file
  std::size_t channel_axis = 1;     // among them
};

/// "float32", and "bfloat16", which numpy has not.
std::string numpy_name(Dtype);

/// Checks all that can be checked before there is an answer. Throws NpzError: names the array, what
/// is wrong with it, and what would be right. docs/python.md has the names, shapes and dtypes.
Question read_question(const Archive&);

/// The index of an element in the file's own axes: "[3,0,2,5]".
std::string index_of(const Question&, Output, std::size_t element);

/// The channel of an element, and the question about that channel alone: channels are independent.
std::size_t channel_of(const Question&, Output, std::size_t element);
Question one_channel(const Question&, std::size_t channel);

/// The same arrays with another axis taken for the channels. Its size must be C, or there be no array
/// of C values.
Question with_channel_axis(const Question&, std::size_t axis);

}  // namespace truenorm::oracle
