// The textbook's loops, played as they stand.
#include "host.h"
#include "players.h"
#include "textbook.h"

namespace truenorm::oracle {

std::unique_ptr<Player> make_naive() {
  static const truenorm_kernel_v1 kKernel = textbook::kernel<textbook::Honest>("naive");
  return host_kernel(kKernel, {"naive", "textbook loops, sums in double"});
}

}  // namespace truenorm::oracle
