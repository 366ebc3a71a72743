#include "intake.h"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "folder.h"
#include "fuzz/mutate.h"
#include "oracle/text.h"

namespace truenorm::night {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// The kernel in the words of the targets, as far as a case tells it without a verdict.
std::string kernel_of(const oracle::Case& c) {
  std::string text{name(c.problem.dtype)};
  text += ' ' + std::string(name(c.exec->x));
  if (c.exec->isa != oracle::Isa::best) text += ' ' + std::string(name(c.exec->isa));
  return text;
}

fuzz::Bytes as_bytes(const std::string& input) {
  return {reinterpret_cast<const std::uint8_t*>(input.data()), input.size()};
}

}  // namespace

std::optional<Finding> read_finding(const fs::path& path) {
  const Json json = Json::parse(read_bytes(path), nullptr, false);
  if (!json.is_object()) return std::nullopt;
  try {
    Finding f;
    f.target = json.at("target");
    f.verdict = json.at("verdict");
    f.reason = json.at("reason");
    f.kernel = json.at("kernel");
    f.subject = json.at("subject");
    f.line = json.at("case");
    f.detail = json.at("detail");
    f.input = from_hex(json.at("input").get<std::string>());
    f.build = json.value("build", "");
    f.run = json.value("run", std::int64_t{0});
    f.first_seen = json.value("first_seen", std::int64_t{0});
    return f;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

std::string to_json(const Finding& f) {
  const Json json{{"target", f.target},         {"subject", f.subject},    {"verdict", f.verdict},
                  {"reason", f.reason},         {"kernel", f.kernel},      {"case", f.line},
                  {"detail", f.detail},         {"build", f.build},        {"run", f.run},
                  {"first_seen", f.first_seen}, {"input", to_hex(f.input)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

Finding finding_of(const Death& death, const Target& target, const std::string& subject,
                   const std::string& input) {
  Finding f;
  f.target = target.name;
  f.subject = subject;
  f.verdict = death.verdict;
  f.reason = death.reason;
  f.detail = death.detail;
  f.input = input;
  if (!target.cases()) return f;
  const oracle::Case c = fuzz::decode(as_bytes(input), fuzz::bounds_for(target.bounds, subject));
  f.line = print(c);
  f.kernel = kernel_of(c);
  return f;
}

std::vector<Left> left_in(const fs::path& job, const Target& target, const std::string& subject,
                          std::string_view log) {
  std::vector<Left> all;
  for (const fs::path& file : files_of(job / "findings"))
    if (auto finding = read_finding(file)) all.push_back({std::move(*finding), file});
  for (const fs::path& file : files_of(job / "artifacts")) {
    const std::string name = file.filename().string();
    const Death death = read_death(log, name);
    if (!death.verdict.empty() && !name.starts_with("slow-unit-"))
      all.push_back({finding_of(death, target, subject, read_bytes(file)), file});
  }
  return all;
}

std::string file_name(const Finding& f) {
  return f.target + '-' + digest(f.verdict + '/' + f.reason + '/' + f.kernel);
}

}  // namespace truenorm::night
