#include "check.h"

#include <algorithm>
#include <exception>
#include <thread>
#include <vector>

#include "memory.h"
#include "oracle/answer.h"

namespace truenorm::bench {
namespace {

constexpr std::int64_t kBlockElements = 1 << 17;  // of one tensor

struct Block {
  std::int64_t first, count;  // channels
};

std::vector<double> part(const std::vector<double>& channels, const Block& b) {
  if (channels.empty()) return {};
  return {channels.begin() + b.first, channels.begin() + b.first + b.count};
}

/// A block's channels of a tensor in logical order.
std::vector<double> part(const std::vector<double>& values, const oracle::Shape& s,
                         const Block& b) {
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(s.per_channel() * b.count));
  for (std::int64_t n = 0; n < s.n; ++n) {
    const auto from = values.begin() + (n * s.c + b.first) * s.plane();
    out.insert(out.end(), from, from + b.count * s.plane());
  }
  return out;
}

double element(const void* data, oracle::Dtype dtype, std::int64_t i) {
  return oracle::load(dtype, static_cast<const std::byte*>(data) +
                                 static_cast<std::size_t>(i) * oracle::size_of(dtype));
}

/// The same of memory; nothing of a tensor that was not put out.
std::vector<double> part(const void* data, const Work& w, const Block& b) {
  std::vector<double> out;
  if (data == nullptr) return out;
  const oracle::Shape& s = w.problem.shape;
  const Index index(s, w.exec.x);
  out.reserve(static_cast<std::size_t>(s.per_channel() * b.count));
  for (std::int64_t n = 0; n < s.n; ++n)
    for (std::int64_t c = b.first; c < b.first + b.count; ++c)
      for (std::int64_t p = 0; p < s.plane(); ++p)
        out.push_back(element(data, w.problem.dtype, index(n, c, p)));
  return out;
}

std::vector<double> vector_part(const void* data, oracle::Dtype dtype, const Block& b) {
  std::vector<double> out;
  for (std::int64_t c = b.first; data != nullptr && c < b.first + b.count; ++c)
    out.push_back(element(data, dtype, c));
  return out;
}

oracle::Inputs inputs_of(const oracle::Problem& p, const oracle::Inputs& all, const Block& b) {
  oracle::Inputs in;
  in.weight = part(all.weight, b);
  in.bias = part(all.bias, b);
  in.running_mean = part(all.running_mean, b);
  in.running_var = part(all.running_var, b);
  for (std::size_t i = 0; i < p.run.size(); ++i) in.step.push_back(part(all.step[i], p.shape, b));
  return in;
}

oracle::Trace trace_of(const Work& w, const Outputs& out, const Block& b) {
  const oracle::Dtype params = w.problem.param_dtype;
  oracle::Trace trace;
  oracle::StepTrace step;
  step.num_batches_tracked = w.op == Op::evaluation ? 0 : 1;  // the caller's: a function has none
  step.running_mean = vector_part(out.running_mean, params, b);
  step.running_var = vector_part(out.running_var, params, b);
  if (w.op == Op::backward) {
    trace.steps.push_back(step);
    step.dx = part(out.dx, w, b);
    step.dweight = vector_part(out.dweight, params, b);
    step.dbias = vector_part(out.dbias, params, b);
  }
  trace.steps.push_back(step);
  oracle::StepTrace& forward = trace.steps.front();
  forward.y = part(out.y, w, b);
  forward.save_mean = vector_part(out.save_mean, oracle::Dtype::f64, b);
  forward.save_invstd = vector_part(out.save_invstd, oracle::Dtype::f64, b);
  return trace;
}

/// Nothing is asked of what a peer does not put out, but for its tensor.
void ask_less(oracle::Answer& answer, const oracle::Trace& trace, Op op) {
  answer.save_expected = false;
  for (std::size_t i = 0; i < answer.steps.size(); ++i) {
    oracle::StepAnswer& want = answer.steps[i];
    want.running_mean = want.running_var = want.save_mean = want.save_invstd = {};
    if (op == Op::backward) want.y = {};
    if (trace.steps[i].dweight.empty()) want.dweight = {};
    if (trace.steps[i].dbias.empty()) want.dbias = {};
  }
}

/// The place in the whole tensor or vector of a block's element.
std::size_t whole(const oracle::Where& where, const oracle::Shape& s, const Block& b) {
  const auto i = static_cast<std::int64_t>(where.element);
  if (where.output != oracle::Output::y && where.output != oracle::Output::dx)
    return static_cast<std::size_t>(b.first + i);
  const std::int64_t image = b.count * s.plane();
  return static_cast<std::size_t>((i / image * s.c + b.first) * s.plane() + i % image);
}

oracle::Verdict judge_block(const Work& w, const oracle::Contract& contract, const Outputs& out,
                            const oracle::Inputs& all, const Block& b, Extent extent) {
  oracle::Problem problem = w.problem;
  problem.shape.c = b.count;
  const oracle::Trace trace = trace_of(w, out, b);
  oracle::Answer answer = oracle::answer(problem, inputs_of(w.problem, all, b), contract);
  if (extent != Extent::all) ask_less(answer, trace, w.op);
  oracle::Verdict v = oracle::judge(trace, answer);
  v.worst.element = whole(v.worst, w.problem.shape, b);
  return v;
}

/// Keeps the first thing that is wrong, or the worst element.
void merge(oracle::Verdict& sum, oracle::Verdict v) {
  const std::uint64_t elements = sum.elements + v.elements;
  const bool bad = sum.result != oracle::Result::pass;
  if (!bad && (v.result != oracle::Result::pass || !(v.score <= sum.score))) sum = std::move(v);
  sum.elements = elements;
}

}  // namespace

oracle::Problem problem_of(oracle::Problem p, Op op) {
  using Step = oracle::Step;
  p.run = {Step{op == Op::evaluation ? oracle::Op::eval : oracle::Op::train, Step::kSameBatch, 0}};
  if (op == Op::backward) p.run.push_back({oracle::Op::backward, Step::kSameBatch, 1});
  return p;
}

oracle::Inputs make_inputs(const oracle::Problem& p) {
  return oracle::make_inputs({problem_of(p, Op::backward), oracle::Exec{}});
}

oracle::Verdict check(const Contestant& contestant, const Outputs& out, const Work& w,
                      const oracle::Inputs& inputs, Extent extent) {
  const oracle::Shape& shape = w.problem.shape;
  const oracle::Contract contract = contestant.contract(w.problem, w.exec);
  const std::int64_t step = std::max<std::int64_t>(1, kBlockElements / shape.per_channel());
  const std::int64_t blocks = extent == Extent::some ? 1 : (shape.c + step - 1) / step;
  std::vector<oracle::Verdict> verdicts(static_cast<std::size_t>(blocks));
  std::vector<std::exception_ptr> faults(verdicts.size());
#pragma omp parallel for schedule(dynamic) num_threads(std::thread::hardware_concurrency())
  for (std::int64_t i = 0; i < blocks; ++i) {
    const auto slot = static_cast<std::size_t>(i);
    const Block block{i * step, std::min(step, shape.c - i * step)};
    try {
      verdicts[slot] = judge_block(w, contract, out, inputs, block, extent);
    } catch (...) {
      faults[slot] = std::current_exception();
    }
  }
  for (const std::exception_ptr& fault : faults)
    if (fault) std::rethrow_exception(fault);
  oracle::Verdict sum = verdicts.front();
  for (std::size_t i = 1; i < verdicts.size(); ++i) merge(sum, std::move(verdicts[i]));
  return sum;
}

}  // namespace truenorm::bench
