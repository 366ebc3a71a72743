#include "truenorm/status.h"

#include <array>
#include <cstddef>
#include <string_view>

#include "truenorm/tensor.h"

namespace truenorm {

namespace {

constexpr std::array<const char*, code_count> code_names = {"ok",
                                                            "null_data",
                                                            "misaligned",
                                                            "bad_rank",
                                                            "bad_size",
                                                            "bad_stride",
                                                            "bad_value",
                                                            "shape_mismatch",
                                                            "dtype_mismatch",
                                                            "overlap",
                                                            "overflow",
                                                            "missing_statistics",
                                                            "missing_state",
                                                            "one_value_per_channel",
                                                            "no_forward",
                                                            "bad_threads",
                                                            "unsupported_isa",
                                                            "out_of_memory"};

constexpr std::array<std::string_view, code_count> sentences = {
    "accepted",
    "there are elements, but data is null",
    "data is not aligned to its element type",
    "rank is outside 2 to 5",
    "a size is negative, or is not the number of channels",
    "a stride is negative",
    "no such enumerator, a negative count, groups that do not divide, r_max < 1 or d_max < 0",
    "sizes differ from those of the other tensors",
    "data type does not go with that of the other arguments",
    "an output shares memory with itself or with another argument",
    "a count or an address is too large",
    "statistics are needed here and absent",
    "the state to be loaded lacks this entry",
    "batch statistics need more than one value per channel",
    "there has been no accepted forward",
    "the thread count is outside 1 to 1024",
    "this instruction set is not built in or not supported by this machine",
    "out of memory, or the object has been moved from"};

constexpr std::array<std::string_view, argument_count> argument_names = {"",
                                                                         "x",
                                                                         "y",
                                                                         "dy",
                                                                         "dx",
                                                                         "weight",
                                                                         "bias",
                                                                         "running_mean",
                                                                         "running_var",
                                                                         "save_mean",
                                                                         "save_invstd",
                                                                         "renorm",
                                                                         "save_r",
                                                                         "save_d",
                                                                         "dweight",
                                                                         "dbias",
                                                                         "num_batches_tracked",
                                                                         "num_features",
                                                                         "groups",
                                                                         "folded_weight",
                                                                         "folded_bias",
                                                                         "layer",
                                                                         "context"};

using Line = std::array<char, 112>;
using Table = std::array<std::array<Line, argument_count>, code_count>;

/// "argument: sentence", or the sentence alone.
constexpr Table make_table() {
  Table table{};
  for (std::size_t c = 0; c < code_count; ++c) {
    for (std::size_t a = 0; a < argument_count; ++a) {
      std::size_t at = 0;
      for (const char ch : argument_names[a]) table[c][a][at++] = ch;
      if (a != 0) table[c][a][at++] = ':';
      if (a != 0) table[c][a][at++] = ' ';
      for (const char ch : sentences[c]) table[c][a][at++] = ch;
    }
  }
  return table;
}

constexpr Table messages = make_table();

}  // namespace

const char* name(Dtype dtype) noexcept {
  constexpr std::array<const char*, 4> names = {"f32", "f64", "bf16", "f16"};
  const auto i = static_cast<std::size_t>(dtype);
  return i < names.size() ? names[i] : "?";
}

const char* name(Code code) noexcept {
  const auto i = static_cast<std::size_t>(code);
  return i < code_names.size() ? code_names[i] : "?";
}

const char* name(Argument argument) noexcept {
  const auto i = static_cast<std::size_t>(argument);
  if (i == 0) return "none";
  return i < argument_names.size() ? argument_names[i].data() : "?";
}

const char* Status::message() const noexcept {
  const auto c = static_cast<std::size_t>(code);
  const auto a = static_cast<std::size_t>(argument);
  return c < messages.size() && a < argument_count ? messages[c][a].data() : "?";
}

}  // namespace truenorm
