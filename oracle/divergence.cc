#include "divergence.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "players/libtorch_contract.h"
#include "text.h"

namespace truenorm::oracle {
namespace {

/// What a program has led to when a step begins, as the exact reference sees it.
struct Moment {
  bool tracking = false;               // track_running_stats as it stands
  std::optional<std::size_t> forward;  // the last accepted one
  bool touched = false;                // what that forward's graph needs was written since
  bool reloaded = false;               // its layer was reloaded since
};

bool refused(const std::vector<StepAnswer>& steps, std::size_t i) {
  return steps[i].refused != Refusal::none;
}

Moment before(const Problem& p, std::size_t step) {
  const std::vector<StepAnswer> steps = semantics(p);
  Moment m;
  m.tracking = p.track;
  bool own = true;     // the graph is of this layer, not of one that it was copied from
  bool empty = false;  // and of a tensor without elements
  for (std::size_t i = 0; i < step; ++i) {
    if (refused(steps, i)) continue;
    // The graph holds x, weight and the running statistics, in training as well; that of an empty
    // tensor, which is multiplied by weight[0] and added to bias[0], weight alone.
    // That of a renormalization, which is composed, holds copies.
    const bool held = p.track && !empty, statistics = held && m.tracking;
    switch (p.run[i].op) {
      case Op::train:
      case Op::eval:
        m.forward = i;
        empty = p.shape.with_batch(batch_of(p, i)).numel() == 0;
        m.touched = m.reloaded = false;
        own = true;
        break;
      case Op::track_off:
        m.tracking = false;
        break;
      case Op::track_on:
        m.tracking = true;
        break;
      case Op::reset_stats:
        m.touched |= own && statistics;
        break;
      case Op::reset_params:
        m.touched |= own && (statistics || p.weight);
        break;
      case Op::save_load:
        m.touched |= own && (held || p.weight);
        m.reloaded |= own;
        break;
      case Op::copy:
        own = false;
        break;
      case Op::backward:
      case Op::set_eps:
      case Op::set_momentum:
      case Op::move:
        break;
    }
  }
  m.touched &= !p.renorm;
  return m;
}

bool said(const Verdict& v, const std::string& libtorch, const std::string& reference) {
  return v.result == Result::fail && v.reason == "refusal" &&
         v.detail.ends_with(": " + libtorch + ", not " + reference);
}

std::string refusal(Refusal r) { return "refused: " + std::string(name(r)); }

const Step* step_of(const Case& c, const Verdict& v) {
  return v.worst.step < c.problem.run.size() ? &c.problem.run[v.worst.step] : nullptr;
}

bool forward_step(const Step* s) { return s && (s->op == Op::train || s->op == Op::eval); }
bool backward_step(const Step* s) { return s && s->op == Op::backward; }

// The counter is one too high after the very call that both refuse.
bool counted_before_refusal(const Case& c, const Verdict& v, std::string_view) {
  const Step* s = step_of(c, v);
  if (v.result != Result::fail || v.reason != "num_batches_tracked" || !s || s->op != Op::train)
    return false;
  if (!before(c.problem, v.worst.step).tracking) return false;
  if (!refused(semantics(c.problem), v.worst.step)) return false;
  double got = 0, want = 0;
  const std::size_t at = v.detail.find("counter ");
  if (at == std::string::npos) return false;
  return std::sscanf(v.detail.c_str() + at, "counter %lf, not %lf", &got, &want) == 2 &&
         got == want + 1;
}

bool untracked_update(const Case& c, const Verdict& v, std::string_view) {
  const bool statistic = v.reason == "running_mean" || v.reason == "running_var";
  if (v.result != Result::fail || !statistic || !forward_step(step_of(c, v))) return false;
  return c.problem.track && !before(c.problem, v.worst.step).tracking &&
         !refused(semantics(c.problem), v.worst.step);
}

bool stale_forward(const Case& c, const Verdict& v, std::string_view) {
  if (!said(v, refusal(Refusal::stale_forward), "accepted") || !backward_step(step_of(c, v)))
    return false;
  const Moment m = before(c.problem, v.worst.step);
  return m.forward && m.touched;
}

// The size passes; then the gradient is summed, or refused because the graph is stale.
bool summed_gradient(const Case& c, const Verdict& v, std::string_view) {
  if (!backward_step(step_of(c, v))) return false;
  const Moment m = before(c.problem, v.worst.step);
  const std::string passed = m.touched ? refusal(Refusal::stale_forward) : "accepted";
  return said(v, passed, refusal(Refusal::shape_mismatch)) && m.forward &&
         batch_of(c.problem, *m.forward) == 1;
}

bool no_channels(const Case& c, const Verdict& v, std::string_view) {
  return said(v, refusal(Refusal::other), "accepted") && forward_step(step_of(c, v)) &&
         c.problem.shape.c == 0 && (c.problem.weight || c.problem.bias);
}

LibTorchVersion generation(std::string_view version) {
  return {version.starts_with("1.") ? 1 : 2, 0};
}

bool ignored_strides(const Case& c, const Verdict& v, std::string_view version) {
  const Problem& p = c.problem;
  const bool gradient = v.reason == "dx" || v.reason == "dweight";
  if (v.result != Result::fail || !gradient || !backward_step(step_of(c, v)) || !c.exec)
    return false;
  // 16-bit data take another kernel, which reads vectors with their strides.
  const bool plain = p.dtype == Dtype::f32 || p.dtype == Dtype::f64;
  if (!c.exec->strided_params || p.shape.c < 2 || !plain) return false;
  const Moment m = before(p, v.worst.step);
  if (!m.forward) return false;
  const Shape shape = p.shape.with_batch(batch_of(p, *m.forward));
  if (libtorch_backward_path(shape, *c.exec, generation(version)) != LibTorchPath::channels_last)
    return false;
  // dx takes the weight; dx and dweight of an evaluation take the running statistics.
  const bool batch = p.run[*m.forward].op == Op::train || !before(p, *m.forward).tracking;
  return (p.weight && v.reason == "dx") || !batch;
}

// One of x and dy is contiguous, the other only channels last, and the kernel of x walks over both.
bool mistaken_layout(const Case& c, const Verdict& v, std::string_view version) {
  const Problem& p = c.problem;
  const bool gradient = v.reason == "dx" || v.reason == "dweight" || v.reason == "dbias";
  if (v.result != Result::fail || !gradient || !backward_step(step_of(c, v)) || !c.exec)
    return false;
  const Moment m = before(p, v.worst.step);
  if (!m.forward) return false;
  const Shape shape = p.shape.with_batch(batch_of(p, *m.forward));
  return libtorch_mistakes_layout(shape, *c.exec, generation(version));
}

// A reload gives the bias a new place in the graph, so the old graph no longer leads to it. With a
// weight or statistics the graph would be stale instead.
bool lost_gradient(const Case& c, const Verdict& v, std::string_view) {
  if (v.result != Result::fail || v.reason != "missing" || !backward_step(step_of(c, v)))
    return false;
  if (!v.detail.starts_with("dbias has 0 elements") || !c.problem.bias || c.problem.weight)
    return false;
  const Moment m = before(c.problem, v.worst.step);
  return m.forward && m.reloaded;
}

// A clone has running statistics or not as track_running_stats stands, whatever its original has.
bool clone_by_option(const Case& c, const Verdict& v, std::string_view) {
  const Step* s = step_of(c, v);
  if (v.result != Result::fail || !s || s->op != Op::copy) return false;
  if (before(c.problem, v.worst.step).tracking == c.problem.track) return false;
  return c.problem.track ? said(v, refusal(Refusal::other), "accepted")
                         : v.reason == "num_batches_tracked";
}

std::string_view trim(std::string_view s) {
  const std::size_t first = s.find_first_not_of(" \t\r");
  if (first == s.npos) return {};
  return s.substr(first, s.find_last_not_of(" \t\r") + 1 - first);
}

constexpr std::array<std::string_view, 5> kFields{"id", "versions", "when", "cause", "right"};

/// The text of the comment by field; a line that begins with none of them continues the last one.
std::array<std::string, 5> fields(const std::string& comment) {
  std::array<std::string, 5> out;
  std::optional<std::size_t> current;
  std::istringstream lines(comment);
  for (std::string line; std::getline(lines, line);) {
    std::string_view rest = trim(line);
    for (std::size_t f = 0; f < kFields.size(); ++f) {
      if (!rest.starts_with(std::string(kFields[f]) + ":")) continue;
      current = f;
      rest = trim(rest.substr(kFields[f].size() + 1));
      break;
    }
    if (!current) continue;  // prose above an entry
    std::string& field = out[*current];
    field += (field.empty() ? "" : " ") + std::string(rest);
  }
  return out;
}

Divergence entry_of(const std::string& comment, const std::string& place) {
  auto [id, versions, when, cause, right] = fields(comment);
  for (const std::string* field : {&id, &versions, &when, &cause, &right}) {
    if (field->empty())
      throw std::invalid_argument(place + ": an entry needs id, versions, when, cause and right");
  }
  Divergence d{std::move(id), {}, std::move(when), std::move(cause), std::move(right), {}};
  std::istringstream words(versions);
  std::copy(std::istream_iterator<std::string>(words), {}, std::back_inserter(d.versions));
  const bool known = std::any_of(conditions().begin(), conditions().end(),
                                 [&](const Condition& c) { return c.name == d.when; });
  if (!known) throw std::invalid_argument(place + ": there is no condition '" + d.when + "'");
  return d;
}

}  // namespace

bool Divergence::covers(std::string_view version) const {
  return std::any_of(versions.begin(), versions.end(), [&](const std::string& v) {
    return version == v || version.starts_with(v + ".");
  });
}

const std::vector<Condition>& conditions() {
  static const std::vector<Condition> all{
      {"counted-before-refusal", "the counter counts a call that is then refused",
       counted_before_refusal},
      {"untracked-update", "running statistics change while tracking is off", untracked_update},
      {"stale-forward", "a backward is refused because state was reset or loaded since its forward",
       stale_forward},
      {"summed-gradient", "dy of another batch size is accepted after a forward of one image",
       summed_gradient},
      {"no-channels", "a tensor without channels is refused by a layer with parameters",
       no_channels},
      {"ignored-strides", "a channels-last backward reads strided vectors as if they were dense",
       ignored_strides},
      {"mistaken-layout", "dy is read in the memory order of x, which is not its own",
       mistaken_layout},
      {"lost-gradient", "a reload between forward and backward loses the gradient of the bias",
       lost_gradient},
      {"clone-by-option", "a copy is made while track_running_stats is not as the layer was made",
       clone_by_option},
  };
  return all;
}

Divergences Divergences::parse(std::string_view text, std::string_view what) {
  Divergences all;
  for (Line& line : parse_file(text, what)) {
    const std::string place = std::string(what) + ":" + std::to_string(line.number);
    if (line.comment.find("id:") != std::string::npos) {
      all.entries_.push_back(entry_of(line.comment, place));
      const std::string& id = all.entries_.back().id;
      const auto same = [&](const Divergence& d) { return d.id == id; };
      if (std::count_if(all.entries_.begin(), all.entries_.end(), same) > 1)
        throw std::invalid_argument(place + ": a second entry '" + id + "'");
    }
    if (all.entries_.empty()) throw std::invalid_argument(place + ": a case before any entry");
    all.entries_.back().lines.push_back(std::move(line.value));
  }
  return all;
}

Divergences Divergences::load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return parse(text, path);
}

const Divergence* Divergences::classify(const Case& c, const Verdict& v,
                                        std::string_view version) const {
  for (const Divergence& entry : entries_) {
    if (!entry.covers(version)) continue;
    for (const Condition& condition : conditions()) {
      if (condition.name == entry.when && condition.holds(c, v, version)) return &entry;
    }
  }
  return nullptr;
}

}  // namespace truenorm::oracle
