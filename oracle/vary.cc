#include "vary.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "text.h"

namespace truenorm::oracle {
namespace {

/// Collects the candidates that are valid and differ in one word.
class Candidates {
 public:
  explicit Candidates(const Case& origin) : origin_(origin), words_(words(origin)) {}

  /// `change` edits a copy of the case.
  template <typename Change>
  void propose(Change&& change) {
    Case c = origin_;
    change(c);
    if (!defect(c).empty()) return;
    const std::vector<Word> now = words(c);
    if (now.size() != words_.size()) return;
    std::size_t different = 0, last = 0;
    for (std::size_t i = 0; i < now.size(); ++i)
      if (now[i].value != words_[i].value) ++different, last = i;
    if (different != 1) return;
    for (const auto& [word, variation] : found_)
      if (word == last && variation.varied == c) return;
    found_.push_back({last, {now[last].key, now[last].value, std::move(c)}});
  }

  /// Lets the field that `get` names take each of the values.
  template <typename Get, typename Values>
  void each(Get&& get, const Values& values) {
    for (const auto& value : values) propose([&](Case& c) { get(c) = value; });
  }

  const Case& origin() const { return origin_; }

  std::vector<Variation> take() {
    std::stable_sort(found_.begin(), found_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Variation> list;
    for (auto& [word, variation] : found_) list.push_back(std::move(variation));
    return list;
  }

 private:
  const Case& origin_;
  std::vector<Word> words_;
  std::vector<std::pair<std::size_t, Variation>> found_;
};

/// Beside a size, and far from it.
std::vector<std::int64_t> sizes_for(std::int64_t size) {
  std::vector<std::int64_t> list{size - 1, size + 1, 2 * size, 0, 1, 2, 17};
  std::erase_if(list, [](std::int64_t s) { return s < 0; });
  return list;
}

void vary_shape(Candidates& out) {
  const Shape& shape = out.origin().problem.shape;
  out.each([](Case& c) -> std::int64_t& { return c.problem.shape.n; }, sizes_for(shape.n));
  out.each([](Case& c) -> std::int64_t& { return c.problem.shape.c; }, sizes_for(shape.c));
  for (std::size_t d = 0; d < static_cast<std::size_t>(shape.spatial_rank); ++d)
    out.each([d](Case& c) -> std::int64_t& { return c.problem.shape.s[d]; }, sizes_for(shape.s[d]));
  // One axis less or more, of the same plane where that can be, and planes of another kind.
  for (int rank = 0; rank <= 3; ++rank)
    for (const std::int64_t plane : {shape.plane(), std::int64_t{1}, std::int64_t{4}})
      out.propose([rank, plane](Case& c) {
        c.problem.shape.spatial_rank = rank;
        c.problem.shape.s = {rank > 0 ? plane : 0, rank > 1 ? 1 : 0, rank > 2 ? 1 : 0};
      });
}

void vary_options(Candidates& out) {
  for (const auto& [data, params] : kDtypePairs)
    out.propose([d = data, p = params](Case& c) {
      c.problem.dtype = d;
      c.problem.param_dtype = p;
    });
  out.each([](Case& c) -> double& { return c.problem.eps; },
           std::array{0.0, 1e-12, 1e-5, 1e-3, 1.0});
  for (const Momentum momentum : {Momentum{}, Momentum{false, 0}, Momentum{false, 0.5},
                                  Momentum{false, 1}, Momentum{true, 0}})
    out.propose([momentum](Case& c) { c.problem.momentum = momentum; });
  for (const bool weight : {false, true})
    for (const bool bias : {false, true})
      out.propose([weight, bias](Case& c) {
        c.problem.weight = weight;
        c.problem.bias = bias;
      });
  out.each([](Case& c) -> bool& { return c.problem.track; }, std::array{false, true});
  out.each([](Case& c) -> std::optional<Renorm>& { return c.problem.renorm; },
           std::array<std::optional<Renorm>, 4>{std::nullopt, Renorm{}, Renorm{1, 0},
                                                Renorm{1.125, 0.25}});
}

/// A distribution of each kind, with parameters that show what it is for.
Dist typical(DistKind kind) {
  switch (kind) {
    case DistKind::constant:
      return {kind, 1, 0, {}};
    case DistKind::uniform:
      return {kind, -1, 1, {}};
    case DistKind::normal:
      return {kind, 0, 1, {}};
    case DistKind::cancel:
      return {kind, 1000, 0, {}};
    case DistKind::spike:
      return {kind, 8, 0, {}};
    case DistKind::special:
      return {kind, 0.25, 0, {}};
    case DistKind::bits:
      return {kind, 0, 0, {0x12, 0x3f, 0x98, 0x3e}};
    default:
      return {kind, 0, 0, {}};
  }
}

void vary_data(Candidates& out) {
  const Problem preset;
  for (Dist Problem::*tensor :
       {&Problem::x, &Problem::dy, &Problem::w, &Problem::b, &Problem::rm, &Problem::rv}) {
    out.propose([&](Case& c) { c.problem.*tensor = preset.*tensor; });
    for (int kind = 0; kind < kDistKinds; ++kind)
      out.propose([&](Case& c) { c.problem.*tensor = typical(static_cast<DistKind>(kind)); });
  }
  const std::uint64_t seed = out.origin().problem.seed;
  out.each([](Case& c) -> std::uint64_t& { return c.problem.seed; },
           std::array{seed + 1, seed + 2, seed + 3});
}

/// A step left out, another in its place or its batch changed; long programs by their first steps
/// and their last.
void vary_run(Candidates& out) {
  constexpr std::size_t kEnds = 3;
  const std::vector<Step>& run = out.origin().problem.run;
  for (std::size_t i = 0; i < run.size(); ++i) {
    if (i >= kEnds && i + kEnds < run.size()) continue;
    const auto at = static_cast<std::ptrdiff_t>(i);
    out.propose([at](Case& c) { c.problem.run.erase(c.problem.run.begin() + at); });
    for (int op = 0; op < kOps; ++op)
      out.propose([i, op](Case& c) {
        Step& step = c.problem.run[i];
        step.op = static_cast<Op>(op);
        if (!has_data(step.op)) step.batch = Step::kSameBatch;
        step.eps = step.op == Op::set_eps ? 1e-3 : 0;
        step.momentum = {false, step.op == Op::set_momentum ? 0.5 : 0};
      });
    out.propose([i](Case& c) { c.problem.run[i].batch = Step::kSameBatch; });
    out.propose([i](Case& c) { c.problem.run[i].batch = batch_of(c.problem, i) + 1; });
  }
}

void vary_exec(Candidates& out) {
  if (!out.origin().exec) return;
  const Exec& exec = *out.origin().exec;
  for (int i = 0; i < kLayouts; ++i) {
    const auto layout = static_cast<Layout>(i);
    // Tensors that are held as x stay so.
    out.propose([&exec, layout](Case& c) {
      c.exec->x = layout;
      if (exec.y == output_layout(exec.x)) c.exec->y = output_layout(layout);
      if (exec.dy == exec.x) c.exec->dy = layout;
      if (exec.dx == output_layout(exec.x)) c.exec->dx = output_layout(layout);
    });
    for (Layout Exec::*tensor : {&Exec::y, &Exec::dy, &Exec::dx})
      out.propose([&](Case& c) { (*c.exec).*tensor = layout; });
  }
  out.each([](Case& c) -> int& { return c.exec->threads; }, std::array{1, 2, 3, 8});
  for (int i = 0; i < kIsas; ++i) out.propose([i](Case& c) { c.exec->isa = static_cast<Isa>(i); });
  out.each([](Case& c) -> int& { return c.exec->skew; }, std::array{0, 1, 2, 4, kMaxSkew});
  out.each([](Case& c) -> bool& { return c.exec->inplace; }, std::array{false, true});
  out.each([](Case& c) -> bool& { return c.exec->strided_params; }, std::array{false, true});
}

std::string joined(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : " ") + value;
  return text;
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

}  // namespace

std::vector<Variation> variations(const Case& c) {
  Candidates out(c);
  vary_shape(out);
  vary_options(out);
  vary_data(out);
  vary_run(out);
  vary_exec(out);
  return out.take();
}

const std::vector<std::string>& FieldEffect::of(Sign sign) const {
  return sign == Sign::fails ? fails : sign == Sign::passes ? passes : nothing;
}

std::vector<FieldEffect> field_effects(const Case& c,
                                       const std::function<Sign(const Case&)>& play) {
  std::vector<FieldEffect> effects;
  for (const Word& word : words(c)) effects.push_back({word.key, word.value, {}, {}, {}});
  for (const Variation& v : variations(c)) {
    FieldEffect& effect = *std::find_if(effects.begin(), effects.end(),
                                        [&](const FieldEffect& e) { return e.field == v.field; });
    const Sign sign = play(v.varied);
    (sign == Sign::fails    ? effect.fails
     : sign == Sign::passes ? effect.passes
                            : effect.nothing)
        .push_back(v.value);
  }
  return effects;
}

std::string effects_text(const std::vector<FieldEffect>& effects, std::string_view indent) {
  std::size_t fields = 5, values = 5;
  for (const FieldEffect& e : effects) {
    fields = std::max(fields, e.field.size());
    values = std::max(values, e.value.size());
  }
  std::string text, matter, rest, unknown;
  const auto row = [&](const std::string& field, const std::string& value,
                       const std::string& more) {
    ((text += indent) += padded(field, fields) + "  " + padded(value, values) + "  " + more) +=
        '\n';
  };
  row("field", "value", "with other values");
  for (const FieldEffect& e : effects) {
    bool first = true;
    for (const auto& [sign, what] : {std::pair{Sign::passes, "passes  "},
                                     {Sign::fails, "fails   "},
                                     {Sign::nothing, "tells nothing  "}}) {
      if (e.of(sign).empty()) continue;
      row(first ? e.field : "", first ? e.value : "", what + joined(e.of(sign)));
      first = false;
    }
    std::string& list = e.matters() ? matter : e.known() ? rest : unknown;
    list += (list.empty() ? "" : ", ") + e.field;
  }
  const auto conclude = [&](std::string_view what, const std::string& list) {
    if (!list.empty()) (((text += indent) += what) += list) += '\n';
  };
  conclude("matters: ", matter);
  conclude("does not matter: ", rest);
  conclude("not told: ", unknown);
  return text;
}

}  // namespace truenorm::oracle
