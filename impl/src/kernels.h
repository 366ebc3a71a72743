// The inner loops, one set for each instruction set and element type.
#ifndef TRUENORM_SRC_KERNELS_H_
#define TRUENORM_SRC_KERNELS_H_

#include <array>
#include <cstdint>

#include "truenorm/context.h"
#include "truenorm/tensor.h"

namespace truenorm::detail {

/// Longest block of the contiguous sums, in elements of 4 and of 8 bytes of lane: 64 terms a chain.
inline constexpr std::int64_t max_block_f32 = 4096;
inline constexpr std::int64_t max_block_f64 = 2048;
/// Most rows of a block of the row sums: 64 terms a chain.
inline constexpr std::int64_t max_block_rows = 64;

constexpr std::int64_t max_block(Dtype dtype) noexcept {
  return dtype == Dtype::f64 ? max_block_f64 : max_block_f32;
}

/// Pointers are to elements (x, y, g, dx) or to lanes: float, or double for f64 elements (pivot, m,
/// a, b, c and the sums of the row kernels). Strides and counts are in elements. Documented where
/// they are defined, in kernels-inl.h.
struct Kernels {
  void (*moments)(const void* x, std::int64_t count, double pivot, double* sum, double* square);
  void (*products)(const void* x, const void* g, std::int64_t count, double pivot, double* sum,
                   double* dot);
  void (*affine)(const void* x, void* y, std::int64_t count, const void* m, const void* a,
                 const void* b);
  void (*gradient)(const void* x, const void* g, void* dx, std::int64_t count, const void* m,
                   const void* a, const void* b, const void* c);

  void (*row_moments)(const void* x, std::int64_t x_stride, std::int64_t rows,
                      std::int64_t channels, const void* pivot, void* sum, void* square);
  void (*row_products)(const void* x, std::int64_t x_stride, const void* g, std::int64_t g_stride,
                       std::int64_t rows, std::int64_t channels, const void* pivot, void* sum,
                       void* dot);
  void (*row_affine)(const void* x, std::int64_t x_stride, void* y, std::int64_t y_stride,
                     std::int64_t rows, std::int64_t channels, const void* m, const void* a,
                     const void* b);
  void (*row_gradient)(const void* x, std::int64_t x_stride, const void* g, std::int64_t g_stride,
                       void* dx, std::int64_t dx_stride, std::int64_t rows, std::int64_t channels,
                       const void* m, const void* a, const void* b, const void* c);
};

/// Indexed by Dtype.
using KernelSet = std::array<Kernels, 4>;

/// The kernels of one instruction set (not `best`); null if it is not built in or not supported
/// here.
[[nodiscard]] const KernelSet* find_kernels(Isa isa) noexcept;

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_KERNELS_H_
