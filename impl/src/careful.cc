#include "careful.h"

#include <algorithm>
#include <cmath>

#include "scalar.h"

namespace truenorm::detail {

namespace {

/// visit(block of each view, values) for the whole channel, packed.
template <class Visit>
void for_blocks(Dtype dtype, const Walk& walk, const std::array<const void*, 2>& views,
                std::int64_t c, ThreadRoom& room, const Visit& visit) noexcept {
  for (std::int64_t pos = 0; pos < walk.count;) {
    const std::int64_t count = std::min(max_block(dtype), walk.count - pos);
    for (std::size_t v = 0; v < views.size(); ++v) {
      if (views[v] != nullptr) gather(walk, v, dtype, views[v], c, pos, count, room.block[v]);
    }
    visit(count);
    pos += count;
  }
}

/// A sum whose error does not grow with its length. Source: Neumaier 1974 (improved Kahan summation).
class Sum {
 public:
  void add(double value) noexcept {
    const double next = sum_ + value;
    rest_ += std::abs(sum_) >= std::abs(value) ? (sum_ - next) + value : (value - next) + sum_;
    sum_ = next;
  }
  double value() const noexcept { return std::isfinite(sum_) ? sum_ + rest_ : sum_; }

 private:
  double sum_ = 0, rest_ = 0;
};

}  // namespace

Moments careful_moments(Dtype dtype, const Walk& walk, const void* x, std::int64_t c,
                        ThreadRoom& room) noexcept {
  const double n = static_cast<double>(walk.count);
  const double first = first_value(dtype, walk, 0, x, c);
  Sum plain, shifted, m2;
  for_blocks(dtype, walk, {x, nullptr}, c, room, [&](std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      const double value = load_element(dtype, room.block[0], i);
      plain.add(value);
      shifted.add(value - first);
    }
  });
  double mean = first + shifted.value() / n;
  if (!std::isfinite(mean)) mean = plain.value() / n;
  for_blocks(dtype, walk, {x, nullptr}, c, room, [&](std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      const double d = load_element(dtype, room.block[0], i) - mean;
      m2.add(d * d);
    }
  });
  return {n, mean, 0, m2.value()};
}

void careful_products(Dtype dtype, const Walk& walk, const void* x, const void* g, std::int64_t c,
                      double mean, ThreadRoom& room, double* sum, double* dot) noexcept {
  Sum total, products;
  for_blocks(dtype, walk, {x, g}, c, room, [&](std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      const double grad = load_element(dtype, room.block[1], i);
      total.add(grad);
      products.add((load_element(dtype, room.block[0], i) - mean) * grad);
    }
  });
  *sum = total.value();
  *dot = products.value();
}

bool is_constant(Dtype dtype, const Walk& walk, std::size_t v, const void* base, std::int64_t c,
                 double value) noexcept {
  const void* channel = at(dtype, base, c * walk.channel_stride[v]);
  Cursor cursor(walk, 0);
  for (std::int64_t left = walk.count; left > 0;) {
    const std::int64_t run = cursor.left_in_run();
    for (std::int64_t i = 0; i < run; ++i) {
      const std::int64_t offset = cursor.offsets()[v] + i * walk.inner().stride[v];
      if (!(load_element(dtype, channel, offset) == value)) return false;
    }
    cursor.advance(run);
    left -= run;
  }
  return true;
}

double first_value(Dtype dtype, const Walk& walk, std::size_t v, const void* base,
                   std::int64_t c) noexcept {
  return load_element(dtype, base, c * walk.channel_stride[v]);
}

void careful_affine(Dtype dtype, const void* x, void* y, std::int64_t count, double mean,
                    double invstd, double weight, double bias) noexcept {
  for (std::int64_t i = 0; i < count; ++i) {
    store_element(dtype, y, i, (load_element(dtype, x, i) - mean) * invstd * weight + bias);
  }
}

void careful_gradient(Dtype dtype, const void* x, const void* g, void* dx, std::int64_t count,
                      double mean, double offset, double slope, double invstd,
                      double weight) noexcept {
  for (std::int64_t i = 0; i < count; ++i) {
    const double d = load_element(dtype, x, i) - mean;
    const double grad = load_element(dtype, g, i) - offset;
    store_element(dtype, dx, i, (grad - d * slope) * invstd * weight);
  }
}

}  // namespace truenorm::detail
