// Planted defects: the textbook's kernels with one thing wrong each, most of them from the history
// of BatchNorm libraries.
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "host.h"
#include "players.h"
#include "textbook.h"

namespace truenorm::oracle {
namespace {

using namespace textbook;
using T = const truenorm_tensor*;
using V = const truenorm_vector*;

// ---- one formula changed -----------------------------------------------------------------------

struct BiasedRunningVar : Honest {
  static double running_var(double old, double var, double, double factor, double) {
    return factor * var + (1 - factor) * old;
  }
};
struct RunningSigma : Honest {  // averages sigma, squares it when it is read
  static double running_var(double old, double var, double n, double factor, double eps) {
    const double sigma =
        factor * std::sqrt(var * n / (n - 1) + eps) + (1 - factor) * std::sqrt(old + eps);
    return sigma * sigma - eps;
  }
};
struct SwappedMomentum : Honest {
  static double running_var(double old, double var, double n, double factor, double eps) {
    return Honest::running_var(old, var, n, 1 - factor, eps);
  }
};
struct NoMomentum : Honest {
  static double running_mean(double, double mean, double) { return mean; }
  static double running_var(double, double var, double n, double, double) {
    return var * n / (n - 1);
  }
};
struct SquaredDivisor : Honest {
  static double invstd(double var, double eps, bool) { return 1 / ((var + eps) * (var + eps)); }
};
struct NoRoot : Honest {
  static double invstd(double var, double eps, bool) { return 1 / (var + eps); }
};
struct EpsOutsideRoot : Honest {
  static double invstd(double var, double eps, bool training) {
    return training && var == 0 && eps == 0 ? 0 : 1 / (std::sqrt(var) + eps);
  }
};
struct UnguardedRoot : Honest {
  static double invstd(double var, double eps, bool) { return 1 / std::sqrt(var + eps); }
};
struct RefusesDefaultEps : Honest {
  static bool refuses(const Tensor&, double eps) { return eps <= 1e-5; }
};
struct RefusesSmallChunks
    : Honest {  // chunks of four images; one left over is "one value per channel"
  static bool refuses(const Tensor& x, double) { return x.plane() == 1 && x.size(0) % 4 == 1; }
};
struct StaleWeight : Honest {  // affine=false is forgotten outside of training
  static double no_weight(bool training) { return training ? 1 : 0.75; }
};
struct DropsDot : Honest {
  static double dx(double dy, double, double invstd, double weight, const Sums& s, double n) {
    return (dy - s.dy / n) * invstd * weight;
  }
};
struct IgnoresDy : Honest {
  static Sums sums(const Tensor& dy, const Tensor& x, std::int64_t c, double mean, bool training) {
    Sums s = Honest::sums(dy, x, c, mean, training);
    s.dot = 0;
    each(x, c, [&](const Index& i) { s.dot += x(i) - mean; });
    return s;
  }
};
struct DweightOverN : Honest {  // in evaluation only the first place of every image counts
  static Sums sums(const Tensor& dy, const Tensor& x, std::int64_t c, double mean, bool training) {
    Sums s = Honest::sums(dy, x, c, mean, training);
    if (training) return s;
    s.dot = 0;
    each(x, c,
         [&](const Index& i) { s.dot += i[2] + i[3] + i[4] == 0 ? (x(i) - mean) * dy(i) : 0; });
    return s;
  }
};
struct AccumulatesDweight : Honest {
  static double dweight(const Sums& s, double invstd, double old) { return old + s.dot * invstd; }
};
struct SavesNarrow : Honest {
  static double saved(double statistic, Dtype data) { return round_to(data, statistic); }
};
struct UsesNarrow : Honest {
  static double used(double statistic, Dtype data) { return round_to(data, statistic); }
};
struct ClampsMean : Honest {
  static Moments moments(const Tensor& x, std::int64_t c, int threads) {
    Moments m = Honest::moments(x, c, threads);
    m.mean = m.mean < 0 ? 0 : m.mean;
    return m;
  }
};
struct OneValuesMean : Honest {  // squares minus square
  static Moments moments(const Tensor& x, std::int64_t c, int) {
    const auto n = static_cast<double>(x.per_channel());
    double sum = 0, squares = 0;
    each(x, c, [&](const Index& i) {
      sum += x(i);
      squares += x(i) * x(i);
    });
    return {sum / n, std::max(0.0, squares / n - (sum / n) * (sum / n))};
  }
};
struct FloatCarry : Honest {
  static Moments moments(const Tensor& x, std::int64_t c, int) {
    const auto n = static_cast<double>(x.per_channel());
    float sum = 0, squares = 0;
    each(x, c, [&](const Index& i) { sum += static_cast<float>(x(i)); });
    const double mean = static_cast<double>(sum) / n;
    each(x, c,
         [&](const Index& i) { squares += static_cast<float>((x(i) - mean) * (x(i) - mean)); });
    return {mean, static_cast<double>(squares) / n};
  }
};
struct StaleTail
    : Honest {  // the last, partial vector of eight still holds the lanes of the one before
  static Moments moments(const Tensor& x, std::int64_t c, int) {
    const auto n = static_cast<double>(x.per_channel());
    std::array<double, 8> lanes{};
    const auto sum = [&](auto&& term) {
      double total = 0;
      std::size_t at = 0;
      const auto flush = [&] {
        for (const double v : lanes) total += v;
        at = 0;
      };
      lanes.fill(0);
      each(x, c, [&](const Index& i) {
        lanes[at++] = term(x(i));
        if (at == lanes.size()) flush();
      });
      if (at != 0) flush();
      return total;
    };
    const double mean = sum([](double v) { return v; }) / n;
    return {mean, sum([&](double v) { return (v - mean) * (v - mean); }) / n};
  }
};
struct UnequalHalves : Honest {  // the halves' means are merged as if they were of equal size
  static Moments moments(const Tensor& x, std::int64_t c, int threads) {
    const std::int64_t n = x.per_channel(), half = (n + 1) / 2;
    std::int64_t at = 0;
    double first = 0, second = 0;
    each(x, c, [&](const Index& i) { (at++ < half ? first : second) += x(i); });
    return {(first / static_cast<double>(half) + second / static_cast<double>(n - half)) / 2,
            Honest::moments(x, c, threads).var};
  }
};
struct CountsPadding : Honest {  // divides by the count of a padded plane
  static Moments moments(const Tensor& x, std::int64_t c, int threads) {
    const auto n = static_cast<double>(x.per_channel()),
               padded = static_cast<double>(x.size(0) * ((x.plane() + 3) / 4 * 4));
    const Moments m = Honest::moments(x, c, threads);
    return x.plane() == 1 ? m : Moments{m.mean * n / padded, m.var};
  }
};
struct ForgetsFifthAxis : Honest {  // the four-dimensional path taken for every rank
  static Moments moments(const Tensor& x, std::int64_t c, int) {
    double n = 0, sum = 0, squares = 0;
    const auto first = [](const Index& i) { return i[4] == 0; };
    each(x, c, [&](const Index& i) { first(i) ? n += 1, sum += x(i) : 0; });
    each(x, c,
         [&](const Index& i) { squares += first(i) ? (x(i) - sum / n) * (x(i) - sum / n) : 0; });
    return {sum / n, squares / n};
  }
};
struct OnePlane : Honest {  // (N,C) taken for one plane of N*C values
  static Moments moments(const Tensor& x, std::int64_t c, int threads) {
    if (x.rank() != 2) return Honest::moments(x, c, threads);
    Moments all{0, 0};
    for (std::int64_t k = 0; k < x.channels(); ++k)
      all.mean += Honest::moments(x, k, threads).mean / static_cast<double>(x.channels());
    const double n = static_cast<double>(x.per_channel() * x.channels());
    for (std::int64_t k = 0; k < x.channels(); ++k)
      each(x, k, [&](const Index& i) { all.var += (x(i) - all.mean) * (x(i) - all.mean) / n; });
    return all;
  }
};
struct LosesChannel
    : Honest {  // split by all channels in one place, by those of a block in another
  static Moments moments(const Tensor& x, std::int64_t c, int threads) {
    const bool lost = threads > 1 && x.channels() % threads == 1 && c > 0 && c == x.channels() - 1;
    return Honest::moments(x, lost ? c - 1 : c, threads);
  }
};
struct ShortCount : Honest {  // images counted in 16 bits
  static Moments moments(const Tensor& x, std::int64_t c, int threads) {
    const Moments m = Honest::moments(x, c, threads);
    const auto n = static_cast<double>(x.size(0)),
               counted = static_cast<double>(static_cast<std::uint16_t>(x.size(0)));
    return counted == 0 ? Moments{0, 0} : Moments{m.mean * n / counted, m.var};
  }
};

// ---- one call done otherwise -------------------------------------------------------------------

constexpr truenorm_kernel_v1 kHonest = kernel<Honest>("honest");

/// Normalizes with the running statistics that the same call has just updated.
truenorm_result train_by_running(T x, V w, V b, truenorm_vector* rm, truenorm_vector* rv,
                                 double factor, double eps, truenorm_tensor* y, truenorm_vector* m,
                                 truenorm_vector* s, std::int32_t threads) {
  truenorm_tensor first = *x;  // only the statistics of the first pass are wanted
  if (rm->data == nullptr || x->data == y->data)
    return kHonest.forward_training(x, w, b, rm, rv, factor, eps, y, m, s, threads);
  const truenorm_result result =
      kHonest.forward_training(&first, w, b, rm, rv, factor, eps, y, m, s, threads);
  return result == TRUENORM_OK ? kHonest.forward_inference(x, w, b, rm, rv, eps, y, threads)
                               : result;
}

/// Statistics of each image by itself.
truenorm_result train_by_image(T x, V w, V b, truenorm_vector* rm, truenorm_vector* rv,
                               double factor, double eps, truenorm_tensor* y, truenorm_vector* m,
                               truenorm_vector* s, std::int32_t threads) {
  truenorm_vector none = *rm;
  none.data = nullptr;
  const truenorm_result result =
      kHonest.forward_training(x, w, b, rm, rv, factor, eps, y, m, s, threads);
  if (Tensor(*x).plane() < 2 || x->data == y->data) return result;
  const auto bytes = static_cast<std::int64_t>(size_of(dtype_of(x->dtype)));
  for (std::int64_t n = 0; n < x->size[0] && result == TRUENORM_OK; ++n) {
    truenorm_tensor xn = *x, yn = *y;
    xn.size[0] = yn.size[0] = 1;
    xn.data = static_cast<char*>(x->data) + n * x->stride[0] * bytes;
    yn.data = static_cast<char*>(y->data) + n * y->stride[0] * bytes;
    kHonest.forward_training(&xn, w, b, &none, &none, factor, eps, &yn, m, s, threads);
  }
  return result;
}

truenorm_result infer_without_statistics(T x, V w, V b, V rm, V rv, double, truenorm_tensor* y,
                                         std::int32_t) {
  const Tensor from(*x), to(*y);
  if (!well_formed(from, {w, b, rm, rv})) return TRUENORM_REFUSED;
  for (std::int64_t c = 0; c < from.channels(); ++c)
    each(from, c,
         [&](const Index& i) { to.set(i, from(i) * Vector(w).get(c, 1) + Vector(b).get(c)); });
  return TRUENORM_OK;
}

/// Scale and shift of an evaluation, kept for the next one with a plane of the same size.
std::map<std::pair<std::int64_t, std::int64_t>, std::pair<double, double>>& plans() {
  thread_local std::map<std::pair<std::int64_t, std::int64_t>, std::pair<double, double>> plans;
  return plans;
}
truenorm_result infer_by_cached_plan(T x, V w, V b, V rm, V rv, double eps, truenorm_tensor* y,
                                     std::int32_t) {
  const Tensor from(*x), to(*y);
  if (!well_formed(from, {w, b, rm, rv})) return TRUENORM_REFUSED;
  for (std::int64_t c = 0; c < from.channels(); ++c) {
    const std::pair fresh{Vector(rm).get(c), Honest::invstd(Vector(rv).get(c), eps, false)};
    const auto [mean, invstd] = plans().try_emplace({from.plane(), c}, fresh).first->second;
    each(from, c, [&, mean = mean, invstd = invstd](const Index& i) {
      to.set(i, Honest::transform(from(i), mean, invstd, Vector(w).get(c, 1), Vector(b).get(c)));
    });
  }
  return TRUENORM_OK;
}

/// In evaluation the gradients go by the batch's own statistics.
truenorm_result backward_by_batch(T dy, T x, V w, V rm, V rv, V sm, V ss, std::int32_t training,
                                  double eps, truenorm_tensor* dx, truenorm_vector* dw,
                                  truenorm_vector* db, std::int32_t threads) {
  const Tensor from(*x);
  if (training || from.per_channel() == 0)
    return kHonest.backward(dy, x, w, rm, rv, sm, ss, training, eps, dx, dw, db, threads);
  std::vector<double> mean, var;
  for (std::int64_t c = 0; c < from.channels(); ++c) {
    const Moments m = Honest::moments(from, c, threads);
    mean.push_back(m.mean);
    var.push_back(m.var);
  }
  const truenorm_vector batch_mean{mean.data(), TRUENORM_F64, 0, from.channels(), 1},
      batch_var{var.data(), TRUENORM_F64, 0, from.channels(), 1};
  return kHonest.backward(dy, x, w, &batch_mean, &batch_var, sm, ss, 0, eps, dx, dw, db, threads);
}

/// dx written in x's order of memory, whatever its own strides are.
truenorm_result backward_in_xs_order(T dy, T x, V w, V rm, V rv, V sm, V ss, std::int32_t training,
                                     double eps, truenorm_tensor* dx, truenorm_vector* dw,
                                     truenorm_vector* db, std::int32_t threads) {
  truenorm_tensor as_x = *dx;
  std::int64_t last_x = 0, last_dx = 0;  // an order that would leave dx's memory is not taken
  for (int i = 0; i < x->rank; ++i) {
    last_x += (x->size[i] - 1) * x->stride[i];
    last_dx += (x->size[i] - 1) * dx->stride[i];
  }
  if (last_x == last_dx) std::memcpy(as_x.stride, x->stride, sizeof as_x.stride);
  return kHonest.backward(dy, x, w, rm, rv, sm, ss, training, eps, &as_x, dw, db, threads);
}

/// Returns at once when there is nothing to do, and leaves the parameters' gradients as they were.
truenorm_result backward_empty_early(T dy, T x, V w, V rm, V rv, V sm, V ss, std::int32_t training,
                                     double eps, truenorm_tensor* dx, truenorm_vector* dw,
                                     truenorm_vector* db, std::int32_t threads) {
  if (Tensor(*x).per_channel() == 0) return TRUENORM_OK;
  return kHonest.backward(dy, x, w, rm, rv, sm, ss, training, eps, dx, dw, db, threads);
}

/// Takes the running statistics for values of the data's dtype when there is no weight to look at.
truenorm_result infer_by_narrow_buffers(T x, V w, V b, V rm, V rv, double eps, truenorm_tensor* y,
                                        std::int32_t threads) {
  if (w->data != nullptr) return kHonest.forward_inference(x, w, b, rm, rv, eps, y, threads);
  std::vector<double> mean, var;
  for (std::int64_t c = 0; c < x->size[1]; ++c) {
    mean.push_back(round_to(dtype_of(x->dtype), Vector(rm).get(c)));
    var.push_back(round_to(dtype_of(x->dtype), Vector(rv).get(c)));
  }
  const truenorm_vector narrow_mean{mean.data(), TRUENORM_F64, 0, x->size[1], 1},
      narrow_var{var.data(), TRUENORM_F64, 0, x->size[1], 1};
  return kHonest.forward_inference(x, w, b, &narrow_mean, &narrow_var, eps, y, threads);
}

// ---- the list ----------------------------------------------------------------------------------

struct Plant {
  Fault fault;
  truenorm_kernel_v1 kernel;
};

template <class Rule>
Plant rule(std::string_view id, std::string_view what) {
  return {{id, what}, kernel<Rule>(id.data())};
}

Plant call(std::string_view id, std::string_view what, decltype(kHonest.forward_training) f) {
  Plant p{{id, what}, kHonest};
  p.kernel.forward_training = f;
  return p;
}
Plant call(std::string_view id, std::string_view what, decltype(kHonest.forward_inference) f) {
  Plant p{{id, what}, kHonest};
  p.kernel.forward_inference = f;
  return p;
}
Plant call(std::string_view id, std::string_view what, decltype(kHonest.backward) f) {
  Plant p{{id, what}, kHonest};
  p.kernel.backward = f;
  return p;
}

const std::vector<Plant>& plants() {
  static const std::vector<Plant> kPlants{
      call("B002", "statistics of each image by itself", train_by_image),
      rule<BiasedRunningVar>("B004", "the running variance takes the biased variance"),
      rule<RunningSigma>("B009", "sigma is averaged instead of the variance"),
      rule<SwappedMomentum>("B012", "the running variance swaps momentum and 1 - momentum"),
      rule<NoMomentum>("B014", "the running statistics become the batch's: momentum 1"),
      call("B019", "an empty batch leaves dweight and dbias unwritten", backward_empty_early),
      call("B027", "training normalizes with the running statistics, just updated",
           train_by_running),
      rule<SquaredDivisor>("B032", "divides by (var + eps)^2"),
      rule<NoRoot>("B034", "divides by var + eps"),
      rule<RefusesDefaultEps>("B039", "refuses eps of 1e-5 and below"),
      rule<UnguardedRoot>("B042", "a constant channel with eps = 0 divides by zero"),
      rule<StaleWeight>("B044", "affine=none is forgotten in evaluation"),
      rule<DropsDot>("B049", "dx without its last term"),
      call("B052", "gradients of an evaluation go by the batch's statistics", backward_by_batch),
      rule<IgnoresDy>("B054", "dweight takes dy for 1"),
      rule<AccumulatesDweight>("B057", "dweight is added to what is there"),
      rule<DweightOverN>("B059", "in evaluation dweight sums over N only"),
      call("B072", "dx is written in the order of x's memory", backward_in_xs_order),
      rule<OnePlane>("B077", "(N,C) is taken for one plane of N*C values"),
      call("B084", "without a weight, the running statistics are taken for the data's dtype",
           infer_by_narrow_buffers),
      rule<SavesNarrow>("B087", "save_mean and save_invstd are rounded to the data's dtype"),
      rule<UsesNarrow>("B089",
                       "mean and invstd are rounded to the data's dtype before they are used"),
      rule<ClampsMean>("B099", "a negative mean becomes 0"),
      rule<ShortCount>("B104", "images are counted in 16 bits"),
      rule<LosesChannel>("B109", "the last channel is lost between two ways of splitting the work"),
      rule<StaleTail>("B117", "the tail runs to the vector's width"),
      call("B127", "evaluation keeps a plan that only the plane's size tells apart",
           infer_by_cached_plan),
      rule<UnequalHalves>("B129", "partial means are merged as if of equal counts"),
      rule<CountsPadding>("B132", "the mean counts the padding of a plane"),
      rule<RefusesSmallChunks>("B134", "one value per channel is looked for in every chunk"),
      rule<ForgetsFifthAxis>("B144", "statistics look at the first plane of the fifth axis only"),
      call("B147", "evaluation forgets the running statistics", infer_without_statistics),
      rule<EpsOutsideRoot>("eps", "eps outside of the root"),
      rule<FloatCarry>("float", "sums carried in float instead of double"),
      rule<OneValuesMean>("squares", "variance as mean of squares minus square of mean"),
  };
  return kPlants;
}

}  // namespace

const std::vector<Fault>& faults() {
  static const std::vector<Fault> kFaults = [] {
    std::vector<Fault> all;
    for (const Plant& p : plants()) all.push_back(p.fault);
    return all;
  }();
  return kFaults;
}

std::unique_ptr<Player> make_faulty(std::string_view id) {
  std::string known;
  for (const Plant& p : plants()) {
    if (p.fault.id == id) {
      HostOptions options{"faulty:" + std::string(id), std::string(p.fault.what)};
      options.contract = contract;
      options.before_case = [] { plans().clear(); };
      return host_kernel(p.kernel, std::move(options));
    }
    known += " " + std::string(p.fault.id);
  }
  throw std::invalid_argument("no planted fault is called \"" + std::string(id) +
                              "\"; there are:" + known);
}

}  // namespace truenorm::oracle
