#include "session.h"

#include <unistd.h>

#include <algorithm>
#include <exception>

#include "oracle/text.h"
#include "oracle/words.h"
#include "roofline.h"

namespace truenorm::bench {
namespace {

oracle::Problem problem(const oracle::Shape& shape, oracle::Dtype dtype) {
  oracle::Problem p;
  p.shape = shape;
  p.dtype = dtype;
  p.param_dtype = dtype == oracle::Dtype::f64 ? dtype : oracle::Dtype::f32;
  p.rm = {oracle::DistKind::normal, 0, 1, {}};
  p.rv = {oracle::DistKind::uniform, 0.5, 2, {}};
  p.seed = 1;
  return p;
}

oracle::Exec exec(oracle::Layout layout, int threads, oracle::Isa isa) {
  oracle::Exec e;
  e.x = e.y = e.dy = e.dx = layout;
  e.threads = threads;
  e.isa = isa;
  return e;
}

/// A core's own cache.
std::size_t cache_bytes() {
  const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? static_cast<std::size_t>(bytes) : std::size_t{1} << 20;
}

}  // namespace

std::vector<Item> items(const std::vector<Entry>& entries, const Asked& asked) {
  std::vector<Item> all;
  for (const oracle::Dtype dtype : asked.dtypes)
    for (const Entry& entry : entries)
      for (const oracle::Layout layout : asked.layouts) {
        if (!(layout == oracle::Layout::nchw ? entry.nchw : entry.nhwc)) continue;
        for (const Op op : asked.ops)
          for (const int threads : asked.threads)
            all.push_back(
                {entry,
                 {problem_of(problem(entry.shape, dtype), op), exec(layout, threads, asked.isa)},
                 op});
      }
  return all;
}

Session::Session(Asked asked, std::function<bool()> interrupted)
    : asked_(std::move(asked)),
      interrupted_(std::move(interrupted)),
      truenorm_(make_truenorm(asked_.caches)) {
  for (const std::string& peer : asked_.peers) {
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
  const bool same = made_ && of_.shape == p.shape && of_.dtype == p.dtype;
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
  of_ = p;
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

Row Session::play(const Item& item) {
  Row row;
  row.line = oracle::print(item.value);
  row.suite = item.entry.suite;
  row.shape = shape_name(item.entry.shape);
  row.op = item.op;
  row.layout = item.value.exec->x;
  row.dtype = item.value.problem.dtype;
  row.threads = item.value.exec->threads;
  row.channels = item.entry.shape.c;
  row.bytes = tensor_bytes(item.entry.shape, row.dtype);
  make_data(item);
  const Work w = work_of(item);
  if (!judged(item, w, row)) return row;
  invite(w, row);
  measure(w, row);
  return row;
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
  const oracle::Verdict v = check(*truenorm_, w, inputs_, Extent::all);
  row.score = v.score;
  row.verdict = oracle::name(v.result);
  if (v.result == oracle::Result::pass) return true;
  row.verdict += ": " + oracle::describe(item.value, v);
  return false;
}

void Session::invite(const Work& w, Row& row) {
  for (const auto& peer : peers_) {
    Against& against = row.peers[peer->name()];
    against.absent = peer->prepare(w);
    if (!against.absent.empty()) continue;
    against.implementation = peer->implementation();
    const oracle::Verdict v = check(*peer, w, inputs_, Extent::some);
    against.verdict = oracle::name(v.result);
    if (v.result != oracle::Result::pass) against.verdict += " (" + v.reason + ")";
  }
}

void Session::measure(const Work& w, Row& row) {
  std::vector<Slot> slots;
  const auto add = [&](std::string name, std::function<void()> call) {
    slots.push_back({std::move(name), std::move(call), 1, {}});
    calibrate(slots.back());
  };
  const auto run = [](Contestant& c) { return [&c] { c.run(); }; };
  add("truenorm", run(*truenorm_));
  for (const auto& peer : peers_)
    if (row.peers[peer->name()].absent.empty()) add(peer->name(), run(*peer));
  add("truenorm_again", run(*truenorm_));
  const void* second = w.op == Op::backward ? w.dy : nullptr;
  const auto copy = [&](const char* name, int threads, bool stream) {
    add(name, [&w, &row, this, second, threads, stream] {
      move_memory(w.x, second, moved_.data(), row.bytes, threads, stream);
    });
  };
  copy("copy", w.exec.threads, false);
  copy("copy_streamed", w.exec.threads, true);
  // A bound must not be passed by not waking anybody up.
  if (w.exec.threads > 1 && row.bytes <= cache_bytes()) copy("copy_by_one", 1, false);
  if (!play_rounds(slots, asked_.rounds, interrupted_)) return;

  const std::vector<double>& own = slots.front().ns;
  row.ns = median(own);
  row.spread = spread(own);
  for (const Slot& slot : slots) {
    row.samples[slot.name] = slot.ns;
    row.measurements += slot.ns.size();
    row.disturbed += static_cast<std::size_t>(slot.disturbed);
    const std::vector<double> r = ratios(slot.ns, own);
    if (slot.name == "truenorm_again") row.aa = median(r);
    if (slot.name.starts_with("copy"))
      row.copy_ns = row.copy_ns > 0 ? std::min(row.copy_ns, median(slot.ns)) : median(slot.ns);
    const auto peer = row.peers.find(slot.name);
    if (peer == row.peers.end()) continue;
    peer->second.ns = median(slot.ns);
    peer->second.ratio = median(r);
    peer->second.spread = spread(r);
  }
  const auto bytes = static_cast<double>(row.bytes);
  row.gbps = bytes * textbook_moves(w.op) / row.ns;
  const int must = must_move(w.problem.shape, w.exec.x, w.problem.dtype, w.op, cache_bytes());
  row.roofline_pct = 100 * row.copy_ns * must / pass_moves(w.op) / row.ns;
  row.measured = true;
}

}  // namespace truenorm::bench
