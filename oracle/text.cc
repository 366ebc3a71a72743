// Printing. The other direction is in parse.cc.
#include "text.h"

#include <charconv>
#include <cmath>

namespace truenorm::oracle {
namespace {

std::string number(double value) {
  if (std::isnan(value)) return "nan";
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

std::string momentum_token(const Momentum& momentum) {
  return momentum.cumulative ? "cum" : number(momentum.value);
}

std::string shape_token(const Shape& shape) {
  std::string text = "n" + std::to_string(shape.n) + "c" + std::to_string(shape.c);
  for (int d = 0; d < shape.spatial_rank; ++d)
    text += (d == 0 ? "s" : "x") + std::to_string(shape.s[static_cast<std::size_t>(d)]);
  return text;
}

std::string dist_token(const Dist& dist) {
  std::string text(name(dist.kind));
  if (dist.kind == DistKind::bits) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    text += '(';
    for (const std::uint8_t byte : dist.bits) (text += kDigits[byte >> 4]) += kDigits[byte & 15];
    return text + ')';
  }
  const int parameters = parameter_count(dist.kind);
  if (parameters == 0) return text;
  text += '(' + number(dist.a);
  if (parameters == 2) text += ',' + number(dist.b);
  return text + ')';
}

/// A step after one with id `previous` (-1 at the beginning).
std::string step_token(const Step& step, std::int64_t previous) {
  std::string text(1, letter(step.op));
  if (step.op == Op::set_eps) text += '(' + number(step.eps) + ')';
  if (step.op == Op::set_momentum) text += '(' + momentum_token(step.momentum) + ')';
  if (step.id != previous + 1) text += '#' + std::to_string(step.id);
  if (step.batch != Step::kSameBatch) text += '@' + std::to_string(step.batch);
  return text;
}

std::string run_token(const std::vector<Step>& run) {
  std::string text;
  std::int64_t previous = -1;
  for (std::size_t i = 0; i < run.size();) {
    std::size_t end = i + 1;
    const auto follows = [&] {
      Step next = run[i];
      next.id = run[end].id;
      return run[end] == next && next.id == std::int64_t{run[end - 1].id} + 1;
    };
    while (end < run.size() && follows()) ++end;
    text += step_token(run[i], previous);
    if (end - i < 3)
      end = i + 1;
    else
      text += '*' + std::to_string(end - i);
    previous = run[end - 1].id;
    i = end;
  }
  return text;
}

std::string affine_token(const Problem& problem) {
  if (!problem.weight && !problem.bias) return "none";
  return std::string(problem.weight ? "g" : "") + (problem.bias ? "b" : "");
}

std::string exec_tokens(const Exec& exec) {
  std::string text(name(exec.x));
  const Layout output = output_layout(exec.x);
  if (exec.y != output) (text += " y=") += name(exec.y);
  if (exec.dy != exec.x) (text += " dy=") += name(exec.dy);
  if (exec.dx != output) (text += " dx=") += name(exec.dx);
  const Exec defaults;
  if (exec.threads != defaults.threads) text += " thr=" + std::to_string(exec.threads);
  if (exec.isa != defaults.isa) (text += " isa=") += name(exec.isa);
  if (exec.skew != defaults.skew) text += " skew=" + std::to_string(exec.skew);
  if (exec.inplace) text += " inplace";
  if (exec.strided_params) text += " params=strided";
  return text;
}

}  // namespace

std::string print(const Case& c) {
  const Problem& p = c.problem;
  const Problem defaults;
  std::string text = "tn1 " + shape_token(p.shape);
  (text += ' ') += name(p.dtype);
  if (p.param_dtype != p.dtype) (text += '/') += name(p.param_dtype);
  text += " eps=" + number(p.eps);
  text += " mom=" + momentum_token(p.momentum);
  text += " affine=" + affine_token(p);
  text += p.track ? " stats=on" : " stats=off";
  text += " x=" + dist_token(p.x);
  text += " dy=" + dist_token(p.dy);
  if (p.w != defaults.w) text += " w=" + dist_token(p.w);
  if (p.b != defaults.b) text += " b=" + dist_token(p.b);
  if (p.rm != defaults.rm) text += " rm=" + dist_token(p.rm);
  if (p.rv != defaults.rv) text += " rv=" + dist_token(p.rv);
  text += " run=" + run_token(p.run);
  text += " seed=" + std::to_string(p.seed);
  if (c.exec) text += " | " + exec_tokens(*c.exec);
  return text;
}

}  // namespace truenorm::oracle
