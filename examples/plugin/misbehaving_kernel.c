/* The kernel with a choice of misconduct, to see what becomes of a run: EXAMPLE_DEFECT names it when
 * the library is loaded. It shows in training with three channels; every other case is right.
 *
 *   EXAMPLE_DEFECT=crash truenorm conform --subject build/libmisbehaving_kernel.so
 */
#define truenorm_kernel correct_kernel
#include "../template/kernel.c"
#undef truenorm_kernel

#include <stdlib.h>
#include <string.h>

enum conduct {
  correct,
  crash,
  hang,
  write_behind, /* an element behind the end of y */
  write_before,
  change_input,
  leave_unwritten, /* the last element of save_mean */
  refuse_late,     /* with everything written */
  keep_state,      /* the eps of the first call is taken for that of all */
  conducts
};
static const char* const names[conducts] = {
    "",          "crash",       "hang",      "write-behind", "write-before", "change-input",
    "unwritten", "refuse-late", "keep-state"};
static enum conduct chosen = correct;

/* The element behind the last one of y in memory. */
static float* end_of(const truenorm_tensor* y) {
  float* end = y->data;
  for (int axis = 0; axis < y->rank; ++axis) end += (y->size[axis] - 1) * y->stride[axis];
  return end + 1;
}

static truenorm_result misbehave(const truenorm_tensor* x, const truenorm_vector* weight,
                                 const truenorm_vector* bias, truenorm_vector* running_mean,
                                 truenorm_vector* running_var, double factor, double eps,
                                 truenorm_tensor* y, truenorm_vector* save_mean,
                                 truenorm_vector* save_invstd, int32_t threads) {
  static double first_eps = -1;
  if (first_eps < 0) first_eps = eps;
  if (chosen == keep_state) eps = first_eps;
  const float kept = save_mean->size > 0 ? ((float*)save_mean->data)[0] : 0;
  const truenorm_result result = forward_training(x, weight, bias, running_mean, running_var,
                                                  factor, eps, y, save_mean, save_invstd, threads);
  if (result != TRUENORM_OK || x->size[1] != 3 || values_per_channel(x) == 0) return result;
  volatile int forever = chosen == hang;
  while (forever) continue;
  if (chosen == crash) abort();
  if (chosen == write_behind) *end_of(y) = 1;
  if (chosen == write_before) ((float*)y->data)[-1] = 1;
  if (chosen == change_input) *at(x, 0, 0) += 1;
  if (chosen == leave_unwritten) ((float*)save_mean->data)[0] = kept;
  return chosen == refuse_late ? TRUENORM_REFUSED : result;
}

const truenorm_kernel_v1* truenorm_kernel(void) {
  static truenorm_kernel_v1 kernel;
  const char* defect = getenv("EXAMPLE_DEFECT");
  kernel = *correct_kernel();
  kernel.name = "example with a choice of misconduct";
  kernel.forward_training = misbehave;
  for (int i = 1; defect != NULL && i < conducts; ++i)
    if (strcmp(defect, names[i]) == 0) chosen = (enum conduct)i;
  return &kernel;
}
