// The byte form. Scalars stand at fixed places, so that a fuzzer's splices keep their meaning; what
// varies in length, the program and the bits, comes last.
//
//   offset  bytes  field
//        0      1  dtype pair
//        1      1  flags: weight, bias, track, cumulative, exec, inplace, strided_params, renorm
//        2      1  spatial rank
//        3   5 x 4 sizes n c s0 s1 s2 (see Reader::size)
//       23      8  eps
//       31      8  momentum
//       39      8  seed
//       47  2 x 8  bounds of renorm; taken for absent where they are none
//       63 6 x 17  distributions x dy w b rm rv: kind, a, b
//      165      4  layouts x y dy dx
//      169      3  threads, isa, skew
//      172      1  steps - 1
//      173      -  steps: op with flags [4 batch] [4 id's distance from the next free one]
//                  [8 eps or momentum]
//        -      -  for each bits distribution: length - 1, bytes
#include "bytes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

namespace truenorm::oracle {
namespace {

constexpr unsigned kWeight = 1, kBias = 2, kTrack = 4, kCumulative = 8, kExec = 16, kInplace = 32,
                   kStrided = 64, kRenorm = 128;
// Of a step, above the op's four bits.
constexpr unsigned kOpMask = 15, kHasBatch = 16, kHasGap = 32, kStepCumulative = 64;
static_assert(kOps <= kOpMask + 1);

/// Bytes in order; zeros behind the end.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  std::uint8_t byte() { return at_ < bytes_.size() ? bytes_[at_++] : std::uint8_t{0}; }
  int below(int count) { return byte() % count; }

  template <typename Word>
  Word word() {
    Word value = 0;
    for (std::size_t k = 0; k < sizeof(Word); ++k)
      value |= static_cast<Word>(Word{byte()} << (8 * k));
    return value;
  }

  double number() {
    const auto value = std::bit_cast<double>(word<std::uint64_t>());
    return std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value;
  }

  /// Four bytes, of which most random ones mean a small size: a first byte under 192 is 0..31
  /// itself, up to 223 the size stands in the second, above that in all of the last three and three
  /// bits of the first.
  std::int64_t size() {
    const std::uint32_t bytes = word<std::uint32_t>();
    const std::uint32_t first = bytes & 0xff;
    if (first < 192) return first % 32;
    if (first < 224) return (bytes >> 8) & 0xff;
    return (bytes >> 8) | (first & 7) << 24;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

class Writer {
 public:
  Writer() { bytes_.reserve(256); }  // more than most cases take
  void byte(std::size_t value) { bytes_.push_back(static_cast<std::uint8_t>(value)); }
  template <typename Word>
  void word(Word value) {
    for (std::size_t k = 0; k < sizeof(Word); ++k)
      byte(static_cast<std::uint8_t>(value >> (8 * k)));
  }
  void number(double value) { word(std::bit_cast<std::uint64_t>(value)); }
  void size(std::int64_t value) {
    const auto size = static_cast<std::uint32_t>(value);
    if (size < 32)
      word(size);
    else if (size < 256)
      word(192u | size << 8);
    else
      word(224u | size >> 24 | (size & 0xffffff) << 8);
  }
  std::vector<std::uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<std::uint8_t> bytes_;
};

/// The nearest valid parameters; valid ones stay as they are, to the bit.
void mend(Dist& dist) {
  const int used = parameter_count(dist.kind);
  if (used < 1 || !std::isfinite(dist.a)) dist.a = 0;
  if (used < 2 || !std::isfinite(dist.b)) dist.b = 0;
  switch (dist.kind) {
    case DistKind::uniform:
      if (dist.a > dist.b) std::swap(dist.a, dist.b);
      break;
    case DistKind::normal:
      if (dist.b < 0) dist.b = -dist.b;
      break;
    case DistKind::cancel:
      if (dist.a < 0) dist.a = -dist.a;
      break;
    case DistKind::spike:
      dist.a = std::clamp(std::floor(std::fabs(dist.a)), 1.0, static_cast<double>(kMaxElements));
      break;
    case DistKind::special:
      if (dist.a < 0) dist.a = -dist.a;
      if (dist.a > 1) dist.a = 1 / dist.a;
      break;
    default:
      break;
  }
}

Dist read_dist(Reader& in) {
  Dist dist;
  dist.kind = static_cast<DistKind>(in.below(kDistKinds));
  dist.a = in.number();
  dist.b = in.number();
  mend(dist);
  return dist;
}

/// Of a Problem, or a const one.
constexpr auto dists_of = [](auto& p) { return std::array{&p.x, &p.dy, &p.w, &p.b, &p.rm, &p.rv}; };

/// Whether a tensor of this shape stays within `limit`, zero sizes counted as one, as defect()
/// does.
bool fits(const Shape& shape, std::int64_t limit) {
  std::int64_t room = limit;
  for (const std::int64_t size : {shape.n, shape.c, shape.s[0], shape.s[1], shape.s[2]})
    room /= std::max<std::int64_t>(size, 1);
  return room >= 1;
}

Shape read_shape(Reader& in, std::int64_t limit) {
  Shape shape;
  shape.spatial_rank = in.below(4);
  shape.n = in.size();
  shape.c = in.size();
  for (std::size_t d = 0; d < 3; ++d) {
    const std::int64_t size = in.size();
    shape.s[d] = static_cast<int>(d) < shape.spatial_rank ? size : 0;
  }
  while (!fits(shape, limit)) {
    std::int64_t* largest = &shape.n;
    for (std::int64_t* size : {&shape.c, &shape.s[0], &shape.s[1], &shape.s[2]})
      if (*size > *largest) largest = size;
    *largest /= 2;
  }
  return shape;
}

/// What a step of this kind sets.
void read_value(Reader& in, bool cumulative, Step& step) {
  if (step.op == Op::set_eps) step.eps = in.number();
  if (step.op == Op::set_momentum)
    step.momentum = cumulative ? Momentum{true, 0} : Momentum{false, in.number()};
}

void read_run(Reader& in, Problem& problem, std::int64_t limit) {
  const int steps = 1 + in.below(static_cast<int>(kMaxSteps));
  std::uint64_t next = 0;
  std::int64_t work = 0;
  problem.run.clear();
  problem.run.reserve(static_cast<std::size_t>(steps));
  for (int i = 0; i < steps; ++i) {
    const std::uint8_t head = in.byte();
    Step step;
    step.op = static_cast<Op>((head & kOpMask) % kOps);
    const std::int64_t batch = head & kHasBatch ? in.size() : Step::kSameBatch;
    const std::uint32_t gap = head & kHasGap ? in.word<std::uint32_t>() : 0;
    read_value(in, (head & kStepCumulative) != 0, step);
    if (has_data(step.op) &&
        (batch == Step::kSameBatch || fits(problem.shape.with_batch(batch), limit)))
      step.batch = batch;
    constexpr std::uint64_t kLastId = std::numeric_limits<std::uint32_t>::max();
    if (next > kLastId) continue;
    if (next + gap <= kLastId) next += gap;
    step.id = static_cast<std::uint32_t>(next++);
    problem.run.push_back(step);
    const std::int64_t more = work_of(problem, problem.run.size() - 1);
    if (more > kMaxWork - work)
      problem.run.pop_back();
    else
      work += more;
  }
}

void read_bits(Reader& in, Problem& problem) {
  for (Dist* dist : dists_of(problem)) {
    if (dist->kind != DistKind::bits) continue;
    dist->bits.resize(1 + static_cast<std::size_t>(in.below(static_cast<int>(kMaxBits))));
    for (std::uint8_t& byte : dist->bits) byte = in.byte();
  }
}

Exec read_exec(Reader& in, std::uint8_t flags) {
  Exec exec;
  const auto layout = [&in] { return static_cast<Layout>(in.below(kLayouts)); };
  exec.x = layout();
  exec.y = output_layout(layout());
  exec.dy = layout();
  exec.dx = output_layout(layout());
  exec.threads = 1 + in.below(kMaxThreads);
  exec.isa = static_cast<Isa>(in.below(kIsas));
  exec.skew = in.below(kMaxSkew + 1);
  exec.inplace = (flags & kInplace) != 0 && exec.x == exec.y;
  exec.strided_params = (flags & kStrided) != 0;
  return exec;
}

void write_run(Writer& out, const std::vector<Step>& run) {
  out.byte(run.size() - 1);
  std::uint64_t next = 0;
  for (const Step& step : run) {
    const std::uint64_t gap = step.id - next;
    const bool has_batch = step.batch != Step::kSameBatch;
    out.byte(static_cast<std::size_t>(step.op) | (has_batch ? kHasBatch : 0u) |
             (gap != 0 ? kHasGap : 0u) | (step.momentum.cumulative ? kStepCumulative : 0u));
    if (has_batch) out.size(step.batch);
    if (gap != 0) out.word(static_cast<std::uint32_t>(gap));
    if (step.op == Op::set_eps) out.number(step.eps);
    if (step.op == Op::set_momentum && !step.momentum.cumulative) out.number(step.momentum.value);
    next = std::uint64_t{step.id} + 1;
  }
}

}  // namespace

Case decode(std::span<const std::uint8_t> bytes, std::int64_t max_elements) {
  const std::int64_t limit = std::clamp<std::int64_t>(max_elements, 1, kMaxElements);
  Reader in(bytes);
  Case c;
  Problem& p = c.problem;
  std::tie(p.dtype, p.param_dtype) =
      kDtypePairs[static_cast<std::size_t>(in.below(kDtypePairs.size()))];
  const std::uint8_t flags = in.byte();
  p.weight = (flags & kWeight) != 0;
  p.bias = (flags & kBias) != 0;
  p.track = (flags & kTrack) != 0;
  p.shape = read_shape(in, limit);
  p.eps = in.number();
  p.momentum.value = in.number();
  p.momentum.cumulative = (flags & kCumulative) != 0;
  if (p.momentum.cumulative) p.momentum.value = 0;
  p.seed = in.word<std::uint64_t>();
  const double r_max = in.number(), d_max = in.number();
  const Renorm renorm{r_max, d_max};
  if ((flags & kRenorm) != 0 && renorm.valid()) p.renorm = renorm;
  for (Dist* dist : dists_of(p)) *dist = read_dist(in);
  const Exec exec = read_exec(in, flags);
  if ((flags & kExec) != 0) c.exec = exec;
  read_run(in, p, limit);
  read_bits(in, p);
  return c;
}

std::vector<std::uint8_t> encode(const Case& c) {
  const Problem& p = c.problem;
  const Exec exec = c.exec.value_or(Exec{});
  Writer out;
  out.byte(static_cast<std::size_t>(
      std::find(kDtypePairs.begin(), kDtypePairs.end(), std::pair{p.dtype, p.param_dtype}) -
      kDtypePairs.begin()));
  out.byte((p.weight ? kWeight : 0u) | (p.bias ? kBias : 0u) | (p.track ? kTrack : 0u) |
           (p.momentum.cumulative ? kCumulative : 0u) | (c.exec ? kExec : 0u) |
           (exec.inplace ? kInplace : 0u) | (exec.strided_params ? kStrided : 0u) |
           (p.renorm ? kRenorm : 0u));
  out.byte(static_cast<std::size_t>(p.shape.spatial_rank));
  for (const std::int64_t size : {p.shape.n, p.shape.c, p.shape.s[0], p.shape.s[1], p.shape.s[2]})
    out.size(size);
  out.number(p.eps);
  out.number(p.momentum.value);
  out.word(p.seed);
  const Renorm renorm = p.renorm.value_or(Renorm{});
  out.number(renorm.r_max);
  out.number(renorm.d_max);
  for (const Dist* dist : dists_of(p)) {
    out.byte(static_cast<std::size_t>(dist->kind));
    out.number(dist->a);
    out.number(dist->b);
  }
  for (const Layout layout : {exec.x, exec.y, exec.dy, exec.dx})
    out.byte(static_cast<std::size_t>(layout));
  out.byte(static_cast<std::size_t>(exec.threads - 1));
  out.byte(static_cast<std::size_t>(exec.isa));
  out.byte(static_cast<std::size_t>(exec.skew));
  write_run(out, p.run);
  for (const Dist* dist : dists_of(p)) {
    if (dist->kind != DistKind::bits) continue;
    out.byte(dist->bits.size() - 1);
    for (const std::uint8_t byte : dist->bits) out.byte(byte);
  }
  return out.take();
}

}  // namespace truenorm::oracle
