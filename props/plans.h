// Calls to be planned: views of sampled sizes in sampled layouts or any others.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "../impl/src/plan.h"
#include "arena.h"
#include "generators.h"

namespace truenorm::detail {

inline ConstTensor view(const oracle::Shape& shape,
                        const std::array<std::int64_t, max_rank>& stride, Dtype dtype) {
  ConstTensor t;
  t.dtype = dtype;
  t.rank = shape.rank();
  t.size = {shape.n, shape.c, shape.s[0], shape.s[1], shape.s[2]};
  t.stride = stride;
  return t;
}

inline ConstTensor view(const oracle::Shape& shape, oracle::Layout layout, Dtype dtype) {
  return view(shape, oracle::strides_of(layout, shape), dtype);
}

/// A call: the views of its sums, of its sweep, or both.
struct Call {
  std::vector<ConstTensor> views;
  std::size_t summed = 0, from = 0;  ///< sums: the first `summed`; sweep: from `from` on

  [[nodiscard]] Plan plan(int threads, const Machine& machine) const {
    const std::span<const ConstTensor> all(views);
    return make_plan(all.first(summed), all.subspan(from), threads, machine);
  }
};

/// Strides of a memory that holds the axes in any order, with gaps.
inline std::array<std::int64_t, max_rank> any_strides(const oracle::Shape& shape) {
  const int rank = shape.rank();
  std::array<std::int64_t, max_rank> size{shape.n, shape.c, shape.s[0], shape.s[1], shape.s[2]};
  std::array<std::int64_t, max_rank> stride{};
  std::vector<std::size_t> axes;
  for (int i = 0; i < rank; ++i) {
    const auto at = static_cast<std::ptrdiff_t>(*rc::gen::inRange<std::size_t>(0, axes.size() + 1));
    axes.insert(axes.begin() + at, static_cast<std::size_t>(i));
  }
  std::int64_t next = 1;
  for (const std::size_t axis : axes) {
    stride[axis] = next;
    next = next * size[axis] + *rc::gen::element<std::int64_t>(0, 0, 0, 1, 5);
  }
  return stride;
}

/// A forward, an evaluation or a backward over sampled sizes, in sampled layouts or any others.
inline std::optional<Call> any_call(const oracle::Case& c) {
  const oracle::Shape& shape = c.problem.shape;
  if (shape.numel() == 0) return std::nullopt;
  const auto dtype = *rc::gen::element(Dtype::f32, Dtype::f64, Dtype::bf16);
  const oracle::Exec exec = c.exec.value_or(oracle::Exec{});
  const bool known = *rc::gen::arbitrary<bool>();
  const auto next = [&](oracle::Layout layout) {
    return known ? view(shape, layout, dtype) : view(shape, any_strides(shape), dtype);
  };
  Call call;
  switch (*rc::gen::inRange(0, 5)) {
    case 0:
      call = {{next(exec.x), next(exec.y)}, 0, 0};
      break;
    case 1:
      call = {{next(exec.x), next(exec.dy)}, 2, 2};
      break;
    case 2:
      call = {{next(exec.x), next(exec.dy), next(exec.dx)}, 2, 0};
      break;
    default:
      call = {{next(exec.x), next(exec.y)}, 1, 0};
      break;
  }
  const bool same = *rc::gen::arbitrary<bool>();
  for (ConstTensor& t : call.views)
    if (same) t.stride = call.views[0].stride;
  return call;
}

inline int any_threads() { return *rc::gen::inRange(1, 65); }

inline Machine any_machine() {
  return {std::int64_t{1} << *rc::gen::inRange(10, 24),
          *rc::gen::element<std::int64_t>(0, 1, 64) * 65536};
}

}  // namespace truenorm::detail
