#include "session.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <optional>

#include "oracle/text.h"
#include "oracle/words.h"
#include "roofline.h"
#include "sittings.h"

namespace truenorm::bench {

Session::Session(Asked asked, std::function<bool()> interrupted)
    : asked_(std::move(asked)),
      interrupted_(std::move(interrupted)),
      truenorm_(make_truenorm(asked_.caches)) {
  for (const std::string& peer : asked_.peers) {
    if (peer == kSubject) peers_.push_back(make_subject(asked_.subject));
    if (peer == "libtorch") peers_.push_back(make_libtorch());
#ifdef TRUENORM_HAVE_ONEDNN
    if (peer == "onednn") peers_.push_back(make_onednn());
#endif
  }
}

std::map<std::string, std::string> Session::versions() const {
  std::map<std::string, std::string> all{{truenorm_->name(), TRUENORM_VERSION}};
  for (const auto& peer : peers_) all[peer->name()] = peer->version();
  return all;
}

void Session::make_data(const Item& item) {
  const oracle::Problem& p = item.value.problem;
  const oracle::Layout layout = item.value.exec->x;
  const bool same = made_ && of_ == problem_of(p, Op::backward);
  if (same && layout == placed_) return;
  if (!same) inputs_ = bench::make_inputs(p);
  const std::size_t bytes = tensor_bytes(p.shape, p.dtype);
  place(inputs_.step[0], p.shape, p.dtype, layout, x_.reserve(bytes));
  place(inputs_.step[1], p.shape, p.dtype, layout, dy_.reserve(bytes));
  moved_.reserve(bytes);
  const std::size_t vector = static_cast<std::size_t>(p.shape.c) * oracle::size_of(p.param_dtype);
  place(inputs_.weight, p.param_dtype, weight_.reserve(vector));
  place(inputs_.bias, p.param_dtype, bias_.reserve(vector));
  place(inputs_.running_mean, p.param_dtype, running_mean_.reserve(vector));
  place(inputs_.running_var, p.param_dtype, running_var_.reserve(vector));
  of_ = problem_of(p, Op::backward);
  placed_ = layout;
  made_ = true;
}

Work Session::work_of(const Item& item) const {
  Work w;
  w.problem = item.value.problem;
  w.exec = *item.value.exec;
  w.op = item.op;
  w.x = x_.data();
  w.dy = dy_.data();
  w.weight = weight_.data();
  w.bias = bias_.data();
  w.running_mean = running_mean_.data();
  w.running_var = running_var_.data();
  return w;
}

Row Session::row_of(const Item& item) const {
  const oracle::Shape& shape = item.value.problem.shape;
  Row row;
  row.line = oracle::print(item.value);
  row.suite = item.entry.suite;
  row.shape = shape_name(shape);
  row.op = item.op;
  row.layout = item.value.exec->x;
  row.dtype = item.value.problem.dtype;
  row.threads = item.value.exec->threads;
  row.channels = shape.c;
  row.times = item.entry.times;
  row.one_layout = one_layout(shape);
  row.bytes = tensor_bytes(shape, row.dtype);
  row.level = level_of(caches_, row.bytes, row.op, row.threads);
  return row;
}

Row Session::prepare(const Item& item, bool& ready) {
  Row row = row_of(item);
  make_data(item);
  const Work w = work_of(item);
  ready = judged(item, w, row) && invite(item, w, row);
  return row;
}

Row Session::play(const Item& item) {
  bool ready = false;
  Row row = prepare(item, ready);
  if (ready) measure(work_of(item), row);
  return row;
}

Contestant& Session::contestant(const std::string& name) const {
  for (const auto& peer : peers_)
    if (peer->name() == name) return *peer;
  return *truenorm_;
}

bool Session::judged(const Item& item, const Work& w, Row& row) {
  try {
    row.verdict = truenorm_->prepare(w);
    if (!row.verdict.empty()) return false;
    // A backward was preceded by the one forward that the case line says.
    truenorm_->run();
  } catch (const std::runtime_error& e) {
    row.verdict = e.what();
    return false;
  }
  oracle::Verdict v = check(*truenorm_, truenorm_->outputs(), w, inputs_, Extent::all);
  row.score = v.score;
  if (v.result == oracle::Result::pass && asked_.fresh) v = check_fresh(*truenorm_, w);
  row.verdict = oracle::name(v.result);
  if (v.result == oracle::Result::pass) return true;
  row.verdict += ": " + oracle::describe(item.value, v);
  return false;
}

oracle::Verdict Session::check_fresh(Contestant& who, const Work& w) const {
  who.run_fresh();
  return check(who, who.fresh_outputs(), w, inputs_, Extent::some);
}

bool Session::invite(const Item& item, const Work& w, Row& row) {
  // One yardstick for everyone: scores by contracts of their own could not be compared.
  const auto error = [&](const Contestant& who) {
    Outputs out = who.outputs();  // what everyone puts out: no statistics, of a backward no y
    if (w.op == Op::backward) out.y = nullptr;
    out.running_mean = out.running_var = nullptr;
    out.save_mean = out.save_invstd = nullptr;
    return check(*truenorm_, out, w, inputs_, Extent::some).score;
  };
  for (const auto& peer : peers_) {
    Against& against = row.peers[peer->name()];
    const bool subject = peer->name() == kSubject;
    try {
      against.absent = peer->prepare(w);
    } catch (const std::runtime_error& e) {
      if (!subject) throw;
      row.verdict = fmt::format("{}: {}", kSubject, e.what());
      return false;
    }
    if (!against.absent.empty()) continue;
    against.implementation = peer->implementation();
    oracle::Verdict v =
        check(*peer, peer->outputs(), w, inputs_, subject ? Extent::tensors : Extent::some);
    if (v.result == oracle::Result::pass && asked_.fresh) v = check_fresh(*peer, w);
    against.verdict = oracle::name(v.result);
    if (v.result != oracle::Result::pass) against.verdict += " (" + v.reason + ")";
    if (subject && v.result != oracle::Result::pass) {
      row.verdict = fmt::format("{}: {}: {}", kSubject, oracle::name(v.result),
                                oracle::describe(item.value, v));
      return false;
    }
    against.error = error(*peer);
  }
  if (!peers_.empty()) row.error = error(*truenorm_);
  return true;
}

/// What a call reads and where its outputs were last: not its code, nor what it keeps for itself.
void Session::evict_all(const Work& w, const Contestant& who) const {
  const oracle::Problem& p = w.problem;
  const std::size_t tensor = tensor_bytes(p.shape, p.dtype);
  const std::size_t vector = static_cast<std::size_t>(p.shape.c) * oracle::size_of(p.param_dtype);
  const auto drop = [&](const void* data, std::size_t bytes) {
    if (data != nullptr) evict(data, bytes, w.exec.threads);
  };
  const Outputs out = who.outputs();
  for (const void* data : {w.x, w.op == Op::backward ? w.dy : nullptr, out.y, out.dx})
    drop(data, tensor);
  for (const void* data : {w.weight, w.bias, w.running_mean, w.running_var, out.running_mean,
                           out.running_var, out.dweight, out.dbias})
    drop(data, vector);
  for (const void* data : {out.save_mean, out.save_invstd})
    drop(data, static_cast<std::size_t>(p.shape.c) * sizeof(double));
}

void Session::measure(const Work& w, Row& row) {
  std::vector<Slot> slots;
  const auto add = [&](Slot slot) {
    calibrate(slot);
    slots.push_back(std::move(slot));
  };
  const auto add_contestant = [&](Contestant& c) {
    add({c.name(), [&c] { c.run(); }});
    if (asked_.fresh) add({c.name() + "_fresh", [&c] { c.run_fresh(); }, {}, true});
    if (asked_.cold)
      add({c.name() + "_cold", [&c] { c.run(); }, [this, &w, &c] { evict_all(w, c); }});
  };
  add_contestant(*truenorm_);
  for (const auto& peer : peers_)
    if (row.peers[peer->name()].absent.empty()) add_contestant(*peer);
  add({"truenorm_again", [this] { truenorm_->run(); }});
  const void* second = w.op == Op::backward ? w.dy : nullptr;
  const auto copy = [&](const char* name, int threads, bool stream) {
    add({name, [&w, &row, this, second, threads, stream] {
           move_memory(w.x, second, moved_.data(), row.bytes, threads, stream);
         }});
  };
  copy("copy", w.exec.threads, false);
  copy("copy_streamed", w.exec.threads, true);
  // A bound must not be passed by not waking anybody up.
  if (w.exec.threads > 1 && row.bytes <= own_cache(caches_)) copy("copy_by_one", 1, false);
  oracle::Dice dice(asked_.seed, played_++);
  if (play_rounds(slots, asked_.rounds, dice, interrupted_)) conclude(slots, w, row);
}

void Session::conclude(const std::vector<Slot>& slots, const Work& w, Row& row) const {
  for (const Slot& slot : slots) {
    row.samples[slot.name] = slot.ns;
    row.measurements += slot.ns.size();
    row.disturbed += static_cast<std::size_t>(slot.disturbed);
  }
  row.must = must_move(w.problem.shape, w.exec.x, w.problem.dtype, w.op, own_cache(caches_));
  bench::conclude(row, asked_.others(), 1);
}

}  // namespace truenorm::bench
