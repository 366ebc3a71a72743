// Planted defects: honest players with one thing wrong each, most of them from the history of
// BatchNorm libraries.
#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>

#include "faults/plant.h"
#include "host.h"
#include "players.h"

namespace truenorm::oracle {
namespace {

const planted::Plants& plants() {
  static const planted::Plants kPlants = [] {
    planted::Plants all;
    for (const auto list :
         {planted::formulas, planted::calls, planted::layers, planted::blocked_kernels}) {
      planted::Plants some = list();
      std::move(some.begin(), some.end(), std::back_inserter(all));
    }
    // Those with a number first, by it.
    const auto numbered = [](const planted::Plant& p) { return p.fault.id.starts_with('B'); };
    const auto rest = std::stable_partition(all.begin(), all.end(), numbered);
    std::sort(all.begin(), rest, [](const planted::Plant& a, const planted::Plant& b) {
      return a.fault.id < b.fault.id;
    });
    return all;
  }();
  return kPlants;
}

}  // namespace

const std::vector<Fault>& faults() {
  static const std::vector<Fault> kFaults = [] {
    std::vector<Fault> all;
    for (const planted::Plant& p : plants()) all.push_back(p.fault);
    return all;
  }();
  return kFaults;
}

std::unique_ptr<Player> make_faulty(std::string_view id) {
  std::string known;
  for (const planted::Plant& p : plants()) {
    if (p.fault.id == id) {
      HostOptions options{"faulty:" + std::string(id), std::string(p.fault.what)};
      options.contract = p.contract;
      options.before_case = p.before_case;
      return p.layer != nullptr ? host_layer(*p.layer, std::move(options))
                                : host_kernel(*p.kernel, std::move(options));
    }
    known += " " + std::string(p.fault.id);
  }
  throw std::invalid_argument("no planted fault is called \"" + std::string(id) +
                              "\"; there are:" + known);
}

}  // namespace truenorm::oracle
