#include "mutate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <iterator>
#include <vector>

#include "bytes.h"
#include "sample.h"

// libFuzzer's mutations of bytes; other engines and the replayer have none.
extern "C" __attribute__((weak)) std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size,
                                                              std::size_t capacity);

namespace truenorm::fuzz {
namespace {

using namespace oracle;

/// What is taken over as a whole. One entry for each word of the line.
using Take = void (*)(Case& to, const Case& from);
constexpr std::array<Take, 22> kFields{{
    [](Case& to, const Case& from) { to.problem.shape = from.problem.shape; },
    [](Case& to, const Case& from) {
      to.problem.dtype = from.problem.dtype;
      to.problem.param_dtype = from.problem.param_dtype;
    },
    [](Case& to, const Case& from) { to.problem.eps = from.problem.eps; },
    [](Case& to, const Case& from) { to.problem.momentum = from.problem.momentum; },
    [](Case& to, const Case& from) { to.problem.weight = from.problem.weight; },
    [](Case& to, const Case& from) { to.problem.bias = from.problem.bias; },
    [](Case& to, const Case& from) { to.problem.track = from.problem.track; },
    [](Case& to, const Case& from) { to.problem.renorm = from.problem.renorm; },
    [](Case& to, const Case& from) { to.problem.x = from.problem.x; },
    [](Case& to, const Case& from) { to.problem.dy = from.problem.dy; },
    [](Case& to, const Case& from) { to.problem.w = from.problem.w; },
    [](Case& to, const Case& from) { to.problem.b = from.problem.b; },
    [](Case& to, const Case& from) { to.problem.rm = from.problem.rm; },
    [](Case& to, const Case& from) { to.problem.rv = from.problem.rv; },
    [](Case& to, const Case& from) { to.problem.run = from.problem.run; },
    [](Case& to, const Case& from) { to.problem.seed = from.problem.seed; },
    [](Case& to, const Case& from) { to.exec->x = from.exec->x; },
    [](Case& to, const Case& from) { to.exec->y = from.exec->y; },
    [](Case& to, const Case& from) { to.exec->dy = from.exec->dy; },
    [](Case& to, const Case& from) { to.exec->dx = from.exec->dx; },
    [](Case& to, const Case& from) {
      to.exec->isa = from.exec->isa;
      to.exec->threads = from.exec->threads;
    },
    [](Case& to, const Case& from) {
      to.exec->skew = from.exec->skew;
      to.exec->inplace = from.exec->inplace;
      to.exec->strided_params = from.exec->strided_params;
    },
}};

std::size_t index_below(Dice& dice, std::size_t count) {
  return static_cast<std::size_t>(dice.below(static_cast<std::int64_t>(count)));
}

Case fresh(Dice& dice) {
  Case c = sample(dice.next(), 0);
  if (!c.exec) c.exec = Exec{};
  return c;
}

/// Ids that increase again; each stays as it is where it can, for it names the step's data.
void renumber(std::vector<Step>& run) {
  std::uint32_t next = 0;
  for (Step& step : run) {
    step.id = std::max(step.id, next);
    next = step.id + 1;
  }
}

void nudge_size(Case& c, Dice& dice) {
  Shape& s = c.problem.shape;
  const std::array<std::int64_t*, 5> sizes{&s.n, &s.c, &s.s[0], &s.s[1], &s.s[2]};
  std::int64_t& size = *sizes[index_below(dice, 2 + static_cast<std::size_t>(s.spatial_rank))];
  switch (dice.below(6)) {
    case 0:
      size += 1;
      break;
    case 1:
      size = std::max<std::int64_t>(size - 1, 0);
      break;
    case 2:
      size *= 2;
      break;
    case 3:
      size /= 2;
      break;
    case 4:  // about a register, a block of rows, a plane
      size = (std::int64_t{1} << dice.below(11)) + dice.between(-1, 1);
      break;
    default:
      size = dice.below(3);
  }
}

/// Another number: a little beside it, of about the same or quite another size.
double nudge(double value, Dice& dice) {
  constexpr double kInf = HUGE_VAL;
  switch (dice.below(10)) {
    case 0:
      return value * 2;
    case 1:
      return value / 2;
    case 2:
      return std::nextafter(value, dice.below(2) == 0 ? -kInf : kInf);
    case 3:
      return -value;
    case 4:
      return std::ldexp(value, static_cast<int>(dice.between(-40, 40)));
    case 5:
      return std::ldexp(1.0, static_cast<int>(dice.between(-160, 160)));
    case 6:
      return static_cast<double>(dice.between(-3, 3));
    default: {
      const double part = std::ldexp(value, -static_cast<int>(dice.between(1, 52)));
      return dice.below(2) == 0 ? value + part : value - part;
    }
  }
}

/// Data of x above all: their mean against their spread is what sums are ill-conditioned by.
void nudge_data(Case& c, Dice& dice) {
  Problem& p = c.problem;
  const std::array<Dist*, 6> all{&p.x, &p.dy, &p.w, &p.b, &p.rm, &p.rv};
  Dist& dist = *all[dice.per_mille(350) ? 0 : index_below(dice, all.size())];
  const double ratio = std::pow(10.0, static_cast<double>(dice.between(0, 32)) / 4);
  switch (dice.below(5)) {
    case 0:
      dist = {DistKind::cancel, ratio, 0, {}};
      break;
    case 1:
      dist = {DistKind::normal, (dice.below(2) == 0 ? ratio : -ratio), 1, {}};
      break;
    case 2:
      if (dist.kind == DistKind::bits && !dist.bits.empty()) {
        dist.bits[index_below(dice, dist.bits.size())] ^=
            static_cast<std::uint8_t>(1u << dice.below(8));
      } else {
        dist.b = nudge(dist.b, dice);
      }
      break;
    case 3:  // of another kind
      if (dice.below(2) == 0) {
        dist = fresh(dice).problem.dy;
        break;
      }
      [[fallthrough]];
    default:
      dist.a = nudge(dist.a, dice);
  }
}

Step drawn_step(Dice& dice) {
  Step step;
  step.op = dice.pick<Op>(
      {{6, Op::train}, {5, Op::backward}, {3, Op::eval}, {8, static_cast<Op>(dice.below(kOps))}});
  if (has_data(step.op) && dice.per_mille(250)) step.batch = dice.below(6);
  if (step.op == Op::set_eps) step.eps = nudge(1e-5, dice);
  if (step.op == Op::set_momentum)
    step.momentum = dice.per_mille(250) ? Momentum{true, 0} : Momentum{false, nudge(0.1, dice)};
  return step;
}

void nudge_program(Case& c, Dice& dice) {
  std::vector<Step>& run = c.problem.run;
  const auto at = run.begin() + static_cast<std::ptrdiff_t>(index_below(dice, run.size()));
  switch (dice.below(5)) {
    case 0:
      if (run.size() > 1) run.erase(at);
      break;
    case 1:
      run.insert(at, *at);
      break;
    case 2:
      if (has_data(at->op)) at->batch = dice.below(3) == 0 ? Step::kSameBatch : dice.below(9);
      break;
    case 3:
      run.insert(at, drawn_step(dice));
      break;
    default:
      run.push_back(drawn_step(dice));
  }
}

/// Makes the case one that its bytes stand for, within the bounds.
Case settled(Case c, const Bounds& bounds) {
  renumber(c.problem.run);
  return decode(encode(c), bounds);
}

/// The bounds of most mutants: a small case tries an idea in a fraction of the time. A tenth may use
/// up what there is.
Bounds drawn(Bounds bounds, Dice& dice) {
  if (!dice.per_mille(100)) {
    bounds.elements = std::min<std::int64_t>(bounds.elements, 256);
    bounds.work = std::min<std::int64_t>(bounds.work, 768);
  }
  return bounds;
}

std::size_t put(const Case& c, std::uint8_t* out, std::size_t capacity) {
  const std::vector<std::uint8_t> bytes = encode(c);
  if (bytes.size() > capacity) return 0;
  std::memcpy(out, bytes.data(), bytes.size());
  return bytes.size();
}

}  // namespace

Case decode(Bytes bytes, const Bounds& bounds) {
  Case c = oracle::decode(bytes, bounds.elements);
  if (!c.exec) c.exec = Exec{};
  c.exec->threads = std::min(c.exec->threads, bounds.threads);
  std::vector<Step>& run = c.problem.run;
  if (run.size() > bounds.steps) run.resize(bounds.steps);
  while (run.size() > 1 && work_of(c.problem) > bounds.work) run.pop_back();
  return c;
}

Case mutate(Case c, Dice& dice, const Bounds& bounds, bool climbing) {
  switch (dice.pick<int>({{climbing ? 5 : 30, 0}, {15, 1}, {25, 2}, {20, 3}, {5, 4}, {5, 5}})) {
    case 0:
      kFields[index_below(dice, kFields.size())](c, fresh(dice));
      break;
    case 1:
      nudge_size(c, dice);
      break;
    case 2:
      nudge_data(c, dice);
      break;
    case 3:
      nudge_program(c, dice);
      break;
    case 4:
      c.problem.seed = dice.next() >> dice.below(64);
      break;
    default:
      (dice.below(2) == 0 ? c.problem.eps : c.problem.momentum.value) =
          nudge(dice.below(2) == 0 ? c.problem.eps : c.problem.momentum.value, dice);
  }
  // A peak that were cut to a small case would be one no longer.
  return settled(std::move(c), climbing ? bounds : drawn(bounds, dice));
}

Case cross(const Case& a, const Case& b, Dice& dice, const Bounds& bounds) {
  Case c = a;
  for (const Take take : kFields)
    if (dice.below(2) == 0) take(c, b);
  const std::vector<Step>&first = a.problem.run, &second = b.problem.run;
  std::vector<Step> run(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(
                                                           index_below(dice, first.size() + 1)));
  run.insert(run.end(),
             second.begin() + static_cast<std::ptrdiff_t>(index_below(dice, second.size())),
             second.end());
  c.problem.run = std::move(run);
  return settled(std::move(c), drawn(bounds, dice));
}

std::size_t mutate_bytes(std::uint8_t* data, std::size_t size, std::size_t capacity, unsigned seed,
                         const Bounds& bounds, const Peaks* peaks) {
  Dice dice(seed, size);
  const Case* peak = peaks != nullptr && dice.below(3) == 0 ? peaks->draw(dice) : nullptr;
  if (peak == nullptr && LLVMFuzzerMutate != nullptr && dice.below(4) == 0)
    return LLVMFuzzerMutate(data, size, capacity);
  Case c = peak != nullptr ? *peak : decode({data, size}, bounds);
  do c = mutate(std::move(c), dice, bounds, peak != nullptr);
  while (dice.below(3) == 0);
  const std::size_t written = put(c, data, capacity);
  return written != 0 ? written : size;
}

std::size_t cross_bytes(Bytes a, Bytes b, std::uint8_t* out, std::size_t capacity, unsigned seed,
                        const Bounds& bounds) {
  Dice dice(seed, a.size() + b.size());
  return put(cross(decode(a, bounds), decode(b, bounds), dice, bounds), out, capacity);
}

}  // namespace truenorm::fuzz
