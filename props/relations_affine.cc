// Relations under affine changes of the data and of the parameters.
#include <algorithm>
#include <cmath>
#include <utility>

#include "numbers.h"
#include "relations.h"

namespace truenorm::oracle {

namespace {

void multiply(std::vector<double>& values, double factor) {
  for (double& v : values) v *= factor;
}
void multiply(std::vector<Known>& values, double factor) {
  for (Known& k : values) {
    k.got *= factor;
    k.radius *= std::abs(factor);
  }
}
/// The double that is nearest is what is compared: half a unit in its last place may be lost.
void add(std::vector<Known>& values, double shift) {
  for (Known& k : values) {
    k.got += shift;
    k.radius += kU64 * std::abs(k.got);
  }
}

/// How far the bits of a number reach above those of 1: |v| < 2^binade(v).
int binade(double v) { return v == 0 ? 0 : std::ilogb(v) + 1; }

/// Multiples of 2^-bits, none larger than 1, of about the values' own proportions: those of
/// v/2^above. What is not finite becomes 0.
void to_grid(std::vector<double>& values, int above, int bits) {
  for (double& v : values)
    v = std::isfinite(v) ? std::ldexp(std::nearbyint(std::ldexp(v, bits - above)), -bits) : 0;
}

int largest_binade(const std::vector<double>& values) {
  int top = -2000;
  for (const double v : values)
    if (std::isfinite(v) && v != 0) top = std::max(top, binade(v));
  return top;
}

/// Calls f for every x and the initial running mean: what is shifted together.
template <class F>
void each_value_of_x(const Problem& p, Inputs& in, F&& f) {
  for (std::size_t i = 0; i < p.run.size(); ++i)
    if (is_forward(p.run[i].op)) f(in.step[i]);
  f(in.running_mean);
}

}  // namespace

// x' = a*x + b with eps' = a^2*eps has the same invstd*(x - mean) but for the sign of a, and with
// weight' = sign(a)*weight the same y: dx' = dx/a, dweight' = sign(a)*dweight, and statistics that
// follow x. Data on a grid make x' exact, so that no input is rounded; sums are, and radii hold both.
Finding shifted_and_scaled(Player& player, const Case& given) {
  Case c = without_resets(with_data_apart(given));
  Problem& p = c.problem;
  p.weight = true;
  p.rv = {DistKind::uniform, 0.5, 2, {}};
  Inputs in = make_inputs(c);
  const int bits = std::min(mantissa_bits(p.dtype), mantissa_bits(p.param_dtype));
  int top = -2000;
  each_value_of_x(p, in, [&](const auto& v) { top = std::max(top, largest_binade(v)); });
  each_value_of_x(p, in, [&](auto& v) { to_grid(v, top, bits); });
  Dice dice(p.seed, 4);
  const double sign = dice.per_mille(500) ? 1 : -1,
               scale = power_of_two(static_cast<int>(dice.between(-2, 2))), a = sign * scale;
  const double steps =
      static_cast<double>(dice.between(1, std::int64_t{1} << dice.between(1, bits)));
  const double b = std::ldexp(steps, -bits) * a * (dice.per_mille(500) ? 1 : -1);
  Case other = c;
  other.problem.eps *= a * a;
  Inputs moved = in;
  each_value_of_x(p, moved, [&](auto& values) {
    for (double& v : values) v = a * v + b;
  });
  multiply(moved.running_var, a * a);
  multiply(moved.weight, sign);
  Account want = balls_of(player, c, in);
  for (Told& step : want.steps) {
    multiply(step[Output::dx], 1 / a);
    multiply(step[Output::dweight], sign);
    multiply(step[Output::save_invstd], 1 / scale);
    multiply(step[Output::running_var], a * a);
    for (const Output mean : {Output::save_mean, Output::running_mean}) multiply(step[mean], a);
  }
  for (std::size_t i = 0; i < want.steps.size(); ++i) {
    add(want.steps[i][Output::save_mean], b);
    add(want.steps[i][Output::running_mean], b);
  }
  Finding finding;
  finding.expect_near(want, balls_of(player, other, moved));
  return finding;
}

// Powers of two pass through every rounding: with x*2^k, eps*4^k, running_mean*2^k, running_var*4^k,
// weight and bias*2^i and dy*2^j, the bits of every output are those before times its power of two,
// for data whose squares and products stay far inside of the range. (With f16, elements that leave
// its normal range are not compared.)
Finding powers_of_two(Player& player, const Case& given) {
  Case c = of_moderate_data(without_resets(with_data_apart(given)));
  Problem& p = c.problem;
  const bool half = p.dtype == Dtype::f16;
  if (half) p.x = {DistKind::normal, 0, 1, {}};
  Dice dice(p.seed, 5);
  const int most = half ? 1 : 6;
  const auto draw = [&] {
    return power_of_two(static_cast<int>(dice.between(half ? 0 : -most, most)));
  };
  const double of_x = draw(), of_dy = draw(), of_parameters = p.weight && p.bias ? draw() : 1;
  const Inputs in = make_inputs(c);
  Inputs moved = in;
  for (std::size_t i = 0; i < p.run.size(); ++i)
    multiply(moved.step[i], p.run[i].op == Op::backward ? of_dy : of_x);
  multiply(moved.weight, of_parameters);
  multiply(moved.bias, of_parameters);
  multiply(moved.running_mean, of_x);
  multiply(moved.running_var, of_x * of_x);
  Case other = c;
  other.problem.eps *= of_x * of_x;
  Account want = bits_of(player, c, in), got = bits_of(player, other, moved);
  for (Told& step : want.steps)
    for (const auto& [output, factor] : {std::pair{Output::y, of_parameters},
                                         {Output::save_mean, of_x},
                                         {Output::save_invstd, 1 / of_x},
                                         {Output::dx, of_dy * of_parameters / of_x},
                                         {Output::dweight, of_dy},
                                         {Output::dbias, of_dy},
                                         {Output::running_mean, of_x},
                                         {Output::running_var, of_x * of_x}})
      multiply(step[output], factor);
  const double least = 8 * min_normal(p.dtype) * std::max(1.0, of_x);
  for (std::size_t i = 0; half && i < std::min(want.steps.size(), got.steps.size()); ++i)
    for (const Output output :
         {Output::y, Output::dx, Output::dweight, Output::dbias, Output::running_mean})
      for (std::size_t e = 0; e < want.steps[i][output].size(); ++e) {
        double& w = want.steps[i][output][e].got;
        const bool normal = std::abs(w) >= least && std::abs(w) <= max_finite(p.dtype);
        if (!normal) w = got.steps[i][output][e].got;
      }
  Finding finding;
  finding.expect_same(want, got);
  return finding;
}

// y and dx are linear in (weight, bias): those of a sum of parameters are the sums of those of the
// parts, within the three radii. Statistics, dweight and dbias do not depend on them at all.
Finding linear_parameters(Player& player, const Case& given) {
  Case c = without_resets(given);
  Problem& p = c.problem;
  p.weight = p.bias = true;
  Inputs first = make_inputs(c);
  const int bits = mantissa_bits(p.param_dtype) - 1;
  const int top = std::max(largest_binade(first.weight), largest_binade(first.bias));
  to_grid(first.weight, top, bits);
  to_grid(first.bias, top, bits);
  Inputs second = first, sum = first;
  Dice dice(p.seed, 6);
  for (std::vector<double> Inputs::*parameter : {&Inputs::weight, &Inputs::bias})
    for (std::size_t i = 0; i < (second.*parameter).size(); ++i) {
      const double unit = static_cast<double>(std::int64_t{1} << bits);
      const auto steps = dice.between(-(std::int64_t{1} << bits), std::int64_t{1} << bits);
      (second.*parameter)[i] = static_cast<double>(steps) / unit;
      (sum.*parameter)[i] = (first.*parameter)[i] + (second.*parameter)[i];
    }
  Account a = balls_of(player, c, first), b = balls_of(player, c, second);
  const Account together = balls_of(player, c, sum);
  Finding finding;
  for (std::size_t i = 0; i < std::min(a.steps.size(), b.steps.size()); ++i) {
    Told &s = a.steps[i], &t = b.steps[i];
    for (std::size_t o = 0; o < kOutputs; ++o) {
      const auto output = static_cast<Output>(o);
      if (output == Output::y || output == Output::dx) {
        for (std::size_t e = 0; e < std::min(s[output].size(), t[output].size()); ++e) {
          Known &k = s[output][e], &l = t[output][e];
          if (l.kind != Kind::finite) k.kind = Kind::any;
          k.vacuous |= l.vacuous;
          k.got += l.got;
          k.radius += l.radius + kU64 * std::abs(k.got);
          l.got = k.got;
        }
      }
    }
    finding.expect_same(s, t, i);
  }
  finding.expect_near(a, together);
  return finding;
}

// No weight is a weight of ones, and no bias a bias of zeros.
Finding absent_parameters(Player& player, const Case& given) {
  Case absent = given;
  Dice dice(given.problem.seed, 7);
  const std::int64_t which = dice.between(1, 3);
  absent.problem.weight = (which & 1) == 0;
  absent.problem.bias = (which & 2) == 0;
  Case present = absent;
  present.problem.weight = present.problem.bias = true;
  const Inputs without = make_inputs(absent);
  Inputs with = make_inputs(present);
  if (!absent.problem.weight) std::fill(with.weight.begin(), with.weight.end(), 1.0);
  if (!absent.problem.bias) std::fill(with.bias.begin(), with.bias.end(), 0.0);
  Finding finding;
  finding.expect_near(balls_of(player, absent, without), balls_of(player, present, with));
  return finding;
}

}  // namespace truenorm::oracle
