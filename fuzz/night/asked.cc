// Inputs as they are named on the command line.
#include <fmt/format.h>
#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "folder.h"
#include "intake.h"
#include "oracle/bytes.h"
#include "oracle/cli/options.h"
#include "oracle/cli/support.h"
#include "oracle/text.h"
#include "verbs.h"

namespace truenorm::night {
namespace {

namespace fs = std::filesystem;
using oracle::cli::UsageError;

const Target& named(const std::string& name) {
  const Target* target = target_named(name);
  if (target == nullptr)
    throw UsageError(fmt::format("'{}': no target; there are {}", name, target_names()));
  return *target;
}

/// By its name ("case_fuzz-1f3a") or its folder ("corpus/case_fuzz/1f3a").
const Target& target_of(const fs::path& file) {
  for (const Target& target : targets())
    if (file.filename().string().starts_with(target.name + '-') ||
        fs::absolute(file).parent_path().filename() == target.name)
      return target;
  return targets().front();
}

std::string bytes_of(const Target& target, const oracle::Case& c) {
  if (target.input == Target::Input::text) return print(c);
  if (!target.cases())
    throw UsageError(
        fmt::format("{} takes no lines; a file of its input was expected", target.name));
  const auto bytes = oracle::encode(c.exec ? c : oracle::Case{c.problem, oracle::Exec{}});
  return {bytes.begin(), bytes.end()};
}

}  // namespace

Asked read_asked(const std::string& what, const std::string& target) {
  std::error_code ignored;
  if (!fs::exists(what, ignored) && what != "-") {
    const Target& t = target.empty() ? targets().front() : named(target);
    if (!what.starts_with("tn"))
      throw UsageError(
          fmt::format("'{}' is neither a file nor a case; a case begins with 'tn1'", what));
    return {&t, bytes_of(t, oracle::cli::parse_line(what))};
  }
  const fs::path file(what);
  const std::string bytes = oracle::cli::read_input(what);
  if (file.extension() == ".json") {
    const auto finding = read_finding(file);
    if (!finding) throw UsageError(fmt::format("{}: is no finding of a fuzz target", what));
    return {&named(target.empty() ? finding->target : target), finding->input};
  }
  const Target& t = target.empty() ? target_of(file) : named(target);
  if (file.extension() != ".cases") return {&t, bytes};
  const auto lines = oracle::parse_file(bytes, what);
  if (lines.size() != 1)
    throw UsageError(
        fmt::format("{}: {} cases; one was expected ('truenorm check' takes files of them)", what,
                    lines.size()));
  return {&t, bytes_of(t, lines.front().value)};
}

void add_asked_options(CLI::App& verb, AskedOptions& o) {
  verb.add_option("LINE|FILE", o.what,
                  "A case's line; a file of one, of an input's bytes, or of a finding (.json)")
      ->required();
  verb.add_option("--target", o.target,
                  "Whose input it is (default: as the file's name begins, else case_fuzz)");
  verb.add_option("--subject", o.subject, "Who is judged (default truenorm)");
  verb.add_option(
          "--builds", o.builds,
          "Where the targets are: fast=DIR,asan=DIR (default: build/fuzz-* beside this build)")
      ->envname("TRUENORM_FUZZ_BUILDS");
  verb.add_option("--timeout", o.timeout,
                  "Seconds after which a case counts as a hang (default 10)")
      ->check(oracle::cli::whole_number(1, 3600));
}

Scratch::Scratch() {
  std::string name = (fs::temp_directory_path() / "truenorm-fuzz-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw UsageError(fmt::format("{}: cannot be made: {}", name, std::strerror(errno)));
  path_ = name;
}

Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace truenorm::night
