/* A BatchNorm kernel in plain C for Truenorm to judge: float data of any strides, sums in double,
 * one thread. truenorm_plugin.h says what each function must do. */
#include <math.h>
#include <stddef.h>
#include <truenorm_plugin.h>

/* ---- walking a strided tensor ---- */

static int64_t size_of(const truenorm_tensor* t, int axis) {
  return axis < t->rank ? t->size[axis] : 1;
}
static int64_t stride_of(const truenorm_tensor* t, int axis) {
  return axis < t->rank ? t->stride[axis] : 0;
}
static int64_t values_per_channel(const truenorm_tensor* t) {
  return size_of(t, 0) * size_of(t, 2) * size_of(t, 3) * size_of(t, 4);
}

/* The i-th value of channel c, in the order batch, then spatial axes. */
static float* at(const truenorm_tensor* t, int64_t c, int64_t i) {
  int64_t offset = c * t->stride[1];
  for (int axis = 4; axis >= 2; --axis) {
    offset += i % size_of(t, axis) * stride_of(t, axis);
    i /= size_of(t, axis);
  }
  return (float*)t->data + offset + i * t->stride[0];
}

static double get(const truenorm_vector* v, int64_t c, double otherwise) {
  return v->data ? ((const float*)v->data)[c * v->stride] : otherwise;
}
static void put(truenorm_vector* v, int64_t c, double value) {
  if (v->data) ((float*)v->data)[c * v->stride] = (float)value;
}

static truenorm_result check(const truenorm_tensor* x, const truenorm_vector* const* vectors,
                             int count) {
  if (x->rank < 2 || x->rank > 5) return TRUENORM_REFUSED;
  for (int i = 0; i < count; ++i)
    if (vectors[i]->data && vectors[i]->size != x->size[1]) return TRUENORM_REFUSED;
  return x->dtype == TRUENORM_F32 ? TRUENORM_OK : TRUENORM_UNSUPPORTED;
}

static void normalize(const truenorm_tensor* x, truenorm_tensor* y, int64_t c, double mean,
                      double invstd, double weight, double bias) {
  const int64_t n = values_per_channel(x);
  for (int64_t i = 0; i < n; ++i)
    *at(y, c, i) = (float)((*at(x, c, i) - mean) * invstd * weight + bias);
}

/* ---- the three functions ---- */

static truenorm_result forward_training(const truenorm_tensor* x, const truenorm_vector* weight,
                                        const truenorm_vector* bias, truenorm_vector* running_mean,
                                        truenorm_vector* running_var, double factor, double eps,
                                        truenorm_tensor* y, truenorm_vector* save_mean,
                                        truenorm_vector* save_invstd, int32_t threads) {
  const truenorm_vector* const vectors[] = {weight,      bias,      running_mean,
                                            running_var, save_mean, save_invstd};
  const truenorm_result result = check(x, vectors, 6);
  (void)threads; /* one thread */
  const int64_t n = values_per_channel(x);
  if (result != TRUENORM_OK) return result;
  if (n == 1) return TRUENORM_REFUSED;
  if (n == 0) return TRUENORM_OK;
  for (int64_t c = 0; c < x->size[1]; ++c) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; ++i) sum += *at(x, c, i);
    const double mean = sum / (double)n;
    for (int64_t i = 0; i < n; ++i) {
      const double d = *at(x, c, i) - mean;
      squares += d * d;
    }
    const double var = squares / (double)n, unbiased = squares / (double)(n - 1);
    const double invstd = var == 0 && eps == 0 ? 0 : 1 / sqrt(var + eps);
    normalize(x, y, c, mean, invstd, get(weight, c, 1), get(bias, c, 0));
    put(running_mean, c, factor * mean + (1 - factor) * get(running_mean, c, 0));
    put(running_var, c, factor * unbiased + (1 - factor) * get(running_var, c, 0));
    put(save_mean, c, mean);
    put(save_invstd, c, invstd);
  }
  return TRUENORM_OK;
}

static truenorm_result forward_inference(const truenorm_tensor* x, const truenorm_vector* weight,
                                         const truenorm_vector* bias,
                                         const truenorm_vector* running_mean,
                                         const truenorm_vector* running_var, double eps,
                                         truenorm_tensor* y, int32_t threads) {
  const truenorm_vector* const vectors[] = {weight, bias, running_mean, running_var};
  const truenorm_result result = check(x, vectors, 4);
  (void)threads; /* one thread */
  if (result != TRUENORM_OK) return result;
  for (int64_t c = 0; c < x->size[1]; ++c)
    normalize(x, y, c, get(running_mean, c, 0), 1 / sqrt(get(running_var, c, 1) + eps),
              get(weight, c, 1), get(bias, c, 0));
  return TRUENORM_OK;
}

static truenorm_result backward(const truenorm_tensor* dy, const truenorm_tensor* x,
                                const truenorm_vector* weight, const truenorm_vector* running_mean,
                                const truenorm_vector* running_var,
                                const truenorm_vector* save_mean,
                                const truenorm_vector* save_invstd, int32_t training, double eps,
                                truenorm_tensor* dx, truenorm_vector* dweight,
                                truenorm_vector* dbias, int32_t threads) {
  const truenorm_vector* const vectors[] = {weight,      running_mean, running_var, save_mean,
                                            save_invstd, dweight,      dbias};
  const truenorm_result result = check(x, vectors, 7);
  (void)threads; /* one thread */
  const int64_t n = values_per_channel(x);
  if (result != TRUENORM_OK) return result;
  for (int64_t c = 0; c < x->size[1]; ++c) {
    const double mean = training ? get(save_mean, c, 0) : get(running_mean, c, 0);
    const double invstd =
        training ? get(save_invstd, c, 1) : 1 / sqrt(get(running_var, c, 1) + eps);
    const double scale = invstd * get(weight, c, 1);
    double sum = 0, dot = 0;
    for (int64_t i = 0; i < n; ++i) {
      sum += *at(dy, c, i);
      dot += (*at(x, c, i) - mean) * *at(dy, c, i);
    }
    put(dweight, c, n == 0 ? 0 : dot * invstd); /* the statistics of no values may be anything */
    put(dbias, c, sum);
    for (int64_t i = 0; dx->data && i < n; ++i) {
      const double through_statistics =
          training ? sum / (double)n + (*at(x, c, i) - mean) * invstd * invstd * dot / (double)n
                   : 0;
      *at(dx, c, i) = (float)((*at(dy, c, i) - through_statistics) * scale);
    }
  }
  return TRUENORM_OK;
}

const truenorm_kernel_v1* truenorm_kernel(void) {
  static const truenorm_kernel_v1 kernel = {
      .abi = TRUENORM_PLUGIN_ABI,
      .size = sizeof(truenorm_kernel_v1),
      .name = "example",
      .contract = {.accumulate = TRUENORM_F64, .folded = 0, .chain = 0},
      .forward_training = forward_training,
      .forward_inference = forward_inference,
      .backward = backward,
  };
  return &kernel;
}
