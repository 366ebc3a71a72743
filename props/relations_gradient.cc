// Relations of gradients: what a training gradient leaves nothing of, and what a derivative is.
#include <algorithm>
#include <cmath>
#include <optional>

#include "exact/dd.h"
#include "numbers.h"
#include "relations.h"

namespace truenorm::oracle {

using exact::DD;

namespace {

/// A backward and the forward that it belongs to.
struct Pair {
  std::size_t forward, backward;
  bool by_batch;  // the forward used the batch's statistics
};

/// The accepted ones of a program without resets.
std::vector<Pair> pairs_of(const Problem& p) {
  std::vector<Pair> pairs;
  std::optional<std::size_t> last;
  const std::vector<StepAnswer> rules = semantics(p);
  for (std::size_t i = 0; i < p.run.size(); ++i) {
    if (rules[i].refused != Refusal::none) continue;
    if (is_forward(p.run[i].op)) last = i;
    if (p.run[i].op == Op::backward)
      pairs.push_back({*last, i, p.run[*last].op == Op::train || !p.track});
  }
  return pairs;
}

/// Sums over a channel, to 106 bits.
struct Sums {
  DD x, squares, dot, dx, along;
  double dx_radius = 0, along_radius = 0;
  bool finite = true;
};

}  // namespace

// In exact arithmetic sum(dx) = 0, and sum(dx*(x - mean)) = weight*eps*invstd^2*dweight, which is 0
// for eps = 0. So what is left of the first is at most the sum of dx's radii, and of the second
// those weighted by |x - mean|.
Finding gradient_sums(Player& player, const Case& given) {
  const Case c =
      by_batch_alone(with_gradients(of_moderate_data(inhabited(without_resets(given), 2))));
  const Problem& p = c.problem;
  const Inputs in = make_inputs(c);
  const Account account = balls_of(player, c, in);
  Finding finding;
  if (!finding.require(account.stopped.empty(), [&] { return account.stopped; })) return finding;
  for (const Pair& pair : pairs_of(p)) {
    if (!pair.by_batch) continue;
    const Shape shape = p.shape.with_batch(batch_of(p, pair.forward));
    const std::vector<double>&x = in.step[pair.forward], &dy = in.step[pair.backward];
    const std::vector<Known>& dx = account.steps[pair.backward][Output::dx];
    if (!finding.require(dx.size() == x.size(), [] { return "no dx"; })) return finding;
    std::vector<Sums> sums(static_cast<std::size_t>(shape.c));
    const DD n = static_cast<double>(shape.per_channel());
    each(shape, [&](std::size_t ch, std::size_t i) {
      sums[ch].x = sums[ch].x + x[i];
      sums[ch].finite &= std::isfinite(x[i]) && dx[i].kind == Kind::finite;
    });
    each(shape, [&](std::size_t ch, std::size_t i) {
      Sums& s = sums[ch];
      const DD d = DD(x[i]) - s.x / n;
      s.squares = s.squares + d * d;
      s.dot = s.dot + d * DD(dy[i]);
      s.dx = s.dx + dx[i].got;
      s.along = s.along + d * DD(dx[i].got);
      s.dx_radius += dx[i].radius;
      s.along_radius += dx[i].radius * std::abs(d.hi);
    });
    for (std::size_t ch = 0; ch < sums.size(); ++ch) {
      const Sums& s = sums[ch];
      const DD spread = s.squares / n + p.eps;
      if (!s.finite || !(spread.hi > 0)) continue;
      const double weight = in.weight.empty() ? 1 : in.weight[ch];
      const DD left = s.along - DD(weight) * DD(p.eps) * s.dot / (spread * sqrt(spread));
      const auto channel = [&] { return " of channel " + std::to_string(ch); };
      finding.expect(std::abs(s.dx.hi) <= s.dx_radius,
                     [&] { return "sum(dx)" + channel() + " is " + std::to_string(s.dx.hi); });
      finding.expect(std::abs(left.hi) <= s.along_radius, [&] {
        return "sum(dx*(x - mean))" + channel() + ": " + std::to_string(left.hi);
      });
    }
  }
  return finding;
}

// ---- the directional derivative ----------------------------------------------------------------
//
// L(t) is the sum, over the pairs of a forward and a backward of the program, of <dy, y> with x + t*u
// in place of x, weight + t*uw and bias + t*ub. Its derivative at 0 is the sum of <dx, u> and
// <dweight, uw> and <dbias, ub>. (Running statistics are not differentiated: where an evaluation
// that is would depend on a training's x, momentum is 0.)
//
// The central difference (L(h) - L(-h))/2h errs by the roundings of y, at most the sum of
// |dy|*radius over both ends divided by 2h, and by truncation. For the latter, channel by channel:
// with d the centred x and e the centred u, y = (d + t*e)*(weight + t*uw)/sqrt(q(t)) + bias + t*ub,
// where q(t) = sum_k (p_k + t*r_k)^2 for p = (d/sqrt(n), sqrt(eps)) and r = (e/sqrt(n), 0). With
// q0 = |p|^2, q2 = |r|^2 and R = sqrt(q0/q2)/4, |q(z)| >= q0*(1 - 1/2 - 1/16) > q0/3 for complex
// |z| <= R, so L is analytic there and at most
//   M = (|weight| + R*|uw|) * (A + R*B) * sqrt(3/q0),  A = sum|dy*d|, B = sum|dy*e|,
// but for its linear terms. By Cauchy's estimate its coefficients are at most M/R^k, and the odd ones
// from the third make an error of at most M/R * s^2/(1 - s^2), s = h/R. (Between 7/16 and 1/3 there
// is room for the roundings of the bound.) By running statistics L is a quadratic in t: no error.
namespace {

/// What is differentiated, and along what.
struct Path {
  const Problem& p;
  const std::vector<Pair> pairs;
  Inputs at;         // weight, bias, and x of the forwards of pairs
  Inputs direction;  // of the same
  double h = 0;      // a power of two
};

/// Sizes of the terms of the bound. Over all channels the least R, 1 at most, and the sum of M.
struct Truncation {
  double reach = 1, size = 0;
  double bound(double h) const {
    const double s = h / reach;
    return size / reach * (s * s / (1 - s * s));
  }
};

/// A channel of the centred x and u, by the formulas of the bound.
struct Spread {
  double q0 = 0, q2 = 0, a = 0, b = 0;
};
std::vector<Spread> spreads(const Path& line, const Pair& pair) {
  const Shape shape = line.p.shape.with_batch(batch_of(line.p, pair.forward));
  const std::vector<double>&x = line.at.step[pair.forward], &dy = line.at.step[pair.backward],
        &u = line.direction.step[pair.forward];
  const auto n = static_cast<double>(shape.per_channel());
  std::vector<Spread> all(static_cast<std::size_t>(shape.c));
  std::vector<DD> mean(all.size()), along(all.size());
  each(shape, [&](std::size_t c, std::size_t i) {
    mean[c] = mean[c] + x[i] / n;
    along[c] = along[c] + u[i] / n;
  });
  each(shape, [&](std::size_t c, std::size_t i) {
    const double d = (DD(x[i]) - mean[c]).hi, e = (DD(u[i]) - along[c]).hi;
    all[c].q0 += d * d / n;
    all[c].q2 += e * e / n;
    all[c].a += std::abs(dy[i] * d);
    all[c].b += std::abs(dy[i] * e);
  });
  for (Spread& s : all) s.q0 += line.p.eps;
  return all;
}

double element(const std::vector<double>& values, std::size_t i, double otherwise) {
  return values.empty() ? otherwise : values[i];
}

Truncation truncation(const Path& line) {
  Truncation t;
  std::vector<std::pair<Spread, std::size_t>> all;
  for (const Pair& pair : line.pairs) {
    if (!pair.by_batch) continue;
    const std::vector<Spread> of_pair = spreads(line, pair);
    for (std::size_t c = 0; c < of_pair.size(); ++c) all.emplace_back(of_pair[c], c);
  }
  for (const auto& [s, c] : all)
    if (s.q2 > 0) t.reach = std::min(t.reach, std::sqrt(s.q0 / s.q2) / 4);
  for (const auto& [s, c] : all)
    t.size += (std::abs(element(line.at.weight, c, 1)) +
               t.reach * std::abs(element(line.direction.weight, c, 0))) *
              (s.a + t.reach * s.b) * std::sqrt(3 / s.q0);
  return t;
}

/// Halves and wholes of `unit`, of either sign.
double draw(Dice& dice, double unit) {
  return unit * power_of_two(-static_cast<int>(dice.below(2))) * (dice.per_mille(500) ? 1 : -1);
}

/// The power of two at or below a positive number; 1 for 0.
double power_below(double v) { return v > 0 ? power_of_two(std::ilogb(v)) : 1; }

/// Directions as large as what they change, channel by channel: of x, as sqrt(var + eps).
void draw_direction(Path& line) {
  Dice dice(line.p.seed, 8);
  line.direction = line.at;
  for (auto& step : line.direction.step) std::fill(step.begin(), step.end(), 0.0);
  for (std::vector<double>* parameter : {&line.direction.weight, &line.direction.bias})
    for (double& v : *parameter) v = draw(dice, power_below(std::abs(v)));
  for (const Pair& pair : line.pairs) {
    const std::vector<Spread> of_pair = spreads(line, pair);
    each(line.p.shape.with_batch(batch_of(line.p, pair.forward)),
         [&](std::size_t c, std::size_t i) {
           line.direction.step[pair.forward][i] = draw(dice, power_below(std::sqrt(of_pair[c].q0)));
         });
  }
}

/// Rounds v and h*u to a common grid of 52 bits, so that v + h*u and v - h*u are exact.
void to_exact(std::vector<double>& values, std::vector<double>& u, double h) {
  for (std::size_t i = 0; i < values.size() && i < u.size(); ++i) {
    const double largest = std::max(std::abs(values[i]), std::abs(h * u[i]));
    if (largest == 0) continue;
    const int grid = std::ilogb(largest) - 51;
    const auto rounded = [&](double v) {
      return std::ldexp(std::nearbyint(std::ldexp(v, -grid)), grid);
    };
    values[i] = rounded(values[i]);
    u[i] = rounded(h * u[i]) / h;
  }
}

/// A number with the sum of its radii, and the sum of its terms' sizes.
struct Total {
  DD value;
  double radius = 0, scale = 0;
  bool known = true;
  void add(double factor, const Known& k) {
    value = value + exact::two_prod(factor, k.got);
    radius += std::abs(factor) * k.radius;
    scale += std::abs(factor * k.got);
    known &= k.kind == Kind::finite || factor == 0;
  }
};

/// L at t = sign*h.
Total value_at(Player& player, const Case& c, const Path& line, double sign) {
  Inputs in = line.at;
  const auto move = [&](std::vector<double>& values, const std::vector<double>& u) {
    for (std::size_t i = 0; i < values.size() && i < u.size(); ++i)
      values[i] += sign * line.h * u[i];
  };
  move(in.weight, line.direction.weight);
  move(in.bias, line.direction.bias);
  for (std::size_t i = 0; i < in.step.size(); ++i)
    if (is_forward(line.p.run[i].op)) move(in.step[i], line.direction.step[i]);
  const Account account = balls_of(player, c, in);
  Total total;
  total.known = account.stopped.empty();
  for (const Pair& pair : line.pairs) {
    if (!total.known) break;
    const std::vector<Known>& y = account.steps[pair.forward][Output::y];
    const std::vector<double>& dy = line.at.step[pair.backward];
    total.known &= y.size() == dy.size();
    for (std::size_t i = 0; i < y.size() && total.known; ++i) total.add(dy[i], y[i]);
  }
  return total;
}

/// L'(0) by the backwards.
Total derivative(const Account& account, const Path& line) {
  Total total;
  for (const Pair& pair : line.pairs) {
    const Told& step = account.steps[pair.backward];
    for (const auto& [output, u] : {std::pair{Output::dx, &line.direction.step[pair.forward]},
                                    {Output::dweight, &line.direction.weight},
                                    {Output::dbias, &line.direction.bias}})
      for (std::size_t i = 0; i < u->size() && i < step[output].size(); ++i)
        total.add((*u)[i], step[output][i]);
  }
  return total;
}

Case differentiable(const Case& given) {
  Case c = by_batch_alone(
      with_gradients(of_moderate_data(inhabited(without_resets(with_data_apart(given)), 2))));
  Problem& p = c.problem;
  p.dtype = p.param_dtype = Dtype::f64;
  p.eps = std::max(std::abs(p.eps), 1e-12);
  if (p.dy.kind == DistKind::zero || p.dy.kind == DistKind::constant) p.dy = Problem{}.dy;
  const std::vector<Pair> pairs = pairs_of(p);
  if (std::any_of(pairs.begin(), pairs.end(), [](const Pair& pair) { return !pair.by_batch; }))
    p.momentum = {false, 0};
  return c;
}

}  // namespace

Finding directional_derivative(Player& player, const Case& given) {
  const Case c = differentiable(given);
  Path line{c.problem, pairs_of(c.problem), make_inputs(c), {}, 0};
  draw_direction(line);
  Finding finding;
  // The step at which the bounds of rounding and of truncation are in balance.
  const Total here = value_at(player, c, line, 0);
  const Truncation rough = truncation(line);
  const double reach = rough.reach;
  const double best =
      rough.size > 0 ? std::cbrt(here.radius * reach * reach * reach / (2 * rough.size)) : reach;
  line.h = power_below(std::clamp(best, 0x1p-40 * reach, reach / 4));
  to_exact(line.at.weight, line.direction.weight, line.h);
  to_exact(line.at.bias, line.direction.bias, line.h);
  for (std::size_t i = 0; i < line.at.step.size(); ++i)
    if (is_forward(c.problem.run[i].op)) to_exact(line.at.step[i], line.direction.step[i], line.h);
  const Account account = balls_of(player, c, line.at);
  if (!finding.require(account.stopped.empty(), [&] { return account.stopped; })) return finding;
  const Total slope = derivative(account, line);
  const Total up = value_at(player, c, line, 1), down = value_at(player, c, line, -1);
  if (!slope.known || !up.known || !down.known) return finding;
  const DD difference = (up.value - down.value) / DD(2 * line.h);
  const double error = (up.radius + down.radius) / (2 * line.h) + truncation(line).bound(line.h);
  const double radius = error + slope.radius;
  const auto what = [&] {
    return "the derivative " + std::to_string(slope.value.hi) + " differs from the difference " +
           std::to_string(difference.hi) + " by more than " + std::to_string(radius);
  };
  finding.expect(std::abs((difference - slope.value).hi) <= radius, what,
                 radius <= slope.scale / 4);
  return finding;
}

}  // namespace truenorm::oracle
