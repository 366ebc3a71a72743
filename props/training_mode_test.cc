// TrainingModeGuard: each layer's own mode, whatever happened in between.
#include <gtest/gtest.h>
#include <truenorm/training_mode.h>

#include <stdexcept>
#include <vector>

namespace truenorm::props {
namespace {

struct Model {
  std::vector<BatchNorm> layers{5, BatchNorm({.num_features = 2})};

  Model() { layers[1].eval(), layers[4].eval(); }
  std::vector<BatchNorm*> all() {
    std::vector<BatchNorm*> list;
    for (BatchNorm& layer : layers) list.push_back(&layer);
    return list;
  }
  void train(bool on) {
    for (BatchNorm& layer : layers) layer.train(on);
  }
  std::vector<bool> modes() const {
    std::vector<bool> list;
    for (const BatchNorm& layer : layers) list.push_back(layer.is_training());
    return list;
  }
};

TEST(TrainingMode, EachLayerGetsItsOwnBack) {
  Model model;
  const auto modes = model.modes();
  for (const bool on : {false, true}) {
    {
      const TrainingModeGuard guard(model.all());
      model.train(on);
      EXPECT_NE(model.modes(), modes);
    }
    EXPECT_EQ(model.modes(), modes);
  }
}

TEST(TrainingMode, AnExceptionRestoresToo) {
  Model model;
  const auto modes = model.modes();
  EXPECT_THROW(
      {
        const TrainingModeGuard guard(model.all());
        model.train(false);
        throw std::runtime_error("the export failed");
      },
      std::runtime_error);
  EXPECT_EQ(model.modes(), modes);
}

TEST(TrainingMode, OnlyTheLayersGivenAndNestedGuards) {
  Model model;
  {
    const TrainingModeGuard outer({&model.layers[0], &model.layers[1], &model.layers[0]});
    model.train(false);
    {
      const TrainingModeGuard inner(model.all());
      model.train(true);
    }
    EXPECT_EQ(model.modes(), std::vector<bool>(5, false));
  }
  EXPECT_EQ(model.modes(), (std::vector<bool>{true, false, false, false, false}));
  const TrainingModeGuard none({});
}

}  // namespace
}  // namespace truenorm::props
