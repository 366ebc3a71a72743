// Printing. The other direction is in parse.cc.
#include "text.h"

#include <charconv>
#include <cmath>
#include <utility>

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

std::string spatial_token(const Shape& shape) {
  std::string text;
  for (int d = 0; d < shape.spatial_rank; ++d)
    text += (d == 0 ? "" : "x") + std::to_string(shape.s[static_cast<std::size_t>(d)]);
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

std::string renorm_token(const Renorm& renorm) {
  return number(renorm.r_max) + ',' + number(renorm.d_max);
}

std::string affine_token(const Problem& problem) {
  if (!problem.weight && !problem.bias) return "none";
  return std::string(problem.weight ? "g" : "") + (problem.bias ? "b" : "");
}

/// Takes the words of a line in order, and adds them to its text or to a list.
class Words {
 public:
  explicit Words(std::string& line) : line_(&line) {}
  explicit Words(std::vector<Word>& list) : list_(&list) {}

  /// A word that always stands there, as "key=value".
  void add(std::string_view key, std::string_view value) {
    if (line_ != nullptr) {
      ((((*line_) += ' ') += key) += '=') += value;
    } else {
      list_->push_back({std::string(key), std::string(value), " "});
      ((list_->back().text += key) += '=') += value;
    }
  }
  /// A word with a text of its own, made of two parts; none where the line leaves it out.
  void add(std::string_view key, std::string_view value, std::string_view text,
           std::string_view rest = {}) {
    if (line_ != nullptr) {
      (*line_ += text) += rest;
    } else {
      list_->push_back({std::string(key), std::string(value), std::string(text)});
      list_->back().text += rest;
    }
  }
  /// A word that the line leaves out where its field has the default.
  void optional(std::string_view key, std::string_view value, bool is_default) {
    is_default ? add(key, value, "") : add(key, value);
  }

 private:
  std::string* line_ = nullptr;
  std::vector<Word>* list_ = nullptr;
};

void add_problem(Words& out, const Problem& p) {
  const Problem defaults;
  const std::string n = std::to_string(p.shape.n), c = std::to_string(p.shape.c);
  const std::string s = spatial_token(p.shape);
  out.add("n", n, " n", n);
  out.add("c", c, "c", c);
  out.add("s", s.empty() ? "none" : s, s.empty() ? "" : "s", s);
  std::string dtype(name(p.dtype));
  if (p.param_dtype != p.dtype) (dtype += '/') += name(p.param_dtype);
  out.add("dtype", dtype, " ", dtype);
  out.add("eps", number(p.eps));
  out.add("mom", momentum_token(p.momentum));
  out.add("affine", affine_token(p));
  out.add("stats", p.track ? "on" : "off");
  out.optional("renorm", p.renorm ? renorm_token(*p.renorm) : "off", !p.renorm);
  out.add("x", dist_token(p.x));
  out.add("dy", dist_token(p.dy));
  out.optional("w", dist_token(p.w), p.w == defaults.w);
  out.optional("b", dist_token(p.b), p.b == defaults.b);
  out.optional("rm", dist_token(p.rm), p.rm == defaults.rm);
  out.optional("rv", dist_token(p.rv), p.rv == defaults.rv);
  out.add("run", run_token(p.run));
  out.add("seed", std::to_string(p.seed));
}

void add_exec(Words& out, const Exec& exec) {
  const Exec defaults;
  out.add("layout", name(exec.x), " | ", name(exec.x));
  const auto other = [&out](std::string_view key, std::string_view text, Layout held,
                            Layout usual) {
    held == usual ? out.add(key, "as x", "") : out.add(key, name(held), text, name(held));
  };
  other("layout y", " y=", exec.y, output_layout(exec.x));
  other("layout dy", " dy=", exec.dy, exec.x);
  other("layout dx", " dx=", exec.dx, output_layout(exec.x));
  out.optional("thr", std::to_string(exec.threads), exec.threads == defaults.threads);
  out.optional("isa", name(exec.isa), exec.isa == defaults.isa);
  out.optional("skew", std::to_string(exec.skew), exec.skew == defaults.skew);
  out.add("inplace", exec.inplace ? "yes" : "no", exec.inplace ? " inplace" : "");
  out.optional("params", exec.strided_params ? "strided" : "dense", !exec.strided_params);
}

void add_case(Words out, const Case& c) {
  add_problem(out, c.problem);
  if (c.exec) add_exec(out, *c.exec);
}

}  // namespace

std::vector<Word> words(const Case& c) {
  std::vector<Word> list;
  add_case(Words(list), c);
  return list;
}

std::string print(const Case& c) {
  std::string text = "tn1";
  text.reserve(256);
  add_case(Words(text), c);
  return text;
}

}  // namespace truenorm::oracle
