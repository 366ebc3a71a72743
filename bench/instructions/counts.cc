#include "counts.h"

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

namespace truenorm::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSchema = "truenorm-instructions/1";

}  // namespace

std::vector<Baseline> read_baselines(std::string_view text, const std::string& what) {
  if (text.empty()) return {};
  try {
    const Json json = Json::parse(text);
    if (json.at("schema") != kSchema)
      throw BaselineError(fmt::format("{}: '{}' was expected as its schema", what, kSchema));
    std::vector<Baseline> all;
    for (const Json& one : json.at("baselines"))
      all.push_back({one.at("of").get<Identity>(), one.at("counts").get<Counts>()});
    return all;
  } catch (const Json::exception& e) {
    throw BaselineError(fmt::format("{}: no baselines: {}", what, e.what()));
  }
}

std::string to_json(const std::vector<Baseline>& all) {
  Json json;
  json["schema"] = kSchema;
  json["baselines"] = Json::array();
  for (const Baseline& one : all)
    json["baselines"].push_back({{"of", one.of}, {"counts", one.counts}});
  return json.dump(1) + "\n";
}

double CountChange::pct() const {
  return 100 * (static_cast<double>(after) / static_cast<double>(before) - 1);
}

Counted compare(const Counts& baseline, const Counts& now, double pct) {
  Counted counted;
  for (const auto& [row, after] : now) {
    const auto before = baseline.find(row);
    if (before == baseline.end()) {
      counted.missing.push_back(row);
      continue;
    }
    const CountChange change{row, before->second, after};
    if (change.pct() > pct)
      counted.more.push_back(change);
    else if (change.pct() < -pct)
      counted.fewer.push_back(change);
    else
      ++counted.same;
  }
  for (const auto& [row, before] : baseline)
    if (!now.contains(row)) counted.missing.push_back(row);
  return counted;
}

std::vector<long long> read_totals(const std::string& file, std::size_t parts) {
  constexpr std::string_view kTotals = "totals: ";
  std::vector<long long> totals;
  for (std::size_t part = 1; part <= parts; ++part) {
    const std::string name = fmt::format("{}.{}", file, part);
    std::ifstream in(name);
    long long total = 0;
    for (std::string line; std::getline(in, line);)
      if (line.starts_with(kTotals)) total = std::stoll(line.substr(kTotals.size()));
    if (total <= 0) throw BaselineError(fmt::format("callgrind has left no count in {}", name));
    totals.push_back(total);
  }
  return totals;
}

}  // namespace truenorm::bench
