#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "report.h"

namespace truenorm::bench {
namespace {

using Json = nlohmann::ordered_json;

/// Figures to a tenth of a thousandth: more is noise.
Json rounded(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::round(value * 1e4) / 1e4;
}
Json whole(double value) {
  return std::isfinite(value) ? Json(std::round(value * 10) / 10) : Json(nullptr);
}

template <class T>
Json optional(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}
Json optional(const std::optional<double>& value) {
  return value ? rounded(*value) : Json(nullptr);
}

/// `who`_ratio and what belongs to it.
void add_ratio(Json& json, const std::string& who, const Compared* c) {
  json[who + "_ratio"] = c != nullptr ? rounded(c->ratio) : Json(nullptr);
  json[who + "_ratio_spread"] = c != nullptr ? rounded(c->spread) : Json(nullptr);
  const bool interval = c != nullptr && c->interval;
  json[who + "_ratio_low"] = interval ? rounded(c->interval->low) : Json(nullptr);
  json[who + "_ratio_high"] = interval ? rounded(c->interval->high) : Json(nullptr);
}

/// A peer's part of a row, beyond its time.
void add_peer(Json& json, const Report& r, const Row& row, const std::string& name,
              const Against& against) {
  const bool present = row.measured && against.absent.empty();
  add_ratio(json, name, present ? &against : nullptr);
  json[name + "_difference"] =
      present ? Json(bench::name(r.difference_of(against))) : Json(nullptr);
  json[name + "_verdict"] = present ? Json(against.verdict) : Json(nullptr);
  json[name + "_error"] = present ? optional(against.error) : Json(nullptr);
  if (!against.absent.empty()) json[name + "_absent"] = against.absent;
  if (!against.implementation.empty()) json[name + "_implementation"] = against.implementation;
  const auto fastest = r.fastest_layout(row, name);
  json[name + "_best_layout"] = fastest ? Json(oracle::name(fastest->layout)) : Json(nullptr);
  json[name + "_best_layout_ns"] = fastest ? whole(fastest->ns) : Json(nullptr);
  json[name + "_best_layout_ratio"] = fastest ? rounded(fastest->ratio) : Json(nullptr);
  for (const std::string& column : r.others) {
    const auto it = against.others.find(column);
    const Compared* c = it == against.others.end() ? nullptr : &it->second;
    json[name + "_" + column + "_ns"] = c != nullptr ? whole(c->ns) : Json(nullptr);
    add_ratio(json, name + "_" + column, c);
  }
}

Json machine_json(const Report& r) {
  const Machine& m = r.machine;
  Json json{{"cpu", m.cpu},     {"logical_cpus", m.logical_cpus},
            {"l1_bytes", m.l1}, {"l2_bytes", m.l2},
            {"l3_bytes", m.l3}, {"isa", m.isa},
            {"os", m.os},       {"compiler", m.compiler},
            {"flags", m.flags}, {"memory_bytes", m.memory}};
  int threads = 1;
  for (const Row& row : r.rows) threads = std::max(threads, row.threads);
  json["threads"] = threads;  // the most of a row
  json["governor"] = optional(m.governor);
  json["load_average"] = optional(m.load);
  for (const char* player : {"truenorm", "libtorch", "onednn"}) {
    const auto version = r.versions.find(player);
    json[player] = version == r.versions.end() ? Json(nullptr) : Json(version->second);
  }
  if (const auto subject = r.versions.find(std::string(kSubject)); subject != r.versions.end())
    json[subject->first] = subject->second;
  json["commit"] = optional(m.commit);
  json["dirty"] = optional(m.dirty);
  return json;
}

Json row_json(const Report& r, const Row& row) {
  const auto figure = [&](double value) { return row.measured ? whole(value) : Json(nullptr); };
  const auto ratio = [&](double value) { return row.measured ? rounded(value) : Json(nullptr); };
  const auto peer = [&](const char* name) -> const Against* {
    const auto it = row.peers.find(name);
    return row.measured && it != row.peers.end() && it->second.absent.empty() ? &it->second
                                                                              : nullptr;
  };
  Json json{{"case", row.line},
            {"op", name(row.op)},
            {"layout", oracle::name(row.layout)},
            {"dtype", oracle::name(row.dtype)},
            {"threads", row.threads},
            {"truenorm_ns", figure(row.ns)}};
  for (const char* name : {"libtorch", "onednn"})
    json[std::string(name) + "_ns"] = peer(name) ? whole(peer(name)->ns) : Json(nullptr);
  json["gbps"] = ratio(row.gbps);
  json["roofline_pct"] = ratio(row.roofline_pct);
  // The keys above are stable; what follows may grow.
  json["suite"] = row.suite;
  json["shape"] = row.shape;
  json["verdict"] = row.verdict;
  json["score"] = rounded(row.score);
  json["error"] = optional(row.error);
  json["spread"] = ratio(row.spread);
  json["aa_ratio"] = ratio(row.aa);
  json["aa_low"] = row.aa_interval ? rounded(row.aa_interval->low) : Json(nullptr);
  json["aa_high"] = row.aa_interval ? rounded(row.aa_interval->high) : Json(nullptr);
  json["times"] = row.times;
  json["level"] = name(row.level);
  json["must_gbps"] = ratio(row.must_gbps);
  json["copy_ns"] = figure(row.copy_ns);
  json["disturbed"] = row.disturbed;
  json["measurements"] = row.measurements;
  for (const auto& [who, ns] : row.samples)
    for (const double sample : ns) json["samples"][who].push_back(whole(sample));
  const auto best = row.best_ratio();
  json["best_ratio"] = optional(best);
  for (const std::string& column : r.others) {
    const auto it = row.others.find(column);
    json["truenorm_" + column + "_ns"] = it == row.others.end() ? Json(nullptr) : whole(it->second);
  }
  if (const Against* subject = peer(kSubject.data())) json["subject_ns"] = whole(subject->ns);
  for (const auto& [name, against] : row.peers) add_peer(json, r, row, name, against);
  return json;
}

Json sum_json(const Sum& sum) {
  Json json{{"op", sum.op},           {"layout", sum.layout}, {"dtype", sum.dtype},
            {"threads", sum.threads}, {"rows", sum.rows},     {"weighted", sum.weighted}};
  for (const char* peer : {"libtorch", "onednn"}) {
    const auto it = sum.geomean.find(peer);
    json[std::string(peer) + "_geomean"] =
        it == sum.geomean.end() ? Json(nullptr) : rounded(it->second);
  }
  json["best_geomean"] = optional(sum.geomean_best);
  json["best_layout_geomean"] = optional(sum.geomean_layout);
  json["best_minimum"] = optional(sum.minimum);
  json["best_minimum_case"] = sum.minimum ? Json(sum.minimum_line) : Json(nullptr);
  return json;
}

}  // namespace

std::string to_json(const Report& r) {
  Json json;
  json["schema"] = "truenorm-bench/1";
  json["command"] = r.command;
  json["machine"] = machine_json(r);
  json["noise_floor_pct"] = rounded(100 * r.noise_floor());
  json["copy_gbps"] = optional(r.copy_gbps());
  json["complete"] = r.complete;
  json["rounds"] = r.rounds;
  json["sittings"] = r.sittings;
  json["seed"] = r.seed;
  json["confidence"] = kConfidence;
  json["interval_pct_median"] = optional(r.interval_pct(0.5));
  json["interval_pct_p90"] = optional(r.interval_pct(0.9));
  json["disturbed_pct"] = rounded(r.disturbed_pct());
  json["warnings"] = r.warnings();
  json["copy_by_level"] = Json::array();
  for (const LevelSum& level : r.levels())
    json["copy_by_level"].push_back({{"level", name(level.level)},
                                     {"threads", level.threads},
                                     {"rows", level.rows},
                                     {"copy_gbps", rounded(level.copy_gbps)},
                                     {"truenorm_pct", rounded(level.roofline_pct)}});
  json["rows"] = Json::array();
  for (const Row& row : r.rows) json["rows"].push_back(row_json(r, row));
  json["summary"] = Json::array();
  for (const Sum& sum : r.sums()) json["summary"].push_back(sum_json(sum));
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace truenorm::bench
