#include "reach.h"

#include <fstream>
#include <nlohmann/json.hpp>

namespace truenorm::night {
namespace {

using Json = nlohmann::json;

constexpr const char* kSchema = "truenorm-fuzz-coverage/1";

Reach::Count read_count(const Json& json) { return {json.at("covered"), json.at("all")}; }

}  // namespace

double Reach::Count::percent() const {
  return all > 0 ? 100 * static_cast<double>(covered) / static_cast<double>(all) : 100;
}

std::filesystem::path reach_file(const std::filesystem::path& folder) {
  return folder / "coverage" / "summary.json";
}

Reach read_reach(const std::filesystem::path& file) try {
  std::ifstream stream(file, std::ios::binary);
  const Json json = Json::parse(stream);
  if (json.at("schema") != kSchema)
    throw ReachError(file.string() + ": the schema " + kSchema + " was expected");
  Reach reach;
  reach.inputs = json.at("inputs");
  reach.lines = read_count(json.at("lines"));
  reach.functions = read_count(json.at("functions"));
  for (const Json& f : json.at("files"))
    reach.files.push_back({f.at("file"), read_count(f.at("lines")), f.at("missing")});
  for (const Json& f : json.at("never_reached"))
    reach.never_reached.push_back({f.at("name"), f.at("file"), f.at("line")});
  return reach;
} catch (const Json::exception& e) {
  throw ReachError(file.string() + ": " + e.what());
}

}  // namespace truenorm::night
