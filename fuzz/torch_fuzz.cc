// Truenorm and LibTorch in one process, each against the exact reference: who differs from it is
// wrong. LibTorch's known divergences are counted, not told.
#include <memory>
#include <stdexcept>
#include <utility>

#include "case_target.h"
#include "divergence.h"
#include "libtorch_divergences.h"
#include "players/libtorch.h"

truenorm::fuzz::CaseTarget truenorm::fuzz::make_target(const Options& options) {
  if (options.subject != "truenorm")
    throw std::invalid_argument(
        "--subject=" + options.subject +
        ": torch_fuzz judges truenorm and LibTorch; case_fuzz takes others");
  std::vector<Judged> players = subject_alone(options);
  auto libtorch = oracle::make_libtorch();
  const auto list = std::make_shared<oracle::Divergences>(
      oracle::Divergences::parse(kLibtorchDivergences, "corpus/libtorch-divergences.cases"));
  const auto known = [list, version = libtorch->version()](const oracle::Case& c,
                                                           const oracle::Verdict& v) {
    return list->classify(c, v, version) != nullptr;
  };
  players.push_back({std::move(libtorch), known});
  return {"torch_fuzz", Bounds{}, options, std::move(players)};
}
