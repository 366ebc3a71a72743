// The textbook's loops, played as they stand.
#include "host.h"
#include "players.h"
#include "textbook.h"

namespace truenorm::oracle {

// Everything in double, one chain of additions a channel, y and the rest rounded once when stored;
// the backward reads the statistics as they were handed out.
Contract textbook::contract(const Problem& p, const Exec&) {
  std::int64_t n = p.shape.per_channel();
  for (std::size_t i = 0; i < p.run.size(); ++i)
    n = std::max(n, p.shape.with_batch(batch_of(p, i)).per_channel());
  const auto chain = static_cast<double>(n);
  Contract c;
  c.mean = c.dy_sum = {0, kU64, chain};
  c.square = c.dot = {kU64, kU64, chain};
  c.constant_exact =
      p.dtype !=
      Dtype::f64;  // fewer than 2^29 equal values of 24 bits add up exactly, and divide back
  c.mean_unit = c.var_unit = kU64;                // a division each
  c.invstd_unit = c.eval_invstd_unit = 3 * kU64;  // var + eps, the root, the reciprocal
  c.unit = kU64;
  c.forward_roundings = 3;  // x - mean, two products
  c.backward_roundings =
      9;  // of the last term: x - mean, three products, /n, two sums, two products
  c.save_unit = p.dtype == Dtype::f64 ? kU64 : kU32;
  c.backward_from_saved = true;
  c.run_unit = kU64;
  return c;
}

std::unique_ptr<Player> make_naive() {
  static const truenorm_kernel_v1 kKernel = textbook::kernel<textbook::Honest>("naive");
  HostOptions options{"naive", "textbook loops, all in double"};
  options.contract = textbook::contract;
  return host_kernel(kKernel, std::move(options));
}

}  // namespace truenorm::oracle
