#include "host.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <mutex>
#include <utility>

namespace truenorm::oracle {
namespace host {
namespace {

bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

std::int32_t abi_dtype(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return TRUENORM_F32;
    case Dtype::f64:
      return TRUENORM_F64;
    case Dtype::bf16:
      return TRUENORM_BF16;
    case Dtype::f16:
      return TRUENORM_F16;
  }
  return -1;
}

}  // namespace

truenorm_tensor view(const Placed& p) {
  truenorm_tensor t{};
  t.data = p.data;
  t.dtype = abi_dtype(p.dtype);
  t.rank = p.rank;
  std::copy(p.size.begin(), p.size.end(), t.size);
  std::copy(p.stride.begin(), p.stride.end(), t.stride);
  return t;
}

truenorm_vector view_vector(const Placed& p) {
  return {p.data, abi_dtype(p.dtype), 0, p.size[0], p.stride[0]};
}

truenorm_vector absent(Dtype dtype) { return {nullptr, abi_dtype(dtype), 0, 0, 1}; }

bool Game::end(Outcome outcome, std::string detail) {
  trace_.outcome = outcome;
  trace_.detail = std::move(detail);
  return false;
}

Game::Call Game::judge_call(truenorm_result result, std::string_view function) {
  const std::string who(function);
  switch (result) {
    case TRUENORM_OK:
      if (const Harm harm = arena_.harm())
        return end(harm.what, who + ": " + harm.where), Call::ended;
      return Call::accepted;
    case TRUENORM_REFUSED:
      if (const Harm harm = arena_.harm_after_refusal())
        return end(harm.what, who + ": " + harm.where), Call::ended;
      return Call::refused;
    case TRUENORM_UNSUPPORTED:
      return end(Outcome::unsupported, who + " says that it does not do this"), Call::ended;
    case TRUENORM_FAILED:
      return end(Outcome::failed, who + " failed"), Call::ended;
  }
  return end(Outcome::failed, who + " returned " + std::to_string(static_cast<int>(result)) +
                                  ", which is no truenorm_result"),
         Call::ended;
}

Refusal Game::refusal_of_forward(const Shape& shape, bool batch) const {
  return batch && shape.per_channel() == 1 ? Refusal::one_value_per_channel : Refusal::other;
}

const Placed& Game::place_x(const Shape& shape, std::size_t step, bool written) {
  return arena_.tensor(written ? Use::inout : Use::in, "x", shape, problem_.dtype, exec_.x,
                       &in_.step[step]);
}

const Placed* Game::y_for(const Placed& x, const Shape& shape) {
  return exec_.inplace ? &x : &arena_.tensor(Use::out, "y", shape, problem_.dtype, exec_.y);
}

/// One call of backward for all gradients but those left out: bit 0 dx, bit 1 dweight, bit 2 dbias.
bool Game::ask_backward(std::size_t index, std::uint64_t left_out, StepTrace& trace) {
  arena_.begin(case_);
  const Shape& shape = last_.shape;
  const Placed& xp = place_x(shape, last_.step, false);
  const truenorm_tensor x = view(xp);
  const truenorm_tensor dy =
      view(arena_.tensor(Use::in, "dy", shape, problem_.dtype, exec_.dy, &in_.step[index]));
  const Placed *dx = nullptr, *dweight = nullptr, *dbias = nullptr;
  Gradients g{x, absent(problem_.param_dtype), absent(problem_.param_dtype)};
  g.dx.data = nullptr;
  if (!(left_out & 1))
    g.dx = view(*(dx = &arena_.tensor(Use::out, "dx", shape, problem_.dtype, exec_.dx)));
  if (!(left_out & 2))
    g.dweight = view_vector(
        *(dweight = &arena_.vector(Use::out, "dweight", shape.c, problem_.param_dtype)));
  if (!(left_out & 4))
    g.dbias =
        view_vector(*(dbias = &arena_.vector(Use::out, "dbias", shape.c, problem_.param_dtype)));
  switch (judge_call(backward(dy, x, g), "backward")) {
    case Call::ended:
      return false;
    case Call::refused:
      trace.refused = Refusal::other;
      trace.message = "the plugin refused";
      return true;
    case Call::accepted:
      break;
  }
  if (dx) trace.dx = arena_.read(*dx);
  if (dweight) trace.dweight = arena_.read(*dweight);
  if (dbias) trace.dbias = arena_.read(*dbias);
  return true;
}

/// The gradients; in every third case asked for again, with one or two of them left out.
bool Game::gradients(std::size_t index, StepTrace& trace) {
  if (!ask_backward(index, 0, trace)) return false;
  if (problem_.seed % 3 != 0 || trace.refused != Refusal::none) return true;
  StepTrace second;
  return ask_backward(index, 1 + problem_.seed / 3 % 6, second) && same_again(trace, second);
}

/// "Repeated calls give the same": of what both calls were asked for.
bool Game::same_again(const StepTrace& first, const StepTrace& second) {
  const auto differs = [&](std::string_view what, const std::vector<double>& a,
                           const std::vector<double>& b) {
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
      if (!same_bits(a[i], b[i]))
        return !end(Outcome::failed, "backward, called twice: " + std::string(what) + "[" +
                                         std::to_string(i) + "] was " + std::to_string(a[i]) +
                                         ", then " + std::to_string(b[i]));
    return false;
  };
  return !differs("dx", first.dx, second.dx) &&
         !differs("dweight", first.dweight, second.dweight) &&
         !differs("dbias", first.dbias, second.dbias);
}

Trace Game::play() {
  if (!begin()) return std::move(trace_);
  for (std::size_t i = 0; i < problem_.run.size(); ++i) {
    StepTrace& trace = trace_.steps.emplace_back();
    if (!step(i, trace) || !state(trace)) break;
  }
  return std::move(trace_);
}

// What the calls that the interface leaves to Truenorm answer: the layer's rules of
// docs/semantics.md.
bool Game::step(std::size_t index, StepTrace& trace) {
  const Step& step = problem_.run[index];
  const auto refuse = [&](Refusal why, const char* message) {
    trace.refused = why;
    trace.message = message;
    return true;
  };
  switch (step.op) {
    case Op::train:
    case Op::eval: {
      const Shape shape = problem_.shape.with_batch(batch_of(problem_, index));
      if (step.op == Op::eval && tracking_ && !problem_.track && shape.numel() != 0)
        return refuse(Refusal::missing_statistics, "evaluation without running statistics");
      if (!forward(index, trace)) return false;
      if (trace.refused == Refusal::none)
        last_ = {true, step.op == Op::train || !tracking_, index, shape, eps_};
      return true;
    }
    case Op::backward:
      if (!last_.any) return refuse(Refusal::no_forward, "backward before any forward");
      if (batch_of(problem_, index) != last_.shape.n)
        return refuse(Refusal::shape_mismatch, "dy is not of the last forward's sizes");
      return gradients(index, trace);
    case Op::reset_stats:
    case Op::reset_params:
      if (tracking_ && !problem_.track)
        return refuse(Refusal::missing_statistics, "reset without running statistics");
      return reset(step.op == Op::reset_params);
    case Op::save_load:
      return save_load();
    case Op::track_off:
      tracking_ = false;
      return true;
    case Op::track_on:
      tracking_ = true;
      return true;
    case Op::set_eps:
      eps_ = step.eps;
      return true;
    case Op::set_momentum:
      momentum_ = step.momentum;
      return true;
    case Op::copy:
    case Op::move:  // of our own books: what goes on is equal
      return true;
  }
  return true;
}

}  // namespace host

namespace {

/// What a layer of the interface cannot be told to do; around a kernel the books do it.
Unsupported outside_a_layer(const Problem& p) {
  for (const Step& step : p.run) switch (step.op) {
      case Op::track_off:
      case Op::track_on:
        return "the plugin interface cannot toggle track_running_stats of a layer";
      case Op::set_eps:
        return "the plugin interface cannot set eps of a layer";
      case Op::set_momentum:
        return "the plugin interface cannot set momentum of a layer";
      case Op::copy:
      case Op::move:
        return "the plugin interface cannot copy or move a layer";
      default:
        break;
    }
  return {};
}

Unsupported outside_the_interface(const Problem& p, bool layer) {
  for (const double eps : each_eps(p))
    if (!std::isfinite(eps) || std::signbit(eps))
      return "the plugin interface has no eps that is negative or not finite";
  if (p.renorm) return "the plugin interface has no batch renormalization";
  if (p.shape.c == 0) return "the plugin interface has no C of 0";
  return layer ? outside_a_layer(p) : Unsupported{};
}

bool has_backward(const Problem& p) {
  return std::any_of(p.run.begin(), p.run.end(),
                     [](const Step& s) { return s.op == Op::backward; });
}

template <class Table>
class HostPlayer final : public Player {
 public:
  using MakeGame = std::unique_ptr<host::Game> (*)(const Table&, const Case&, const Inputs&,
                                                   Arena&);
  HostPlayer(const Table& table, HostOptions options, MakeGame make, bool layer)
      : table_(table), options_(std::move(options)), make_(make), layer_(layer) {}

  std::string name() const override { return options_.name; }
  std::string version() const override { return options_.version; }

  // An instruction set cannot be asked for; whatever the plugin chooses by itself is judged.
  Unsupported unsupported(const Problem& p, const Exec& e) const override {
    if (Unsupported why = outside_the_interface(p, layer_); !why.empty()) return why;
    if (table_.backward == nullptr && has_backward(p)) return "the plugin has no backward";
    return options_.unsupported ? options_.unsupported(p, e) : Unsupported{};
  }
  Contract contract(const Problem& p, const Exec& e) const override {
    return options_.contract ? options_.contract(p, e) : contract_of(table_.contract, p);
  }
  Trace play(const Case& c, const Inputs& in) override {
    try {
      if (options_.before_case) options_.before_case();
      return make_(table_, c, in, arena_)->play();
    } catch (const std::exception& e) {
      return {Outcome::failed, std::string("the host: ") + e.what(), {}};
    }
  }

 private:
  const Table& table_;
  HostOptions options_;
  MakeGame make_;
  bool layer_;
  Arena arena_;
};

}  // namespace

// What the interface promises, and what the plugin adds: sums in `accumulate` in chains of at most
// `chain`, the rest in at least F32 (F64 for F64 data).
Contract contract_of(const truenorm_contract& claim, const Problem& p) {
  const double unit = p.dtype == Dtype::f64 ? kU64 : kU32,
               add = claim.accumulate == TRUENORM_F64 ? kU64 : kU32;
  std::int64_t largest = p.shape.per_channel();
  for (std::size_t i = 0; i < p.run.size(); ++i)
    largest = std::max(largest, p.shape.with_batch(batch_of(p, i)).per_channel());
  const double chain =
      static_cast<double>(claim.chain > 0 ? std::min(claim.chain, largest) : largest);
  Contract c;
  c.mean = {0, add, chain};
  // A pivot within half a standard deviation of the mean has a mean square Q <= 1.25 var about it,
  // and errs by gamma*Q + 2*(sigma/2)*gamma*sqrt(Q) < 2.4*gamma*var, where the mean itself would
  // err by gamma*var.
  c.square = {2 * unit, add, 3 * chain};  // its terms take 4.9 roundings instead of 3
  c.mean_unit = unit;
  c.var_unit = 2 * unit;     // the division and a store
  c.invstd_unit = 4 * unit;  // var + eps, the root, the reciprocal, a store
  c.eval_invstd_unit = 4 * unit;
  c.eps_unit = unit;
  c.unit = unit;
  c.folded = claim.folded != 0;
  c.forward_roundings = 4;    // x - mean, and three products with invstd*weight in any order
  c.backward_roundings = 10;  // the last term is a difference times invstd twice, dot, 1/n, with
                              // two differences and two products behind it
  c.dy_sum = {0, add, chain};
  c.dot = {unit, add, chain};
  c.dy_sum_store = c.dot_store = unit;
  c.save_unit = p.dtype == Dtype::f64 ? kU64 : kU32;
  c.backward_from_saved = true;
  c.run_unit = unit;
  c.factor_unit = unit;
  c.f32_range = p.dtype != Dtype::f64;
  c.f32_sums = p.dtype != Dtype::f64 && claim.accumulate != TRUENORM_F64;
  return c;
}

std::unique_ptr<Player> host_kernel(const truenorm_kernel_v1& table, HostOptions options) {
  return std::make_unique<HostPlayer<truenorm_kernel_v1>>(table, std::move(options),
                                                          host::kernel_game, false);
}

std::unique_ptr<Player> host_layer(const truenorm_layer_v1& table, HostOptions options) {
  return std::make_unique<HostPlayer<truenorm_layer_v1>>(table, std::move(options),
                                                         host::layer_game, true);
}

}  // namespace truenorm::oracle
