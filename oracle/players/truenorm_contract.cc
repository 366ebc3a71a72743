#include "truenorm_contract.h"

#include <algorithm>
#include <cmath>

#include "../arena.h"
#include "../exact/lemmas.h"

namespace truenorm::oracle {

Contract truenorm_contract(const Problem& p, const Exec& exec, bool fma) {
  Contract c;
  const bool wide = p.dtype == Dtype::f64;
  const double u = wide ? kU64 : kU32;
  std::int64_t largest = p.shape.n;
  for (std::size_t i = 0; i < p.run.size(); ++i) largest = std::max(largest, batch_of(p, i));
  const double n = static_cast<double>(p.shape.with_batch(largest).per_channel());
  // Channels innermost: rows. A chain is the rows of a block, 64 at most; blocks are added, and at
  // most 32 parts of 256 rows or more merged, in double. Where several rows make a virtual one,
  // its chain and the additions that join it are no more than both.
  // All else: runs. A contiguous or packed block has up to 4096 f32 (2048 f64) values in 64 (32)
  // chains, which six (five) levels add up. A part of 2^17 values has five blocks that double up
  // to 4096; later ones end when full or at the end of a run of 1024 or more: one in 1024 values
  // at worst. Runs of 16 and more share chains, which are emptied into double four times, or once
  // in 1024 values, at most; shorter ones, f32 only, have chains shorter by more than their
  // additions in double come to.
  const auto rows = [&](Layout layout) {
    return p.shape.c > 1 && strides_of(layout, p.shape)[1] == 1;
  };
  struct Order {
    double chain, merges;
  };
  const auto order_of = [&](bool by_rows) -> Order {
    const double lanes = wide ? 32 : 64, levels = wide ? 5 : 6;
    if (by_rows) return {std::min(n, 64.0), n <= 64 ? 1 : n / 64 + std::min(n / 256, 32.0) + 1};
    return {std::ceil(std::min(n, 64 * lanes) / lanes) + levels,
            n <= 64 ? 1 : 6 + std::min(n, 0x1p17) / 1024 + std::ceil(n / 0x1p17)};
  };
  const bool in_rows = rows(exec.x);
  const auto [chain, merges] = order_of(in_rows);
  const auto [dot_chain, dot_merges] = order_of(in_rows && rows(exec.dy));
  c.mean = c.square = {u, u, chain};
  c.dot = {u, u, dot_chain + dot_merges * (kU64 / u)};
  c.dy_sum = {0, u, c.dot.chain};
  c.pivoted = true;
  c.pivot_unit = u;
  // A small channel is read about its own mean, which is found about one of its values or about
  // the mean of some, at most (1 + sqrt(n)) sigma from the others on average: it errs by
  // drift*sigma and the rounding. Others: docs/accuracy.md.
  const double drift = exact::gamma(chain, u) * (1 + std::sqrt(std::min(n, 256.0)));
  const bool small = n <= (in_rows ? 64 : 256);
  c.pivot_roundings = small ? 2 : in_rows ? 5 : 18;
  c.inflation = (small ? 1 : 2.25) + c.pivot_roundings * drift * drift;
  c.constant_exact = true;
  c.mean_roundings = merges + 2;
  c.mean_unit = c.mean_roundings * kU64;
  c.var_unit = 4 * (merges + 2) * kU64;
  c.invstd_unit = c.eval_invstd_unit = 4 * kU64;
  c.unit = u;
  if (!fma && !in_rows) c.square.chain += 1;  // the square itself; rows' first term adds to 0
  c.forward_roundings = fma ? 2 : 3;          // x - mean, invstd*weight; the product
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
