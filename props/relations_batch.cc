// Relations of the values of a batch: their order, their parts, and when there is but one of them.
#include <algorithm>
#include <cmath>

#include "exact/dd.h"
#include "relations.h"

namespace truenorm::oracle {

using exact::DD;

namespace {

bool by_running_statistics_alone(const Problem& p) {
  return p.track && std::all_of(p.run.begin(), p.run.end(), [](const Step& step) {
           return step.op == Op::eval || step.op == Op::backward;
         });
}

/// The images of every step in another order; a backward's as its forward's, which has as many.
template <class Tensors>
void permute_images(const Problem& p, std::size_t step, Tensors& tensors) {
  const Shape shape = p.shape.with_batch(batch_of(p, step));
  if (!tensors.empty()) tensors = images_of(tensors, shape, shuffled(shape.n, p.seed));
}

}  // namespace

// The order of images decides about no statistic, and moves y and dx with it: within the radii,
// since sums are added in another order. Where no batch statistics are used, y and dx are the same
// bits: each element depends on nothing but itself.
Finding permuted_batch(Player& player, const Case& given) {
  const Case c = inhabited(with_data_apart(given), 2);
  const Problem& p = c.problem;
  const Inputs in = make_inputs(c);
  Inputs moved = in;
  for (std::size_t i = 0; i < p.run.size(); ++i) permute_images(p, i, moved.step[i]);
  Account plain = balls_of(player, c, in);
  const Account permuted = balls_of(player, c, moved);
  for (std::size_t i = 0; i < plain.steps.size(); ++i)
    for (const Output o : {Output::y, Output::dx}) permute_images(p, i, plain.steps[i][o]);
  Finding finding;
  finding.expect_near(plain, permuted);
  if (!by_running_statistics_alone(p)) return finding;
  for (std::size_t i = 0; i < std::min(plain.steps.size(), permuted.steps.size()); ++i) {
    Told &a = plain.steps[i], b = permuted.steps[i];
    for (const Output sum : {Output::dweight, Output::dbias}) a[sum] = b[sum];
    finding.expect_same(a, b, i);
  }
  return finding;
}

// ---- parts of a batch --------------------------------------------------------------------------

namespace {

/// A number between two ends.
struct Range {
  DD low, high;
  bool known = true;
};
Range operator+(const Range& a, const Range& b) {
  return {a.low + b.low, a.high + b.high, a.known && b.known};
}
Range operator*(double factor, const Range& a) {  // factor >= 0
  return {a.low * DD(factor), a.high * DD(factor), a.known};
}
bool meet(const Range& a, const Range& b) {
  return (a.low - b.high).hi <= 0 && (b.low - a.high).hi <= 0;
}

Range range_of(const Known& k) {
  return {DD(k.got) - DD(k.radius), DD(k.got) + DD(k.radius), k.kind == Kind::finite};
}
/// (a - b)^2
Range distance_squared(const Range& a, const Range& b) {
  const DD least = std::max((a.low - b.high).hi, (b.low - a.high).hi) > 0
                       ? ((a.low - b.high).hi > 0 ? a.low - b.high : b.low - a.high)
                       : DD(0);
  const DD up = a.high - b.low, down = b.high - a.low, most = up.hi > down.hi ? up : down;
  return {least * least, most * most, a.known && b.known};
}
/// The biased variance of which this is 1/sqrt(var + eps), a decreasing function.
Range variance_of(const Known& invstd, double eps) {
  const Range s = range_of(invstd);
  if (!s.known || !(s.low.hi > 0)) return {0, 0, false};
  return {DD(1) / (s.high * s.high) - DD(eps), DD(1) / (s.low * s.low) - DD(eps)};
}

/// What a training says about one channel of its batch.
struct Said {
  double n;
  Range mean, var;                  // save_mean, and what save_invstd stands for
  Range running_mean, running_var;  // momentum 1: the mean and the unbiased variance
};
Said said_of(const Told& step, std::size_t channel, double n, double eps) {
  return {n, range_of(step[Output::save_mean][channel]),
          variance_of(step[Output::save_invstd][channel], eps),
          range_of(step[Output::running_mean][channel]),
          range_of(step[Output::running_var][channel])};
}

void expect_merged(Finding& finding, const Said& whole, const Said& a, const Said& b,
                   std::size_t channel) {
  const auto expect = [&](std::string_view what, const Range& together, const Range& merged) {
    if (together.known && merged.known)
      finding.expect(meet(together, merged), [&] {
        return std::string(what) + " of channel " + std::to_string(channel) + ": " +
               std::to_string(together.low.hi) + " for the whole, and for both parts " +
               std::to_string(merged.low.hi) + " to " + std::to_string(merged.high.hi);
      });
  };
  const double k = a.n * b.n / whole.n;
  expect("save_mean", whole.n * whole.mean, a.n * a.mean + b.n * b.mean);
  expect("save_invstd", whole.n * whole.var,
         a.n * a.var + b.n * b.var + k * distance_squared(a.mean, b.mean));
  expect("running_mean", whole.n * whole.running_mean, a.n * a.running_mean + b.n * b.running_mean);
  expect("running_var", (whole.n - 1) * whole.running_var,
         (a.n - 1) * a.running_var + (b.n - 1) * b.running_var +
             k * distance_squared(a.running_mean, b.running_mean));
}

}  // namespace

// With n = a + b values in two parts, n*mean = a*mean_a + b*mean_b and
// n*var = a*var_a + b*var_b + a*b/n*(mean_a - mean_b)^2 (Chan, Golub, LeVeque 1983, eq. 2.1); the
// same with n - 1 for the unbiased variances. Each number lies within its radius of what was
// answered, and both sides are ranges, which must meet.
Finding merged_statistics(Player& player, const Case& given) {
  Case c = inhabited(with_data_apart(given), 4);
  Problem& p = c.problem;
  p.run = {Step{}};
  p.track = true;
  p.momentum = {false, 1};
  p.rm = Problem{}.rm;
  p.rv = Problem{}.rv;
  const Inputs in = make_inputs(c);
  const auto images = shuffled(p.shape.n, p.seed);
  const std::int64_t first = Dice(p.seed, 1).between(2, p.shape.n - 2);
  const auto count = static_cast<std::size_t>(first);
  const auto part = [&](std::span<const std::size_t> chosen) {
    Case piece = c;
    piece.problem.shape.n = static_cast<std::int64_t>(chosen.size());
    Inputs of_piece = in;
    of_piece.step[0] = images_of(in.step[0], p.shape, chosen);
    return std::pair{piece.problem.shape, balls_of(player, piece, of_piece)};
  };
  const auto [shape_a, a] = part(std::span(images).first(count));
  const auto [shape_b, b] = part(std::span(images).subspan(count));
  const Account whole = balls_of(player, c, in);
  Finding finding;
  for (const Account* account : {&whole, &a, &b})
    if (!finding.require(account->stopped.empty() && account->steps[0].refused == Refusal::none &&
                             !account->steps[0][Output::save_mean].empty(),
                         [&] { return "a training that answers nothing: " + account->stopped; }))
      return finding;
  for (std::size_t i = 0; i < static_cast<std::size_t>(p.shape.c); ++i) {
    const auto said = [&](const Account& account, const Shape& shape) {
      return said_of(account.steps[0], i, static_cast<double>(shape.per_channel()), p.eps);
    };
    expect_merged(finding, said(whole, p.shape), said(a, shape_a), said(b, shape_b), i);
  }
  return finding;
}

// ---- evaluation, and batches of one value ------------------------------------------------------

// An evaluation changes nothing, so that a second one right behind it answers the same bits, and
// whatever follows is what it would have been.
Finding idempotent_evaluation(Player& player, const Case& given) {
  Case c = given;
  std::vector<Step>& run = c.problem.run;
  if (std::none_of(run.begin(), run.end(), [](const Step& s) { return s.op == Op::eval; }))
    run.push_back({Op::eval, Step::kSameBatch, run.back().id + 1});
  const Inputs in = make_inputs(c);
  Case twice = c;
  twice.problem.run.clear();
  Inputs doubled = in;
  doubled.step.clear();
  std::vector<std::size_t> origin;  // of each step of the longer program
  for (std::size_t i = 0; i < run.size(); ++i)
    for (int again = 0; again < (run[i].op == Op::eval ? 2 : 1); ++again) {
      twice.problem.run.push_back(run[i]);
      twice.problem.run.back().id = static_cast<std::uint32_t>(origin.size());
      doubled.step.push_back(in.step[i]);
      origin.push_back(i);
    }
  const Account once = bits_of(player, c, in), both = bits_of(player, twice, doubled);
  Finding finding;
  finding.require(once.steps.size() == run.size() && both.steps.size() == origin.size(),
                  [&] { return "not played: " + once.stopped + both.stopped; });
  for (std::size_t i = 0; i < origin.size() && finding.broken.empty(); ++i)
    finding.expect_same(once.steps[origin[i]], both.steps[i], origin[i]);
  return finding;
}

namespace {

/// What one channel's running statistics become, exactly but for two roundings of double-double.
void expect_running(Finding& finding, const Known& before, const Known& after, double statistic,
                    double factor, const std::string& what) {
  if (before.kind != Kind::finite || after.kind != Kind::finite) return;
  const DD want = DD(factor) * DD(statistic) + (DD(1) - DD(factor)) * DD(before.got);
  finding.expect(
      std::abs((DD(after.got) - want).hi) <= after.radius + std::abs(1 - factor) * before.radius,
      [&] { return what + " is not what a constant batch makes of it"; });
}

std::string at_step(std::string_view what, std::size_t step) {
  return std::string(what) + " of step " + std::to_string(step);
}

}  // namespace

// All values of a channel are v: the mean is v and the variance 0, so y = bias, dweight = 0, the
// running mean takes v and the running variance takes 0. Within the radius, or to the bit where the
// contract promises exact moments: then (x - mean)*... is 0, and y is bias as y's dtype has it.
Finding constant_batch(Player& player, const Case& given) {
  Case c = by_batch_alone(without_resets(inhabited(with_data_apart(given), 2)));
  Problem& p = c.problem;
  p.run.front().op = Op::train;
  p.run.front().batch = Step::kSameBatch;
  Inputs in = make_inputs(c);
  const auto plane = static_cast<std::size_t>(p.shape.plane());
  for (std::size_t i = 0; i < p.run.size(); ++i) {
    if (!is_forward(p.run[i].op)) continue;
    const std::vector<double> values = in.step[i];
    each(p.shape.with_batch(batch_of(p, i)), [&](std::size_t channel, std::size_t e) {
      const double v = values[channel * plane];
      in.step[i][e] = std::isfinite(v) ? v : 1;
    });
  }
  const bool exact = player.contract(p, *c.exec).constant_exact && p.eps >= 0;
  const Account account = balls_of(player, c, in);
  Finding finding;
  finding.require(account.stopped.empty(), [&] { return account.stopped; });
  bool by_batch = false;
  for (std::size_t i = 0; i < account.steps.size() && finding.broken.empty(); ++i) {
    const Told& step = account.steps[i];
    if (is_forward(p.run[i].op)) by_batch = p.run[i].op == Op::train || !p.track;
    for (const Known& k : step[Output::dweight])
      if (by_batch && k.kind == Kind::finite)
        finding.expect(std::abs(k.got) <= k.radius, [&] { return at_step("dweight", i); });
    if (!by_batch || step[Output::y].empty()) continue;
    each(p.shape.with_batch(batch_of(p, i)), [&](std::size_t channel, std::size_t e) {
      const Known& y = step[Output::y][e];
      if (y.kind != Kind::finite) return;
      const double bias = p.bias ? in.bias[channel] : 0;
      finding.expect(exact ? y.got == round_to(p.dtype, bias) : std::abs(y.got - bias) <= y.radius,
                     [&] { return at_step("y", i) + " is not the bias"; });
    });
    if (!p.track) continue;
    const double factor = p.momentum.cumulative ? 1 / step.num_batches_tracked : p.momentum.value;
    for (std::size_t channel = 0; channel < step[Output::running_mean].size(); ++channel)
      for (const Output o : {Output::running_mean, Output::running_var}) {
        const std::vector<double>& initial =
            o == Output::running_mean ? in.running_mean : in.running_var;
        Known before{initial[channel], 0};
        if (!std::isfinite(before.got)) before.kind = Kind::any;
        if (i > 0) before = account.steps[i - 1][o][channel];
        expect_running(finding, before, step[o][channel],
                       o == Output::running_mean ? in.step[i][channel * plane] : 0, factor,
                       at_step(name(o), i));
      }
  }
  return finding;
}

}  // namespace truenorm::oracle
