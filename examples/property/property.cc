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
#include "truenorm/harness/players/host.h"

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
  const truenorm_contract promised{.accumulate = TRUENORM_F64, .folded = 0, .chain = 0};
  props::check(
      2000, rc::gen::map(props::sampled_case(), training_forward), [&](const oracle::Case& c) {
        const oracle::Inputs in = oracle::make_inputs(c);
        oracle::Trace got;
        got.steps.resize(1);
        got.steps[0].y = batch_norm(in.step[0], c.problem.shape, c.problem.eps);
        const auto want = oracle::answer(c.problem, in, oracle::contract_of(promised, c.problem));
        const oracle::Verdict verdict = oracle::judge(got, want);
        if (verdict.result == oracle::Result::hollow) return props::proves_nothing();
        if (verdict.result != oracle::Result::pass) RC_FAIL(verdict.detail);
      });
}
