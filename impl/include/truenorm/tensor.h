// Views of caller memory. They never own, never copy and are passed by value.
#ifndef TRUENORM_TENSOR_H_
#define TRUENORM_TENSOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "truenorm/export.h"

namespace truenorm {

/// Element types. bf16 and f16 elements are 16-bit patterns in memory (bfloat16, IEEE binary16).
enum class Dtype : std::uint8_t { f32, f64, bf16, f16 };

/// Bytes in one element.
[[nodiscard]] constexpr std::int64_t size_of(Dtype dtype) noexcept {
  return dtype == Dtype::f64 ? 8 : dtype == Dtype::f32 ? 4 : 2;
}

/// "f32", "f64", "bf16" or "f16".
[[nodiscard]] TRUENORM_API const char* name(Dtype dtype) noexcept;

inline constexpr int min_rank = 2;
inline constexpr int max_rank = 5;

/// A strided tensor that is read: size[0] = N, size[1] = C, then up to three spatial sizes.
///
/// Element (i0, i1, ...) stands at data + i0*stride[0] + i1*stride[1] + ... . Strides count
/// elements, are not negative, and may be 0 or in any order. Any size may be 0. data is aligned to
/// its element; it may be null only if there are no elements, or where an argument says that it may
/// be absent.
struct ConstTensor {
  const void* data = nullptr;
  Dtype dtype = Dtype::f32;
  int rank = 0;
  std::array<std::int64_t, max_rank> size{};
  std::array<std::int64_t, max_rank> stride{};
};

/// A strided tensor that is written. As ConstTensor; in addition no two indices share memory.
struct Tensor {
  void* data = nullptr;
  Dtype dtype = Dtype::f32;
  int rank = 0;
  std::array<std::int64_t, max_rank> size{};
  std::array<std::int64_t, max_rank> stride{};

  operator ConstTensor() const noexcept { return {data, dtype, rank, size, stride}; }
};

/// One value for each channel, read. data == nullptr means that the vector is absent. stride >= 0.
struct ConstVector {
  const void* data = nullptr;
  Dtype dtype = Dtype::f32;
  std::int64_t size = 0;
  std::int64_t stride = 1;

  [[nodiscard]] bool present() const noexcept { return data != nullptr; }
};

/// One value for each channel, written (or updated). stride > 0 if size > 1.
struct Vector {
  void* data = nullptr;
  Dtype dtype = Dtype::f32;
  std::int64_t size = 0;
  std::int64_t stride = 1;

  [[nodiscard]] bool present() const noexcept { return data != nullptr; }
  operator ConstVector() const noexcept { return {data, dtype, size, stride}; }
};

namespace detail {

/// Fills in sizes and dense strides; `last` is the axis that varies fastest after the spatial ones
/// are laid out: -1 for N, C, spatial... in order, 1 for channels innermost. Products wrap, they
/// are checked by the functions that take the view.
template <class View>
constexpr View dense(View view, std::initializer_list<std::int64_t> sizes, int last) noexcept {
  view.rank = static_cast<int>(sizes.size());
  std::uint64_t step = 1;
  const auto place = [&](std::size_t axis) {
    view.stride[axis] = static_cast<std::int64_t>(step);
    step *= static_cast<std::uint64_t>(view.size[axis]);
  };
  if (view.rank > max_rank) return view;  // refused later as bad_rank
  std::size_t axis = 0;
  for (const std::int64_t s : sizes) view.size[axis++] = s;
  if (last >= 0 && last < view.rank) place(static_cast<std::size_t>(last));
  for (int i = view.rank - 1; i >= 0; --i) {
    if (i != last) place(static_cast<std::size_t>(i));
  }
  return view;
}

}  // namespace detail

/// Dense view in the order of its sizes: NC, NCL, NCHW or NCDHW.
[[nodiscard]] constexpr Tensor contiguous(void* data, Dtype dtype,
                                          std::initializer_list<std::int64_t> sizes) noexcept {
  Tensor t;
  t.data = data;
  t.dtype = dtype;
  return detail::dense(t, sizes, -1);
}
[[nodiscard]] constexpr ConstTensor contiguous(const void* data, Dtype dtype,
                                               std::initializer_list<std::int64_t> sizes) noexcept {
  ConstTensor t;
  t.data = data;
  t.dtype = dtype;
  return detail::dense(t, sizes, -1);
}

/// Dense view with the channels innermost; `sizes` is still N, C, spatial...: NHWC and its kin.
[[nodiscard]] constexpr Tensor channels_last(void* data, Dtype dtype,
                                             std::initializer_list<std::int64_t> sizes) noexcept {
  Tensor t;
  t.data = data;
  t.dtype = dtype;
  return detail::dense(t, sizes, 1);
}
[[nodiscard]] constexpr ConstTensor channels_last(
    const void* data, Dtype dtype, std::initializer_list<std::int64_t> sizes) noexcept {
  ConstTensor t;
  t.data = data;
  t.dtype = dtype;
  return detail::dense(t, sizes, 1);
}

}  // namespace truenorm

#endif  // TRUENORM_TENSOR_H_
