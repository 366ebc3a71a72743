// Compiles kernels-inl.h for each instruction set and finds the set for an Isa.
#include "kernels.h"

#include <cstddef>

// One fallback, three x86 sets and NEON; everything else costs compile time and is not tested.
#define HWY_DISABLED_TARGETS \
  (~(HWY_SCALAR | HWY_EMU128 | HWY_SSE4 | HWY_AVX2 | HWY_AVX3 | HWY_NEON))
#define HWY_COMPILE_ALL_ATTAINABLE

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels-inl.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// foreach_target.h leaves the last inclusion, for the static target, to this file.
#include "kernels-inl.h"

namespace truenorm::detail {

namespace {

bool supported(std::int64_t target) noexcept { return (hwy::SupportedTargets() & target) != 0; }

}  // namespace

const KernelSet* find_kernels(Isa isa) noexcept {
  switch (isa) {
#if (HWY_TARGETS & HWY_SCALAR) != 0
    case Isa::scalar:
      return &N_SCALAR::Table();
#elif (HWY_TARGETS & HWY_EMU128) != 0
    case Isa::scalar:
      return &N_EMU128::Table();
#endif
#if (HWY_TARGETS & HWY_SSE4) != 0
    case Isa::sse4:
      return supported(HWY_SSE4) ? &N_SSE4::Table() : nullptr;
#endif
#if (HWY_TARGETS & HWY_AVX2) != 0
    case Isa::avx2:
      return supported(HWY_AVX2) ? &N_AVX2::Table() : nullptr;
#endif
#if (HWY_TARGETS & HWY_AVX3) != 0
    case Isa::avx512:
      return supported(HWY_AVX3) ? &N_AVX3::Table() : nullptr;
#endif
#if (HWY_TARGETS & HWY_NEON) != 0
    case Isa::neon:
      return supported(HWY_NEON) ? &N_NEON::Table() : nullptr;
#endif
    default:
      return nullptr;
  }
}

}  // namespace truenorm::detail
