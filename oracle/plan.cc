#include "plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "found.h"
#include "sample.h"
#include "text.h"

namespace truenorm::oracle {

namespace fs = std::filesystem;

void Plan::begin(const std::string& area) {
  if (!names_.empty() && names_.back() == area) return;
  names_.push_back(area);
  starts_.push_back(fixed_);
}

void Plan::add_lines(const std::string& area, std::string_view text, std::string_view file) {
  begin(area);
  const std::size_t number = files_.size();
  files_.emplace_back(file);
  for (Line& line : parse_file(text, file)) {
    if (line.value.exec) {
      cases_.push_back({std::move(line.value), kNone, number, line.number});
      continue;
    }
    for (const Exec& exec : standard_execs(line.value.problem))
      cases_.push_back({{line.value.problem, exec}, kNone, number, line.number});
  }
  fixed_ = cases_.size();
}

void Plan::add_cases(const std::string& area, const std::vector<Case>& cases) {
  begin(area);
  std::size_t turn = 0;
  for (const Case& c : cases) {
    cases_.push_back({c, kNone});
    if (c.exec) continue;
    const std::vector<Exec> execs = standard_execs(c.problem);
    cases_.back().value.exec = execs.empty() ? Exec{} : execs[turn++ % execs.size()];
  }
  fixed_ = cases_.size();
}

void Plan::add_vectors(const std::string& area, std::vector<VectorCase> vectors) {
  begin(area);
  for (VectorCase& v : vectors) {
    cases_.push_back({v.value, vectors_.size()});
    vectors_.push_back(std::move(v));
  }
  fixed_ = cases_.size();
}

void Plan::add_random(const std::string& area, std::uint64_t seed, std::uint64_t count) {
  begin(area);
  seed_ = seed;
  random_ = count;
}

std::uint64_t Plan::size() const { return random_ >= kEndless ? kEndless : fixed_ + random_; }

Item Plan::item(std::uint64_t index) const {
  if (index < fixed_) {
    const Fixed& fixed = cases_[index];
    return {fixed.value, fixed.vector == kNone ? nullptr : &vectors_[fixed.vector]};
  }
  Item item{sample(seed_, index - fixed_), nullptr};
  if (!item.value.exec) item.value.exec = Exec{};
  return item;
}

std::size_t Plan::area_of(std::uint64_t index) const {
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), index);
  return static_cast<std::size_t>(after - starts_.begin()) - 1;
}

std::string Plan::where(std::uint64_t index) const {
  if (random(index) || cases_[index].file == kNone) return {};
  return fmt::format("{}:{}", files_[cases_[index].file], cases_[index].line);
}

std::string read_text(const fs::path& file) {
  std::error_code ignored;
  if (fs::is_directory(file, ignored))
    throw CorpusError(fmt::format("{}: is a directory", file.string()));
  std::ifstream in(file, std::ios::binary);
  if (!in) throw CorpusError(fmt::format("{}: {}", file.string(), std::strerror(errno)));
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in.bad()) throw CorpusError(fmt::format("{}: cannot be read to its end", file.string()));
  return text;
}

namespace {

/// `found`: played first, after the committed ones.
Plan plan_of(const fs::path& corpus, bool taught, const std::vector<Case>& found,
             std::uint64_t seed, std::uint64_t random_cases) {
  // Thinned so that the fixed areas take a small part of the default run, and every one of its
  // classes is still met.
  constexpr std::size_t kSmallWorlds = 3000;
  Plan plan;
  auto lines = [&](const std::string& area, const char* file) {
    plan.add_lines(area, read_text(corpus / file), (corpus / file).string());
  };
  std::vector<Case> again;
  if (taught) again = read_found((corpus / "found.cases").string());
  for (const Case& c : found)
    if (std::find(again.begin(), again.end(), c) == again.end()) again.push_back(c);
  if (!again.empty()) plan.add_cases("found", again);
  lines("corpus", "smoke.cases");
  lines("corpus", "edges.cases");
  if (taught && fs::exists(corpus / "faults.cases")) lines("corpus", "faults.cases");
  plan.add_cases("small worlds", small_worlds(kSmallWorlds));
  plan.add_cases("SIMD edges", simd_edges());
  lines("networks", "networks.cases");

  std::vector<fs::path> files;
  if (fs::is_directory(corpus / "vectors"))
    for (const auto& entry : fs::directory_iterator(corpus / "vectors"))
      if (entry.path().extension() == ".json") files.push_back(entry.path());
  if (files.empty())
    throw CorpusError(fmt::format("{}: no *.json in it", (corpus / "vectors").string()));
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files)
    plan.add_vectors("published vectors", read_vectors(read_text(file), file.filename().string()));
  plan.add_random("random", seed, random_cases);
  return plan;
}

}  // namespace

Plan standard_plan(const fs::path& corpus, std::uint64_t seed, std::uint64_t random_cases,
                   const std::vector<Case>& found) {
  return plan_of(corpus, true, found, seed, random_cases);
}

Plan untaught_plan(const fs::path& corpus, std::uint64_t seed, std::uint64_t random_cases) {
  return plan_of(corpus, false, {}, seed, random_cases);
}

}  // namespace truenorm::oracle
