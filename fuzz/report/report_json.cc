#include <cmath>
#include <nlohmann/json.hpp>

#include "report.h"

namespace truenorm::night {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }
Json number(std::optional<double> value) { return value ? number(*value) : Json(); }

Json json_of(const Standing& s) {
  Json replayed = Json::object();
  for (const auto& [build, behind] : s.replays) replayed[build] = {{"behind", behind}};
  return {{"executions", s.last.executions},
          {"exec_per_second", number(s.last.exec_per_second)},
          {"coverage", s.last.coverage},
          {"features", s.last.features},
          {"corpus", s.last.corpus},
          {"worst_score", number(s.worst())},
          {"replayed", replayed}};
}

Json json_of(const Finding& f, const Digest& d) {
  return {{"case", f.shown()},
          {"verdict", f.verdict},
          {"reason", f.reason},
          {"target", f.target},
          {"kernel", f.kernel},
          {"subject", f.subject},
          {"state", name(f.state)},
          {"found", f.line},
          {"detail", f.detail},
          {"opinion", f.opinion},
          {"build", f.build},
          {"count", f.count},
          {"first_seen", f.first_seen},
          {"last_seen", f.last_seen},
          {"file", f.file},
          {"command", rerun(f, d.folder)}};
}

Json json_of(const Run& r) {
  return {{"started", r.started}, {"seconds", number(r.seconds)}, {"planned", number(r.planned)},
          {"jobs", r.jobs},       {"targets", r.targets},         {"end", r.end}};
}

Json json_of(const Reach::Count& c) { return {{"covered", c.covered}, {"all", c.all}}; }

}  // namespace

std::string to_json(const Digest& d) {
  Json json{{"schema", "truenorm-fuzz/1"}, {"seconds", number(d.seconds)}};
  json["subject"] = d.subject;
  json["running"] = d.running;
  json["targets"] = Json::object();
  for (const Standing& s : d.targets) json["targets"][s.last.target] = json_of(s);
  json["findings"] = Json::array();
  for (const Finding& f : d.findings) json["findings"].push_back(json_of(f, d));
  json["worst"] = Json::object();
  for (const Worst& w : d.worst)
    json["worst"][w.output] = {{"score", w.score}, {"target", w.target}, {"case", w.line}};
  json["runs"] = Json::array();
  for (const Run& r : d.runs) json["runs"].push_back(json_of(r));
  if (d.reach)
    json["impl"] = {{"lines", json_of(d.reach->lines)}, {"functions", json_of(d.reach->functions)}};
  // Bytes that are no text, as a crash may leave, are replaced.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace truenorm::night
