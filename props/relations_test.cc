// What holds between answers, whatever the answers are: permutations, partitions, scalings,
// layouts, and the two sums that a training gradient leaves nothing of.
#include <algorithm>
#include <array>
#include <numeric>

#include "arena.h"
#include "exact/dd.h"
#include "played.h"
#include "players/players.h"

namespace truenorm::oracle {
namespace {

using exact::DD;

/// Calls f(channel, index) for every element in logical order.
template <class F>
void each(const Shape& s, F&& f) {
  std::size_t index = 0;
  for (std::int64_t n = 0; n < s.n; ++n)
    for (std::int64_t c = 0; c < s.c; ++c)
      for (std::int64_t i = 0; i < s.plane(); ++i, ++index) f(static_cast<std::size_t>(c), index);
}

/// The tensor whose channel c is channel from[c] of the given one. Fewer channels than there were
/// make a part of it.
std::vector<double> channels_of(const std::vector<double>& values, const Shape& s,
                                const std::vector<std::size_t>& from) {
  if (values.empty()) return {};
  const auto channels = static_cast<std::size_t>(s.c);
  const std::size_t plane = values.size() == channels ? 1 : static_cast<std::size_t>(s.plane());
  const std::size_t batch = values.size() / (channels * plane);
  std::vector<double> out;
  out.reserve(batch * from.size() * plane);
  for (std::size_t n = 0; n < batch; ++n)
    for (const std::size_t c : from) {
      const auto first = values.begin() + static_cast<std::ptrdiff_t>((n * channels + c) * plane);
      out.insert(out.end(), first, first + static_cast<std::ptrdiff_t>(plane));
    }
  return out;
}

Inputs channels_of(const Inputs& in, const Shape& s, const std::vector<std::size_t>& from) {
  Inputs out;
  out.weight = channels_of(in.weight, s, from);
  out.bias = channels_of(in.bias, s, from);
  out.running_mean = channels_of(in.running_mean, s, from);
  out.running_var = channels_of(in.running_var, s, from);
  for (const auto& step : in.step) out.step.push_back(channels_of(step, s, from));
  return out;
}

Trace channels_of(const Trace& trace, const Shape& s, const std::vector<std::size_t>& from) {
  Trace out = trace;
  for (StepTrace& step : out.steps)
    for (auto* values : {&step.y, &step.save_mean, &step.save_invstd, &step.dx, &step.dweight,
                         &step.dbias, &step.running_mean, &step.running_var})
      *values = channels_of(*values, s, from);
  return out;
}

/// Problems for the relations, in every dtype and in the layouts of the three loop nests.
std::vector<Case> problems(std::string_view line) {
  std::vector<Case> list;
  for (const auto& [dtype, param_dtype] : kDtypePairs)
    for (const Layout layout : {Layout::nchw, Layout::nhwc, Layout::sliced}) {
      Case c = with_exec(line);
      c.problem.dtype = dtype;
      c.problem.param_dtype = param_dtype;
      c.exec->x = c.exec->y = c.exec->dy = c.exec->dx = layout;
      list.push_back(c);
    }
  return list;
}

TEST(Relations, PermutedChannelsPermuteTheBits) {
  const auto player = make_truenorm();
  for (const std::string_view line :
       {"tn1 n5c37s7 f32 x=normal(2,1) rm=uniform(-1,1) rv=uniform(1,2) run=TBEBT seed=3",
        "tn1 n300c35 f32 x=normal(2,1) rm=uniform(-1,1) rv=uniform(1,2) run=TBEBT seed=3"})
    for (const Case& c : problems(line)) {
      const auto channels = static_cast<std::size_t>(c.problem.shape.c);
      std::vector<std::size_t> from(channels);
      for (std::size_t i = 0; i < channels; ++i) from[i] = (i * 11 + 5) % channels;
      const Inputs inputs = make_inputs(c);
      const Trace plain = player->play(c, inputs);
      const Trace permuted = player->play(c, channels_of(inputs, c.problem.shape, from));
      EXPECT_EQ(difference(channels_of(plain, c.problem.shape, from), permuted), "") << print(c);
    }
}

/// The channels of a case in two parts, each a layer of its own: the bits of the whole.
void expect_parts_alike(Player& player, const Case& c, std::size_t first) {
  const Inputs inputs = make_inputs(c);
  const Trace together = player.play(c, inputs);
  const auto channels = static_cast<std::size_t>(c.problem.shape.c);
  for (const auto& [begin, end] : {std::pair{std::size_t{0}, first}, std::pair{first, channels}}) {
    std::vector<std::size_t> part(end - begin);
    std::iota(part.begin(), part.end(), begin);
    Case alone = c;
    alone.problem.shape.c = static_cast<std::int64_t>(part.size());
    const Trace apart = player.play(alone, channels_of(inputs, c.problem.shape, part));
    EXPECT_EQ(difference(channels_of(together, c.problem.shape, part), apart), "") << print(c);
  }
}

TEST(Relations, ChannelsTogetherAreLayersApart) {
  const auto player = make_truenorm();
  for (const Case& c :
       problems("tn1 n5c48s40 f32 x=normal(2,1) rm=uniform(-1,1) rv=uniform(1,2) run=TBEBT seed=4"))
    expect_parts_alike(*player, c, 16);
  for (const Case& c :
       problems("tn1 n5c21s40 f32 x=normal(2,1) rm=uniform(-1,1) rv=uniform(1,2) run=TBEBT seed=4"))
    // Rows that do not fill vectors are summed several at a time, in an order of their width's own.
    if (c.exec->x != Layout::nhwc) expect_parts_alike(*player, c, 8);
}

/// Whether every element of one trace and its like in another can both be right: their distance is
/// no more than the radii of the two balls.
void expect_near(const Case& c, const Trace& a, const Answer& ball_a, const Trace& b,
                 const Answer& ball_b) {
  std::array<std::size_t, kOutputs> elements{}, compared{};
  for (std::size_t i = 0; i < a.steps.size(); ++i)
    for (std::size_t o = 0; o < kOutputs; ++o) {
      const auto output = static_cast<Output>(o);
      const auto &p = tensor(a.steps[i], output), &q = tensor(b.steps[i], output);
      const Balls &s = tensor(ball_a.steps[i], output), &t = tensor(ball_b.steps[i], output);
      ASSERT_EQ(p.size(), q.size()) << print(c);
      elements[o] += p.size();
      for (std::size_t e = 0; e < p.size(); ++e) {
        if (s.kind[e] != Kind::finite || t.kind[e] != Kind::finite) continue;
        ++compared[o];
        const bool near = std::abs(p[e] - q[e]) <= s.radius[e] + t.radius[e];
        ASSERT_TRUE(near) << name(output) << "[" << e << "] of step " << i << ": " << p[e]
                          << " and " << q[e] << "\n  " << print(c);
      }
    }
  EXPECT_GT(elements[static_cast<std::size_t>(Output::y)], 0u) << print(c);
  for (std::size_t o = 0; o < kOutputs; ++o)
    EXPECT_TRUE(compared[o] > 0 || elements[o] == 0)
        << name(static_cast<Output>(o)) << ": nothing was compared\n  " << print(c);
}

TEST(Relations, LayoutsAgreeWithinTheirBalls) {
  const auto player = make_truenorm();
  for (const auto& [dtype, param_dtype] : kDtypePairs) {
    Case c = with_exec("tn1 n6c9s5x13 f32 x=normal(30,1) run=TBEBT seed=5");
    c.problem.dtype = dtype;
    c.problem.param_dtype = param_dtype;
    const Inputs inputs = make_inputs(c);
    const Trace plain = player->play(c, inputs);
    const Answer balls = answer(c.problem, inputs, player->contract(c.problem, *c.exec));
    for (const Layout layout : {Layout::nhwc, Layout::sliced, Layout::transposed, Layout::padded}) {
      Case other = c;
      other.exec->x = other.exec->y = other.exec->dy = other.exec->dx = layout;
      expect_near(other, plain, balls, player->play(other, inputs),
                  answer(c.problem, inputs, player->contract(c.problem, *other.exec)));
    }
  }
}

/// The exact moments of a channel, to 106 bits, computed here and nowhere else.
struct Sums {
  DD x, squares, dx, dot;
  double dx_radius = 0, dot_radius = 0;
};

// In exact arithmetic sum(dx) = 0, and sum(dx*(x - mean)) = weight*eps*invstd^2*dweight. So what is
// left of the first is at most the sum of dx's radii, and of the second those weighted by |x-mean|.
TEST(Relations, TrainingGradientsLeaveNothingAlongOneAndX) {
  const auto player = make_truenorm();
  for (const std::string_view line : {"tn1 n6c9s11 f32 x=normal(3,2) dy=normal(1,1) run=TB seed=6",
                                      "tn1 n6c9s11 f32 eps=0 x=normal(1000,1) run=TB seed=7",
                                      "tn1 n70c9s11 f32 eps=0.5 x=uniform(0,1) run=TB seed=8"})
    for (const Case& c : problems(line)) {
      const Shape& shape = c.problem.shape;
      const Inputs in = make_inputs(c);
      const Answer balls = answer(c.problem, in, player->contract(c.problem, *c.exec));
      const Trace trace = player->play(c, in);
      const Verdict v = judge(trace, balls);
      ASSERT_TRUE(v.result == Result::pass) << report(c, v);
      const std::vector<double>&x = in.step[0], &dy = in.step[1], &dx = trace.steps[1].dx;
      const Balls& ball = balls.steps[1].dx;
      std::vector<Sums> sums(static_cast<std::size_t>(shape.c));
      const DD n = static_cast<double>(shape.per_channel());
      each(shape, [&](std::size_t ch, std::size_t i) { sums[ch].x = sums[ch].x + x[i]; });
      std::vector<DD> dots(sums.size());
      each(shape, [&](std::size_t ch, std::size_t i) {
        const DD d = DD(x[i]) - sums[ch].x / n;
        sums[ch].squares = sums[ch].squares + d * d;
        dots[ch] = dots[ch] + d * DD(dy[i]);
        sums[ch].dx = sums[ch].dx + dx[i];
        sums[ch].dot = sums[ch].dot + d * DD(dx[i]);
        sums[ch].dx_radius += ball.radius[i];
        sums[ch].dot_radius += ball.radius[i] * std::abs(d.hi);
      });
      for (std::size_t ch = 0; ch < sums.size(); ++ch) {
        const DD spread = sums[ch].squares / n + c.problem.eps;
        const DD left = DD(in.weight[ch] * c.problem.eps) * dots[ch] / (spread * sqrt(spread));
        const bool none_along_one = std::abs(sums[ch].dx.hi) <= sums[ch].dx_radius;
        const bool none_along_x = std::abs((sums[ch].dot - left).hi) <= sums[ch].dot_radius;
        EXPECT_TRUE(none_along_one) << print(c) << "\n  channel " << ch << ": " << sums[ch].dx.hi;
        EXPECT_TRUE(none_along_x) << print(c) << "\n  channel " << ch << ": "
                                  << (sums[ch].dot - left).hi << " > " << sums[ch].dot_radius;
      }
    }
}

TEST(Relations, EvaluationChangesNothing) {
  const auto player = make_truenorm();
  for (const Case& c : problems("tn1 n6c9s11 f32 x=normal(3,2) run=TEE seed=9")) {
    Inputs in = make_inputs(c);
    in.step[2] = in.step[1];
    const Trace t = player->play(c, in);
    ASSERT_EQ(t.outcome, Outcome::played) << t.detail;
    EXPECT_EQ(difference("y", t.steps[1].y, t.steps[2].y), "") << print(c);
    for (const std::size_t step : {1u, 2u}) {
      EXPECT_EQ(difference("mean", t.steps[0].running_mean, t.steps[step].running_mean), "");
      EXPECT_EQ(difference("var", t.steps[0].running_var, t.steps[step].running_var), "");
      EXPECT_EQ(t.steps[step].num_batches_tracked, 1);
    }
  }
}

// With eps = 0, x and 16x are normalized to the same y: powers of two pass through every rounding.
TEST(Relations, ScalingByAPowerOfTwoMovesNoBit) {
  const auto player = make_truenorm();
  for (const Case& c : problems("tn1 n6c9s11 f32 eps=0 x=normal(3,2) run=TB seed=10")) {
    if (c.problem.dtype == Dtype::f16) continue;  // x or dx would leave the normal range
    const Inputs in = make_inputs(c);
    Inputs scaled = in;
    for (double& v : scaled.step[0]) v *= 16;
    const Trace a = player->play(c, in), b = player->play(c, scaled);
    EXPECT_EQ(difference("y", a.steps[0].y, b.steps[0].y), "") << print(c);
    EXPECT_EQ(difference("dweight", a.steps[1].dweight, b.steps[1].dweight), "") << print(c);
    std::vector<double> dx = b.steps[1].dx;
    for (double& v : dx) v *= 16;
    EXPECT_EQ(difference("dx", a.steps[1].dx, dx), "") << print(c);
  }
}

}  // namespace
}  // namespace truenorm::oracle
