// Keeping each layer's own mode while something else sets them all.
#ifndef TRUENORM_TRAINING_MODE_H_
#define TRUENORM_TRAINING_MODE_H_

#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include "truenorm/batch_norm.h"

namespace truenorm {

/// Notes whether each of the given layers is training, and puts that back when it goes out of
/// scope, by an exception too. A tool that sets a whole model to evaluation and back would unfreeze
/// the layers that were evaluating before.
///
///   TrainingModeGuard guard({&stem, &frozen});
///   for (BatchNorm* layer : model) layer->eval();
///   export_model();
///
/// The pointers are not null, and the layers outlive the guard at the same addresses. Guards nest,
/// if destroyed in the order opposite to that in which they were made, as those of a scope are.
/// Restores the mode alone, nothing else of a layer. Not to be made or destroyed while another
/// thread uses one of the layers. Throws std::bad_alloc, with no layer touched.
class TrainingModeGuard {
 public:
  explicit TrainingModeGuard(std::span<BatchNorm* const> layers) {
    modes_.reserve(layers.size());
    for (BatchNorm* layer : layers) modes_.emplace_back(layer, layer->is_training());
  }
  explicit TrainingModeGuard(std::initializer_list<BatchNorm*> layers)
      : TrainingModeGuard(std::span(layers.begin(), layers.size())) {}
  ~TrainingModeGuard() {
    for (const auto& [layer, training] : modes_) layer->train(training);
  }
  TrainingModeGuard(const TrainingModeGuard&) = delete;
  TrainingModeGuard& operator=(const TrainingModeGuard&) = delete;

 private:
  std::vector<std::pair<BatchNorm*, bool>> modes_;
};

}  // namespace truenorm

#endif  // TRUENORM_TRAINING_MODE_H_
