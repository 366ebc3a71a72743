// A kernel under Truenorm's bookkeeping: the layer's state lives here, the kernel sees one call at
// a time.
#include "host.h"

#include <algorithm>

namespace truenorm::oracle::host {
namespace {

class KernelGame final : public Game {
 public:
  KernelGame(const truenorm_kernel_v1& k, const Case& c, const Inputs& in, Arena& arena)
      : Game(c, in, arena), k_(k) {}

 private:
  bool begin() override;
  bool forward(std::size_t index, StepTrace&) override;
  truenorm_result backward(const truenorm_tensor& dy, const truenorm_tensor& x,
                           Gradients&) override;
  bool reset(bool parameters) override;
  bool save_load() override {
    return true;
  }  // the books are Truenorm's: a round trip through a copy is the identity
  bool state(StepTrace&) override;

  truenorm_result train(const Placed& x, const Placed& y, bool update, double factor);
  truenorm_result evaluate(const Placed& x, const Placed& y);
  bool refuses_wrong_size();
  truenorm_vector input(const char* name, const std::vector<double>& values);
  bool tracks() const { return tracking_ && problem_.track; }

  const truenorm_kernel_v1& k_;
  std::vector<double> weight_, bias_, running_mean_, running_var_;
  double batches_ = 0;
  // Of the last forward: the statistics and the weight that it used.
  std::vector<double> mean_, second_,
      last_weight_;  // second_: invstd of batch statistics, variance of running ones
  // Of the call at hand.
  const Placed *rm_ = nullptr, *rv_ = nullptr, *save_mean_ = nullptr, *save_invstd_ = nullptr;
};

truenorm_vector KernelGame::input(const char* name, const std::vector<double>& values) {
  if (values.empty()) return absent(problem_.param_dtype);
  return view_vector(arena_.vector(Use::in, name, static_cast<std::int64_t>(values.size()),
                                   problem_.param_dtype, &values));
}

bool KernelGame::begin() {
  weight_ = in_.weight;
  bias_ = in_.bias;
  // A layer without running statistics evaluates a batch of no values all the same, and the
  // interface wants some to be given.
  const auto channels = static_cast<std::size_t>(problem_.shape.c);
  running_mean_ = problem_.track ? in_.running_mean : std::vector<double>(channels, 0);
  running_var_ = problem_.track ? in_.running_var : std::vector<double>(channels, 1);
  return problem_.seed % 8 != 1 || refuses_wrong_size();
}

/// A weight of C + 1 values must be refused, and nothing written. Tried in every eighth case.
bool KernelGame::refuses_wrong_size() {
  arena_.begin(case_);
  const Shape shape{2, problem_.shape.c, 0, {}};
  const std::vector<double> values(static_cast<std::size_t>(shape.numel()), 1),
      many(static_cast<std::size_t>(shape.c) + 1, 1);
  const truenorm_tensor x =
      view(arena_.tensor(Use::in, "x", shape, problem_.dtype, Layout::nchw, &values));
  truenorm_tensor y = view(arena_.tensor(Use::out, "y", shape, problem_.dtype, Layout::nchw));
  const truenorm_vector weight = input("weight of C + 1 values", many),
                        none = absent(problem_.param_dtype);
  truenorm_vector no_mean = none, no_var = none;
  truenorm_vector mean = view_vector(arena_.vector(Use::out, "save_mean", shape.c, save_dtype()));
  truenorm_vector invstd =
      view_vector(arena_.vector(Use::out, "save_invstd", shape.c, save_dtype()));
  const truenorm_result result = k_.forward_training(&x, &weight, &none, &no_mean, &no_var, 0.1,
                                                     1e-5, &y, &mean, &invstd, exec_.threads);
  if (result == TRUENORM_UNSUPPORTED) return true;
  if (result != TRUENORM_REFUSED)
    return end(Outcome::failed, "forward_training did not refuse a weight of C + 1 values");
  return judge_call(result, "forward_training") != Call::ended;
}

truenorm_result KernelGame::train(const Placed& x, const Placed& y, bool update, double factor) {
  const truenorm_vector weight = input("weight", weight_), bias = input("bias", bias_);
  const bool empty = x.count == 0;
  truenorm_vector rm = absent(problem_.param_dtype), rv = rm;
  if (update) {
    rm_ = &arena_.vector(Use::inout, "running_mean", problem_.shape.c, problem_.param_dtype,
                         &running_mean_);
    rv_ = &arena_.vector(Use::inout, "running_var", problem_.shape.c, problem_.param_dtype,
                         &running_var_);
    rm = view_vector(*rm_);
    rv = view_vector(*rv_);
  }
  save_mean_ =
      &arena_.vector(empty ? Use::maybe : Use::out, "save_mean", problem_.shape.c, save_dtype());
  save_invstd_ =
      &arena_.vector(empty ? Use::maybe : Use::out, "save_invstd", problem_.shape.c, save_dtype());
  truenorm_vector mean = view_vector(*save_mean_), invstd = view_vector(*save_invstd_);
  const truenorm_tensor in = view(x);
  truenorm_tensor out = view(y);
  return k_.forward_training(&in, &weight, &bias, &rm, &rv, factor, eps_, &out, &mean, &invstd,
                             exec_.threads);
}

truenorm_result KernelGame::evaluate(const Placed& x, const Placed& y) {
  const truenorm_vector weight = input("weight", weight_), bias = input("bias", bias_);
  const truenorm_vector rm = input("running_mean", running_mean_);
  const truenorm_vector rv = input("running_var", running_var_);
  const truenorm_tensor in = view(x);
  truenorm_tensor out = view(y);
  return k_.forward_inference(&in, &weight, &bias, &rm, &rv, eps_, &out, exec_.threads);
}

bool KernelGame::forward(std::size_t index, StepTrace& trace) {
  const bool training = problem_.run[index].op == Op::train, batch = training || !tracking_,
             update = training && tracks();
  const Shape shape = problem_.shape.with_batch(batch_of(problem_, index));
  const double counted = batches_ + (update ? 1 : 0);
  const double factor = !update ? 0 : momentum_.cumulative ? 1 / counted : momentum_.value;
  arena_.begin(case_);
  const Placed& x = place_x(shape, index, exec_.inplace);
  const Placed& y = *y_for(x, shape);
  const truenorm_result result = batch ? train(x, y, update, factor) : evaluate(x, y);
  const Call call = judge_call(result, batch ? "forward_training" : "forward_inference");
  if (call == Call::ended) return false;
  if (call == Call::refused) {
    trace.refused = refusal_of_forward(shape, batch);
    trace.message = "the kernel refused";
    return true;
  }
  batches_ = counted;
  trace.y = arena_.read(y);
  last_weight_ = weight_;
  if (batch) {
    mean_ = arena_.read(*save_mean_);
    second_ = arena_.read(*save_invstd_);
    if (shape.numel() != 0) {
      trace.save_mean = mean_;
      trace.save_invstd = second_;
    }
  } else {
    mean_ = running_mean_;
    second_ = running_var_;
  }
  if (update) {
    running_mean_ = arena_.read(*rm_);
    running_var_ = arena_.read(*rv_);
  }
  return true;
}

truenorm_result KernelGame::backward(const truenorm_tensor& dy, const truenorm_tensor& x,
                                     Gradients& g) {
  const std::int64_t channels = problem_.shape.c;
  const truenorm_vector weight = input("weight", last_weight_), none = absent(problem_.param_dtype),
                        no_save = absent(save_dtype());
  if (last_.batch) {
    const truenorm_vector mean =
        view_vector(arena_.vector(Use::in, "save_mean", channels, save_dtype(), &mean_));
    const truenorm_vector invstd =
        view_vector(arena_.vector(Use::in, "save_invstd", channels, save_dtype(), &second_));
    return k_.backward(&dy, &x, &weight, &none, &none, &mean, &invstd, 1, last_.eps, &g.dx,
                       &g.dweight, &g.dbias, exec_.threads);
  }
  const truenorm_vector mean = input("running_mean", mean_), var = input("running_var", second_);
  return k_.backward(&dy, &x, &weight, &mean, &var, &no_save, &no_save, 0, last_.eps, &g.dx,
                     &g.dweight, &g.dbias, exec_.threads);
}

bool KernelGame::reset(bool parameters) {
  if (parameters) {
    std::fill(weight_.begin(), weight_.end(), 1.0);
    std::fill(bias_.begin(), bias_.end(), 0.0);
  }
  if (!tracks()) return true;
  std::fill(running_mean_.begin(), running_mean_.end(), 0.0);
  std::fill(running_var_.begin(), running_var_.end(), 1.0);
  batches_ = 0;
  return true;
}

bool KernelGame::state(StepTrace& trace) {
  if (!problem_.track) return true;
  trace.running_mean = running_mean_;
  trace.running_var = running_var_;
  trace.num_batches_tracked = batches_;
  return true;
}

}  // namespace

std::unique_ptr<Game> kernel_game(const truenorm_kernel_v1& k, const Case& c, const Inputs& in,
                                  Arena& arena) {
  return std::make_unique<KernelGame>(k, c, in, arena);
}

}  // namespace truenorm::oracle::host
