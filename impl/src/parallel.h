// The one place that knows how threads are made.
#ifndef TRUENORM_SRC_PARALLEL_H_
#define TRUENORM_SRC_PARALLEL_H_

#include <omp.h>

#include <cfenv>
#include <cstdint>
#include <utility>

namespace truenorm::detail {

/// A thread among those that run the same body.
struct Member {
  int rank = 0;
  int size = 1;

  /// This thread's share of [0, count): neighbours, the same at every call. Bounds between shares
  /// are multiples of `grain`.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> share(std::int64_t count,
                                                            std::int64_t grain = 1) const noexcept {
    const std::int64_t grains = count / grain + (count % grain != 0);
    const auto bound = [&](std::int64_t i) {
      const std::int64_t at = (grains / size * i + grains % size * i / size) * grain;
      return at < count ? at : count;
    };
    return {bound(rank), bound(rank + 1)};
  }

  /// Waits until every thread is here; what they wrote before is seen after.
  void barrier() const noexcept {
    if (size == 1) return;
#pragma omp barrier
  }
};

/// body(member) on up to `threads` threads at once; every thread must pass the same barriers. The
/// result must not depend on their number. The body must not throw. Rounding mode and treatment of
/// subnormals are the caller's on every thread: a thread of the pool would otherwise keep those of
/// the time when it was made.
template <class Body>
void parallel(int threads, const Body& body) noexcept {
  if (threads <= 1) {
    body(Member{});
    return;
  }
  std::fenv_t callers;
  std::fegetenv(&callers);
#pragma omp parallel num_threads(threads)
  {
    std::fenv_t own;
    std::fegetenv(&own);
    std::fesetenv(&callers);
    body(Member{omp_get_thread_num(), omp_get_num_threads()});
    std::fesetenv(&own);
  }
}

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_PARALLEL_H_
