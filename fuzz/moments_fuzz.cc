// Values and a partition: Chan's merge of blocks.
#include "moments_target.h"

truenorm::fuzz::ByteTarget truenorm::fuzz::make_byte_target(const Options&) {
  return {"moments_fuzz", [](Bytes input) {
            const Partition p = read_partition(input);
            auto found = look_at_merges(p);
            return found ? found : look_at_kernels(p);
          }};
}
