// The one place that knows how threads are made.
#ifndef TRUENORM_SRC_PARALLEL_H_
#define TRUENORM_SRC_PARALLEL_H_

#include <omp.h>

#include <cfenv>
#include <cstdint>

namespace truenorm::detail {

/// for (i = 0; i < count; ++i) body(i, thread), on up to `threads` threads numbered from 0. Which
/// thread gets which i is unspecified: the body's result must not depend on it. The body must not
/// throw. Rounding mode and treatment of subnormals are the caller's on every thread: a thread of
/// the pool would otherwise keep those of the time when it was made.
template <class Body>
void parallel_for(int threads, std::int64_t count, const Body& body) noexcept {
  if (threads <= 1 || count <= 1) {
    for (std::int64_t i = 0; i < count; ++i) body(i, 0);
    return;
  }
  std::fenv_t callers;
  std::fegetenv(&callers);
#pragma omp parallel num_threads(threads)
  {
    std::fenv_t own;
    std::fegetenv(&own);
    std::fesetenv(&callers);
#pragma omp for schedule(static) nowait
    for (std::int64_t i = 0; i < count; ++i) body(i, omp_get_thread_num());
    std::fesetenv(&own);
  }
}

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_PARALLEL_H_
