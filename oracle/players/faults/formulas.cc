// The textbook's kernel with one formula changed.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "../textbook.h"
#include "plant.h"

namespace truenorm::oracle::planted {
namespace {

using namespace textbook;

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
  static Sums sums(const Tensor& dy, const Tensor& x, std::int64_t c, double mean, bool training,
                   int threads) {
    Sums s = Honest::sums(dy, x, c, mean, training, threads);
    s.dot = 0;
    each(x, c, [&](const Index& i) { s.dot += x(i) - mean; });
    return s;
  }
};
struct DweightOverN : Honest {  // in evaluation only the first place of every image counts
  static Sums sums(const Tensor& dy, const Tensor& x, std::int64_t c, double mean, bool training,
                   int threads) {
    Sums s = Honest::sums(dy, x, c, mean, training, threads);
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
    const std::int64_t groups = (x.plane() + 3) / 4;
    const auto n = static_cast<double>(x.per_channel()),
               padded = static_cast<double>(x.size(0) * groups * 4);
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
struct WrongAxis
    : Honest {  // a fast path that looks at the sizes, not at which axis is the channel's
  static Moments moments(const Tensor& x, std::int64_t c, int threads) {
    const auto last = static_cast<std::size_t>(x.rank() - 1);
    if (last < 2 || x.size(x.rank() - 1) != x.channels()) return Honest::moments(x, c, threads);
    const auto n = static_cast<double>(x.per_channel());
    const auto turned = [&](Index i) {
      std::swap(i[1], i[last]);
      return x(i);
    };
    double sum = 0, squares = 0;
    each(x, c, [&](const Index& i) { sum += turned(i); });
    each(x, c, [&](const Index& i) { squares += (turned(i) - sum / n) * (turned(i) - sum / n); });
    return {sum / n, squares / n};
  }
};
struct SwallowsNan : Honest {  // a clamp by comparison: NaN is not above 0
  static Moments moments(const Tensor& x, std::int64_t c, int threads) {
    const Moments m = Honest::moments(x, c, threads);
    return {m.mean, m.var > 0 ? m.var : 0};
  }
};

template <class Rule>
Plant rule(std::string_view id, std::string_view what) {
  return {{id, what}, kernel<Rule>(id.data()), nullptr, contract};
}

}  // namespace

Plants formulas() {
  return {
      rule<BiasedRunningVar>("B004", "the running variance takes the biased variance"),
      rule<RunningSigma>("B009", "sigma is averaged instead of the variance"),
      rule<SwappedMomentum>("B012", "the running variance swaps momentum and 1 - momentum"),
      rule<NoMomentum>("B014", "the running statistics become the batch's: momentum 1"),
      rule<SquaredDivisor>("B032", "divides by (var + eps)^2"),
      rule<NoRoot>("B034", "divides by var + eps"),
      rule<RefusesDefaultEps>("B039", "refuses eps of 1e-5 and below"),
      rule<UnguardedRoot>("B042", "a constant channel with eps = 0 divides by zero"),
      rule<StaleWeight>("B044", "affine=none is forgotten in evaluation"),
      rule<DropsDot>("B049", "dx without its last term"),
      rule<IgnoresDy>("B054", "dweight takes dy for 1"),
      rule<AccumulatesDweight>("B057", "dweight is added to what is there"),
      rule<DweightOverN>("B059", "in evaluation dweight sums over N only"),
      rule<WrongAxis>(
          "B074", "where the last axis has as many places as the channels, it is taken for theirs"),
      rule<OnePlane>("B077", "(N,C) is taken for one plane of N*C values"),
      rule<SavesNarrow>("B087", "save_mean and save_invstd are rounded to the data's dtype"),
      rule<UsesNarrow>("B089",
                       "mean and invstd are rounded to the data's dtype before they are used"),
      rule<SwallowsNan>("B094", "the variance is clamped by a comparison: NaN becomes 0"),
      rule<ClampsMean>("B099", "a negative mean becomes 0"),
      rule<ShortCount>("B104", "images are counted in 16 bits"),
      rule<LosesChannel>("B109", "the last channel is lost between two ways of splitting the work"),
      rule<StaleTail>("B117", "the tail runs to the vector's width"),
      rule<UnequalHalves>("B129", "partial means are merged as if of equal counts"),
      rule<CountsPadding>("B132", "the mean counts the padding of a plane"),
      rule<RefusesSmallChunks>("B134", "one value per channel is looked for in every chunk"),
      rule<ForgetsFifthAxis>("B144", "statistics look at the first plane of the fifth axis only"),
      rule<EpsOutsideRoot>("eps", "eps outside of the root"),
      rule<FloatCarry>("float", "sums carried in float instead of double"),
      rule<OneValuesMean>("squares", "variance as mean of squares minus square of mean"),
  };
}

}  // namespace truenorm::oracle::planted
