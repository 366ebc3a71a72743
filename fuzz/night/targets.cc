#include "targets.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <system_error>

#include "oracle/cli/support.h"
#include "oracle/player.h"
#include "oracle/players/players.h"

namespace truenorm::night {
namespace {

namespace fs = std::filesystem;
using oracle::cli::UsageError;

bool is_plugin(const std::string& subject) { return subject.find(".so") != subject.npos; }

/// By default a plugin is for plugin_fuzz, which is case_fuzz for one, and Truenorm for all others.
bool suits(const Target& target, const std::string& subject) {
  if (target.name == "plugin_fuzz") return is_plugin(subject);
  if (is_plugin(subject)) return target.name == "sequence_fuzz";
  return subject == "truenorm" || target.subject;
}

bool runnable(const fs::path& program) { return access(program.c_str(), X_OK) == 0; }

/// TARGET.dict and TARGET.options lie beside the program where it was packed, else beside its source.
fs::path accompanying(const fs::path& program, const char* extension) {
  const std::string name = program.filename().string() + extension;
  std::error_code ignored;
  for (const fs::path& folder : {program.parent_path(), fs::path(TRUENORM_FUZZ_DIR)})
    if (fs::exists(folder / name, ignored)) return folder / name;
  return {};
}

std::vector<std::string> parts(const std::string& list, char between) {
  std::vector<std::string> all;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(between, begin), list.size());
    all.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return all;
}

std::vector<Build> beside_this_program() {
  std::error_code ignored;
  const fs::path builds =
      fs::read_symlink("/proc/self/exe", ignored).parent_path().parent_path().parent_path();
  std::vector<Build> all;
  for (const char* name : {"fast", "asan", "msan"})
    if (const fs::path folder = builds / (std::string("fuzz-") + name) / "bin";
        fs::is_directory(folder, ignored))
      all.push_back({name, folder});
  if (all.empty() || all.front().name != "fast")
    throw UsageError(
        fmt::format("{}: no fuzz targets; './run fuzz' builds them, as do 'cmake --preset "
                    "fuzz-fast' and 'cmake --build --preset fuzz-fast'",
                    (builds / "fuzz-fast" / "bin").string()));
  return all;
}

}  // namespace

const std::vector<Target>& targets() {
  using Input = Target::Input;
  static const std::vector<Target> all{
      {"case_fuzz", Input::cases, true, 4, {}},
      {"sequence_fuzz", Input::cases, true, 3, fuzz::kSequenceBounds},
      {"torch_fuzz", Input::cases, false, 3, {}},
      {"plugin_fuzz", Input::cases, true, 4, {}},
      {"api_fuzz", Input::raw, false, 2, {}},
      {"text_fuzz", Input::text, false, 1, {}},
      {"moments_fuzz", Input::raw, false, 1, {}},
      {"npy_fuzz", Input::raw, false, 1, {}},
  };
  return all;
}

const Target* target_named(std::string_view name) {
  for (const Target& target : targets())
    if (target.name == name) return &target;
  return nullptr;
}

std::string target_names() {
  std::string names;
  for (const Target& target : targets()) names += (names.empty() ? "" : ", ") + target.name;
  return names;
}

Way way_named(const std::string& name) {
  const std::size_t blank = name.find(' ');
  return {name.substr(0, blank), blank == name.npos ? "" : name.substr(blank + 1)};
}

Builds::Builds(const std::string& option) {
  if (option.empty()) {
    builds_ = beside_this_program();
    return;
  }
  for (const std::string& part : parts(option, ',')) {
    const std::size_t equals = part.find('=');
    const std::string name = part.substr(0, equals);
    if (equals == part.npos || (name != "fast" && name != "asan" && name != "msan"))
      throw UsageError(
          fmt::format("--builds '{}': fast=DIR, asan=DIR or msan=DIR was expected", part));
    const fs::path folder = fs::absolute(part.substr(equals + 1));
    std::error_code ignored;
    if (!fs::is_directory(folder, ignored))
      throw UsageError(fmt::format("--builds '{}': there is no such folder", part));
    builds_.push_back({name, folder});
  }
  if (std::none_of(builds_.begin(), builds_.end(), [](const Build& b) { return b.name == "fast"; }))
    throw UsageError(
        fmt::format("--builds '{}': fast=DIR is missing, the build that explores", option));
}

fs::path Builds::program(const std::string& build, const Target& target) const {
  for (const Build& b : builds_)
    if (b.name == build) return b.folder / target.name;
  return {};
}

bool Builds::has(const std::string& build, const Target& target) const {
  const fs::path path = program(build, target);
  return !path.empty() && runnable(path);
}

std::vector<const Target*> chosen_targets(const std::string& list, const std::string& subject,
                                          const Builds& builds) {
  std::vector<const Target*> chosen;
  if (list.empty()) {
    for (const Target& target : targets())
      if (suits(target, subject) && builds.has("fast", target)) chosen.push_back(&target);
    if (chosen.empty())
      throw UsageError(fmt::format("{}: no target that judges {} is built there",
                                   builds.all().front().folder.string(), subject));
    return chosen;
  }
  for (const std::string& name : parts(list, ',')) {
    const Target* target = target_named(name);
    if (target == nullptr)
      throw UsageError(
          fmt::format("--targets '{}': no target; there are {}", name, target_names()));
    if (target->name == "plugin_fuzz" && !is_plugin(subject))
      throw UsageError("--targets plugin_fuzz: it judges a plugin, --subject PATH.so");
    if (!target->subject && subject != "truenorm")
      throw UsageError(fmt::format("--targets {}: it does not judge {}", name, subject));
    if (!builds.has("fast", *target))
      throw UsageError(fmt::format("--targets {}: there is no program {}", name,
                                   builds.program("fast", *target).string()));
    if (std::find(chosen.begin(), chosen.end(), target) != chosen.end())
      throw UsageError(fmt::format("--targets '{}': '{}' stands twice", list, name));
    chosen.push_back(target);
  }
  return chosen;
}

std::vector<Way> replays_of(const Target& target, const std::string& subject,
                            const Builds& builds) {
  std::vector<Way> ways;
  for (const Build& build : builds.all())
    if (build.name != "fast" && builds.has(build.name, target)) ways.push_back({build.name, ""});
  if (!target.cases() || subject != "truenorm") return ways;
  const auto player = oracle::make_player("truenorm");
  oracle::Exec exec;
  for (int i = 0; i < oracle::kIsas; ++i) {
    exec.isa = static_cast<oracle::Isa>(i);
    if (exec.isa != oracle::Isa::best && player->unsupported({}, exec).empty())
      ways.push_back({"fast", std::string(name(exec.isa))});
  }
  return ways;
}

std::vector<std::string> command_of(const Target& target, const Way& way, const Builds& builds,
                                    const std::string& subject, const Limits& limits) {
  const fs::path program = builds.program(way.build, target);
  std::vector<std::string> words{program.string()};
  if (const fs::path dictionary = accompanying(program, ".dict"); !dictionary.empty())
    words.push_back("-dict=" + dictionary.string());
  // "[libfuzzer]", then lines "name = value".
  std::ifstream options(accompanying(program, ".options"));
  bool ours = false;
  for (std::string line; std::getline(options, line);) {
    std::erase_if(line, [](char c) { return c == ' ' || c == '\t' || c == '\r'; });
    if (line.starts_with("[")) ours = line == "[libfuzzer]";
    if (ours && line.find('=') != line.npos && !line.starts_with("dict="))
      words.push_back('-' + line);
  }
  words.push_back(fmt::format("-timeout={}", limits.seconds_a_case));
  words.push_back(fmt::format("-rss_limit_mb={}", limits.megabytes));
  if (target.subject) words.push_back("--subject=" + subject);
  if (!way.isa.empty()) words.push_back("--isa=" + way.isa);
  return words;
}

}  // namespace truenorm::night
