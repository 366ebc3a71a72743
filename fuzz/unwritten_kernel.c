/* The example kernel with a mistake that shows in no result: it looks at memory that nobody wrote.
 * MemorySanitizer must see it. */
#include <stdlib.h>

#define truenorm_kernel honest_kernel
#include "../examples/template/kernel.c"
#undef truenorm_kernel

static truenorm_result forward_unwritten(const truenorm_tensor* x, const truenorm_vector* weight,
                                         const truenorm_vector* bias, truenorm_vector* running_mean,
                                         truenorm_vector* running_var, double factor, double eps,
                                         truenorm_tensor* y, truenorm_vector* save_mean,
                                         truenorm_vector* save_invstd, int32_t threads) {
  volatile double* const scratch = malloc(sizeof *scratch);
  const int unlucky = scratch && *scratch == 1e300;
  free((void*)scratch);
  if (unlucky) return TRUENORM_REFUSED;
  return forward_training(x, weight, bias, running_mean, running_var, factor, eps, y, save_mean,
                          save_invstd, threads);
}

const truenorm_kernel_v1* truenorm_kernel(void) {
  static truenorm_kernel_v1 kernel;
  kernel = *honest_kernel();
  kernel.forward_training = forward_unwritten;
  return &kernel;
}
