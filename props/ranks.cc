#include "ranks.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "arena.h"
#include "dice.h"
#include "played.h"
#include "players/truenorm_contract.h"

namespace truenorm::props {

using namespace oracle;

std::shared_ptr<const std::vector<double>> Board::gather(int rank, const double* mine,
                                                         std::int64_t count) {
  std::unique_lock lock(mutex_);
  const auto values = static_cast<std::size_t>(count);
  if (arrived_ == 0) pending_.resize(values * static_cast<std::size_t>(ranks_));
  std::copy_n(mine, count, pending_.begin() + rank * count);
  if (++arrived_ == ranks_) {
    complete_ = std::make_shared<const std::vector<double>>(std::move(pending_));
    arrived_ = 0;
    ++round_;
    changed_.notify_all();
    return complete_;
  }
  const std::uint64_t round = round_;
  changed_.wait(lock, [&] { return round_ != round || lost_; });
  return round_ != round ? complete_ : nullptr;
}

void Board::lose() {
  const std::lock_guard lock(mutex_);
  lost_ = true;
  changed_.notify_all();
}

bool ThreadRank::all_gather(const double* mine, std::int64_t count, double* all) noexcept {
  const auto gathered = board_.gather(rank_, mine, count);
  if (gathered) std::copy(gathered->begin(), gathered->end(), all);
  return gathered != nullptr;
}

void on_ranks(int ranks, const std::function<void(int, Communicator&)>& body) {
  Board board(ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      ThreadRank communicator(board, rank);
      body(rank, communicator);
    });
  for (std::thread& thread : threads) thread.join();
}

std::vector<Share> deal(std::int64_t batch, int ranks, std::int64_t images, std::uint64_t seed) {
  const std::int64_t block = std::max<std::int64_t>(images, 1),
                     blocks = (batch + block - 1) / block;
  Dice dice(seed, static_cast<std::uint64_t>(batch));
  std::vector<std::int64_t> cuts{0, blocks};
  for (int i = 1; i < ranks; ++i) cuts.push_back(dice.between(0, blocks));
  std::sort(cuts.begin(), cuts.end());
  std::vector<Share> shares;
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i)
    shares.push_back({std::min(cuts[i] * block, batch), std::min(cuts[i + 1] * block, batch)});
  return shares;
}

std::vector<Share> Table::shares(const Case& c, std::size_t step) const {
  return deal(batch_of(c.problem, step), ranks, images, c.problem.seed);
}

double Table::blocks(const Case& c) const {
  double most = 1;
  for (std::size_t i = 0; i < c.problem.run.size(); ++i) {
    double blocks = 0;
    for (const Share& share : shares(c, i))
      blocks += images == 0 ? 1 : static_cast<double>((share.images() + images - 1) / images);
    most = std::max(most, blocks);
  }
  return most;
}

Case for_ranks(Case c) {
  if (!c.exec) c.exec.emplace();
  c.exec->threads = 1;
  const std::vector<StepAnswer> meaning = semantics(c.problem);
  bool track = c.problem.track, evaluated = false;
  std::int64_t batch = -1;
  std::vector<Step> run;
  for (std::size_t i = 0; i < c.problem.run.size(); ++i) {
    Step step = c.problem.run[i];
    if (has_data(step.op)) step.batch = batch_of(c.problem, i);
    if (step.op == Op::track_on || step.op == Op::track_off) track = step.op == Op::track_on;
    if (step.op == Op::eval && !(track && c.problem.track)) continue;
    if (step.op == Op::backward && evaluated && step.batch != batch) continue;
    if (is_forward(step.op) && meaning[i].refused == Refusal::none) {
      evaluated = step.op == Op::eval;
      batch = step.batch;
    }
    run.push_back(step);
  }
  if (run.empty()) run.emplace_back();
  c.problem.run = std::move(run);
  return c;
}

namespace {

template <class To, class From>
To same(From from) {
  return static_cast<To>(static_cast<int>(from));
}

Tensor view(const Placed& p) {
  Tensor t;
  t.data = p.data;
  t.dtype = same<truenorm::Dtype>(p.dtype);
  t.rank = p.rank;
  std::copy(p.size.begin(), p.size.end(), t.size.begin());
  std::copy(p.stride.begin(), p.stride.end(), t.stride.begin());
  return t;
}
Vector vector_view(const Placed& p) {
  return {p.data, same<truenorm::Dtype>(p.dtype), p.size[0], p.stride[0]};
}

std::vector<double> values_of(const ConstVector& v) {
  std::vector<double> values(v.present() ? static_cast<std::size_t>(v.size) : 0);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = load(same<oracle::Dtype>(v.dtype),
                     static_cast<const std::byte*>(v.data) +
                         static_cast<std::int64_t>(i) * v.stride * truenorm::size_of(v.dtype));
  return values;
}

void assign(const Vector& v, const std::vector<double>& values) {
  for (std::size_t i = 0; v.present() && i < values.size(); ++i)
    store(same<oracle::Dtype>(v.dtype), values[i],
          static_cast<std::byte*>(v.data) +
              static_cast<std::int64_t>(i) * v.stride * truenorm::size_of(v.dtype));
}

Refusal refusal_of(Code code) {
  switch (code) {
    case Code::ok:
      return Refusal::none;
    case Code::one_value_per_channel:
      return Refusal::one_value_per_channel;
    case Code::missing_statistics:
      return Refusal::missing_statistics;
    case Code::no_forward:
      return Refusal::no_forward;
    case Code::shape_mismatch:
      return Refusal::shape_mismatch;
    default:
      return Refusal::other;
  }
}

std::optional<double> momentum_of(const Momentum& m) {
  return m.cumulative ? std::nullopt : std::optional(m.value);
}

BatchNormOptions options_of(const Problem& p) {
  BatchNormOptions o;
  o.num_features = p.shape.c;
  o.eps = p.eps;
  o.momentum = momentum_of(p.momentum);
  o.affine =
      p.weight ? (p.bias ? Affine::both : Affine::weight) : (p.bias ? Affine::bias : Affine::none);
  o.track_running_stats = p.track;
  o.dtype = same<truenorm::Dtype>(p.param_dtype);
  if (p.renorm) o.renorm = truenorm::Renorm{p.renorm->r_max, p.renorm->d_max};
  return o;
}

/// Values of some images of a tensor.
std::vector<double> images_of(const std::vector<double>& all, const Share& share,
                              const Shape& shape) {
  const std::int64_t image = shape.c * shape.plane();
  return {all.begin() + share.begin * image, all.begin() + share.end * image};
}

/// One rank, its layer and the program.
class Game {
 public:
  Game(const Case& c, const Inputs& inputs, const Table& table, int rank, Communicator& ranks)
      : case_(c),
        p_(c.problem),
        exec_(*c.exec),
        inputs_(inputs),
        table_(table),
        rank_(static_cast<std::size_t>(rank)),
        ranks_(ranks),
        context_(1, same<truenorm::Isa>(exec_.isa)),
        layer_(options_of(c.problem)) {
    assign(layer_.weight(), inputs.weight);
    assign(layer_.bias(), inputs.bias);
    assign(layer_.running_mean(), inputs.running_mean);
    assign(layer_.running_var(), inputs.running_var);
  }

  RankPlay play() {
    for (std::size_t i = 0; i < p_.run.size() && played_.trace.outcome == Outcome::played; ++i) {
      StepTrace step;
      played_.given.emplace_back();
      take(i, step);
      const BatchNorm& layer = layer_;
      step.running_mean = values_of(layer.running_mean());
      step.running_var = values_of(layer.running_var());
      if (const auto batches = layer.num_batches_tracked())
        step.num_batches_tracked = static_cast<double>(*batches);
      played_.trace.steps.push_back(std::move(step));
    }
    return std::move(played_);
  }

 private:
  void take(std::size_t i, StepTrace& step) {
    switch (p_.run[i].op) {
      case Op::train:
      case Op::eval:
        return forward(i, step);
      case Op::backward:
        return backward(i, step);
      case Op::reset_stats:
        return refuse(layer_.reset_running_stats(), step);
      case Op::reset_params:
        return refuse(layer_.reset_parameters(), step);
      case Op::save_load:
        return refuse(layer_.load(layer_.state()), step);
      case Op::track_off:
      case Op::track_on:
        return layer_.set_track_running_stats(p_.run[i].op == Op::track_on);
      case Op::set_eps:
        return layer_.set_eps(p_.run[i].eps);
      case Op::set_momentum:
        return layer_.set_momentum(momentum_of(p_.run[i].momentum));
      case Op::copy:
        layer_ = BatchNorm(layer_);
        return;
      case Op::move: {
        BatchNorm moved(std::move(layer_));
        layer_ = std::move(moved);
        return;
      }
    }
  }

  static void refuse(Status status, StepTrace& step) { step.refused = refusal_of(status.code); }

  /// True if the call was accepted.
  bool settle(SyncStatus status, StepTrace& step) {
    const Harm harm = status.ok() ? arena_.harm() : arena_.harm_after_refusal();
    if (status.fault == SyncStatus::Fault::differs || status.fault == SyncStatus::Fault::lost) {
      played_.trace.outcome = Outcome::failed;
      played_.trace.detail = status.message();
    } else if (harm) {
      played_.trace.outcome = harm.what;
      played_.trace.detail = harm.where;
    }
    refuse(status.status, step);
    return status.ok();
  }

  void forward(std::size_t i, StepTrace& step) {
    const Share share = table_.shares(case_, i)[rank_];
    const Shape shape = p_.shape.with_batch(share.images());
    const std::vector<double> mine = images_of(inputs_.step[i], share, shape);
    layer_.train(p_.run[i].op == Op::train);
    arena_.begin(case_);
    const Placed& x =
        arena_.tensor(exec_.inplace ? Use::inout : Use::in, "x", shape, p_.dtype, exec_.x, &mine);
    const Placed& y = exec_.inplace ? x : arena_.tensor(Use::out, "y", shape, p_.dtype, exec_.y);
    if (!settle(sync_forward(context_, ranks_, layer_, view(x), view(y), table_.images), step))
      return;
    step.y = arena_.read(y);
    last_ = i;
    if (p_.run[i].op == Op::train && p_.shape.with_batch(batch_of(p_, i)).numel() != 0) {
      step.save_mean = values_of(layer_.saved_mean());
      step.save_invstd = values_of(layer_.saved_invstd());
    }
  }

  void backward(std::size_t i, StepTrace& step) {
    const Share share = table_.shares(case_, i)[rank_];
    const Shape shape = p_.shape.with_batch(share.images());
    const std::vector<double> dy_values = images_of(inputs_.step[i], share, shape);
    const bool fits = last_ && batch_of(p_, *last_) == batch_of(p_, i);
    const std::vector<double> x_values = images_of(inputs_.step[fits ? *last_ : i], share, shape);
    const bool inplace = exec_.inplace && exec_.dy == exec_.dx;
    arena_.begin(case_);
    const Placed& x = arena_.tensor(Use::in, "x", shape, p_.dtype, exec_.x, &x_values);
    const Placed& dy =
        arena_.tensor(inplace ? Use::inout : Use::in, "dy", shape, p_.dtype, exec_.dy, &dy_values);
    const Placed& dx = inplace ? dy : arena_.tensor(Use::out, "dx", shape, p_.dtype, exec_.dx);
    const Placed& dweight = arena_.vector(Use::out, "dweight", shape.c, p_.param_dtype);
    const Placed& dbias = arena_.vector(Use::out, "dbias", shape.c, p_.param_dtype);
    if (!settle(sync_backward(context_, ranks_, layer_, view(dy), view(x), view(dx),
                              vector_view(dweight), vector_view(dbias)),
                step))
      return;
    step.dx = arena_.read(dx);
    step.dweight = arena_.read(dweight);
    step.dbias = arena_.read(dbias);
    if (p_.run[*last_].op == Op::train)
      played_.given[i] = {values_of(layer_.saved_mean()), values_of(layer_.saved_invstd()),
                          values_of(layer_.saved_r()), values_of(layer_.saved_d())};
  }

  const Case& case_;
  const Problem& p_;
  const Exec& exec_;
  const Inputs& inputs_;
  const Table& table_;
  std::size_t rank_;
  Communicator& ranks_;
  Context context_;
  BatchNorm layer_;
  Arena arena_;
  RankPlay played_;
  std::optional<std::size_t> last_;
};

Contract contract_of(const Case& c, const Table& table) {
  const truenorm::Isa isa = same<truenorm::Isa>(c.exec->isa);
  const bool fma = has_fma(isa == truenorm::Isa::best ? *available_isas().begin() : isa);
  return merged_contract(truenorm_contract(c.problem, *c.exec, fma), table.blocks(c));
}

/// The verdict on dweight and dbias of one rank's backward.
Verdict judge_sums(const Case& c, const Inputs& inputs, const Contract& contract,
                   const RankPlay& rank, const Share& share, std::size_t x_step, std::size_t step) {
  Problem part = c.problem;
  part.shape = c.problem.shape.with_batch(share.images());
  part.run.assign(2, Step{});
  part.run[1].op = Op::backward;
  part.run[1].id = 1;
  Inputs given = inputs;
  given.step = {images_of(inputs.step[x_step], share, part.shape),
                images_of(inputs.step[step], share, part.shape)};
  const StepAnswer all = gradients(part, given, contract, rank.given[step]);
  Answer sums;
  sums.steps.resize(1);
  sums.steps[0].dweight = all.dweight;
  sums.steps[0].dbias = all.dbias;
  Trace trace;
  trace.steps.resize(1);
  trace.steps[0].dweight = rank.trace.steps[step].dweight;
  trace.steps[0].dbias = rank.trace.steps[step].dbias;
  return judge(trace, sums);
}

}  // namespace

RankPlay play_rank(const Case& c, const Inputs& inputs, const Table& table, int rank,
                   Communicator& communicator) {
  return Game(c, inputs, table, rank, communicator).play();
}

std::vector<RankPlay> play_ranks(const Case& c, const Inputs& inputs, const Table& table) {
  std::vector<RankPlay> all(static_cast<std::size_t>(table.ranks));
  on_ranks(table.ranks, [&](int rank, Communicator& ranks) {
    all[static_cast<std::size_t>(rank)] = play_rank(c, inputs, table, rank, ranks);
  });
  return all;
}

Trace joined(const Case& c, const std::vector<RankPlay>& ranks) {
  Trace whole = ranks[0].trace;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    Trace one = ranks[rank].trace;
    for (std::size_t i = 0; i < one.steps.size() && one.outcome == Outcome::played; ++i) {
      StepTrace &to = whole.steps[i], &from = one.steps[i];
      for (auto [all, part] : {std::pair{&to.y, &from.y}, std::pair{&to.dx, &from.dx}}) {
        if (rank > 0) all->insert(all->end(), part->begin(), part->end());
        *part = *all;
      }
      to.dweight.clear();
      to.dbias.clear();
      from.dweight.clear();
      from.dbias.clear();
    }
    if (const std::string d = difference(whole, one); !d.empty()) {
      whole.outcome = Outcome::failed;
      whole.detail = print(c) + ": rank 0 and rank " + std::to_string(rank) + ": " + d;
      return whole;
    }
  }
  return whole;
}

std::string complaint(const Case& c, const Inputs& inputs, const Table& table,
                      const std::vector<RankPlay>& ranks, bool* hollow) {
  const Contract contract = contract_of(c, table);
  const std::string who = std::to_string(table.ranks) + " ranks, blocks of " +
                          std::to_string(table.images) + " images: ";
  Answer whole = answer(c.problem, inputs, contract);
  for (StepAnswer& step : whole.steps) step.dweight = step.dbias = {};
  const Verdict v = judge(joined(c, ranks), whole);
  if (hollow != nullptr) *hollow = v.result == Result::hollow;
  if (v.result != Result::pass && v.result != Result::hollow) return who + report(c, v);

  std::size_t x_step = 0;
  for (std::size_t i = 0; i < c.problem.run.size(); ++i) {
    const bool accepted = ranks[0].trace.steps[i].refused == Refusal::none;
    if (is_forward(c.problem.run[i].op) && accepted) x_step = i;
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
      if (ranks[rank].given[i].mean.empty()) continue;
      const Verdict sums =
          judge_sums(c, inputs, contract, ranks[rank], table.shares(c, i)[rank], x_step, i);
      if (sums.result == Result::fail)
        return who + "rank " + std::to_string(rank) + ": " + report(c, sums);
    }
  }
  return {};
}

}  // namespace truenorm::props
