// The inner loops, one set for each instruction set and element type.
#ifndef TRUENORM_SRC_KERNELS_H_
#define TRUENORM_SRC_KERNELS_H_

#include <array>
#include <cstdint>

#include "channel.h"
#include "truenorm/context.h"
#include "truenorm/tensor.h"

namespace truenorm::detail {

/// Longest block of the contiguous sums, in elements of 4 and of 8 bytes of lane: 64 terms a chain.
inline constexpr std::int64_t max_block_f32 = 4096;
inline constexpr std::int64_t max_block_f64 = 2048;
/// Most rows of a block of the row sums: 64 terms a chain.
inline constexpr std::int64_t max_block_rows = 64;
/// Virtual lanes: the summation tree is that of registers of 64 bytes on every machine.
constexpr std::int64_t virtual_lanes(Dtype dtype) noexcept { return dtype == Dtype::f64 ? 8 : 16; }

constexpr std::int64_t max_block(Dtype dtype) noexcept {
  return dtype == Dtype::f64 ? max_block_f64 : max_block_f32;
}

/// How results are written. Streamed stores bypass the caches and need a fence before others read.
enum class Store : std::uint8_t { cached, streamed };

/// A second pass over memory: how it writes, and where its thread will read next.
struct Touch {
  Store store = Store::cached;
  std::int64_t ahead = 0;  ///< elements from x (and g) to prefetch at, 0: nothing
};

/// Pointers are to elements (x, y, g, dx) or to lanes: float, or double for f64 elements (pivot, m,
/// a, b, c, acc). Strides and counts are in elements. Documented where they are defined, in
/// sums-inl.h and transform-inl.h.
struct Kernels {
  void (*moments)(const void* x, std::int64_t count, double pivot, double* sum, double* square);
  void (*products)(const void* x, const void* g, std::int64_t count, double pivot, double* sum,
                   double* dot);

  void (*group_moments)(const void* x, std::int64_t stride, std::int64_t length,
                        std::int64_t channels, const void* pivot, void* acc);
  void (*group_products)(const void* x, std::int64_t x_stride, const void* g, std::int64_t g_stride,
                         std::int64_t length, std::int64_t channels, const void* pivot, void* acc);
  void (*group_flush)(void* acc, std::int64_t channels, double* sum, double* dot);

  void (*row_moments)(const void* x, std::int64_t stride, std::int64_t rows, std::int64_t channels,
                      const void* pivot, void* acc, double* sum, double* square);
  void (*row_products)(const void* x, std::int64_t x_stride, const void* g, std::int64_t g_stride,
                       std::int64_t rows, std::int64_t channels, const void* pivot, void* acc,
                       double* sum, double* dot);

  void (*group_affine)(const void* x, void* y, std::int64_t length, std::int64_t channels,
                       const void* m, const void* a, const void* b, Touch touch);
  void (*group_gradient)(const void* x, const void* g, void* dx, std::int64_t length,
                         std::int64_t channels, const void* m, const void* a, const void* b,
                         const void* c, Touch touch);

  void (*row_affine)(const void* x, std::int64_t x_stride, void* y, std::int64_t y_stride,
                     std::int64_t rows, std::int64_t channels, const void* m, const void* a,
                     const void* b, Touch touch);
  void (*row_gradient)(const void* x, std::int64_t x_stride, const void* g, std::int64_t g_stride,
                       void* dx, std::int64_t dx_stride, std::int64_t rows, std::int64_t channels,
                       const void* m, const void* a, const void* b, const void* c, Touch touch);

  void (*set_pivots)(const double* from, const double* sum, double n, std::int64_t count,
                     double* base, void* pivot);
  bool (*moments_about)(double n, const double* base, double* sum, double* square,
                        std::int64_t count);
  void (*merge_moments)(ForwardBlock& a, double n, const double* base, const double* offset,
                        const double* m2, double k, std::int64_t count);
  bool (*forward_statistics)(ForwardBlock& k, std::int64_t count, double n);
  bool (*forward_coefficients)(ForwardBlock& k, std::int64_t count, double eps, bool batch);
  bool (*backward_sums)(BackwardBlock& k, std::int64_t count);
  bool (*backward_coefficients)(BackwardBlock& k, std::int64_t count, double n);
};

/// Indexed by Dtype.
using KernelSet = std::array<Kernels, 4>;

/// The kernels of one instruction set (not `best`); null if it is not built in or not supported
/// here.
[[nodiscard]] const KernelSet* find_kernels(Isa isa) noexcept;

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_KERNELS_H_
