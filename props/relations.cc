#include "relations.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>
#include <utility>

#include "judge.h"
#include "played.h"

namespace truenorm::oracle {

namespace {

Account account_of(const Trace& trace) {
  Account account;
  if (trace.outcome != Outcome::played) {
    account.stopped = std::string(name(trace.outcome)) + ": " + trace.detail;
    return account;
  }
  for (const StepTrace& step : trace.steps) {
    Told told{step.refused, step.num_batches_tracked, {}};
    for (std::size_t o = 0; o < kOutputs; ++o)
      for (const double v : tensor(step, static_cast<Output>(o)))
        told.tensor[o].push_back({v, 0, Kind::finite, false});
    account.steps.push_back(std::move(told));
  }
  return account;
}

/// "y[3] of step 1"
std::string place(Output output, std::size_t element, std::size_t step) {
  return std::string(name(output)) + "[" + std::to_string(element) + "] of step " +
         std::to_string(step);
}

std::string two(double a, double b) {
  std::ostringstream out;
  out.precision(17);
  out << a << " and " << b;
  return out.str();
}

}  // namespace

Account bits_of(Player& player, const Case& c, const Inputs& in) {
  return account_of(player.play(c, in));
}

Account balls_of(Player& player, const Case& c, const Inputs& in) {
  Account account = account_of(player.play(c, in));
  const Answer balls = answer(c.problem, in, player.contract(c.problem, *c.exec));
  for (std::size_t i = 0; i < account.steps.size(); ++i)
    for (std::size_t o = 0; o < kOutputs; ++o) {
      const Balls& b = tensor(balls.steps[i], static_cast<Output>(o));
      std::vector<Known>& known = account.steps[i].tensor[o];
      for (std::size_t e = 0; e < known.size() && known.size() == b.size(); ++e) {
        const bool open = b.kind[e] == Kind::finite &&
                          std::abs(b.mid[e]) + b.radius[e] >= b.max_finite;  // Inf is right, too
        known[e].radius = b.radius[e];
        known[e].kind = open ? Kind::any : b.kind[e];
        known[e].vacuous = b.vacuous(e);
      }
    }
  return account;
}

bool Finding::expect_alike(const Told& a, const Told& b, std::size_t step) {
  const std::string at = " of step " + std::to_string(step);
  require(a.refused == b.refused, [&] {
    return "refusal" + at + ": " + std::string(name(a.refused)) + " and " +
           std::string(name(b.refused));
  });
  require(same_bits(a.num_batches_tracked, b.num_batches_tracked),
          [&] { return "num_batches_tracked" + at; });
  for (std::size_t o = 0; o < kOutputs; ++o)
    require(a.tensor[o].size() == b.tensor[o].size(),
            [&] { return "size of " + std::string(name(static_cast<Output>(o))) + at; });
  return broken.empty();
}

bool Finding::expect_alike(const Account& a, const Account& b) {
  require(a.stopped.empty() && b.stopped.empty(),
          [&] { return "not played: " + a.stopped + b.stopped; });
  require(a.steps.size() == b.steps.size(), [] { return "programs of different lengths"; });
  return broken.empty();
}

void Finding::expect_same(const Told& a, const Told& b, std::size_t step) {
  if (!expect_alike(a, b, step)) return;
  for (std::size_t o = 0; o < kOutputs; ++o)
    for (std::size_t e = 0; e < a.tensor[o].size(); ++e) {
      const Known &p = a.tensor[o][e], &q = b.tensor[o][e];
      expect(same_bits(p.got, q.got),
             [&] { return place(static_cast<Output>(o), e, step) + ": " + two(p.got, q.got); });
    }
}

void Finding::expect_same(const Account& a, const Account& b) {
  if (!expect_alike(a, b)) return;
  for (std::size_t i = 0; i < a.steps.size(); ++i) expect_same(a.steps[i], b.steps[i], i);
}

void Finding::expect_near(const Account& a, const Account& b) {
  if (!expect_alike(a, b)) return;
  for (std::size_t i = 0; i < a.steps.size() && expect_alike(a.steps[i], b.steps[i], i); ++i)
    for (std::size_t o = 0; o < kOutputs; ++o)
      for (std::size_t e = 0; e < a.steps[i].tensor[o].size(); ++e) {
        const Known &p = a.steps[i].tensor[o][e], &q = b.steps[i].tensor[o][e];
        if (p.kind != q.kind || p.kind == Kind::any) continue;
        const bool near = p.kind == Kind::finite ? std::abs(p.got - q.got) <= p.radius + q.radius
                                                 : same_bits(p.got, q.got);
        const auto what = [&] {
          return place(static_cast<Output>(o), e, i) + ": " + two(p.got, q.got) + ", the radii " +
                 two(p.radius, q.radius);
        };
        expect(near, what, !p.vacuous && !q.vacuous);
      }
}

std::vector<std::size_t> shuffled(std::int64_t count, std::uint64_t seed) {
  std::vector<std::size_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::size_t{0});
  Dice dice(seed, static_cast<std::uint64_t>(count));
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1],
              order[static_cast<std::size_t>(dice.below(static_cast<std::int64_t>(i)))]);
  return order;
}

Inputs channels_of(const Inputs& in, const Shape& s, std::span<const std::size_t> from) {
  Inputs out;
  out.weight = channels_of(in.weight, s, from);
  out.bias = channels_of(in.bias, s, from);
  out.running_mean = channels_of(in.running_mean, s, from);
  out.running_var = channels_of(in.running_var, s, from);
  for (const auto& step : in.step) out.step.push_back(channels_of(step, s, from));
  return out;
}

Account channels_of(Account account, const Shape& s, std::span<const std::size_t> from) {
  for (Told& step : account.steps)
    for (auto& values : step.tensor) values = channels_of(values, s, from);
  return account;
}

Case brief(Case c) {
  Shape& s = c.problem.shape;
  if (c.problem.seed % 16 == 0) return c;
  while (s.numel() > kBrief) {
    std::int64_t& largest = *std::max_element(s.s.begin(), s.s.end());
    std::int64_t& other = s.n >= s.c ? s.n : s.c;
    (largest > other ? largest : other) /= 2;
  }
  for (Step& step : c.problem.run)
    if (step.batch != Step::kSameBatch) step.batch = std::min(step.batch, s.n + 3);
  return c;
}

Case with_data_apart(Case c) {
  for (Layout Exec::*layout : {&Exec::x, &Exec::dy})
    (*c.exec).*layout = output_layout((*c.exec).*layout);
  return c;
}

Case inhabited(Case c, std::int64_t images) {
  Shape& s = c.problem.shape;
  s.n = std::max(s.n, images);
  s.c = std::max<std::int64_t>(s.c, 1);
  for (int d = 0; d < s.spatial_rank; ++d)
    s.s[static_cast<std::size_t>(d)] = std::max<std::int64_t>(s.s[static_cast<std::size_t>(d)], 1);
  for (Step& step : c.problem.run)
    if (step.batch != Step::kSameBatch) step.batch = std::max(step.batch, images);
  return c;
}

Case without_resets(Case c) {
  for (Step& step : c.problem.run)
    if (!has_data(step.op)) step.op = Op::save_load;
  return c;
}

Case by_batch_alone(Case c) {
  c.problem.renorm.reset();
  return c;
}

Case of_moderate_data(Case c) {
  Problem& p = c.problem;
  for (Dist* dist : {&p.x, &p.dy, &p.w, &p.b, &p.rm}) {
    const bool extreme = dist->kind == DistKind::tiny || dist->kind == DistKind::huge ||
                         dist->kind == DistKind::special || dist->kind == DistKind::bits;
    const bool far = std::abs(dist->a) > 1e12 || std::abs(dist->b) > 1e3 ||
                     (dist->kind == DistKind::normal && dist->b < 1e-3);
    const double size = std::max(std::abs(dist->a), std::abs(dist->b));
    const bool small = (dist->kind == DistKind::uniform || dist->kind == DistKind::constant) &&
                       size > 0 && size < 1e-3;
    if (extreme || far || small) *dist = {DistKind::normal, 0, 1, {}};
  }
  if (p.rv.kind != DistKind::constant || p.rv.a < 1e-3) p.rv = {DistKind::uniform, 0.5, 2, {}};
  return c;
}

Case with_gradients(Case c) {
  std::vector<Step>& run = c.problem.run;
  bool training = false;
  for (const Step& step : run) {
    if (is_forward(step.op)) training = step.op == Op::train;
    if (step.op == Op::backward && training && step.batch == Step::kSameBatch) return c;
  }
  const std::uint32_t id = run.back().id;
  if (run.size() + 2 > kMaxSteps) run.clear();
  run.push_back({Op::train, Step::kSameBatch, id + 1});
  run.push_back({Op::backward, Step::kSameBatch, id + 2});
  return c;
}

}  // namespace truenorm::oracle
