/* The example kernel with a mistake that shows in no result: its threads count their calls in one
 * place without a lock. ThreadSanitizer must see it when the corpus is replayed on threads. */
#include <pthread.h>
#include <stddef.h>

#define truenorm_kernel honest_kernel
#include "../examples/template/kernel.c"
#undef truenorm_kernel

static long calls;
static void* count_call(void* unused) {
  ++calls;
  return unused;
}

static truenorm_result forward_racing(const truenorm_tensor* x, const truenorm_vector* weight,
                                      const truenorm_vector* bias, truenorm_vector* running_mean,
                                      truenorm_vector* running_var, double factor, double eps,
                                      truenorm_tensor* y, truenorm_vector* save_mean,
                                      truenorm_vector* save_invstd, int32_t threads) {
  pthread_t other;
  const int shared = threads > 1 && pthread_create(&other, NULL, count_call, NULL) == 0;
  count_call(NULL);
  if (shared) pthread_join(other, NULL);
  return forward_training(x, weight, bias, running_mean, running_var, factor, eps, y, save_mean,
                          save_invstd, threads);
}

const truenorm_kernel_v1* truenorm_kernel(void) {
  static truenorm_kernel_v1 kernel;
  kernel = *honest_kernel();
  kernel.forward_training = forward_racing;
  return &kernel;
}
