// Reports as JSON, written and read; and as JUnit XML.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "report.h"

namespace truenorm::oracle {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kSchema = "truenorm-conform/1";

/// JSON has no Inf: a score beyond every number is written as a word.
Json score_json(double score) { return std::isfinite(score) ? Json(score) : Json("inf"); }

double read_score(const Json& json) {
  return json.is_string() ? std::numeric_limits<double>::infinity() : json.get<double>();
}

Json peak_json(const Peak& peak) {
  if (peak.score < 0) return nullptr;
  return {{"score", score_json(peak.score)}, {"index", peak.index}, {"case", peak.line}};
}

Peak read_peak(const Json& json) {
  if (json.is_null()) return {};
  return {read_score(json.at("score")), json.at("index").get<std::uint64_t>(),
          json.at("case").get<std::string>()};
}

Json results_json(const Tally& tally) {
  Json json = Json::object();
  for (std::size_t i = 0; i < kResults; ++i)
    json[std::string(name(static_cast<Result>(i)))] = tally.results[i];
  return json;
}

Tally read_tally(const Json& json) {
  Tally tally;
  for (std::size_t i = 0; i < kResults; ++i)
    tally.results[i] = json.at(std::string(name(static_cast<Result>(i)))).get<std::uint64_t>();
  return tally;
}

Json failure_json(const Failure& f) {
  return {{"case", f.line},       {"reason", f.reason},   {"result", name(f.result)},
          {"area", f.area},       {"index", f.index},     {"detail", f.detail},
          {"opinion", f.opinion}, {"command", f.command}, {"found", f.found},
          {"shrunk", f.shrunk}};
}

Failure read_failure(const Json& json, bool divergence) {
  Failure f;
  f.divergence = divergence;
  f.line = json.at("case").get<std::string>();
  f.reason = json.at("reason").get<std::string>();
  for (std::size_t i = 0; i < kResults; ++i)
    if (json.at("result").get<std::string>() == name(static_cast<Result>(i)))
      f.result = static_cast<Result>(i);
  f.area = json.at("area").get<std::string>();
  f.index = json.at("index").get<std::uint64_t>();
  f.detail = json.at("detail").get<std::string>();
  f.opinion = json.at("opinion").get<std::string>();
  f.command = json.at("command").get<std::string>();
  f.found = json.at("found").get<std::string>();
  f.shrunk = json.at("shrunk").get<bool>();
  return f;
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

Json census_json(const Report& r) {
  Json census = Json::object();
  for (const auto& [key, count] : r.census) census[key.first][key.second] = count;
  return census;
}

/// Everything that merge() adds up, beside the stable keys.
void read_details(const Json& json, Report& r, std::string_view what) {
  for (const Json& area : json.at("areas")) {
    Tally& tally = r.area(area.at("name").get<std::string>());
    tally = read_tally(area.at("verdicts"));
    tally.worst = read_peak(area.at("worst"));
  }
  r.hollow = json.at("hollow").get<Counts>();
  r.skipped = json.at("skipped").get<Counts>();
  r.not_compared = json.at("not_compared").get<Counts>();
  for (std::size_t i = 0; i < kOutputs; ++i)
    r.outputs[i] = read_peak(json.at("scores").at(std::string(name(static_cast<Output>(i)))));
  r.rival.agreed = json.at("agreed").get<std::uint64_t>();
  r.rival.fresh = json.at("divergences").at("new").get<std::uint64_t>();
  r.rival.known = json.at("divergence_ids").get<Counts>();
  for (const auto& [reason, count] : r.not_compared) r.rival.skipped += count;
  for (const auto& [area, classes] : json.at("census").items())
    for (const auto& [name, count] : classes.items())
      r.census[{area, name}] = count.get<std::uint64_t>();
  r.shards.clear();
  for (const Json& shard : json.at("shards")) {
    r.shards.push_back(
        {shard.at("index").get<std::uint64_t>(), shard.at("count").get<std::uint64_t>()});
    if (r.shards.back().count == 0 || r.shards.back().index >= r.shards.back().count)
      throw ReportError(fmt::format("{}: /shards: an index below the count was expected", what));
  }
}

std::string xml(std::string_view text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      // XML 1.0 knows no other control characters, not even as references.
      default:
        out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? '?' : c;
    }
  return out;
}

std::string junit_suite(const Report& r, const std::string& area, const Tally& tally) {
  const std::string subject = xml(r.subject);
  std::string out = fmt::format(
      "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">\n",
      xml(area), tally.cases(), tally[Result::fail], tally[Result::crash] + tally[Result::timeout],
      tally[Result::skipped]);
  for (const Failure& f : r.failures) {
    if (f.area != area || f.divergence) continue;
    const char* tag = f.result == Result::fail ? "failure" : "error";
    out += fmt::format(
        "    <testcase classname=\"{}.{}\" name=\"{}\">\n      <{} "
        "message=\"{}\">{}\n{}\n{}</{}>\n    </testcase>\n",
        subject, xml(area), xml(f.line), tag, xml(f.reason), xml(f.detail), xml(f.opinion),
        xml(f.command), tag);
  }
  const std::uint64_t rest = tally.cases() - tally.against();
  if (rest > 0)
    out += fmt::format("    <testcase classname=\"{}.{}\" name=\"{} other cases\"/>\n", subject,
                       xml(area), rest);
  return out + "  </testsuite>\n";
}

}  // namespace

std::string to_json(const Report& r) {
  const Tally total = r.total();
  Json json;
  json["schema"] = kSchema;
  json["subject"] = r.subject;
  json["libtorch"] = r.libtorch.empty() ? Json(nullptr) : Json(r.libtorch);
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
  json["census"] = census_json(r);
  // A player's own words may hold any bytes: those that are not UTF-8 are replaced, not a reason to
  // lose the report.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Report from_json(std::string_view text, std::string_view what) {
  try {
    const Json json = Json::parse(text);
    if (!json.is_object() || json.value("schema", "") != kSchema)
      throw ReportError(
          fmt::format("{}: not a report: \"schema\": \"{}\" was expected", what, kSchema));
    Report r;
    r.subject = json.at("subject").get<std::string>();
    if (!json.at("libtorch").is_null()) r.libtorch = json.at("libtorch").get<std::string>();
    r.seed = json.at("seed").get<std::uint64_t>();
    r.seconds = json.at("seconds").get<double>();
    r.subject_version = json.at("subject_version").get<std::string>();
    r.random_cases = json.at("random_cases").get<std::uint64_t>();
    r.interrupted = json.at("interrupted").get<bool>();
    r.out_of_time = json.at("out_of_time").get<bool>();
    r.threads = json.at("threads").get<unsigned>();
    for (const Json& f : json.at("failures")) r.failures.push_back(read_failure(f, false));
    for (const Json& f : json.at("new_divergences")) r.failures.push_back(read_failure(f, true));
    sort_failures(r);
    read_details(json, r, what);
    return r;
  } catch (const Json::exception& e) {
    throw ReportError(fmt::format("{}: not a report: {}", what, e.what()));
  }
}

std::string to_junit(const Report& r) {
  const Tally total = r.total();
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  out += fmt::format(
      "<testsuites name=\"truenorm conform {}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" "
      "time=\"{:.3f}\">\n",
      xml(r.subject), total.cases(), total[Result::fail] + r.rival.fresh,
      total[Result::crash] + total[Result::timeout], r.seconds);
  for (const auto& [area, tally] : r.areas) out += junit_suite(r, area, tally);
  if (!r.libtorch.empty()) {
    out += fmt::format(
        "  <testsuite name=\"new divergences of LibTorch\" tests=\"{0}\" failures=\"{0}\">\n",
        r.rival.fresh);
    for (const Failure& f : r.failures)
      if (f.divergence)
        out += fmt::format(
            "    <testcase classname=\"libtorch.{}\" name=\"{}\">\n      <failure "
            "message=\"{}\">{}\n{}</failure>\n    </testcase>\n",
            xml(f.area), xml(f.line), xml(f.reason), xml(f.detail), xml(f.command));
    out += "  </testsuite>\n";
  }
  return out + "</testsuites>\n";
}

}  // namespace truenorm::oracle
