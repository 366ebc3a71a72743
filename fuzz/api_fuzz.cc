// Raw arguments to one call of the public interface.
#include <memory>

#include "api_target.h"

truenorm::fuzz::ByteTarget truenorm::fuzz::make_byte_target(const Options& options) {
  const auto target =
      std::make_shared<ApiTarget>(static_cast<Isa>(options.isa.value_or(oracle::Isa::best)));
  return {"api_fuzz", [target](Bytes input) { return target->look(input); },
          [target] { return target->left_out(); }};
}

// A layer of more features than there is memory is refused, which is what is asked of it.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
extern "C" const char* __msan_default_options() { return "allocator_may_return_null=1"; }
