/* Plugins that do not load, each for the reason that its build names. */
#include <truenorm_plugin.h>

static truenorm_kernel_v1 kernel = {
    TRUENORM_PLUGIN_ABI, sizeof(truenorm_kernel_v1), "bad", {TRUENORM_F64, 0, 0}, 0, 0, 0};

#if defined(BAD_EMPTY)
const void* something_else(void);
const void* something_else(void) { return &kernel; }
#else
static truenorm_result train(const truenorm_tensor* x, const truenorm_vector* weight,
                             const truenorm_vector* bias, truenorm_vector* running_mean,
                             truenorm_vector* running_var, double factor, double eps,
                             truenorm_tensor* y, truenorm_vector* save_mean,
                             truenorm_vector* save_invstd, int32_t threads) {
  (void)x, (void)weight, (void)bias, (void)running_mean, (void)running_var, (void)factor, (void)eps,
      (void)y, (void)save_mean;
  (void)save_invstd, (void)threads;
  return TRUENORM_FAILED;
}

const truenorm_kernel_v1* truenorm_kernel(void) {
  kernel.forward_training = train;
#if defined(BAD_ABI)
  kernel.abi = 2;
#elif defined(BAD_SIZE)
  kernel.size -= 8;
#elif defined(BAD_NULL)
  return 0;
#endif
  return &kernel; /* BAD_FUNCTION: there is no forward_inference */
}
#endif
