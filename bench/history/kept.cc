#include "kept.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace truenorm::bench {
namespace {

using Json = nlohmann::json;

KeptRow read_row(const Json& json, std::size_t number) {
  KeptRow row;
  row.line = json.at("case").get<std::string>();
  row.op = json.at("op").get<std::string>();
  row.measurements = json.value("measurements", std::size_t{0});
  row.disturbed = json.value("disturbed", std::size_t{0});
  if (!json.contains("samples")) return row;
  for (const auto& [who, ns] : json.at("samples").items()) {
    std::vector<double>& all = row.samples[who] = ns.get<std::vector<double>>();
    for (const double sample : all)
      if (!(sample > 0) || !std::isfinite(sample))
        throw ReportError(fmt::format("row {}: a sample of {} is {} ns", number, who, sample));
  }
  return row;
}

KeptRun read(const Json& json) {
  if (const auto schema = json.value("schema", ""); schema != "truenorm-bench/1")
    throw ReportError(
        fmt::format("its schema is '{}', and 'truenorm-bench/1' was expected: a "
                    "report of 'truenorm-bench --json'",
                    schema));
  KeptRun run;
  const Json& machine = json.at("machine");
  for (const char* fact : kFacts) {
    const auto it = machine.find(fact);
    if (it == machine.end() || it->is_null()) continue;
    run.machine[fact] = it->is_string() ? it->get<std::string>() : it->dump();
  }
  if (const Json& commit = machine.at("commit"); commit.is_string())
    run.commit = commit.get<std::string>();
  if (const Json& dirty = machine.at("dirty"); dirty.is_boolean()) run.dirty = dirty.get<bool>();
  run.complete = json.value("complete", true);
  run.rounds = json.at("rounds").get<int>();
  run.sittings = json.value("sittings", std::size_t{1});
  if (run.sittings < 1) throw ReportError("it has no sitting");
  std::size_t number = 0;
  for (const Json& row : json.at("rows")) {
    KeptRow read = read_row(row, ++number);
    if (!read.samples.empty()) run.rows.push_back(std::move(read));
  }
  return run;
}

}  // namespace

std::string KeptRun::name() const {
  std::string where = id != 0 ? fmt::format("#{}", id) : file;
  if (commit.empty()) return where;
  return fmt::format("{} ({}{})", where, commit, dirty ? ", changed" : "");
}

KeptRun read_report(std::string_view text, const std::string& what) {
  try {
    KeptRun run = read(Json::parse(text));
    run.file = what;
    return run;
  } catch (const Json::exception& e) {
    throw ReportError(fmt::format("{}: no report of 'truenorm-bench --json': {}", what, e.what()));
  } catch (const ReportError& e) {
    throw ReportError(fmt::format("{}: {}", what, e.what()));
  }
}

void append(KeptRun& run, const KeptRun& more) {
  if (run.rounds != more.rounds)
    throw ReportError(fmt::format("{} has {} rounds and {} has {}: they are no sittings of one run",
                                  run.name(), run.rounds, more.name(), more.rounds));
  std::vector<KeptRow> rows;
  for (KeptRow& row : run.rows) {
    const auto again = std::find_if(more.rows.begin(), more.rows.end(),
                                    [&](const KeptRow& r) { return r.key() == row.key(); });
    if (again == more.rows.end()) continue;
    std::erase_if(row.samples,
                  [&](const auto& sample) { return !again->samples.contains(sample.first); });
    for (auto& [who, ns] : row.samples) {
      const std::vector<double>& further = again->samples.at(who);
      ns.insert(ns.end(), further.begin(), further.end());
    }
    rows.push_back(std::move(row));
  }
  if (rows.empty())
    throw ReportError(fmt::format("{} and {} have no row in common", run.name(), more.name()));
  run.rows = std::move(rows);
  run.complete = run.complete && more.complete;
  run.sittings += more.sittings;
}

}  // namespace truenorm::bench
