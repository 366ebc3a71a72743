/* The example with a mistake, to see what Truenorm says of it: evaluation forgets eps.
 *
 *   truenorm conform --subject build/libmistaken_kernel.so
 */
#define truenorm_kernel correct_kernel
#include "../template/kernel.c"
#undef truenorm_kernel

static truenorm_result inference_without_eps(const truenorm_tensor* x,
                                             const truenorm_vector* weight,
                                             const truenorm_vector* bias,
                                             const truenorm_vector* running_mean,
                                             const truenorm_vector* running_var, double eps,
                                             truenorm_tensor* y, int32_t threads) {
  (void)eps;
  return forward_inference(x, weight, bias, running_mean, running_var, 0, y, threads);
}

const truenorm_kernel_v1* truenorm_kernel(void) {
  static truenorm_kernel_v1 kernel;
  kernel = *correct_kernel();
  kernel.name = "example with a mistake";
  kernel.forward_inference = inference_without_eps;
  return &kernel;
}
