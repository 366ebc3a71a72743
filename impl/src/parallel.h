// The one place that knows how threads are made.
#ifndef TRUENORM_SRC_PARALLEL_H_
#define TRUENORM_SRC_PARALLEL_H_

#if defined(_OPENMP)
#include <omp.h>
#endif

#include <algorithm>
#include <cfenv>
#include <cstdint>
#include <cstring>
#include <utility>

namespace truenorm::detail {

/// Rounding mode and treatment of subnormals of this thread. Where the control register cannot be
/// had by itself, the whole environment, which costs 80 ns a call.
#if defined(__SSE__)
using FloatControl = unsigned;
inline FloatControl float_control() noexcept { return __builtin_ia32_stmxcsr() & ~0x3fu; }
inline void set_float_control(FloatControl control) noexcept { __builtin_ia32_ldmxcsr(control); }
#else
struct FloatControl {
  std::fenv_t environment;
  friend bool operator!=(const FloatControl& a, const FloatControl& b) noexcept {
    return std::memcmp(&a, &b, sizeof a) != 0;
  }
};
inline FloatControl float_control() noexcept {
  FloatControl control;
  std::fegetenv(&control.environment);
  return control;
}
inline void set_float_control(const FloatControl& control) noexcept {
  std::fesetenv(&control.environment);
}
#endif

/// A thread among those that run the same body. Ranks from `size` on have no share; they only pass
/// the barriers.
struct Member {
  int rank = 0;
  int size = 1;
  bool alone = true;

  [[nodiscard]] bool idle() const noexcept { return rank >= size; }

  /// This thread's share of [0, count): neighbours, the same at every call. Bounds between shares
  /// are multiples of `grain`.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> share(std::int64_t count,
                                                            std::int64_t grain = 1) const noexcept {
    const std::int64_t grains = count / grain + (count % grain != 0);
    const auto bound = [&](std::int64_t i) {
      const std::int64_t at = (grains / size * i + grains % size * i / size) * grain;
      return at < count ? at : count;
    };
    return idle() ? std::pair(count, count) : std::pair(bound(rank), bound(rank + 1));
  }

  /// Waits until every thread is here; what they wrote before is seen after.
  void barrier() const noexcept {
    if (alone) return;
#if defined(_OPENMP)
#pragma omp barrier
#endif
  }
};

/// body(member) on up to `active` of `threads` threads; every thread must pass the same barriers. The
/// result must not depend on their number. The body must not throw. OpenMP is always asked for all
/// `threads`: where their number changes from call to call, libgomp ends threads and starts new ones.
/// Rounding mode and treatment of subnormals are the caller's on every thread: a thread of the pool
/// would otherwise keep those of the time when it was made. Without OpenMP this thread is all there is.
template <class Body>
void parallel(int threads, int active, const Body& body) noexcept {
#if defined(_OPENMP)
  if (active <= 1) {
    body(Member{});
    return;
  }
  const FloatControl callers = float_control();
#pragma omp parallel num_threads(threads)
  {
    const FloatControl own = float_control();
    if (own != callers) set_float_control(callers);
    body(Member{omp_get_thread_num(), std::min(active, omp_get_num_threads()), false});
    if (own != callers) set_float_control(own);
  }
#else
  static_cast<void>(threads), static_cast<void>(active);
  body(Member{});
#endif
}

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_PARALLEL_H_
