#include "items.h"

#include <algorithm>
#include <optional>
#include <thread>

#include "check.h"

namespace truenorm::bench {

std::string_view name(Op op) {
  switch (op) {
    case Op::training:
      return "training";
    case Op::evaluation:
      return "evaluation";
    case Op::backward:
      break;
  }
  return "backward";
}

bool one_layout(const oracle::Shape& shape) { return shape.spatial_rank == 0; }

namespace {

/// The line's problem, of another dtype if one is asked for.
oracle::Problem with_dtype(oracle::Problem p, std::optional<oracle::Dtype> dtype) {
  if (!dtype) return p;
  p.dtype = *dtype;
  p.param_dtype = *dtype == oracle::Dtype::f64 ? *dtype : oracle::Dtype::f32;
  return p;
}

bool in_program(const oracle::Problem& p, Op op) {
  const auto step = op == Op::training     ? oracle::Op::train
                    : op == Op::evaluation ? oracle::Op::eval
                                           : oracle::Op::backward;
  return std::any_of(p.run.begin(), p.run.end(),
                     [&](const oracle::Step& s) { return s.op == step; });
}

int one_a_core() {
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, oracle::kMaxThreads);
}

/// The orders of memory that an entry is timed in.
std::vector<oracle::Layout> layouts_of(const Entry& entry, std::vector<oracle::Layout> asked) {
  using oracle::Layout;
  if (one_layout(entry.value.problem.shape)) {
    // Of a user's line "| nchw" is the same memory.
    const bool wanted =
        asked.empty() || std::find(asked.begin(), asked.end(), Layout::nhwc) != asked.end();
    return wanted ? std::vector{Layout::nhwc} : std::vector<Layout>{};
  }
  if (asked.empty() && entry.value.exec) asked = {entry.value.exec->x};
  if (asked.empty()) asked = {Layout::nchw, Layout::nhwc};
  if (entry.inner) std::erase(asked, Layout::nchw);
  return asked;
}

std::vector<int> threads_of(const Entry& entry, const std::vector<int>& asked) {
  if (!asked.empty()) return asked;
  return {entry.value.exec ? entry.value.exec->threads : one_a_core()};
}

oracle::Isa isa_of(const Entry& entry, oracle::Isa asked) {
  return asked == oracle::Isa::best && entry.value.exec ? entry.value.exec->isa : asked;
}

oracle::Exec exec(oracle::Layout layout, int threads, oracle::Isa isa) {
  oracle::Exec e;
  e.x = e.y = e.dy = e.dx = layout;
  e.threads = threads;
  e.isa = isa;
  return e;
}

}  // namespace

std::vector<Item> items(const std::vector<Entry>& entries, const Asked& asked) {
  std::vector<std::optional<oracle::Dtype>> dtypes(asked.dtypes.begin(), asked.dtypes.end());
  if (dtypes.empty()) dtypes = {std::nullopt};
  std::vector<Op> ops = asked.ops;
  if (ops.empty()) ops = {Op::training, Op::evaluation, Op::backward};
  std::vector<Item> all;
  for (const auto& dtype : dtypes)
    for (const Entry& entry : entries) {
      const oracle::Problem problem = with_dtype(entry.value.problem, dtype);
      for (const oracle::Layout layout : layouts_of(entry, asked.layouts))
        for (const Op op : ops) {
          if (!in_program(entry.value.problem, op)) continue;
          for (const int threads : threads_of(entry, asked.threads))
            all.push_back(
                {entry,
                 {problem_of(problem, op), exec(layout, threads, isa_of(entry, asked.isa))},
                 op});
        }
    }
  return all;
}

std::vector<std::string> Asked::others() const {
  std::vector<std::string> names;
  if (fresh) names.emplace_back("fresh");
  if (cold) names.emplace_back("cold");
  return names;
}

}  // namespace truenorm::bench
