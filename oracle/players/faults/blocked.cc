#include "blocked.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "../host.h"
#include "../players.h"

namespace truenorm::oracle {
namespace blocked {
namespace {

/// The values of a plane are neighbours, in logical order.
bool dense(const Tensor& x) {
  std::int64_t expected = 1;
  for (int axis = 4; axis >= 2; --axis) {
    if (x.size(axis) != 1 && x.stride(axis) != expected) return false;
    expected *= x.size(axis);
  }
  return true;
}

Values part_of(const Values& v, Range r) { return {v.begin() + r.begin, v.begin() + r.end}; }

}  // namespace

Honest::Path Honest::path(const Tensor& x) const {
  if (x.channels() > 1 && x.stride(1) == 1) return Path::tiles;
  return dense(x) ? Path::planes : Path::strided;
}

Range Honest::tile(std::int64_t c, std::int64_t channels) const {
  const std::int64_t begin = c - c % kTile;
  return {begin, std::min(begin + kTile, channels)};
}

Values Honest::gather(const Tensor& x, std::int64_t c) const {
  Values v;
  v.reserve(static_cast<std::size_t>(x.per_channel()));
  switch (path(x)) {
    case Path::planes:
      for (std::int64_t n = 0; n < x.size(0); ++n) {
        const std::int64_t begin = row(x.offset({n, c, 0, 0, 0}));
        for (std::int64_t i = 0; i < x.plane(); ++i) v.push_back(x.get(begin + i));
      }
      break;
    case Path::tiles: {
      const Range together = tile(c, x.channels());
      std::array<double, kTile> lane{};
      textbook::each(x, together.begin, [&](const Index& i) {
        const std::int64_t begin = row(x.offset(i));
        for (std::int64_t l = 0; l < together.size(); ++l)
          lane[static_cast<std::size_t>(l)] = x.get(begin + l);
        v.push_back(lane[static_cast<std::size_t>(c % kTile)]);
      });
      break;
    }
    case Path::strided:
      textbook::each(x, c, [&](const Index& i) { v.push_back(x.get(row(x.offset(i)))); });
      break;
  }
  return v;
}

void Honest::scatter(const Tensor& y, std::int64_t c, const Values& v) const {
  const double* next = v.data();
  if (path(y) == Path::planes) {
    for (std::int64_t n = 0; n < y.size(0); ++n, next += y.plane())
      store_run(y, y.offset({n, c, 0, 0, 0}), next, y.plane());
  } else {
    textbook::each(y, c, [&](const Index& i) { y.set(i, *next++); });
  }
}

void Honest::store_run(const Tensor& y, std::int64_t offset, const double* values,
                       std::int64_t count) const {
  for (std::int64_t i = 0; i < count; ++i) y.put(offset + i, values[i]);
}

std::int64_t Honest::peel(const Tensor& x, std::int64_t c) const {
  constexpr std::uintptr_t kLine = 64;
  const auto address = reinterpret_cast<std::uintptr_t>(x.at(x.offset({0, c, 0, 0, 0})));
  return static_cast<std::int64_t>((kLine - address % kLine) % kLine / size_of(x.dtype()));
}

Range Honest::share(std::int64_t n, int threads, int t) const {
  return {n * t / threads, n * (t + 1) / threads};
}

std::vector<Range> Honest::blocks(Range share, std::int64_t peel) const {
  std::vector<Range> cut;
  for (std::int64_t begin = share.begin, end; begin < share.end; begin = end) {
    end = std::min(share.end, begin + (begin == share.begin && peel > 0 ? peel : kBlock));
    cut.push_back({begin, end});
  }
  return cut;
}

double Honest::lanes(const Values& terms) const {
  std::array<double, kLanes> lane{};
  for (std::size_t i = 0; i < terms.size(); ++i) lane[i % lane.size()] += terms[i];
  double sum = 0;
  for (const double v : lane) sum += v;
  return sum;
}

Part Honest::block(const Values& v, Range r) {
  const double p = pivot(v, r), n = static_cast<double>(r.size());
  Values d = part_of(v, r);
  for (double& value : d) value -= p;
  const double sum = lanes(d);
  for (double& value : d) value *= value;
  return {n, p + sum / n, std::max(0.0, lanes(d) - sum * sum / n)};
}

Part Honest::merge(const Part& a, const Part& b) const {
  const double n = a.n + b.n, delta = b.mean - a.mean;
  if (n == 0) return {};
  return {n, a.mean + delta * (b.n / n), a.m2 + b.m2 + delta * delta * (a.n * b.n / n)};
}

Part Honest::tree(std::vector<Part> level) const {
  while (level.size() > 1) {
    std::vector<Part> next;
    for (std::size_t i = 0; i + 1 < level.size(); i += 2)
      next.push_back(merge(level[i], level[i + 1]));
    if (level.size() % 2 == 1) next.push_back(level.back());
    level = std::move(next);
  }
  return level.empty() ? Part{} : level.front();
}

Part Honest::reduce(const std::vector<Part>& parts) const {
  Part all;
  for (const Part& part : parts) all = merge(all, part);
  return all;
}

Honest::Sums Honest::reduce_sums(const std::vector<Sums>& parts) const {
  Sums all;
  for (const Sums& part : parts) {
    all.dy += part.dy;
    all.dot += part.dot;
  }
  return all;
}

// NaN and Inf go the textbook's way: no pivot may be one of them.
Moments Honest::moments(const Tensor& x, std::int64_t c, int threads) {
  const Values v = gather(x, c);
  if (!std::all_of(v.begin(), v.end(), [](double value) { return std::isfinite(value); }))
    return textbook::Honest::moments(x, c, threads);
  parts_.resize(static_cast<std::size_t>(threads));
  for (int t = 0; t < threads; ++t) {
    std::vector<Part> level;
    for (const Range r : blocks(share(x.per_channel(), threads, t), peel(x, c)))
      level.push_back(block(v, r));
    parts_[static_cast<std::size_t>(t)] = tree(std::move(level));
  }
  const Part all = reduce(parts_);
  return {all.mean, all.m2 / all.n};
}

Honest::Sums Honest::sums(const Tensor& dy, const Tensor& x, std::int64_t c, double mean,
                          bool /*training*/, int threads) {
  const Values g = gather(dy, c), v = gather(x, c);
  std::vector<Sums> parts(static_cast<std::size_t>(threads));
  for (int t = 0; t < threads; ++t)
    for (const Range r : blocks(share(x.per_channel(), threads, t), peel(x, c))) {
      const Values terms = part_of(g, r);
      Values products = part_of(v, r);
      for (std::size_t i = 0; i < terms.size(); ++i) products[i] = (products[i] - mean) * terms[i];
      Sums& part = parts[static_cast<std::size_t>(t)];
      part.dy += lanes(terms);
      part.dot += lanes(products);
    }
  return reduce_sums(parts);
}

// A block's pivot is one of its values, p: with m the block's mean and k <= 64 values its sum of
// squares about m holds (p - m)^2, so that about p, M2 + k*(p - m)^2, is at most 65*M2. A chain is a
// lane's 8 additions and the 8 lanes'. A merge of means takes three roundings of delta*b.n/n, a
// distance of at most 2*max|x|, and one of the sum; one of M2 takes seven of a sum whose terms are
// not negative; a block's own S/k, p + S/k and S*S/k are no more. The terms of the squares take
// three roundings, and S*S/k three of no more than their sum.
Contract contract(const Problem& p, const Exec& exec) {
  Contract c = textbook::contract(p, exec);
  const double n = c.mean.chain, chain = 2 * kLanes;
  const double merges = std::ceil(std::log2(n / kBlock + 2)) + exec.threads;
  c.mean = {kU64, kU64, chain};
  c.square = {3 * kU64, kU64, chain};
  c.pivoted = true;
  c.inflation = kBlock + 1;
  c.constant_exact = true;  // every distance from the pivot is 0
  c.mean_roundings = 8 * (merges + 1);
  c.mean_unit = c.mean_roundings * kU64;
  c.var_unit = 8 * (merges + 1) * kU64;
  // Blocks are added one after the other, threads after that; peels make a block more each.
  c.dy_sum = c.dot = {0, kU64, chain + n / kBlock + 2 * exec.threads + 1};
  c.dot.term = kU64;
  return c;
}

}  // namespace blocked

std::unique_ptr<Player> make_blocked() {
  static const truenorm_kernel_v1 kKernel = textbook::kernel<blocked::Honest>("blocked");
  HostOptions options{"blocked", "vectors, blocks and threads' shares, all in double"};
  options.contract = blocked::contract;
  return host_kernel(kKernel, std::move(options));
}

}  // namespace truenorm::oracle
