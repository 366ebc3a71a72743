// A linear layer or convolution with a BatchNorm behind it, folded, and what is right about it.
#pragma once

#include <truenorm/fold.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "convolution.h"
#include "data.h"
#include "exact/fold.h"
#include "numbers.h"

namespace truenorm::props {

/// One of every kind; all sizes of an axis are different.
inline const std::vector<Convolution>& layers_to_fold() {
  static const std::vector<Convolution> all{
      {"linear", 0, false, 3, 5, 4},
      {"conv1d", 1, false, 2, 3, 4, 1, {7, 1, 1}, {3, 1, 1}, 2, 1},
      {"conv2d", 2, false, 2, 3, 5, 1, {6, 5, 1}, {3, 2, 1}, 1, 1},
      {"conv2d, 2 groups", 2, false, 2, 4, 6, 2, {5, 6, 1}, {2, 3, 1}, 1, 1, 2},
      {"conv2d, depthwise", 2, false, 2, 4, 4, 4, {5, 6, 1}, {3, 3, 1}, 1, 1},
      {"conv3d", 3, false, 1, 2, 3, 1, {4, 5, 3}, {2, 3, 2}, 1, 1},
      {"conv_transpose1d", 1, true, 2, 3, 4, 1, {5, 1, 1}, {3, 1, 1}, 2, 1},
      {"conv_transpose2d", 2, true, 2, 3, 5, 1, {4, 3, 1}, {3, 2, 1}, 2, 1},
      {"conv_transpose2d, 2 groups", 2, true, 2, 6, 4, 2, {4, 3, 1}, {2, 3, 1}, 2, 1},
      {"conv_transpose3d, 3 groups", 3, true, 1, 6, 3, 3, {3, 2, 4}, {2, 3, 2}, 1, 0},
  };
  return all;
}

/// Numbers between two bounds, each a value of `dtype`.
inline std::vector<double> numbers(std::size_t count, oracle::Dtype dtype, double low, double high,
                                   std::uint64_t seed) {
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = oracle::round_to(
        dtype, low + (high - low) * oracle::unit_interval(oracle::mix(oracle::mix(seed) + i)));
  return values;
}

/// Values laid out in memory, `stride` elements apart.
struct Memory {
  Memory(std::size_t count, oracle::Dtype type, std::int64_t step = 1)
      : dtype(type), stride(step), bytes((count * static_cast<std::size_t>(step) + 1) * 8) {}
  Memory(const std::vector<double>& values, oracle::Dtype type, std::int64_t step = 1)
      : Memory(values.size(), type, step) {
    for (std::size_t i = 0; i < values.size(); ++i) oracle::store(dtype, values[i], at(i));
  }
  std::byte* at(std::size_t i) {
    return bytes.data() + i * static_cast<std::size_t>(stride) * oracle::size_of(dtype);
  }
  std::vector<double> values(std::size_t count) {
    std::vector<double> all(count);
    for (std::size_t i = 0; i < count; ++i) all[i] = oracle::load(dtype, at(i));
    return all;
  }
  Vector vector(std::size_t count) {
    return {bytes.data(), static_cast<Dtype>(dtype), static_cast<std::int64_t>(count), stride};
  }
  /// Dense in logical order, but for the common stride.
  Tensor tensor(const std::vector<std::int64_t>& sizes) {
    Tensor t;
    t.data = bytes.data();
    t.dtype = static_cast<Dtype>(dtype);
    t.rank = static_cast<int>(sizes.size());
    std::int64_t step = stride;
    for (std::size_t axis = sizes.size(); axis-- > 0; step *= sizes[axis]) {
      t.size[axis] = sizes[axis];
      t.stride[axis] = step;
    }
    return t;
  }

  oracle::Dtype dtype;
  std::int64_t stride;
  std::vector<std::byte> bytes;
};

/// A layer and a BatchNorm with values, and what fold() makes of them.
struct Folded {
  struct Dtypes {
    oracle::Dtype layer = oracle::Dtype::f32, norm = oracle::Dtype::f32,
                  folded = oracle::Dtype::f32;
  };

  Folded(const Convolution& which, Dtypes types, bool with_bias, std::uint64_t seed,
         std::int64_t stride = 1)
      : layer(which), dtypes(types) {
    const auto out = static_cast<std::size_t>(layer.out);
    const std::size_t count = count_of(layer.weight_sizes());
    x = numbers(count_of(layer.x_sizes()), types.layer, -1, 2, seed);
    weight = numbers(count, types.layer, -1, 1, seed + 1);
    if (with_bias) bias = numbers(out, types.layer, -2, 2, seed + 2);
    mean = numbers(out, types.norm, -3, 3, seed + 3);
    var = numbers(out, types.norm, 0.25, 4, seed + 4);
    gain = numbers(out, types.norm, -2, 2, seed + 5);
    shift = numbers(out, types.norm, -1, 1, seed + 6);
    Memory m(mean, types.norm), v(var, types.norm), g(gain, types.norm), s(shift, types.norm);
    norm = BatchNorm({.num_features = layer.out, .dtype = static_cast<Dtype>(types.norm)});
    status = norm.load({g.vector(out), s.vector(out), m.vector(out), v.vector(out), 1});
    if (!status.ok()) return;
    Memory from(weight, types.layer, stride), from_bias(bias, types.layer, stride);
    Memory to(count, types.folded, stride), to_bias(out, types.folded, stride);
    Fold args{from.tensor(layer.weight_sizes())};
    if (with_bias) args.bias = from_bias.vector(out);
    args.transposed = layer.transposed;
    args.groups = layer.groups;
    args.folded_weight = to.tensor(layer.weight_sizes());
    args.folded_bias = to_bias.vector(out);
    status = fold(norm, args);
    folded_weight = to.values(count);
    folded_bias = to_bias.values(out);
  }

  Convolution layer;
  Dtypes dtypes;
  std::vector<double> x, weight, bias, mean, var, gain, shift, folded_weight, folded_bias;
  BatchNorm norm{{}};
  Status status;
};

/// One output of the folded layer and of the two layers, exactly, and how far they may be apart.
struct FoldedOutput {
  std::size_t channel = 0;
  oracle::exact::Dot layer;   // the layer before the BatchNorm
  oracle::exact::Dot folded;  // radius: from the balls of the folded parameters
  oracle::exact::DD want;     // the BatchNorm of the layer
  oracle::exact::DD scale;    // what that multiplies the layer by

  double distance() const { return std::abs(static_cast<double>(folded.value - want)); }
  double radius() const { return folded.radius + folded.reference() + layer.reference(); }
};

/// The balls of all folded parameters, and what follows for the outputs.
struct FoldedAnswer {
  explicit FoldedAnswer(const Folded& f) {
    const auto format = oracle::exact::format(f.dtypes.folded);
    const auto channels = static_cast<std::size_t>(f.layer.out);
    weight.resize(f.weight.size());
    outputs.resize(count_of(f.layer.y_sizes()));
    const auto folding = [&](std::size_t c) {
      return oracle::exact::Folding(f.mean[c], f.var[c], f.norm.options().eps, f.gain[c],
                                    f.shift[c], format);
    };
    for (std::size_t c = 0; c < channels; ++c)
      bias.push_back(folding(c).bias(f.bias.empty() ? 0 : f.bias[c]));
    each_product(f.layer, [&](std::size_t c, std::size_t y, std::size_t x, std::size_t w) {
      if (weight[w].radius == 0) weight[w] = folding(c).weight(f.weight[w]);
      FoldedOutput& o = outputs[y];
      o.layer.add(f.x[x], f.weight[w], 0);
      o.folded.add(f.x[x], f.folded_weight[w], weight[w].radius);
    });
    const std::size_t plane = outputs.size() / (channels * static_cast<std::size_t>(f.layer.batch));
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      FoldedOutput& o = outputs[i];
      const std::size_t c = o.channel = i / plane % channels;
      if (!f.bias.empty()) o.layer.add(1, f.bias[c], 0);
      o.folded.add(1, f.folded_bias[c], bias[c].radius);
      using oracle::exact::DD;
      o.scale = folding(c).scale();
      o.want = (o.layer.value - DD(f.mean[c])) * o.scale + DD(f.shift[c]);
    }
  }

  /// The largest |got - want| / radius of the parameters.
  double worst_parameter(const Folded& f) const {
    double worst = 0;
    const auto look = [&](const std::vector<double>& got,
                          const std::vector<oracle::exact::Element>& balls) {
      for (std::size_t i = 0; i < got.size(); ++i) {
        const auto off = oracle::exact::DD(got[i]) - oracle::exact::DD(balls[i].mid, balls[i].low);
        const double score = std::abs(static_cast<double>(off)) / balls[i].radius;
        worst = score <= worst ? worst : score;  // NaN stays
      }
    };
    look(f.folded_weight, weight);
    look(f.folded_bias, bias);
    return worst;
  }
  /// The output with the largest distance / radius.
  const FoldedOutput& worst_output() const {
    return *std::max_element(outputs.begin(), outputs.end(), [](const auto& a, const auto& b) {
      return a.distance() / a.radius() < b.distance() / b.radius();
    });
  }

  std::vector<oracle::exact::Element> weight, bias;
  std::vector<FoldedOutput> outputs;
};

}  // namespace truenorm::props
