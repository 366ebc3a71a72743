// Counter-based data: value = f(seed, tensor, step, index). The same bits on every compiler,
// library and machine.
#pragma once

#include <cstdint>
#include <vector>

#include "case.h"

namespace truenorm::oracle {

/// Which tensor of a case a value belongs to; part of the counter.
enum class Role : std::uint8_t { x, dy, weight, bias, running_mean, running_var };

/// The double nearest-even rounded to a dtype, and back: exact for every double that the dtype
/// holds. NaN stays NaN, overflow is Inf.
double round_to(Dtype, double);
void store(Dtype, double value, void* to);  // value rounded to nearest even
double load(Dtype, const void* from);
std::size_t size_of(Dtype);
double max_finite(Dtype);
double min_normal(Dtype);

/// Values of one tensor in logical order (N, C, spatial), each exactly a value of `dtype`.
/// For a per-channel vector call with shape {1, C}. With `expanded` the first image's data are
/// repeated along N.
std::vector<double> generate(const Dist&, Dtype dtype, const Shape&, std::uint64_t seed, Role,
                             std::uint32_t step_id, bool expanded = false);

/// All inputs of a case.
struct Inputs {
  std::vector<double> weight, bias;               // empty: absent (or C = 0)
  std::vector<double> running_mean, running_var;  // initial; empty when statistics are not tracked
  std::vector<std::vector<double>> step;  // x of a forward, dy of a backward, empty for the others
};
Inputs make_inputs(const Case&);

}  // namespace truenorm::oracle
