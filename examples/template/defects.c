/* The kernel with a choice of defects, to measure the cases by: the variable EXAMPLE_DEFECT names one
 * when the library is loaded; without it, or with a name that is none of these, the kernel is right.
 */
#define truenorm_kernel correct_kernel
#include "kernel.c"
#undef truenorm_kernel

#include <stdlib.h>
#include <string.h>

/* Evaluation forgets eps. */
static truenorm_result inference_no_eps(const truenorm_tensor* x, const truenorm_vector* weight,
                                        const truenorm_vector* bias,
                                        const truenorm_vector* running_mean,
                                        const truenorm_vector* running_var, double eps,
                                        truenorm_tensor* y, int32_t threads) {
  (void)eps;
  return forward_inference(x, weight, bias, running_mean, running_var, 0, y, threads);
}

/* Evaluation without a weight forgets the bias. */
static truenorm_result inference_no_bias(const truenorm_tensor* x, const truenorm_vector* weight,
                                         const truenorm_vector* bias,
                                         const truenorm_vector* running_mean,
                                         const truenorm_vector* running_var, double eps,
                                         truenorm_tensor* y, int32_t threads) {
  return forward_inference(x, weight, weight->data ? bias : weight, running_mean, running_var, eps,
                           y, threads);
}

/* Training reads the weight as if its elements were neighbours. */
static truenorm_result training_dense_weight(
    const truenorm_tensor* x, const truenorm_vector* weight, const truenorm_vector* bias,
    truenorm_vector* running_mean, truenorm_vector* running_var, double factor, double eps,
    truenorm_tensor* y, truenorm_vector* save_mean, truenorm_vector* save_invstd, int32_t threads) {
  truenorm_vector dense = *weight;
  dense.stride = 1;
  return forward_training(x, &dense, bias, running_mean, running_var, factor, eps, y, save_mean,
                          save_invstd, threads);
}

const truenorm_kernel_v1* truenorm_kernel(void) {
  static truenorm_kernel_v1 kernel;
  const char* defect = getenv("EXAMPLE_DEFECT");
  kernel = *correct_kernel();
  kernel.name = "example with a choice of defects";
  if (defect == NULL) return &kernel;
  if (strcmp(defect, "no-eps") == 0) kernel.forward_inference = inference_no_eps;
  if (strcmp(defect, "no-bias") == 0) kernel.forward_inference = inference_no_bias;
  if (strcmp(defect, "dense-weight") == 0) kernel.forward_training = training_dense_weight;
  return &kernel;
}
