// The case: one BatchNorm problem and one way to run it. The noun that every part of the harness
// shares.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace truenorm::oracle {

enum class Dtype : std::uint8_t { f32, f64, bf16, f16 };

/// Sizes of x: (N, C, spatial...). Rank is 2 + spatial_rank. Any size may be 0.
struct Shape {
  std::int64_t n = 2;
  std::int64_t c = 3;
  int spatial_rank = 0;             // 0..3
  std::array<std::int64_t, 3> s{};  // the first spatial_rank count, the others are 0

  int rank() const { return 2 + spatial_rank; }
  std::int64_t plane() const;  // product of the spatial sizes; 1 if there are none
  std::int64_t per_channel() const { return n * plane(); }
  std::int64_t numel() const { return n * c * plane(); }
  Shape with_batch(std::int64_t batch) const;
  friend bool operator==(const Shape&, const Shape&) = default;
};

/// Distributions of data. What each is for stands at generate() in data.h.
enum class DistKind : std::uint8_t {
  zero,
  constant,
  ramp,
  uniform,
  normal,
  cancel,
  exact,
  spike,
  sorted,
  tiny,
  huge,
  special,
  bits
};

struct Dist {
  DistKind kind = DistKind::zero;
  double a = 0, b = 0;  // const(a) uniform(a,b) normal(a,b) cancel(a) spike(a) special(a)
  std::vector<std::uint8_t> bits;  // bits(hex): 1..kMaxBits bytes, repeated over the tensor

  friend bool operator==(const Dist&, const Dist&);  // numbers compare bitwise; NaN equals NaN
};

/// One step of a program, with its letter in the text form.
enum class Op : std::uint8_t {
  train,         // T  forward in training mode
  eval,          // E  forward in evaluation mode
  backward,      // B  gradients of the last accepted forward
  reset_stats,   // R  reset_running_stats
  reset_params,  // P  reset_parameters
  save_load,     // S  save the state, disturb it, load it back
  track_off,     // -  track_running_stats = false
  track_on,      // +  track_running_stats = true
  set_eps,       // e(number)  another eps, from the next forward on
  set_momentum,  // m(number), m(cum)  another momentum, from the next forward on
  copy,          // C  goes on with a copy; the original is overwritten and destroyed
  move,          // M  goes on with the layer moved to; the one moved from is destroyed
};

struct Momentum {
  bool cumulative = false;  // momentum=None: factor 1/num_batches_tracked
  double value = 0.1;       // weight of the new value; 0 when cumulative
  friend bool operator==(const Momentum&, const Momentum&);
};

struct Step {
  Op op = Op::train;
  std::int64_t batch =
      kSameBatch;        // another N for this step; for a backward: the N of dy and x offered
  std::uint32_t id = 0;  // names the step's data; strictly increasing along a program
  double eps = 0;        // that a set_eps sets; 0 for other steps
  Momentum momentum{false, 0};  // that a set_momentum sets; 0 for other steps

  static constexpr std::int64_t kSameBatch =
      -1;  // the shape's N; for a backward: that of the last forward
  friend bool operator==(const Step&, const Step&);
};

/// Bounds of batch renormalization: r in 1/r_max..r_max, d in -d_max..d_max. Inf is no bound.
struct Renorm {
  double r_max = 3;  // >= 1
  double d_max = 5;  // >= 0
  bool valid() const { return r_max >= 1 && d_max >= 0; }
  friend bool operator==(const Renorm&, const Renorm&);
};

/// What is asked. Everything that decides which answers are right.
struct Problem {
  Shape shape;
  Dtype dtype = Dtype::f32;  // of x, y, dy, dx
  Dtype param_dtype =
      Dtype::f32;  // of weight, bias and running statistics: dtype, or f32 when that is bf16 or f16
  double eps = 1e-5;
  Momentum momentum;
  bool weight = true, bias = true;  // affine
  bool track = true;                // track_running_stats
  std::optional<Renorm> renorm;     // none: ordinary normalization
  Dist x{DistKind::normal, 0, 1, {}};
  Dist dy{DistKind::uniform, -1, 1, {}};
  Dist w{DistKind::uniform, 0.5, 1.5, {}};
  Dist b{DistKind::uniform, -1, 1, {}};
  Dist rm{DistKind::zero, 0, 0, {}};  // initial running_mean
  Dist rv{DistKind::constant, 1, 0, {}};
  std::vector<Step> run{Step{}};
  std::uint64_t seed = 0;

  friend bool operator==(const Problem&, const Problem&);
};

/// How memory holds a tensor.
enum class Layout : std::uint8_t {
  nchw,        // contiguous
  nhwc,        // channels innermost, dense
  sliced,      // every second element of the innermost axis of a larger contiguous tensor
  transposed,  // the first and the last axis exchanged
  expanded,    // stride 0 along N: one image stands for all (inputs; the data repeat). Outputs fall
               // back to nchw
  padded,      // rows of the innermost axis with a gap behind each
};

/// Instruction set: best is the player's own choice.
enum class Isa : std::uint8_t { best, scalar, sse4, avx2, avx512, neon };

/// How it is run. Nothing here changes which answers are right, but for Layout::expanded, which
/// repeats the first image's data.
struct Exec {
  Layout x = Layout::nchw, y = Layout::nchw, dy = Layout::nchw, dx = Layout::nchw;
  int threads = 1;  // 1..kMaxThreads
  Isa isa = Isa::best;
  int skew = 0;          // elements by which every base pointer lies off a 64-byte boundary, 0..63
  bool inplace = false;  // y is x's memory (needs equal layouts of x and y; not with expanded)
  bool strided_params = false;  // per-channel vectors have stride 2
  friend bool operator==(const Exec&, const Exec&) = default;
};

struct Case {
  Problem problem;
  std::optional<Exec> exec;  // none: every Exec of standard_execs()
  friend bool operator==(const Case&, const Case&) = default;
};

inline constexpr std::int64_t kMaxElements = std::int64_t{1}
                                             << 26;  // of a tensor, and of any of its sizes
inline constexpr std::int64_t kMaxWork = std::int64_t{1} << 28;  // elements over all steps
inline constexpr std::size_t kMaxSteps = 64;
inline constexpr std::size_t kMaxBits = 64;
inline constexpr int kMaxThreads = 64;
inline constexpr int kMaxSkew = 63;

/// How many enumerators there are, for loops over all of them.
inline constexpr int kDtypes = 4, kDistKinds = 13, kOps = 12, kLayouts = 6, kIsas = 6;

/// Every legal (dtype, param_dtype).
inline constexpr std::array<std::pair<Dtype, Dtype>, 6> kDtypePairs{{{Dtype::f32, Dtype::f32},
                                                                     {Dtype::f64, Dtype::f64},
                                                                     {Dtype::bf16, Dtype::bf16},
                                                                     {Dtype::f16, Dtype::f16},
                                                                     {Dtype::bf16, Dtype::f32},
                                                                     {Dtype::f16, Dtype::f32}}};

/// The layout that an output takes when its tensor is declared like the input: an expanded tensor
/// cannot be written.
constexpr Layout output_layout(Layout input) {
  return input == Layout::expanded ? Layout::nchw : input;
}

/// Name tables: the spelling of every enumerator, in enumerator order. The text form, `list` and
/// the statistics read these.
std::string_view name(Dtype);
std::string_view name(DistKind);
std::string_view name(Layout);
std::string_view name(Isa);
char letter(Op);
int parameter_count(DistKind);  // how many numbers stand in the brackets; bits takes hex digits

/// The N that a step works with: its own, the shape's, or for a backward that of the last forward
/// before it in the program.
std::int64_t batch_of(const Problem&, std::size_t step_index);

/// Whether the step moves a tensor: a forward or a backward. Only these have data and a batch.
constexpr bool is_forward(Op op) { return op == Op::train || op == Op::eval; }
constexpr bool has_data(Op op) { return is_forward(op) || op == Op::backward; }

/// Every eps and every momentum that the layer has in the course of the program: first its own,
/// then those that steps set.
std::vector<double> each_eps(const Problem&);
std::vector<Momentum> each_momentum(const Problem&);

/// Elements that a step moves, and that the whole program does.
std::int64_t work_of(const Problem&, std::size_t step_index);
std::int64_t work_of(const Problem&);

/// Why a case is not a valid one ("run: ...", beginning with the text form's name for the field),
/// or empty. Every function that makes cases makes valid ones.
std::string_view defect(const Case&);

/// The Execs that stand for "no right side": both dense layouts, one and three threads, misaligned,
/// strided and in place. Deterministic.
std::vector<Exec> standard_execs(const Problem&);

}  // namespace truenorm::oracle
