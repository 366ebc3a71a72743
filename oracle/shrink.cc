#include "shrink.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

namespace truenorm::oracle {
namespace {

/// What simpler means: this decreases lexicographically. Natural numbers in a fixed order leave no
/// infinite descent.
using Measure = std::array<std::uint64_t, 8>;

/// Digits as printed first, then the distance of the decimal exponent from 0.
std::uint64_t cost(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  const double magnitude = std::fabs(value);
  const int exponent = std::isfinite(value) && magnitude > 0 ? std::abs(std::ilogb(magnitude)) : 0;
  return (value == 0 ? 0 : static_cast<std::uint64_t>(end - buffer) * 4096) +
         static_cast<std::uint64_t>(exponent);
}

std::uint64_t cost(const Dist& dist, const Dist& preset) {
  if (dist == preset) return 0;
  return (1 + static_cast<std::uint64_t>(dist.kind)) * 1000000 + cost(dist.a) + cost(dist.b) +
         dist.bits.size();
}

/// An override costs more than any layout that all four tensors share: the line is shorter.
std::uint64_t cost(const Exec& exec) {
  const Layout output = output_layout(exec.x);
  std::uint64_t sum = 4096 * static_cast<std::uint64_t>(exec.x);
  for (const auto& [layout, usual] :
       {std::pair{exec.y, output}, std::pair{exec.dy, exec.x}, std::pair{exec.dx, output}})
    if (layout != usual) sum += 65536 + 4096 * static_cast<std::uint64_t>(layout);
  return sum + 16 * static_cast<std::uint64_t>(exec.threads) +
         static_cast<std::uint64_t>(exec.isa) + 2 * static_cast<std::uint64_t>(exec.skew) +
         (exec.inplace ? 1024 : 0) + (exec.strided_params ? 1024 : 0);
}

Measure measure(const Case& c) {
  const Problem& p = c.problem;
  const Problem preset;
  std::uint64_t batches = 0, batch_sizes = 0, ops = 0, ids = 0;
  for (const Step& step : p.run) {
    batches += step.batch != Step::kSameBatch;
    batch_sizes += step.batch != Step::kSameBatch ? static_cast<std::uint64_t>(step.batch) : 0;
    ops += static_cast<std::uint64_t>(step.op);
    ids += step.id;
  }
  std::uint64_t sizes = static_cast<std::uint64_t>(p.shape.spatial_rank);
  for (const std::int64_t size : {p.shape.n, p.shape.c, p.shape.s[0], p.shape.s[1], p.shape.s[2]})
    sizes += static_cast<std::uint64_t>(size);
  const auto dtypes =
      std::find(kDtypePairs.begin(), kDtypePairs.end(), std::pair{p.dtype, p.param_dtype}) -
      kDtypePairs.begin();
  const std::uint64_t data = cost(p.x, preset.x) + cost(p.dy, preset.dy) + cost(p.w, preset.w) +
                             cost(p.b, preset.b) + cost(p.rm, preset.rm) + cost(p.rv, preset.rv);
  std::uint64_t options = static_cast<std::uint64_t>(dtypes) + !p.weight + !p.bias + !p.track;
  for (const double eps : each_eps(p)) options += eps == preset.eps ? 0 : 1 + cost(eps);
  for (const Momentum& momentum : each_momentum(p))
    options += momentum == preset.momentum ? 0 : 1 + cost(momentum.value);
  if (p.renorm) options += 1 + cost(p.renorm->r_max) + cost(p.renorm->d_max);
  return {p.run.size(), 64 * batches + ops,         sizes,       batch_sizes, data,
          options,      c.exec ? cost(*c.exec) : 0, ids + p.seed};
}

/// Collects the candidates that are valid and strictly simpler.
class Candidates {
 public:
  explicit Candidates(const Case& origin) : origin_(origin), bound_(measure(origin)) {}

  /// `change` edits a copy of the case.
  template <typename Change>
  void propose(Change&& change) {
    Case c = origin_;
    change(c);
    if (c == origin_ || !defect(c).empty() || !(measure(c) < bound_)) return;
    if (std::find(found_.begin(), found_.end(), c) == found_.end()) found_.push_back(std::move(c));
  }

  /// Lets the field that `get` names become `value`.
  template <typename Get, typename Value>
  void set(Get&& get, Value value) {
    propose([&](Case& c) { get(c) = value; });
  }

  const Case& origin() const { return origin_; }
  std::vector<Case> take() { return std::move(found_); }

 private:
  const Case& origin_;
  Measure bound_;
  std::vector<Case> found_;
};

/// Fewer steps: the first half, the second, then every window and every single step left out. Ids
/// stay, and with them the data of what remains.
void shrink_run(Candidates& out) {
  const std::size_t steps = out.origin().problem.run.size();
  const auto keep = [&out](std::size_t first, std::size_t last) {
    out.propose([&](Case& c) {
      const auto begin = c.problem.run.begin();
      c.problem.run = std::vector<Step>(begin + static_cast<std::ptrdiff_t>(first),
                                        begin + static_cast<std::ptrdiff_t>(last));
    });
  };
  for (std::size_t i = 0; i < steps; ++i) keep(i, i + 1);
  for (std::size_t window = steps / 2; window >= 1; window /= 2)
    for (std::size_t first = 0; first + window <= steps; first += window)
      out.propose([&](Case& c) {
        const auto begin = c.problem.run.begin() + static_cast<std::ptrdiff_t>(first);
        c.problem.run.erase(begin, begin + static_cast<std::ptrdiff_t>(window));
      });
  for (std::size_t i = 0; i < steps; ++i) {
    out.propose([i](Case& c) { c.problem.run[i].batch = Step::kSameBatch; });
    for (const std::int64_t batch : {std::int64_t{1}, out.origin().problem.run[i].batch / 2,
                                     out.origin().problem.run[i].batch - 1})
      if (batch >= 0) out.propose([i, batch](Case& c) { c.problem.run[i].batch = batch; });
    for (const Op op : {Op::train, Op::eval})
      out.propose([i, op](Case& c) {
        const Step& step = c.problem.run[i];
        c.problem.run[i] = Step{op, step.batch, step.id};
      });
  }
}

void shrink_shape(Candidates& out) {
  for (int rank = 0; rank < out.origin().problem.shape.spatial_rank; ++rank)
    out.propose([rank](Case& c) {
      c.problem.shape.spatial_rank = rank;
      for (std::size_t d = static_cast<std::size_t>(rank); d < 3; ++d) c.problem.shape.s[d] = 0;
    });
  const auto each_size = [&out](auto&& get) {
    Case copy = out.origin();
    const std::int64_t size = get(copy);
    for (const std::int64_t smaller :
         {std::int64_t{1}, std::int64_t{2}, size / 4, size / 2, size - size / 4, size - 1})
      if (smaller > 0 && smaller < size) out.set(get, smaller);
  };
  each_size([](Case& c) -> std::int64_t& { return c.problem.shape.n; });
  each_size([](Case& c) -> std::int64_t& { return c.problem.shape.c; });
  for (std::size_t d = 0; d < 3; ++d)
    each_size([d](Case& c) -> std::int64_t& { return c.problem.shape.s[d]; });
}

/// `value` with fewer digits, or nearer to 1.
std::vector<double> rounder(double value) {
  std::vector<double> values{0, 1};
  if (!std::isfinite(value) || value == 0) return values;
  for (const int digits : {1, 2, 4}) {
    char buffer[64];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value,
                                   std::chars_format::scientific, digits - 1)
                         .ptr;
    double rounded = 0;
    std::from_chars(buffer, end, rounded);
    if (std::isfinite(rounded)) values.push_back(rounded);
  }
  const int exponent = std::ilogb(value) * 3 / 10;  // decimal, about
  for (const int nearer : {exponent / 2, exponent - exponent / 8}) {
    double power = 0;
    const std::string text = "1e" + std::to_string(nearer);
    std::from_chars(text.data(), text.data() + text.size(), power);
    values.push_back(value < 0 ? -power : power);
  }
  return values;
}

template <typename Get>
void shrink_number(Candidates& out, Get&& get) {
  Case copy = out.origin();
  const double value = get(copy);
  for (const double simpler_value : rounder(value)) out.set(get, simpler_value);
}

template <typename Get>
void shrink_dist(Candidates& out, const Dist& preset, Get&& get) {
  out.set(get, preset);
  for (const DistKind kind : {DistKind::zero, DistKind::ramp, DistKind::exact})
    out.set(get, Dist{kind, 0, 0, {}});
  out.set(get, Dist{DistKind::constant, 1, 0, {}});
  Case copy = out.origin();
  const Dist dist = get(copy);
  if (dist.kind == DistKind::cancel) out.set(get, Dist{DistKind::normal, dist.a, 1, {}});
  shrink_number(out, [&get](Case& c) -> double& { return get(c).a; });
  shrink_number(out, [&get](Case& c) -> double& { return get(c).b; });
  for (const std::size_t length : {std::size_t{1}, dist.bits.size() / 2, dist.bits.size() - 1})
    if (length > 0 && length < dist.bits.size())
      out.propose([&get, length](Case& c) { get(c).bits.resize(length); });
}

void shrink_data(Candidates& out) {
  const Problem preset;
  shrink_dist(out, preset.x, [](Case& c) -> Dist& { return c.problem.x; });
  shrink_dist(out, preset.dy, [](Case& c) -> Dist& { return c.problem.dy; });
  shrink_dist(out, preset.w, [](Case& c) -> Dist& { return c.problem.w; });
  shrink_dist(out, preset.b, [](Case& c) -> Dist& { return c.problem.b; });
  shrink_dist(out, preset.rm, [](Case& c) -> Dist& { return c.problem.rm; });
  shrink_dist(out, preset.rv, [](Case& c) -> Dist& { return c.problem.rv; });
}

template <typename Get>
void shrink_eps(Candidates& out, Get&& get) {
  out.set(get, Problem().eps);
  shrink_number(out, get);
}

template <typename Get>
void shrink_momentum(Candidates& out, Get&& get) {
  out.set(get, Problem().momentum);
  shrink_number(out, [&get](Case& c) -> double& { return get(c).value; });
}

void shrink_options(Candidates& out) {
  for (const auto& [data, params] : kDtypePairs)
    out.propose([d = data, p = params](Case& c) {
      c.problem.dtype = d;
      c.problem.param_dtype = p;
    });
  shrink_eps(out, [](Case& c) -> double& { return c.problem.eps; });
  shrink_momentum(out, [](Case& c) -> Momentum& { return c.problem.momentum; });
  const std::vector<Step>& run = out.origin().problem.run;
  for (std::size_t i = 0; i < run.size(); ++i) {
    if (run[i].op == Op::set_eps)
      shrink_eps(out, [i](Case& c) -> double& { return c.problem.run[i].eps; });
    if (run[i].op == Op::set_momentum)
      shrink_momentum(out, [i](Case& c) -> Momentum& { return c.problem.run[i].momentum; });
  }
  out.propose([](Case& c) { c.problem.renorm.reset(); });
  if (out.origin().problem.renorm) {
    shrink_number(out, [](Case& c) -> double& { return c.problem.renorm->r_max; });
    shrink_number(out, [](Case& c) -> double& { return c.problem.renorm->d_max; });
  }
  out.set([](Case& c) -> bool& { return c.problem.weight; }, true);
  out.set([](Case& c) -> bool& { return c.problem.bias; }, true);
  out.set([](Case& c) -> bool& { return c.problem.track; }, true);
}

void shrink_exec(Candidates& out) {
  if (!out.origin().exec) return;
  out.propose([](Case& c) { c.exec = Exec{}; });
  for (const Layout layout : {out.origin().exec->x, Layout::nchw, Layout::nhwc})
    out.propose([layout](Case& c) {
      c.exec->x = c.exec->dy = layout;
      c.exec->y = c.exec->dx = output_layout(layout);
    });
  for (Layout Exec::*tensor : {&Exec::x, &Exec::y, &Exec::dy, &Exec::dx})
    for (const Layout layout :
         {Layout::nchw, Layout::nhwc, output_layout(out.origin().exec->x), out.origin().exec->x})
      out.propose([&](Case& c) { (*c.exec).*tensor = layout; });
  for (const int threads : {1, 2, 3, out.origin().exec->threads / 2})
    if (threads > 0) out.propose([threads](Case& c) { c.exec->threads = threads; });
  for (const int skew : {0, 1, out.origin().exec->skew / 2})
    out.propose([skew](Case& c) { c.exec->skew = skew; });
  for (int isa = 0; isa < kIsas; ++isa)
    out.propose([isa](Case& c) { c.exec->isa = static_cast<Isa>(isa); });
  out.propose([](Case& c) { c.exec->inplace = false; });
  out.propose([](Case& c) { c.exec->strided_params = false; });
}

/// Last, since these change the data: small seeds, and ids that count from 0 again.
void shrink_randomness(Candidates& out) {
  const std::uint64_t seed = out.origin().problem.seed;
  for (const std::uint64_t smaller :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2}, seed % 10, seed % 1000})
    out.set([](Case& c) -> std::uint64_t& { return c.problem.seed; }, smaller);
  out.propose([](Case& c) {
    std::uint32_t id = 0;
    for (Step& step : c.problem.run) step.id = id++;
  });
}

}  // namespace

std::vector<Case> simpler(const Case& c) {
  Candidates out(c);
  shrink_run(out);
  shrink_shape(out);
  shrink_data(out);
  shrink_options(out);
  shrink_exec(out);
  shrink_randomness(out);
  return out.take();
}

Case shrink(const Case& c, const std::function<bool(const Case&)>& fails, int budget) {
  Case best = c;
  for (bool progress = true; progress && budget > 0;) {
    progress = false;
    for (const Case& candidate : simpler(best)) {
      if (budget-- <= 0) break;
      if (!fails(candidate)) continue;
      best = candidate;
      progress = true;
      break;
    }
  }
  return best;
}

}  // namespace truenorm::oracle
