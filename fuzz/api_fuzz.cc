// Raw arguments to one call of the public interface.
#include <memory>

#include "api_target.h"

truenorm::fuzz::ByteTarget truenorm::fuzz::make_byte_target(const Options& options) {
  const auto target =
      std::make_shared<ApiTarget>(static_cast<Isa>(options.isa.value_or(oracle::Isa::best)));
  return {"api_fuzz", [target](Bytes input) { return target->look(input); },
          [target] { return target->left_out(); }};
}
