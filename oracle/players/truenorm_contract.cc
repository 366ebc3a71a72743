#include "truenorm_contract.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "../arena.h"
#include "../exact/lemmas.h"

namespace truenorm::oracle {

namespace {

/// How the sums of one batch are ordered, or the worst of several.
struct Order {
  double chain = 0, merges = 0;
  double dot_chain = 0;  // both, in units of the lanes
  double pivot_roundings = 0, inflation = 0;
  bool runs = false;

  void cover(const Order& other) {
    chain = std::max(chain, other.chain);
    merges = std::max(merges, other.merges);
    dot_chain = std::max(dot_chain, other.dot_chain);
    pivot_roundings = std::max(pivot_roundings, other.pivot_roundings);
    inflation = std::max(inflation, other.inflation);
    runs = runs || other.runs;
  }
};

/// Channels innermost, which may depend on the batch: a transposed tensor has N innermost, or, of one
/// image, C.
bool in_rows(Layout layout, const Shape& shape) {
  return shape.c > 1 && strides_of(layout, shape)[1] == 1;
}

// Channels innermost: rows. A chain is the rows of a block, 64 at most; blocks are added, and at
// most 32 parts of 256 rows or more merged, in double. Where several rows make a virtual one,
// its chain and the additions that join it are no more than both.
// All else: runs. A contiguous or packed block has up to 4096 f32 (2048 f64) values in 64 (32)
// chains, which six (five) levels add up. A part of 2^17 values has five blocks that double up
// to 4096; later ones end when full or at the end of a run of 1024 or more: one in 1024 values
// at worst. Runs of 16 and more share chains, which are emptied into double four times, or once
// in 1024 values, at most; shorter ones, f32 only, have chains shorter by more than their
// additions in double come to.
std::pair<double, double> chain_and_merges(double n, bool by_rows, bool wide) {
  const double lanes = wide ? 32 : 64, levels = wide ? 5 : 6;
  if (by_rows) return {std::min(n, 64.0), n <= 64 ? 1 : n / 64 + std::min(n / 256, 32.0) + 1};
  return {std::ceil(std::min(n, 64 * lanes) / lanes) + levels,
          n <= 64 ? 1 : 6 + std::min(n, 0x1p17) / 1024 + std::ceil(n / 0x1p17)};
}

Order order_of(const Shape& shape, const Exec& exec, bool wide) {
  const double u = wide ? kU64 : kU32, n = static_cast<double>(shape.per_channel());
  const bool rows = in_rows(exec.x, shape);
  Order order;
  order.runs = !rows;
  std::tie(order.chain, order.merges) = chain_and_merges(n, rows, wide);
  const auto [chain, merges] = chain_and_merges(n, rows && in_rows(exec.dy, shape), wide);
  order.dot_chain = chain + merges * (kU64 / u);
  // A small channel is read about its own mean, which is found about one of its values or about
  // the mean of some, at most (1 + sqrt(n)) sigma from the others on average: it errs by
  // drift*sigma and the rounding. Others: docs/accuracy.md.
  const double drift = exact::gamma(order.chain, u) * (1 + std::sqrt(std::min(n, 256.0)));
  const bool small = n <= (rows ? 64 : 256);
  order.pivot_roundings = small ? 2 : rows ? 5 : 18;
  order.inflation = (small ? 1 : 2.25) + order.pivot_roundings * drift * drift;
  return order;
}

}  // namespace

Contract truenorm_contract(const Problem& p, const Exec& exec, bool fma) {
  Contract c;
  const bool wide = p.dtype == Dtype::f64;
  const double u = wide ? kU64 : kU32;
  Order order = order_of(p.shape, exec, wide);
  for (std::size_t i = 0; i < p.run.size(); ++i)
    order.cover(order_of(p.shape.with_batch(batch_of(p, i)), exec, wide));
  c.mean = c.square = {u, u, order.chain};
  c.dot = {u, u, order.dot_chain};
  c.dy_sum = {0, u, order.dot_chain};
  c.pivoted = true;
  c.pivot_unit = u;
  c.pivot_roundings = order.pivot_roundings;
  c.inflation = order.inflation;
  c.constant_exact = true;
  c.mean_roundings = order.merges + 2;
  c.mean_unit = c.mean_roundings * kU64;
  c.var_unit = 4 * (order.merges + 2) * kU64;
  c.invstd_unit = c.eval_invstd_unit = 4 * kU64;
  c.unit = u;
  if (!fma && order.runs) c.square.chain += 1;  // the square itself; rows' first term adds to 0
  c.forward_roundings = fma ? 2 : 3;            // x - mean, invstd*weight; the product
  c.bias_roundings = 1;
  c.backward_roundings = fma ? 3 : 5;  // x - mean, its coefficient, the inner sum; two products
  c.hands_out_statistics = true;
  c.save_unit = kU64;
  c.run_unit = kU64;
  c.renorm_unit = kU64;  // computed in double, as the coefficients are
  return c;
}

Contract merged_contract(Contract c, double blocks) {
  // So that the pivots' distances bound those of the blocks' means, too: P >= v.
  c.inflation = std::max(c.inflation, 2.25);
  const double merges = 16 + 2 * blocks;
  c.mean_roundings += merges;
  c.mean_unit += merges * kU64;
  c.var_unit += (4 + 2 * blocks) * kU64;
  c.dot.chain += blocks * (kU64 / c.unit);
  c.dy_sum.chain += blocks * (kU64 / c.unit);
  return c;
}

}  // namespace truenorm::oracle
