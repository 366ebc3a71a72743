// Every relation on generated cases; and for each the planted defects that it convicts.
#include "relations.h"

#include <algorithm>
#include <cstdio>

#include "generators.h"
#include "players/host.h"
#include "players/players.h"
#include "players/textbook.h"

namespace truenorm::oracle {

void PrintTo(const Relation& relation, std::ostream* out) { *out << relation.name; }

// ---- defects that only these tests know --------------------------------------------------------

namespace {

using textbook::Honest;

struct SquaredWeight : Honest {
  static double transform(double x, double mean, double invstd, double weight, double bias) {
    return (x - mean) * invstd * weight * weight + bias;
  }
};
struct DropsMean : Honest {
  static double dx(double dy, double centred, double invstd, double weight, const Sums& s,
                   double n) {
    return (dy - centred * invstd * invstd * s.dot / n) * invstd * weight;
  }
};
struct BiasFirst : Honest {  // the bias is multiplied by the weight, too
  static double transform(double x, double mean, double invstd, double weight, double bias) {
    return ((x - mean) * invstd + bias) * weight;
  }
};

/// Never leaves training: evaluation is forgotten.
class AlwaysTraining final : public Player {
 public:
  std::string name() const override { return "always training"; }
  Unsupported unsupported(const Problem& p, const Exec& e) const override {
    return honest_->unsupported(p, e);
  }
  Contract contract(const Problem& p, const Exec& e) const override {
    return honest_->contract(p, e);
  }
  Trace play(const Case& c, const Inputs& in) override {
    Case training = c;
    for (Step& step : training.problem.run)
      if (step.op == Op::eval) step.op = Op::train;
    return honest_->play(training, in);
  }

 private:
  std::unique_ptr<Player> honest_ = make_naive();
};

template <class Rule>
std::unique_ptr<Player> planted(const char* name) {
  static const truenorm_kernel_v1 kKernel = textbook::kernel<Rule>(name);
  HostOptions options{name, ""};
  options.contract = textbook::contract;
  return host_kernel(kKernel, std::move(options));
}

}  // namespace

std::unique_ptr<Player> make_fault(std::string_view id) {
  if (id == "squared weight") return planted<SquaredWeight>("squared weight");
  if (id == "drops mean") return planted<DropsMean>("drops mean");
  if (id == "bias first") return planted<BiasFirst>("bias first");
  if (id == "always training") return std::make_unique<AlwaysTraining>();
  return make_faulty(id);
}

std::vector<Relation> relations() {
  return {
      {"PermutedBatch", permuted_batch, 1500, {"B129"}},
      {"MergedStatistics", merged_statistics, 1500, {"B004", "B012", "B129", "B132", "squares"}},
      {"IdempotentEvaluation", idempotent_evaluation, 2000, {"always training"}},
      {"ConstantBatch", constant_batch, 2000, {"B042", "B099", "B132"}},
      {"PermutedChannels", permuted_channels, 2000, {"B109"}},
      {"ChannelsApart", channels_apart, 1500, {"B077", "B109"}},
      {"LayoutsAlike", layouts_alike, 1500, {"B072"}},
      {"InPlace", in_place, 2000, {"B002", "B027"}},
      {"ShiftedAndScaled", shifted_and_scaled, 1500, {"B032", "B034", "B099", "B132", "eps"}},
      {"PowersOfTwo", powers_of_two, 2000, {"B032", "B034", "B039", "B054", "eps"}},
      {"LinearParameters", linear_parameters, 1500, {"squared weight", "bias first"}},
      {"AbsentParameters", absent_parameters, 1500, {"B044", "B084"}},
      {"GradientSums", gradient_sums, 1500, {"B049", "drops mean"}},
      {"DirectionalDerivative",
       directional_derivative,
       1000,
       {"B049", "B052", "B054", "B057", "B059", "drops mean"}},
  };
}

namespace {

std::string in_words(const Relation& relation, const Case& c, const Finding& f) {
  return std::string(relation.name) + ": " + f.broken + "\n  " + print(c);
}

class Relations : public ::testing::TestWithParam<Relation> {};

TEST_P(Relations, HoldsOnGeneratedCases) {
  const Relation& relation = GetParam();
  const auto player = make_truenorm();
  std::uint64_t compared = 0;
  props::check(relation.cases, props::sampled_case(), [&](const Case& sampled) {
    const Case c = brief(sampled);
    const Finding f = relation.test(*player, c);
    compared += f.compared;
    if (f.compared == 0) props::proves_nothing();
    if (!f.broken.empty()) RC_FAIL(in_words(relation, c, f));
  });
  std::printf("%llu comparisons\n", static_cast<unsigned long long>(compared));
}

// The honest textbook keeps the relation on the very cases among which a defect breaks it.
TEST_P(Relations, CanFail) {
  constexpr std::uint64_t kCases = 1000;
  const Relation& relation = GetParam();
  ASSERT_FALSE(relation.faults.empty());
  const auto honest = make_naive();
  for (const std::string_view id : relation.faults) {
    const auto faulty = make_fault(id);
    bool broken = false;
    for (std::uint64_t i = 0; i < kCases && !broken; ++i) {
      const Case c = brief(sample(9, i));
      if (!honest->unsupported(c.problem, *c.exec).empty()) continue;
      const Finding f = relation.test(*honest, c);
      ASSERT_EQ(f.broken, "") << in_words(relation, c, f);
      broken = !relation.test(*faulty, c).broken.empty();
      if (broken)
        std::printf("%-22s convicts %-16s at case %4llu\n", std::string(relation.name).c_str(),
                    std::string(id).c_str(), static_cast<unsigned long long>(i + 1));
    }
    EXPECT_TRUE(broken) << relation.name << " does not see " << id;
  }
}

INSTANTIATE_TEST_SUITE_P(Of, Relations, ::testing::ValuesIn(relations()),
                         [](const auto& of) { return std::string(of.param.name); });

}  // namespace
}  // namespace truenorm::oracle
