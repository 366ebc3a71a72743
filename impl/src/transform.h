// The second pass: an affine function of each element, with coefficients by channel.
#ifndef TRUENORM_SRC_TRANSFORM_H_
#define TRUENORM_SRC_TRANSFORM_H_

#include "context_state.h"
#include "plan.h"
#include "scalar.h"

namespace truenorm::detail {

/// Coefficients by channel. Lanes for the kernels; where `careful` is set, the doubles are used
/// instead, in the textbook's order.
struct Coefficients {
  void* m = nullptr;  ///< lanes [fold*channels], as a, b, c; repeated for virtual rows
  void* a = nullptr;
  void* b = nullptr;
  void* c = nullptr;  ///< gradients only
  std::uint8_t* careful = nullptr;
  double* mean = nullptr;
  double* invstd = nullptr;
  double* offset = nullptr;  ///< gradients only: sum(g)/n
  double* slope = nullptr;   ///< gradients only: sum((x - mean)*g)*invstd^2/n
  ConstVector weight{};
  ConstVector bias{};
};

/// Writes the lanes of channels [c, c + count) into an array of them, in every place that virtual
/// rows need.
void store_coefficients(Dtype lane, const Walk& walk, std::int64_t c, std::int64_t count,
                        const double* from, void* to) noexcept;

/// What a part of the second pass does besides computing.
struct Order {
  Store store = Store::cached;
  bool reversed = false;   ///< what was summed last comes first: it is in the cache
  std::int64_t ahead = 0;  ///< channels from here that this thread will sum next; 0: none
};

/// y = (x - m)*a + b for one part; `walk` is over x, y. y may be x.
void apply_affine(const Kernels& kernels, Dtype dtype, const Walk& walk, const Part& part,
                  const void* x, void* y, const Coefficients& coefficients, const Order& order,
                  ThreadRoom& room) noexcept;

/// dx = g*a + ((x - m)*b + c) for one part; `walk` is over x, g, dx. dx may be g.
void apply_gradient(const Kernels& kernels, Dtype dtype, const Walk& walk, const Part& part,
                    const void* x, const void* g, void* dx, const Coefficients& coefficients,
                    const Order& order, ThreadRoom& room) noexcept;

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_TRANSFORM_H_
