/* The example kernel with a mistake that shows in no result: its threads count in one place without
 * asking each other. ThreadSanitizer must see it. */
#define truenorm_kernel honest_kernel
#include "../examples/plugin/example_kernel.c"
#undef truenorm_kernel

static truenorm_result forward_racing(const truenorm_tensor* x, const truenorm_vector* weight,
                                      const truenorm_vector* bias, truenorm_vector* running_mean,
                                      truenorm_vector* running_var, double factor, double eps,
                                      truenorm_tensor* y, truenorm_vector* save_mean,
                                      truenorm_vector* save_invstd, int32_t threads) {
  volatile int counted = 0;
#pragma omp parallel for num_threads(threads)
  for (int i = 0; i < 64; ++i) counted = counted + 1;
  return forward_training(x, weight, bias, running_mean, running_var, factor, eps, y, save_mean,
                          save_invstd, threads);
}

const truenorm_kernel_v1* truenorm_kernel(void) {
  static truenorm_kernel_v1 kernel;
  kernel = *honest_kernel();
  kernel.forward_training = forward_racing;
  return &kernel;
}
