// Seeded random cases.
//
// What is drawn, in per cent of cases. The extremes stay rare enough that most cases prove
// something, and frequent enough that a thousand cases meet all.
//
//   rank        2: 25, 3: 20, 4: 40, 5: 15
//   elements    of x, at most: 8..63 8, 64..511 55, 256..2047 25, 1k..8k 9, 8k..100k 3; the median
//               is near 200
//   sizes       a third each: any, primes, powers of two and one off; all log-uniform
//   shapes      6 real networks' scaled down; 2 with planes of 1k and more; 0.3 with a batch or a
//               plane past 65536; 3 with a size 0, 8 with a size made 1, 1 with one value a channel
//   dtype       f32 48, f64 16, bf16 8, f16 8, bf16/f32 10, f16/f32 10
//   program     TB 23, T 13, sequences of T and E 22, trainings then E 12, batch changes 8,
//               E and EB 8, R P or S between T or E and its B 2, random of up to 12 steps with
//               R P S - + e m C M 11, refused calls 1
//   momentum    of the layer, and of a step m: 0.1 46, cum 16, 0.01..0.99 16, 1 8, 0 7, negative 3, above 1 3, NaN 1
//   eps         1e-5 56, 1e-3 10, 1e-8..1e-1 9, 0 8, 1e-12 8, 1 5, 1e10 2, -1 1, -1e-5 1
//   affine      gb 60, none 15, g 13, b 12; statistics off 16
//   renorm      3, of which 3,5 30, tight bounds 40, loose ones 20, none 10
//   x           normal(0,1) 22, normal with |mean|/sigma 1..1e8 22, cancel(1..1e8) 14, uniform 8,
//               normal at 1e-38..1e38 8, spike exact sorted 4 each, ramp const 3, special tiny 2,
//               huge bits 1.5, zero 1
//   dy          half uniform(-1,1), else like x with const 10 and the extremes rarer
//   parameters  half their defaults, else mostly normal, uniform, const; an extreme 2
//   layout      nchw 40, nhwc 30, padded 9, sliced 9, transposed 8, expanded 4; y dy dx like x in
//   70 exec        threads 1..4: 50 20 15 15; isa best 85, scalar 15 (both exist everywhere);
//               misaligned 40; in place 13 and strided parameters 12, where legal
#include "sample.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <limits>
#include <string>
#include <tuple>
#include <utility>

#include "dice.h"

namespace truenorm::oracle {
namespace {

/// 10^exponent, the double nearest to it.
double power_of_ten(std::int64_t exponent) {
  const std::string text = "1e" + std::to_string(exponent);
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

double draw_eps(Dice& dice) {
  return dice.pick<double>({{56, 1e-5},
                            {10, 1e-3},
                            {8, 0},
                            {8, 1e-12},
                            {9, power_of_ten(-dice.between(1, 8))},
                            {5, 1},
                            {2, 1e10},
                            {1, -1},
                            {1, -1e-5}});
}

Momentum draw_momentum(Dice& dice) {
  const double fraction = static_cast<double>(dice.between(1, 99)) / 100;
  const double value = dice.pick<double>({{46, 0.1},
                                          {16, fraction},
                                          {8, 1},
                                          {7, 0},
                                          {3, -0.25},
                                          {3, 1.5},
                                          {1, std::numeric_limits<double>::quiet_NaN()}});
  return dice.per_mille(160) ? Momentum{true, 0} : Momentum{false, value};
}

/// A program in the making: ids count up.
class Program {
 public:
  explicit Program(std::int64_t n) : n_(n) {}
  Program& add(Op op, std::int64_t batch = Step::kSameBatch) {
    run_.push_back({op, batch, static_cast<std::uint32_t>(run_.size())});
    return *this;
  }
  Program& set_eps(double eps) {
    add(Op::set_eps);
    run_.back().eps = eps;
    return *this;
  }
  Program& set_momentum(const Momentum& momentum) {
    add(Op::set_momentum);
    run_.back().momentum = momentum;
    return *this;
  }
  Program& add(std::initializer_list<Op> ops) {
    for (const Op op : ops) add(op);
    return *this;
  }
  std::int64_t other_batch(Dice& dice) const {
    return dice.between(2, std::max<std::int64_t>(n_, 1) + 3);
  }
  std::size_t size() const { return run_.size(); }
  std::vector<Step> take() { return std::move(run_); }

 private:
  std::int64_t n_;
  std::vector<Step> run_;
};

void random_program(Dice& dice, Program& program) {
  program.add(dice.per_mille(800) ? Op::train : Op::eval);
  for (std::int64_t more = dice.between(2, 11); more > 0; --more) {
    const Op op = dice.pick<Op>({{30, Op::train},
                                 {25, Op::backward},
                                 {18, Op::eval},
                                 {6, Op::reset_stats},
                                 {5, Op::reset_params},
                                 {8, Op::save_load},
                                 {4, Op::track_off},
                                 {4, Op::track_on},
                                 {5, Op::set_eps},
                                 {5, Op::set_momentum},
                                 {6, Op::copy},
                                 {5, Op::move}});
    if (op == Op::set_eps)
      program.set_eps(draw_eps(dice));
    else if (op == Op::set_momentum)
      program.set_momentum(draw_momentum(dice));
    else
      program.add(
          op, is_forward(op) && dice.per_mille(80) ? program.other_batch(dice) : Step::kSameBatch);
  }
}

void refused_program(Dice& dice, Program& program) {
  switch (dice.below(3)) {
    case 0:
      program.add({Op::backward, Op::train, Op::backward});
      break;  // before any forward
    case 1:
      program.add(Op::train).add(Op::backward, program.other_batch(dice)).add(Op::backward);
      break;  // of another size
    default:
      program.add(Op::track_off).add({Op::reset_stats, Op::eval, Op::track_on, Op::train});
      break;
  }
}

std::vector<Step> draw_program(Dice& dice, std::int64_t n) {
  enum Plan { kT, kTB, kSequence, kTrainEval, kBatches, kE, kBetween, kRandom, kRefused };
  Program program(n);
  switch (dice.pick<Plan>({{13, kT},
                           {23, kTB},
                           {22, kSequence},
                           {12, kTrainEval},
                           {8, kBatches},
                           {8, kE},
                           {2, kBetween},
                           {11, kRandom},
                           {1, kRefused}})) {
    case kT:
      program.add(Op::train);
      break;
    case kTB:
      program.add({Op::train, Op::backward});
      break;
    case kSequence:
      for (std::int64_t steps = dice.between(2, 6); steps > 0; --steps)
        program.add(dice.per_mille(650) ? Op::train : Op::eval);
      break;
    case kTrainEval:
      for (std::int64_t steps = dice.between(1, 5); steps > 0; --steps)
        program.add({Op::train, Op::backward});
      program.add(Op::eval);
      if (dice.per_mille(500)) program.add(Op::backward);
      break;
    case kBatches:
      program.add({Op::train, Op::backward})
          .add(Op::train, program.other_batch(dice))
          .add(Op::backward);
      program.add(Op::eval, dice.between(1, 3));
      break;
    case kE:
      program.add(Op::eval);
      if (dice.per_mille(500)) program.add(Op::backward);
      break;
    case kBetween:
      program.add(dice.per_mille(700) ? Op::train : Op::eval)
          .add(dice.pick<Op>({{40, Op::reset_params}, {40, Op::save_load}, {20, Op::reset_stats}}))
          .add(Op::backward);
      break;
    case kRandom:
      random_program(dice, program);
      break;
    case kRefused:
      refused_program(dice, program);
      break;
  }
  return program.take();
}

/// digit * 10^exponent, the double nearest to it.
double decimal(Dice& dice, std::int64_t exponent) {
  const std::string text = std::to_string(dice.between(1, 9)) + "e" + std::to_string(exponent);
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return dice.per_mille(500) ? value : -value;
}

std::vector<std::uint8_t> draw_bits(Dice& dice, Dtype dtype) {
  // Words below infinity's exponent, or with any bits at all: a few NaNs spoil a whole tensor, so
  // they are the rarer half.
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(dice.between(1, 8)) * 8);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(dice.next());
  const std::size_t word = dtype == Dtype::f64 ? 8 : dtype == Dtype::f32 ? 4 : 2;
  if (dice.per_mille(700))
    for (std::size_t k = word - 1; k < bytes.size(); k += word)
      bytes[k] = static_cast<std::uint8_t>((bytes[k] & 0x80) | 0x3f);
  return bytes;
}

enum class Recipe {
  standard,
  shifted,
  cancel,
  scaled,
  uniform,
  spike,
  exact,
  sorted,
  ramp,
  constant,
  special,
  tiny,
  huge,
  bits,
  zero
};

Dist draw_data(Dice& dice, Recipe recipe, Dtype dtype) {
  const bool half = dtype == Dtype::f16;
  switch (recipe) {
    case Recipe::standard:
      return {DistKind::normal, 0, 1, {}};
    case Recipe::shifted: {
      const std::int64_t ratio = dice.between(0, half ? 4 : 8),
                         spread = half ? -dice.between(0, 2) : dice.between(-3, 3);
      const std::int64_t mean = half ? std::min<std::int64_t>(ratio + spread, 3) : ratio + spread;
      return {DistKind::normal, decimal(dice, mean), power_of_ten(spread), {}};
    }
    case Recipe::cancel:
      return {DistKind::cancel, power_of_ten(dice.between(0, 8)), 0, {}};
    case Recipe::scaled: {
      // The middle of the range mostly; at its ends squares leave f32's range, and little can be
      // proved.
      const std::int64_t exponent = half                  ? dice.between(-7, 3)
                                    : dice.per_mille(750) ? dice.between(-15, 15)
                                                          : dice.between(-38, 38);
      return {DistKind::normal,
              dice.per_mille(500) ? 0 : decimal(dice, std::max<std::int64_t>(exponent, -38)),
              power_of_ten(exponent),
              {}};
    }
    case Recipe::uniform:
      return dice.per_mille(500) ? Dist{DistKind::uniform, 0, 1, {}}
                                 : Dist{DistKind::uniform, -2, 5, {}};
    case Recipe::spike:
      return {DistKind::spike, static_cast<double>(dice.between(2, 200)), 0, {}};
    case Recipe::exact:
      return {DistKind::exact, 0, 0, {}};
    case Recipe::sorted:
      return {DistKind::sorted, 0, 0, {}};
    case Recipe::ramp:
      return {DistKind::ramp, 0, 0, {}};
    case Recipe::constant:
      return {
          DistKind::constant, dice.per_mille(500) ? 1 : decimal(dice, dice.between(-3, 3)), 0, {}};
    case Recipe::special:
      return {DistKind::special, power_of_ten(-dice.between(1, 3)), 0, {}};
    case Recipe::tiny:
      return {DistKind::tiny, 0, 0, {}};
    case Recipe::huge:
      return {DistKind::huge, 0, 0, {}};
    case Recipe::bits:
      return {DistKind::bits, 0, 0, draw_bits(dice, dtype)};
    case Recipe::zero:
      return {DistKind::zero, 0, 0, {}};
  }
  return {};
}

void draw_step_data(Dice& dice, Problem& p) {
  using enum Recipe;
  p.x = draw_data(dice,
                  dice.pick<Recipe>({{44, standard},
                                     {44, shifted},
                                     {28, cancel},
                                     {16, scaled},
                                     {16, uniform},
                                     {8, spike},
                                     {8, exact},
                                     {8, sorted},
                                     {6, ramp},
                                     {6, constant},
                                     {4, special},
                                     {4, tiny},
                                     {3, huge},
                                     {3, bits},
                                     {2, zero}}),
                  p.dtype);
  if (dice.per_mille(500))
    p.dy = draw_data(dice,
                     dice.pick<Recipe>({{40, standard},
                                        {8, shifted},
                                        {6, cancel},
                                        {4, scaled},
                                        {10, uniform},
                                        {8, spike},
                                        {8, exact},
                                        {2, sorted},
                                        {3, ramp},
                                        {10, constant},
                                        {2, special},
                                        {2, tiny},
                                        {1, huge},
                                        {1, bits},
                                        {3, zero}}),
                     p.dtype);
}

void draw_parameters(Dice& dice, Problem& p) {
  using enum Recipe;
  const Dtype q = p.param_dtype;
  if (dice.per_mille(400))
    p.w = draw_data(dice,
                    dice.pick<Recipe>({{40, standard},
                                       {5, shifted},
                                       {20, constant},
                                       {10, uniform},
                                       {6, zero},
                                       {5, ramp},
                                       {5, exact},
                                       {1, special},
                                       {1, tiny},
                                       {1, huge}}),
                    q);
  if (dice.per_mille(400))
    p.b = draw_data(dice,
                    dice.pick<Recipe>({{40, standard},
                                       {10, shifted},
                                       {10, constant},
                                       {10, uniform},
                                       {10, zero},
                                       {5, ramp},
                                       {5, exact},
                                       {1, special},
                                       {1, tiny},
                                       {1, huge}}),
                    q);
  if (dice.per_mille(500))
    p.rm = draw_data(dice,
                     dice.pick<Recipe>({{50, standard},
                                        {20, shifted},
                                        {10, constant},
                                        {10, uniform},
                                        {5, ramp},
                                        {1, special},
                                        {1, tiny},
                                        {1, huge}}),
                     q);
  if (dice.per_mille(500))
    p.rv = dice.pick<Dist>({{70, {DistKind::uniform, 0.5, 2, {}}},
                            {12, {DistKind::uniform, 1e-6, 1e4, {}}},
                            {6, {DistKind::constant, 100, 0, {}}},
                            {4, {DistKind::zero, 0, 0, {}}},
                            {3, {DistKind::normal, 0, 1, {}}},  // negative ones too
                            {2, {DistKind::special, 0.1, 0, {}}},
                            {2, {DistKind::constant, 1e-30, 0, {}}},
                            {1, {DistKind::huge, 0, 0, {}}}});
}

void draw_options(Dice& dice, Problem& p) {
  p.eps = draw_eps(dice);
  p.momentum = draw_momentum(dice);
  const int affine = dice.pick<int>({{60, 3}, {13, 1}, {12, 2}, {15, 0}});
  p.weight = (affine & 1) != 0;
  p.bias = (affine & 2) != 0;
  p.track = !dice.per_mille(160);
}

/// Bounds that clip mostly, seldom and never.
Renorm draw_renorm(Dice& dice) {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  return dice.pick<Renorm>({{30, {3, 5}},
                            {20, {1.125, 0.25}},
                            {10, {1, 0.5}},
                            {10, {1.5, 0}},
                            {20, {1e4, 1e4}},
                            {10, {kNone, kNone}}});
}

Layout draw_layout(Dice& dice) {
  return dice.pick<Layout>({{40, Layout::nchw},
                            {30, Layout::nhwc},
                            {9, Layout::padded},
                            {9, Layout::sliced},
                            {8, Layout::transposed},
                            {4, Layout::expanded}});
}

Exec draw_exec(Dice& dice) {
  Exec exec;
  exec.x = exec.dy = draw_layout(dice);
  exec.y = exec.dx = output_layout(exec.x);
  if (dice.per_mille(300)) {
    exec.y = output_layout(draw_layout(dice));
    exec.dy = draw_layout(dice);
    exec.dx = output_layout(draw_layout(dice));
  }
  exec.threads = dice.pick<int>({{50, 1}, {20, 2}, {15, 3}, {15, 4}});
  exec.isa = dice.per_mille(850) ? Isa::best : Isa::scalar;
  exec.skew = static_cast<int>(dice.pick<std::int64_t>(
      {{60, 0}, {35, dice.between(1, 15)}, {5, dice.between(16, kMaxSkew)}}));
  exec.inplace = dice.per_mille(150) && exec.x == exec.y;
  exec.strided_params = dice.per_mille(120);
  return exec;
}

}  // namespace

Case sample(std::uint64_t seed, std::uint64_t index) {
  Dice dice(seed, index);
  Case c;
  Problem& p = c.problem;
  p.shape = draw_shape(dice);
  std::tie(p.dtype, p.param_dtype) =
      kDtypePairs[dice.pick<std::size_t>({{48, 0}, {16, 1}, {8, 2}, {8, 3}, {10, 4}, {10, 5}})];
  p.run = draw_program(dice, p.shape.n);
  draw_options(dice, p);
  draw_step_data(dice, p);
  draw_parameters(dice, p);
  p.seed = static_cast<std::uint64_t>(dice.below(1000000));
  c.exec = draw_exec(dice);
  if (dice.per_mille(30)) p.renorm = draw_renorm(dice);
  return c;
}

}  // namespace truenorm::oracle
