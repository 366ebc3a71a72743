// A property of an operator of your own: on every case that RapidCheck generates, its values lie in the
// balls of the exact reference. Where they do not, the case is shrunk to a line.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "truenorm/harness/answer.h"
#include "truenorm/harness/generators.h"
#include "truenorm/harness/judge.h"

using namespace truenorm;

/// What is judged: a training forward of (N, C, plane) without weight and bias, in double.
std::vector<double> batch_norm(const std::vector<double>& x, const oracle::Shape& shape,
                               double eps) {
  std::vector<double> y(x.size());
  const auto count = static_cast<double>(shape.per_channel());
  for (std::int64_t c = 0; c < shape.c; ++c) {
    const auto each = [&](auto visit) {
      for (std::int64_t n = 0; n < shape.n; ++n)
        for (std::int64_t s = 0; s < shape.plane(); ++s)
          visit(static_cast<std::size_t>((n * shape.c + c) * shape.plane() + s));
    };
    double sum = 0, squares = 0;
    each([&](std::size_t i) { sum += x[i]; });
    each([&](std::size_t i) { squares += (x[i] - sum / count) * (x[i] - sum / count); });
    const double var = squares / count,
                 invstd = var == 0 && eps == 0 ? 0 : 1 / std::sqrt(var + eps);
    each([&](std::size_t i) { y[i] = static_cast<float>((x[i] - sum / count) * invstd); });
  }
  return y;
}

/// How it computes: in double, y rounded once where it is stored. The radii follow from this.
oracle::Contract contract(const oracle::Problem& p) {
  const auto chain = static_cast<double>(p.shape.per_channel());
  oracle::Contract c;
  c.mean = {.term = 0, .add = oracle::kU64, .chain = chain};
  c.square = {.term = oracle::kU64, .add = oracle::kU64, .chain = chain};
  c.constant_exact = true;                  // equal values of 24 bits add up exactly in 53
  c.mean_unit = c.var_unit = oracle::kU64;  // a division each
  c.invstd_unit = 3 * oracle::kU64;         // var + eps, the root, the reciprocal
  c.unit = oracle::kU64;
  c.forward_roundings = 2;  // x - mean, its product
  return c;
}

/// Of the cases that there are, what this operator is for: shapes, data and eps stay as they are.
oracle::Case training_forward(oracle::Case c) {
  oracle::Problem& p = c.problem;
  p.run = {{.op = oracle::Op::train}};
  p.dtype = p.param_dtype = oracle::Dtype::f32;
  p.weight = p.bias = p.track = false;
  p.renorm.reset();
  p.shape.n = std::max<std::int64_t>(p.shape.n, 2);  // one value has no variance
  c.exec.emplace();
  return c;
}

TEST(BatchNorm, LiesInItsBalls) {
  const rc::Gen<oracle::Case> cases = rc::gen::map(props::sampled_case(), training_forward);
  props::check(2000, cases, [](const oracle::Case& c) {
    const oracle::Inputs in = oracle::make_inputs(c);
    oracle::Trace got;
    got.steps.resize(1);
    got.steps[0].y = batch_norm(in.step[0], c.problem.shape, c.problem.eps);
    const oracle::Answer want = oracle::answer(c.problem, in, contract(c.problem));
    const oracle::Verdict verdict = oracle::judge(got, want);
    if (verdict.result == oracle::Result::hollow) return props::proves_nothing();
    if (verdict.result != oracle::Result::pass) RC_FAIL(verdict.detail);
  });
}
