#include "case.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace truenorm::oracle {
namespace {

template <std::size_t N>
using Names = std::array<std::string_view, N>;

constexpr Names<kDtypes> kDtypeNames{"f32", "f64", "bf16", "f16"};
constexpr Names<kLayouts> kLayoutNames{"nchw",       "nhwc",     "sliced",
                                       "transposed", "expanded", "padded"};
constexpr Names<kIsas> kIsaNames{"best", "scalar", "sse4", "avx2", "avx512", "neon"};
constexpr std::string_view kOpLetters = "TEBRPS-+emCM";
static_assert(kOpLetters.size() == kOps);

struct DistInfo {
  std::string_view name;
  int parameters;
};
constexpr std::array<DistInfo, kDistKinds> kDists{{{"zero", 0},
                                                   {"const", 1},
                                                   {"ramp", 0},
                                                   {"uniform", 2},
                                                   {"normal", 2},
                                                   {"cancel", 1},
                                                   {"exact", 0},
                                                   {"spike", 1},
                                                   {"sorted", 0},
                                                   {"tiny", 0},
                                                   {"huge", 0},
                                                   {"special", 1},
                                                   {"bits", 0}}};

/// Equal bits, or both NaN: the text and byte forms keep exactly this much of a number.
bool same(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

/// Product of sizes with 0 counted as 1, or kMaxElements + 1 if it is larger than the limit. Bounds
/// every extent and stride of an empty tensor, too.
std::int64_t extent(const Shape& shape) {
  std::int64_t product = 1;
  const auto take = [&product](std::int64_t size) {
    const std::int64_t factor = std::max<std::int64_t>(size, 1);
    product = factor > kMaxElements / product ? kMaxElements + 1 : product * factor;
  };
  for (const std::int64_t size : {shape.n, shape.c, shape.s[0], shape.s[1], shape.s[2]})
    if (product <= kMaxElements) take(size);
  return product;
}

bool in_range(std::int64_t size) { return size >= 0 && size <= kMaxElements; }

std::string_view shape_defect(const Shape& shape) {
  if (shape.spatial_rank < 0 || shape.spatial_rank > 3) return "shape: 0 to 3 spatial sizes";
  if (!in_range(shape.n) || !in_range(shape.c)) return "shape: sizes from 0 to 67108864";
  for (std::size_t d = 0; d < shape.s.size(); ++d) {
    const bool used = static_cast<int>(d) < shape.spatial_rank;
    if (used ? !in_range(shape.s[d]) : shape.s[d] != 0) return "shape: sizes from 0 to 67108864";
  }
  if (extent(shape) > kMaxElements) return "shape: at most 67108864 elements";
  return {};
}

/// What is wrong with a distribution, without the field's name.
enum class DistDefect { none, number, order, negative, count, probability, bits };

DistDefect dist_defect(const Dist& dist) {
  const int used = parameter_count(dist.kind);
  if (!std::isfinite(dist.a) || !std::isfinite(dist.b)) return DistDefect::number;
  if ((used < 1 && !same(dist.a, 0)) || (used < 2 && !same(dist.b, 0))) return DistDefect::number;
  if (dist.kind == DistKind::bits ? dist.bits.empty() || dist.bits.size() > kMaxBits
                                  : !dist.bits.empty())
    return DistDefect::bits;
  switch (dist.kind) {
    case DistKind::uniform:
      return dist.a <= dist.b ? DistDefect::none : DistDefect::order;
    case DistKind::normal:
      return dist.b >= 0 ? DistDefect::none : DistDefect::negative;
    case DistKind::cancel:
      return dist.a >= 0 ? DistDefect::none : DistDefect::negative;
    case DistKind::spike: {
      const bool whole = dist.a >= 1 && dist.a <= static_cast<double>(kMaxElements) &&
                         dist.a == std::floor(dist.a);
      return whole ? DistDefect::none : DistDefect::count;
    }
    case DistKind::special:
      return dist.a >= 0 && dist.a <= 1 ? DistDefect::none : DistDefect::probability;
    default:
      return DistDefect::none;
  }
}

#define TRUENORM_DIST_DEFECT(field)                                        \
  switch (dist_defect(problem.field)) {                                    \
    case DistDefect::none:                                                 \
      break;                                                               \
    case DistDefect::number:                                               \
      return #field ": finite numbers, as many as the distribution takes"; \
    case DistDefect::order:                                                \
      return #field ": uniform(a,b) with a <= b";                          \
    case DistDefect::negative:                                             \
      return #field ": a spread or ratio >= 0";                            \
    case DistDefect::count:                                                \
      return #field ": spike(k) with a whole k from 1 to 67108864";        \
    case DistDefect::probability:                                          \
      return #field ": special(p) with p from 0 to 1";                     \
    case DistDefect::bits:                                                 \
      return #field ": bits(hex) with 1 to 64 bytes";                      \
  }

std::string_view data_defect(const Problem& problem) {
  TRUENORM_DIST_DEFECT(x)
  TRUENORM_DIST_DEFECT(dy)
  TRUENORM_DIST_DEFECT(w)
  TRUENORM_DIST_DEFECT(b)
  TRUENORM_DIST_DEFECT(rm)
  TRUENORM_DIST_DEFECT(rv)
  return {};
}
#undef TRUENORM_DIST_DEFECT

std::string_view run_defect(const Problem& problem) {
  if (problem.run.empty() || problem.run.size() > kMaxSteps) return "run: 1 to 64 steps";
  std::int64_t previous = -1;
  for (std::size_t i = 0; i < problem.run.size(); ++i) {
    const Step& step = problem.run[i];
    if (step.id <= previous) return "run: step ids that increase strictly";
    previous = step.id;
    if (step.op != Op::set_eps && !same(step.eps, 0)) return "run: a number on e and m alone";
    if (step.op != Op::set_momentum && step.momentum != Momentum{false, 0})
      return "run: a number on e and m alone";
    if (step.momentum.cumulative && !same(step.momentum.value, 0))
      return "run: cum without a number";
    if (step.batch == Step::kSameBatch) continue;
    if (!has_data(step.op)) return "run: a batch on T, E and B alone";
    if (!in_range(step.batch)) return "run: a batch from 0 to 67108864";
    if (extent(problem.shape.with_batch(step.batch)) > kMaxElements)
      return "run: at most 67108864 elements in a step";
  }
  if (work_of(problem) > kMaxWork) return "run: at most 268435456 elements over all steps";
  return {};
}

std::string_view exec_defect(const Exec& exec) {
  if (exec.y == Layout::expanded) return "y: for an output, any layout but expanded";
  if (exec.dx == Layout::expanded) return "dx: for an output, any layout but expanded";
  if (exec.threads < 1 || exec.threads > kMaxThreads) return "thr: threads from 1 to 64";
  if (exec.skew < 0 || exec.skew > kMaxSkew) return "skew: elements from 0 to 63";
  if (exec.inplace && (exec.x != exec.y || exec.x == Layout::expanded))
    return "inplace: x and y of the same layout, not expanded";
  return {};
}

template <typename E, std::size_t N>
constexpr std::string_view lookup(const Names<N>& names, E value) {
  return names[static_cast<std::size_t>(value)];
}

}  // namespace

std::int64_t Shape::plane() const {
  std::int64_t product = 1;
  for (int d = 0; d < spatial_rank; ++d) product *= s[static_cast<std::size_t>(d)];
  return product;
}

Shape Shape::with_batch(std::int64_t batch) const {
  Shape shape = *this;
  shape.n = batch;
  return shape;
}

bool operator==(const Dist& l, const Dist& r) {
  return l.kind == r.kind && same(l.a, r.a) && same(l.b, r.b) && l.bits == r.bits;
}

bool operator==(const Momentum& l, const Momentum& r) {
  return l.cumulative == r.cumulative && same(l.value, r.value);
}

bool operator==(const Step& l, const Step& r) {
  return l.op == r.op && l.batch == r.batch && l.id == r.id && same(l.eps, r.eps) &&
         l.momentum == r.momentum;
}

bool operator==(const Renorm& l, const Renorm& r) {
  return same(l.r_max, r.r_max) && same(l.d_max, r.d_max);
}

bool operator==(const Problem& l, const Problem& r) {
  return l.shape == r.shape && l.dtype == r.dtype && l.param_dtype == r.param_dtype &&
         same(l.eps, r.eps) && l.momentum == r.momentum && l.weight == r.weight &&
         l.bias == r.bias && l.track == r.track && l.renorm == r.renorm && l.x == r.x &&
         l.dy == r.dy && l.w == r.w && l.b == r.b && l.rm == r.rm && l.rv == r.rv &&
         l.run == r.run && l.seed == r.seed;
}

std::string_view name(Dtype dtype) { return lookup(kDtypeNames, dtype); }
std::string_view name(DistKind kind) { return kDists[static_cast<std::size_t>(kind)].name; }
std::string_view name(Layout layout) { return lookup(kLayoutNames, layout); }
std::string_view name(Isa isa) { return lookup(kIsaNames, isa); }
char letter(Op op) { return kOpLetters[static_cast<std::size_t>(op)]; }
int parameter_count(DistKind kind) { return kDists[static_cast<std::size_t>(kind)].parameters; }

std::int64_t batch_of(const Problem& problem, std::size_t step_index) {
  const Step& step = problem.run[step_index];
  if (step.batch != Step::kSameBatch) return step.batch;
  if (step.op == Op::backward)
    for (std::size_t i = step_index; i-- > 0;)
      if (is_forward(problem.run[i].op)) return batch_of(problem, i);
  return problem.shape.n;
}

std::vector<double> each_eps(const Problem& problem) {
  std::vector<double> all{problem.eps};
  for (const Step& step : problem.run)
    if (step.op == Op::set_eps) all.push_back(step.eps);
  return all;
}

std::vector<Momentum> each_momentum(const Problem& problem) {
  std::vector<Momentum> all{problem.momentum};
  for (const Step& step : problem.run)
    if (step.op == Op::set_momentum) all.push_back(step.momentum);
  return all;
}

std::int64_t work_of(const Problem& problem, std::size_t step_index) {
  if (!has_data(problem.run[step_index].op)) return 0;
  return problem.shape.with_batch(batch_of(problem, step_index)).numel();
}

std::int64_t work_of(const Problem& problem) {
  std::int64_t work = 0;
  for (std::size_t i = 0; i < problem.run.size(); ++i) work += work_of(problem, i);
  return work;
}

std::string_view defect(const Case& c) {
  const Problem& problem = c.problem;
  if (const auto why = shape_defect(problem.shape); !why.empty()) return why;
  if (std::find(kDtypePairs.begin(), kDtypePairs.end(),
                std::pair{problem.dtype, problem.param_dtype}) == kDtypePairs.end())
    return "dtype: parameters of the data's dtype, or f32 with bf16 and f16";
  if (problem.momentum.cumulative && !same(problem.momentum.value, 0))
    return "mom: cum without a number";
  if (problem.renorm && !problem.renorm->valid()) return "renorm: r_max >= 1 and d_max >= 0";
  if (const auto why = data_defect(problem); !why.empty()) return why;
  if (const auto why = run_defect(problem); !why.empty()) return why;
  return c.exec ? exec_defect(*c.exec) : std::string_view{};
}

std::vector<Exec> standard_execs(const Problem&) {
  const auto dense = [](Layout layout, int threads, Isa isa, int skew, bool inplace) {
    Exec exec;
    exec.x = exec.y = exec.dy = exec.dx = layout;
    exec.threads = threads;
    exec.isa = isa;
    exec.skew = skew;
    exec.inplace = inplace;
    return exec;
  };
  Exec mixed;
  mixed.x = Layout::sliced;
  mixed.y = Layout::padded;
  mixed.dy = Layout::transposed;
  mixed.dx = Layout::sliced;
  mixed.threads = 3;
  mixed.strided_params = true;
  return {
      dense(Layout::nchw, 1, Isa::best, 0, false),   dense(Layout::nhwc, 3, Isa::best, 0, false),
      dense(Layout::nchw, 3, Isa::best, 1, true),    dense(Layout::nhwc, 1, Isa::best, 3, true),
      dense(Layout::nchw, 1, Isa::scalar, 0, false), mixed};
}

}  // namespace truenorm::oracle
