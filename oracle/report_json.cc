// Reports as JSON, written and read.
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "report.h"
#include "vary_json.h"

namespace truenorm::oracle {

void to_json(nlohmann::ordered_json& json, const FieldEffect& effect) {
  json = {{"field", effect.field},   {"value", effect.value}, {"matters", effect.matters()},
          {"passes", effect.passes}, {"fails", effect.fails}, {"tells_nothing", effect.nothing}};
}

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kSchema = "truenorm-conform/1";

/// Sums of counts up to this do not overflow.
constexpr std::uint64_t kMostCases = std::uint64_t{1} << 48;

/// JSON has no Inf: a score beyond every number is written as a word.
Json score_json(double score) { return std::isfinite(score) ? Json(score) : Json("inf"); }

Json peak_json(const Peak& peak) {
  if (peak.score < 0) return nullptr;
  return {{"score", score_json(peak.score)}, {"index", peak.index}, {"case", peak.line}};
}

Json results_json(const Tally& tally) {
  Json json = Json::object();
  for (std::size_t i = 0; i < kResults; ++i)
    json[std::string(name(static_cast<Result>(i)))] = tally.results[i];
  return json;
}

Json failure_json(const Failure& f) {
  Json json{{"case", f.line},       {"reason", f.reason},   {"result", name(f.result)},
            {"area", f.area},       {"index", f.index},     {"detail", f.detail},
            {"opinion", f.opinion}, {"command", f.command}, {"found", f.found},
            {"shrunk", f.shrunk}};
  if (!f.where.empty()) json["where"] = f.where;
  if (f.published) json["published"] = true;
  if (!f.effects.empty()) json["fields"] = f.effects;
  return json;
}

Json areas_json(const Report& r) {
  Json areas = Json::array();
  for (const auto& [area, tally] : r.areas)
    areas.push_back({{"name", area},
                     {"cases", tally.cases()},
                     {"verdicts", results_json(tally)},
                     {"worst", peak_json(tally.worst)}});
  return areas;
}

/// By kind of output; those without a pass are left out.
Json histograms_json(const Histograms& scores) {
  Json json = Json::object();
  for (std::size_t i = 0; i < kOutputs; ++i)
    if (scores[i] != Histogram{}) json[std::string(name(static_cast<Output>(i)))] = scores[i];
  return json;
}

Json score_counts_json(const Report& r) {
  Json json{{"bins", Json::array()}};
  for (std::size_t bin = 0; bin < kScoreBins; ++bin) json["bins"].push_back(score_bin_name(bin));
  json["subject"] = histograms_json(r.scores);
  json["libtorch"] = histograms_json(r.rival.scores);
  return json;
}

Json explained_json(const Report& r) {
  Json json = Json::object();
  for (const auto& [id, e] : r.explained)
    json[id] = {{"cause", e.cause}, {"right", e.right}, {"case", e.line}};
  return json;
}

Json census_json(const Report& r) {
  Json census = Json::object();
  for (const auto& [key, count] : r.census) census[key.first][key.second] = count;
  return census;
}

/// A value with its place in the file, so that every complaint names both.
class Node {
 public:
  Node(const Json& json, std::string_view file, std::string pointer)
      : json_(&json), file_(file), pointer_(std::move(pointer)) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw ReportError(fmt::format("{}: {}: {}", file_, pointer_.empty() ? "/" : pointer_, what));
  }

  Node at(std::string_view key) const {
    expect(json_->is_object(), "an object");
    const auto it = json_->find(std::string(key));
    if (it == json_->end()) fail(fmt::format("key '{}' is missing", key));
    return Node(*it, file_, fmt::format("{}/{}", pointer_, key));
  }

  bool has(std::string_view key) const {
    return json_->is_object() && json_->contains(std::string(key));
  }

  std::vector<Node> elements() const {
    expect(json_->is_array(), "an array");
    std::vector<Node> nodes;
    for (const Json& json : *json_)
      nodes.emplace_back(json, file_, fmt::format("{}/{}", pointer_, nodes.size()));
    return nodes;
  }

  std::vector<std::pair<std::string, Node>> members() const {
    expect(json_->is_object(), "an object");
    std::vector<std::pair<std::string, Node>> nodes;
    for (const auto& [key, json] : json_->items())
      nodes.emplace_back(key, Node(json, file_, fmt::format("{}/{}", pointer_, key)));
    return nodes;
  }

  bool null() const { return json_->is_null(); }

  std::string text() const {
    expect(json_->is_string(), "a string");
    return json_->get<std::string>();
  }

  bool flag() const {
    expect(json_->is_boolean(), "true or false");
    return json_->get<bool>();
  }

  double number() const {
    expect(json_->is_number() && json_->get<double>() >= 0, "a number from 0");
    return json_->get<double>();
  }

  std::uint64_t count(std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) const {
    expect(json_->is_number_unsigned() && json_->get<std::uint64_t>() <= most,
           fmt::format("a whole number from 0 to {}", most));
    return json_->get<std::uint64_t>();
  }

  double score() const {
    return json_->is_string() && text() == "inf" ? std::numeric_limits<double>::infinity()
                                                 : number();
  }

  Counts counts() const {
    Counts counts;
    for (const auto& [key, node] : members()) counts[key] = node.count();
    return counts;
  }

  /// What adds up to this number.
  void sum(std::uint64_t parts, std::string_view of) const {
    if (count() != parts) fail(fmt::format("{}, but {} adds up to {}", count(), of, parts));
  }

 private:
  void expect(bool good, std::string_view what) const {
    if (!good)
      fail(fmt::format("{} was expected, not {}", what,
                       json_->dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 40)));
  }

  const Json* json_;
  std::string_view file_;
  std::string pointer_;
};

Peak read_peak(const Node& node) {
  if (node.null()) return {};
  return {node.at("score").score(), node.at("index").count(), node.at("case").text()};
}

std::optional<Result> result_named(std::string_view text) {
  for (std::size_t i = 0; i < kResults; ++i)
    if (text == name(static_cast<Result>(i))) return static_cast<Result>(i);
  return std::nullopt;
}

std::optional<std::size_t> output_named(std::string_view text) {
  for (std::size_t i = 0; i < kOutputs; ++i)
    if (text == name(static_cast<Output>(i))) return i;
  return std::nullopt;
}

constexpr std::string_view kResultNames = "pass fail hollow skipped crash timeout were expected";

Tally read_tally(const Node& node) {
  Tally tally;
  for (const auto& [key, count] : node.members())
    if (!result_named(key)) count.fail(fmt::format("is no result; {}", kResultNames));
  for (std::size_t i = 0; i < kResults; ++i)
    tally.results[i] = node.at(name(static_cast<Result>(i))).count(kMostCases);
  return tally;
}

std::vector<std::string> read_texts(const Node& node) {
  std::vector<std::string> texts;
  for (const Node& text : node.elements()) texts.push_back(text.text());
  return texts;
}

FieldEffect read_effect(const Node& node) {
  return {node.at("field").text(), node.at("value").text(), read_texts(node.at("fails")),
          read_texts(node.at("passes")), read_texts(node.at("tells_nothing"))};
}

Failure read_failure(const Node& node, bool divergence) {
  Failure f;
  f.divergence = divergence;
  f.line = node.at("case").text();
  f.reason = node.at("reason").text();
  const std::string result = node.at("result").text();
  const std::optional<Result> known = result_named(result);
  if (!known) node.at("result").fail(fmt::format("'{}' is no result; {}", result, kResultNames));
  f.result = *known;
  f.area = node.at("area").text();
  f.index = node.at("index").count();
  f.detail = node.at("detail").text();
  f.opinion = node.at("opinion").text();
  f.command = node.at("command").text();
  f.found = node.at("found").text();
  f.shrunk = node.at("shrunk").flag();
  if (node.has("where")) f.where = node.at("where").text();
  if (node.has("published")) f.published = node.at("published").flag();
  if (node.has("fields"))
    for (const Node& effect : node.at("fields").elements())
      f.effects.push_back(read_effect(effect));
  return f;
}

std::uint64_t sum_of(const Counts& counts) {
  std::uint64_t sum = 0;
  for (const auto& [key, count] : counts) sum += count;
  return sum;
}

Histograms read_histograms(const Node& node, std::uint64_t most) {
  Histograms scores{};
  for (const auto& [key, bins] : node.members()) {
    const auto at = output_named(key);
    if (!at) bins.fail("is no kind of output");
    const std::vector<Node> counts = bins.elements();
    if (counts.size() != kScoreBins)
      bins.fail(fmt::format("{} counts were expected, as in /score_counts/bins", kScoreBins));
    std::uint64_t sum = 0;
    for (std::size_t bin = 0; bin < kScoreBins; ++bin)
      sum += scores[*at][bin] = counts[bin].count(most);
    if (sum > most) bins.fail(fmt::format("{} in all, but {} cases passed", sum, most));
  }
  return scores;
}

/// Everything that merge() adds up, beside the stable keys.
void read_details(const Node& node, Report& r) {
  for (const Node& area : node.at("areas").elements()) {
    Tally& tally = r.area(area.at("name").text());
    if (tally.cases() > 0) area.at("name").fail("this area stands twice");
    tally = read_tally(area.at("verdicts"));
    area.at("cases").sum(tally.cases(), "/verdicts beside it");
    tally.worst = read_peak(area.at("worst"));
  }
  const Tally total = r.total(), said = read_tally(node.at("verdicts"));
  for (std::size_t i = 0; i < kResults; ++i)
    node.at("verdicts").at(name(static_cast<Result>(i))).sum(total.results[i], "/areas");
  node.at("cases").sum(said.cases(), "/verdicts");
  r.hollow = node.at("hollow").counts();
  r.skipped = node.at("skipped").counts();
  node.at("verdicts").at("hollow").sum(sum_of(r.hollow), "/hollow");
  node.at("verdicts").at("skipped").sum(sum_of(r.skipped), "/skipped");
  r.not_compared = node.at("not_compared").counts();
  for (std::size_t i = 0; i < kOutputs; ++i)
    r.outputs[i] = read_peak(node.at("scores").at(name(static_cast<Output>(i))));
  r.rival.agreed = node.at("agreed").count();
  r.rival.fresh = node.at("divergences").at("new").count();
  r.rival.known = node.at("divergence_ids").counts();
  node.at("divergences").at("known").sum(r.rival.known_total(), "/divergence_ids");
  r.rival.skipped = sum_of(r.not_compared);
  const Node scores = node.at("score_counts");
  r.scores = read_histograms(scores.at("subject"), total[Result::pass]);
  r.rival.scores = read_histograms(scores.at("libtorch"), r.rival.agreed);
  for (const auto& [id, e] : node.at("explanations").members())
    r.explained[id] = {e.at("cause").text(), e.at("right").text(), e.at("case").text()};
  r.isas = node.at("isas").counts();
  r.thread_counts = node.at("case_threads").counts();
  for (const auto& [area, classes] : node.at("census").members())
    for (const auto& [name, count] : classes.members()) r.census[{area, name}] = count.count();
  r.shards.clear();
  for (const Node& shard : node.at("shards").elements()) {
    r.shards.push_back({shard.at("index").count(), shard.at("count").count()});
    if (r.shards.back().index >= r.shards.back().count)
      shard.at("index").fail("an index below the count was expected");
  }
  if (r.shards.empty()) node.at("shards").fail("a shard was expected");
}

}  // namespace

std::string to_json(const Report& r) {
  const Tally total = r.total();
  Json json;
  json["schema"] = kSchema;
  json["subject"] = r.subject;
  const std::string& libtorch = r.subject == "libtorch" ? r.subject_version : r.libtorch;
  json["libtorch"] = libtorch.empty() ? Json(nullptr) : Json(libtorch);
  json["seed"] = r.seed;
  json["cases"] = total.cases();
  json["verdicts"] = results_json(total);
  json["divergences"] = {{"known", r.rival.known_total()}, {"new", r.rival.fresh}};
  json["failures"] = Json::array();
  for (const Failure& f : r.failures)
    if (!f.divergence) json["failures"].push_back(failure_json(f));
  json["seconds"] = r.seconds;
  json["cases_per_second"] = r.seconds > 0 ? static_cast<double>(total.cases()) / r.seconds : 0.0;
  // The keys above are stable; what follows may grow.
  json["subject_version"] = r.subject_version;
  json["random_cases"] = r.random_cases;
  json["shards"] = Json::array();
  for (const Shard& s : r.shards)
    json["shards"].push_back({{"index", s.index}, {"count", s.count}});
  json["interrupted"] = r.interrupted;
  json["out_of_time"] = r.out_of_time;
  json["threads"] = r.threads;
  json["areas"] = areas_json(r);
  json["hollow"] = Json(r.hollow);
  json["skipped"] = Json(r.skipped);
  json["not_compared"] = Json(r.not_compared);
  json["agreed"] = r.rival.agreed;
  json["divergence_ids"] = Json(r.rival.known);
  json["new_divergences"] = Json::array();
  for (const Failure& f : r.failures)
    if (f.divergence) json["new_divergences"].push_back(failure_json(f));
  for (std::size_t i = 0; i < kOutputs; ++i)
    json["scores"][std::string(name(static_cast<Output>(i)))] = peak_json(r.outputs[i]);
  json["score_counts"] = score_counts_json(r);
  json["explanations"] = explained_json(r);
  json["isas"] = Json(r.isas);
  json["case_threads"] = Json(r.thread_counts);
  json["census"] = census_json(r);
  // A player's own words may hold any bytes: those that are not UTF-8 are replaced, not a reason to
  // lose the report.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Report from_json(std::string_view text, std::string_view what) {
  try {
    const Json json = Json::parse(text);
    if (!json.is_object() || !json.contains("schema") || json["schema"] != kSchema)
      throw ReportError(
          fmt::format("{}: not a report: \"schema\": \"{}\" was expected", what, kSchema));
    const Node node(json, what, "");
    Report r;
    r.subject = node.at("subject").text();
    if (r.subject != "libtorch" && !node.at("libtorch").null())
      r.libtorch = node.at("libtorch").text();
    r.seed = node.at("seed").count();
    r.seconds = node.at("seconds").number();
    r.subject_version = node.at("subject_version").text();
    r.random_cases = node.at("random_cases").count();
    r.interrupted = node.at("interrupted").flag();
    r.out_of_time = node.at("out_of_time").flag();
    r.threads =
        static_cast<unsigned>(node.at("threads").count(std::numeric_limits<unsigned>::max()));
    for (const Node& f : node.at("failures").elements())
      r.failures.push_back(read_failure(f, false));
    for (const Node& f : node.at("new_divergences").elements())
      r.failures.push_back(read_failure(f, true));
    sort_failures(r);
    read_details(node, r);
    return r;
  } catch (const Json::exception& e) {
    throw ReportError(fmt::format("{}: not a report: {}", what, e.what()));
  }
}

}  // namespace truenorm::oracle
