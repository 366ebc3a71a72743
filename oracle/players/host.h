// Plays cases against a user's kernel or layer (truenorm_plugin.h). Around a kernel Truenorm keeps
// the layer's books; a layer keeps its own.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "../arena.h"
#include "../player.h"
#include "truenorm_plugin.h"

namespace truenorm::oracle {

/// What stands around a kernel or a layer.
struct HostOptions {
  std::string name = {}, version = {};
  Unsupported (*unsupported)(const Problem&,
                             const Exec&) = nullptr;  // beyond what the interface excludes
  Contract (*contract)(const Problem&, const Exec&) =
      nullptr;                      // instead of the one that truenorm_contract stands for
  void (*before_case)() = nullptr;  // forget what earlier cases left
};

std::unique_ptr<Player> host_kernel(const truenorm_kernel_v1&, HostOptions);
std::unique_ptr<Player> host_layer(const truenorm_layer_v1&, HostOptions);

/// The radius-giving contract of a plugin that makes this claim.
Contract contract_of(const truenorm_contract&, const Problem&);

namespace host {

/// A case in play: the steps that a kernel and a layer have in common.
class Game {
 public:
  Game(const Case& c, const Inputs& in, Arena& arena)
      : case_(c), problem_(c.problem), exec_(*c.exec), in_(in), arena_(arena) {}
  virtual ~Game() = default;
  Trace play();

 protected:
  struct LastForward {
    bool any = false, batch = false;  // batch: batch statistics were used
    std::size_t step = 0;
    Shape shape;
    double eps = 0;
  };
  /// The answer to one call. `ended`: the case is over, trace_ says why.
  enum class Call { accepted, refused, ended };

  // Each returns false when the case is over.
  virtual bool begin() = 0;
  virtual bool forward(std::size_t index, StepTrace&) = 0;
  struct Gradients {
    truenorm_tensor dx;
    truenorm_vector dweight, dbias;
  };
  virtual truenorm_result backward(const truenorm_tensor& dy, const truenorm_tensor& x,
                                   Gradients&) = 0;
  virtual bool reset(bool parameters) = 0;
  virtual bool save_load() = 0;
  virtual bool state(StepTrace&) = 0;  // fills in the state after a step

  bool end(Outcome, std::string detail);  // false, to be returned
  Call judge_call(truenorm_result, std::string_view function);
  Refusal refusal_of_forward(const Shape&, bool batch) const;
  Dtype save_dtype() const { return problem_.dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32; }
  const Placed* y_for(const Placed& x, const Shape&);  // x itself where the case is in place
  const Placed& place_x(const Shape&, std::size_t step, bool written);

  const Case& case_;
  const Problem& problem_;
  const Exec& exec_;
  const Inputs& in_;
  Arena& arena_;
  Trace trace_;
  bool tracking_ = problem_.track;
  double eps_ = problem_.eps;
  Momentum momentum_ = problem_.momentum;
  LastForward last_;

 private:
  bool step(std::size_t index, StepTrace&);
  bool gradients(std::size_t index, StepTrace&);
  bool ask_backward(std::size_t index, std::uint64_t left_out, StepTrace&);
  bool same_again(const StepTrace& first, const StepTrace& second);
};

truenorm_tensor view(const Placed&);
truenorm_vector view_vector(const Placed&);
truenorm_vector absent(Dtype);

std::unique_ptr<Game> kernel_game(const truenorm_kernel_v1&, const Case&, const Inputs&, Arena&);
std::unique_ptr<Game> layer_game(const truenorm_layer_v1&, const Case&, const Inputs&, Arena&);

}  // namespace host
}  // namespace truenorm::oracle
