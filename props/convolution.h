// Linear layers and convolutions of all kinds, as what they are: lists of products.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace truenorm::props {

/// Sizes of a layer and of its input. Stride, padding and dilation are those of every axis.
struct Convolution {
  const char* name;
  int spatial_rank = 0;  // 0: a linear layer
  bool transposed = false;
  std::int64_t batch = 2, in = 1, out = 1, groups = 1;
  std::array<std::int64_t, 3> size{1, 1, 1}, kernel{1, 1, 1};  // beyond spatial_rank: 1
  std::int64_t stride = 1, padding = 0, dilation = 1;

  std::int64_t out_size(std::size_t axis) const {
    if (axis >= static_cast<std::size_t>(spatial_rank)) return 1;
    const std::int64_t reach = dilation * (kernel[axis] - 1) + 1;
    return transposed ? (size[axis] - 1) * stride - 2 * padding + reach
                      : (size[axis] + 2 * padding - reach) / stride + 1;
  }
  /// Sizes as LibTorch has them: (N, C, spatial...), and of the weight.
  std::vector<std::int64_t> x_sizes() const { return sizes(batch, in, size); }
  std::vector<std::int64_t> y_sizes() const {
    return sizes(batch, out, {out_size(0), out_size(1), out_size(2)});
  }
  std::vector<std::int64_t> weight_sizes() const {
    return transposed ? sizes(in, out / groups, kernel) : sizes(out, in / groups, kernel);
  }

 private:
  std::vector<std::int64_t> sizes(std::int64_t first, std::int64_t second,
                                  const std::array<std::int64_t, 3>& rest) const {
    std::vector<std::int64_t> all{first, second};
    all.insert(all.end(), rest.begin(), rest.begin() + spatial_rank);
    return all;
  }
};

/// Elements of a tensor of these sizes.
inline std::size_t count_of(const std::vector<std::int64_t>& sizes) {
  std::int64_t count = 1;
  for (const std::int64_t s : sizes) count *= s;
  return static_cast<std::size_t>(count);
}

/// A place on up to three axes, and its index in logical order; false past an end.
struct Place {
  std::array<std::int64_t, 3> at, size;

  bool inside() const {
    for (std::size_t a = 0; a < 3; ++a)
      if (at[a] < 0 || at[a] >= size[a]) return false;
    return true;
  }
  std::int64_t index() const { return (at[0] * size[1] + at[1]) * size[2] + at[2]; }
};

/// Calls f(place) for all places of a grid.
template <class F>
void each_place(const std::array<std::int64_t, 3>& size, F&& f) {
  Place p{{}, size};
  for (p.at[0] = 0; p.at[0] < size[0]; ++p.at[0])
    for (p.at[1] = 0; p.at[1] < size[1]; ++p.at[1])
      for (p.at[2] = 0; p.at[2] < size[2]; ++p.at[2]) f(p);
}

/// Calls f(output channel, index in y, index in x, index in weight) for every product x*weight that
/// an output is a sum of. A convolution gathers: x at p*stride + k*dilation - padding for y at p; a
/// transposed one scatters: y at that place for x at p.
template <class F>
void each_product(const Convolution& l, F&& f) {
  const std::array<std::int64_t, 3> out{l.out_size(0), l.out_size(1), l.out_size(2)};
  const auto& from = l.transposed ? l.size : out;
  const auto& to = l.transposed ? out : l.size;
  const std::int64_t in_part = l.in / l.groups, out_part = l.out / l.groups;
  const auto plane = [](const std::array<std::int64_t, 3>& s) { return s[0] * s[1] * s[2]; };
  const auto index = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  for (std::int64_t n = 0; n < l.batch; ++n)
    for (std::int64_t o = 0; o < l.out; ++o)
      for (std::int64_t j = 0; j < in_part; ++j) {
        const std::int64_t group = o / out_part, i = group * in_part + j;
        const std::int64_t kernel = l.transposed ? i * out_part + o % out_part : o * in_part + j;
        each_place(l.kernel, [&](const Place& k) {
          each_place(from, [&](const Place& p) {
            Place q{{}, to};
            for (std::size_t a = 0; a < 3; ++a)
              q.at[a] = p.at[a] * l.stride + k.at[a] * l.dilation - l.padding;
            // An axis that is not there has stride 1 and no padding.
            for (std::size_t a = index(l.spatial_rank); a < 3; ++a) q.at[a] = 0;
            if (!q.inside()) return;
            const Place &y = l.transposed ? q : p, &x = l.transposed ? p : q;
            f(index(o), index((n * l.out + o) * plane(out) + y.index()),
              index((n * l.in + i) * plane(l.size) + x.index()),
              index(kernel * plane(l.kernel) + k.index()));
          });
        });
      }
}

}  // namespace truenorm::props
