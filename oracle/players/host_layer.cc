// A layer with its own state: Truenorm only asks and looks.
#include "host.h"

#include <utility>

namespace truenorm::oracle::host {
namespace {

class LayerGame final : public Game {
 public:
  LayerGame(const truenorm_layer_v1& l, const Case& c, const Inputs& in, Arena& arena)
      : Game(c, in, arena), l_(l) {}
  ~LayerGame() override {
    if (layer_ != nullptr) l_.destroy(layer_);
  }

 private:
  bool begin() override;
  bool forward(std::size_t index, StepTrace&) override;
  truenorm_result backward(const truenorm_tensor& dy, const truenorm_tensor& x,
                           Gradients& g) override {
    return l_.backward(layer_, &dy, &x, &g.dx, &g.dweight, &g.dbias);
  }
  bool reset(bool parameters) override;
  bool save_load() override;
  bool state(StepTrace&) override;

  Call set(const char* name, const std::vector<double>& values, Dtype);
  bool must_set(const char* name, const std::vector<double>& values);
  bool get(const char* name, std::vector<double>& values);
  bool simple(truenorm_result, const char* function);
  std::int64_t size_of_state(std::string_view name) const {
    return name == kCounter ? 1 : problem_.shape.c;
  }
  Dtype dtype_of_state(std::string_view name) const {
    return name == kCounter ? Dtype::f64 : problem_.param_dtype;
  }
  std::vector<const char*> names() const;

  static constexpr std::string_view kCounter = "num_batches_tracked";
  const truenorm_layer_v1& l_;
  void* layer_ = nullptr;
};

std::vector<const char*> LayerGame::names() const {
  std::vector<const char*> names;
  if (problem_.weight) names.push_back("weight");
  if (problem_.bias) names.push_back("bias");
  if (problem_.track)
    for (const char* name : {"running_mean", "running_var", kCounter.data()}) names.push_back(name);
  return names;
}

/// A call that has no tensors and that nothing entitles the layer to refuse.
bool LayerGame::simple(truenorm_result result, const char* function) {
  arena_.begin(case_);
  const Call call = judge_call(result, function);
  return call == Call::refused ? end(Outcome::failed, std::string(function) + " refused")
                               : call == Call::accepted;
}

Game::Call LayerGame::set(const char* name, const std::vector<double>& values, Dtype dtype) {
  arena_.begin(case_);
  const truenorm_vector from = view_vector(
      arena_.vector(Use::in, name, static_cast<std::int64_t>(values.size()), dtype, &values));
  return judge_call(l_.set_state(layer_, name, &from), "set_state");
}

bool LayerGame::must_set(const char* name, const std::vector<double>& values) {
  const Call call = set(name, values, dtype_of_state(name));
  return call == Call::refused
             ? end(Outcome::failed, std::string("set_state refused its own ") + name)
             : call == Call::accepted;
}

bool LayerGame::get(const char* name, std::vector<double>& values) {
  arena_.begin(case_);
  const Placed& place = arena_.vector(Use::out, name, size_of_state(name), dtype_of_state(name));
  truenorm_vector to = view_vector(place);
  const Call call = judge_call(l_.get_state(layer_, name, &to), "get_state");
  if (call == Call::refused) return end(Outcome::failed, std::string("get_state has no ") + name);
  if (call == Call::ended) return false;
  values = arena_.read(place);
  return true;
}

bool LayerGame::begin() {
  const truenorm_vector dtype = absent(problem_.param_dtype);
  const truenorm_layer_options options{
      problem_.shape.c, problem_.eps,  problem_.momentum.value, problem_.momentum.cumulative,
      problem_.weight,  problem_.bias, problem_.track,          dtype.dtype,
      exec_.threads};
  if (!simple(l_.create(&options, &layer_), "create")) return false;
  if (layer_ == nullptr) return end(Outcome::failed, "create gave no layer");
  for (auto [name, values] :
       {std::pair{"weight", &in_.weight}, std::pair{"bias", &in_.bias},
        std::pair{"running_mean", &in_.running_mean}, std::pair{"running_var", &in_.running_var}})
    if (!values->empty() && !must_set(name, *values)) return false;
  if (problem_.seed % 8 != 1) return true;
  // In every eighth case: a wrong size and a name that the layer lacks must be refused.
  const std::vector<double> many(static_cast<std::size_t>(problem_.shape.c) + 1, 1);
  const Call wide = set("weight", many, problem_.param_dtype);
  if (wide == Call::accepted)
    return end(Outcome::failed, "set_state did not refuse a weight of C + 1 values");
  if (wide == Call::ended || problem_.track) return wide != Call::ended;
  const Call none = set(kCounter.data(), {1}, Dtype::f64);
  return none == Call::accepted
             ? end(Outcome::failed, "set_state did not refuse a counter that the layer lacks")
             : none != Call::ended;
}

bool LayerGame::forward(std::size_t index, StepTrace& trace) {
  const bool training = problem_.run[index].op == Op::train, batch = training || !problem_.track;
  const Shape shape = problem_.shape.with_batch(batch_of(problem_, index));
  if (!simple(l_.set_training(layer_, training), "set_training")) return false;
  arena_.begin(case_);
  const Placed& x = place_x(shape, index, exec_.inplace);
  const Placed& y = *y_for(x, shape);
  const Use use = shape.numel() == 0 ? Use::maybe : Use::out;
  const Placed& mean_place = arena_.vector(use, "save_mean", shape.c, save_dtype());
  const Placed& invstd_place = arena_.vector(use, "save_invstd", shape.c, save_dtype());
  const truenorm_tensor in = view(x);
  truenorm_tensor out = view(y);
  truenorm_vector mean = view_vector(mean_place), invstd = view_vector(invstd_place);
  const Call call = judge_call(l_.forward(layer_, &in, &out, &mean, &invstd), "forward");
  if (call == Call::ended) return false;
  if (call == Call::refused) {
    trace.refused = refusal_of_forward(shape, batch);
    trace.message = "the layer refused";
    return true;
  }
  trace.y = arena_.read(y);
  if (!batch || shape.numel() == 0) return true;
  trace.save_mean = arena_.read(mean_place);
  trace.save_invstd = arena_.read(invstd_place);
  return true;
}

bool LayerGame::reset(bool parameters) {
  const auto channels = static_cast<std::size_t>(problem_.shape.c);
  if (problem_.track && !simple(l_.reset_running_stats(layer_), "reset_running_stats"))
    return false;
  if (!parameters) return true;
  if (problem_.weight && !must_set("weight", std::vector<double>(channels, 1))) return false;
  return !problem_.bias || must_set("bias", std::vector<double>(channels, 0));
}

/// Copies the state out, fills the layer with other numbers, copies the state back.
bool LayerGame::save_load() {
  std::vector<std::pair<const char*, std::vector<double>>> saved;
  for (const char* name : names())
    if (!get(name, saved.emplace_back(name, std::vector<double>{}).second)) return false;
  double other = 3;  // a different one each, so that a mix-up shows
  for (const auto& [name, values] : saved)
    if (!must_set(name, std::vector<double>(values.size(), other++))) return false;
  for (const auto& [name, values] : saved)
    if (!must_set(name, values)) return false;
  return true;
}

bool LayerGame::state(StepTrace& trace) {
  if (!problem_.track) return true;
  std::vector<double> batches;
  if (!get("running_mean", trace.running_mean) || !get("running_var", trace.running_var) ||
      !get(kCounter.data(), batches))
    return false;
  trace.num_batches_tracked = batches[0];
  return true;
}

}  // namespace

std::unique_ptr<Game> layer_game(const truenorm_layer_v1& l, const Case& c, const Inputs& in,
                                 Arena& arena) {
  return std::make_unique<LayerGame>(l, c, in, arena);
}

}  // namespace truenorm::oracle::host
