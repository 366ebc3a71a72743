#include "calls.h"

#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <utility>

#include "bench/contestant.h"
#include "bench/memory.h"
#include "hwy/highway.h"
#include "oracle/data.h"
#include "oracle/numbers.h"
#include "oracle/text.h"

// A name that callgrind finds, and a call that is not merged into its caller.
extern "C" __attribute__((noinline)) void truenorm_counted(truenorm::bench::Contestant& who) {
  who.run();
  asm volatile("" ::: "memory");  // no tail call: it returns from here
}

namespace truenorm::bench {
namespace {

/// Each regime of the plan: planes, groups, grains, rows of few and of many channels, N x C; then the
/// other dtypes.
constexpr const char* kLines[] = {
    "tn1 n2c3s40x40 f32 run=TBE | nchw",      "tn1 n4c8s14x14 f32 run=TBE | nchw",
    "tn1 n8c16s3x3 f32 run=TBE | nchw",       "tn1 n4c3s9x9 f32 run=TBE | nhwc",
    "tn1 n4c64s7x7 f32 run=TBE | nhwc",       "tn1 n32c100 f32 run=TBE | nhwc",
    "tn1 n4c8s14x14 f64 run=TBE | nchw",      "tn1 n4c64s7x7 f64 run=TBE | nhwc",
    "tn1 n4c8s14x14 bf16/f32 run=TBE | nchw", "tn1 n4c64s7x7 bf16/f32 run=TBE | nhwc",
    "tn1 n4c8s14x14 f16/f32 run=TBE | nchw",  "tn1 n4c64s7x7 f16/f32 run=TBE | nhwc",
};
constexpr std::pair<Op, const char*> kOps[] = {
    {Op::training, "training"}, {Op::evaluation, "evaluation"}, {Op::backward, "backward"}};

// A core's cache and the shared one, for the plan.
const std::vector<std::int64_t> kCaches{1 << 20, 32 << 20};

/// Values of either sign, the same everywhere.
std::vector<double> values(std::int64_t count, std::uint64_t seed, double above) {
  std::vector<double> all(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i] = above + static_cast<double>(oracle::mix(seed + i) >> 40) * 0x1p-23 - 1;
  return all;
}

/// A call's tensors and vectors.
class Tensors {
 public:
  Work work(const oracle::Case& c, Op op) {
    const oracle::Problem& p = c.problem;
    const std::size_t bytes = tensor_bytes(p.shape, p.dtype);
    std::uint64_t seed = 0;
    const auto tensor = [&](Buffer& b) {
      place(values(p.shape.numel(), seed += 1 << 20, 0), p.shape, p.dtype, c.exec->x,
            b.reserve(bytes));
      return b.data();
    };
    const auto vector = [&](Buffer& b, double above) {
      place(values(p.shape.c, seed += 1 << 20, above), p.param_dtype,
            b.reserve(static_cast<std::size_t>(p.shape.c) * oracle::size_of(p.param_dtype)));
      return b.data();
    };
    Work w;
    w.problem = p;
    w.exec = *c.exec;
    w.exec.threads = 1;
    w.exec.isa = oracle::Isa::avx2;
    w.op = op;
    w.x = tensor(x_);
    w.dy = tensor(dy_);
    w.weight = vector(weight_, 2);
    w.bias = vector(bias_, 0);
    w.running_mean = vector(running_mean_, 0);
    w.running_var = vector(running_var_, 2);
    return w;
  }

 private:
  Buffer x_, dy_, weight_, bias_, running_mean_, running_var_;
};

}  // namespace

std::vector<std::string> call_names() {
  std::vector<std::string> all;
  for (const char* line : kLines) {
    const std::string text = line;
    const std::size_t run = text.find(" run="), bar = text.find("| ");
    for (const auto& [op, name] : kOps)
      all.push_back(fmt::format("{} {} {}", text.substr(4, run - 4), name, text.substr(bar + 2)));
  }
  return all;
}

void make_calls() {
  const std::unique_ptr<Contestant> truenorm = make_truenorm(kCaches);
  Tensors tensors;
  for (const char* line : kLines)
    for (const auto& [op, name] : kOps) {
      const oracle::Case c = oracle::parse(line);
      if (const std::string why = truenorm->prepare(tensors.work(c, op)); !why.empty())
        throw std::runtime_error(fmt::format("{} {}: {}", line, name, why));
      truenorm->run();  // what only the first call does
      truenorm_counted(*truenorm);
    }
}

std::string highway_version() { return fmt::format("{}.{}.{}", HWY_MAJOR, HWY_MINOR, HWY_PATCH); }

}  // namespace truenorm::bench
