// BatchNorm as vectorised, threaded kernels do it, over the textbook's formulas: values come in by
// planes, by tiles of neighbouring channels or by strides; sums go by vectors of eight lanes in
// blocks of 64 about a pivot; blocks are merged in a tree, and the shares of the threads after that.
// Threads take turns, so that what goes wrong between them goes wrong every time. Every step is one
// function: a planted fault is this kernel with one of them changed.
#pragma once

#include <cstdint>
#include <vector>

#include "../textbook.h"

namespace truenorm::oracle::blocked {

using textbook::Index;
using textbook::Moments;
using textbook::Tensor;
using textbook::Vector;

inline constexpr std::int64_t kLanes = 8, kBlock = 64, kTile = 8;

using Values = std::vector<double>;  // of one channel, in logical order

struct Range {
  std::int64_t begin, end;
  std::int64_t size() const { return end - begin; }
};

/// Moments of some of the values: how many, their mean, the sum of squares about it.
struct Part {
  double n = 0, mean = 0, m2 = 0;
};

struct Honest : textbook::Honest {
  virtual ~Honest() = default;

  // ---- memory

  enum class Path { planes, tiles, strided };
  virtual Path path(const Tensor&) const;
  virtual std::int64_t row(std::int64_t offset) const { return offset; }
  /// The channels that are loaded together with channel c, of `channels`.
  virtual Range tile(std::int64_t c, std::int64_t channels) const;
  virtual Values gather(const Tensor&, std::int64_t c) const;
  virtual void scatter(const Tensor&, std::int64_t c, const Values&) const;
  /// `count` values to neighbouring places.
  virtual void store_run(const Tensor&, std::int64_t offset, const double* values,
                         std::int64_t count) const;
  /// Values of channel c before the first boundary of 64 bytes.
  virtual std::int64_t peel(const Tensor&, std::int64_t c) const;

  // ---- order

  /// What thread t of `threads` takes of n values.
  virtual Range share(std::int64_t n, int threads, int t) const;
  /// A share cut into blocks, after the peel.
  virtual std::vector<Range> blocks(Range share, std::int64_t peel) const;

  // ---- sums

  /// The sum of at most kBlock terms: a chain for each lane, the lanes after that.
  virtual double lanes(const Values& terms) const;
  virtual double pivot(const Values& v, Range block) {
    return v[static_cast<std::size_t>(block.begin)];
  }
  virtual Part block(const Values&, Range);
  virtual Part merge(const Part&, const Part&) const;
  virtual Part tree(std::vector<Part>) const;
  /// The partial results of all threads, empty ones among them.
  virtual Part reduce(const std::vector<Part>&) const;
  virtual Sums reduce_sums(const std::vector<Sums>&) const;

  Moments moments(const Tensor& x, std::int64_t c, int threads);
  Sums sums(const Tensor& dy, const Tensor& x, std::int64_t c, double mean, bool training,
            int threads);

  // ---- second passes

  template <class F>
  void map(const Tensor& x, const Tensor& y, std::int64_t c, F&& f) {
    Values v = gather(x, c);
    for (double& value : v) value = f(value);
    scatter(y, c, v);
  }
  template <class F>
  void map(const Tensor& dy, const Tensor& x, const Tensor& dx, std::int64_t c, F&& f) {
    Values g = gather(dy, c);
    const Values v = gather(x, c);
    for (std::size_t i = 0; i < g.size(); ++i) g[i] = f(g[i], v[i]);
    scatter(dx, c, g);
  }

 protected:
  std::vector<Part> parts_;  // of the threads, for the channel at hand
};

/// What the honest kernel promises, and what the planted ones claim.
Contract contract(const Problem&, const Exec&);

}  // namespace truenorm::oracle::blocked
