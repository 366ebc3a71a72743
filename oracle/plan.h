// The cases of a conformance run, area by area, each with its index.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "case.h"
#include "vectors.h"

namespace truenorm::oracle {

/// The corpus is not there, or is not what it should be; says what was looked for, and where.
struct CorpusError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One case to play.
struct Item {
  Case value;  // with an Exec
  const VectorCase* vector =
      nullptr;  // literal inputs and published numbers, where the case has them
};

/// Areas in the order in which they are played; the indexes of one run through all of them.
/// Immutable: threads share it.
class Plan {
 public:
  /// Adds every line of a text, those without a right side once for every standard Exec.
  void add_lines(const std::string& area, std::string_view text, std::string_view file);
  /// Adds cases; one without a right side takes the standard Execs in turn, so that none is played
  /// twice and all are met.
  void add_cases(const std::string& area, const std::vector<Case>& cases);
  void add_vectors(const std::string& area, std::vector<VectorCase> vectors);
  /// The random cases of `seed`; they stand last, for there may be no end to them.
  void add_random(const std::string& area, std::uint64_t seed, std::uint64_t count);

  std::uint64_t size() const;  // kEndless where the random cases have no end
  Item item(std::uint64_t index) const;
  std::size_t area_of(std::uint64_t index) const;
  /// "edges.cases:12", the file as it was named to add_lines(); empty where no file has the case.
  std::string where(std::uint64_t index) const;
  /// Which case of its area it is, counted from 1.
  std::uint64_t number_of(std::uint64_t index) const { return index - starts_[area_of(index)] + 1; }
  bool random(std::uint64_t index) const { return index >= fixed_; }
  std::uint64_t random_cases() const { return random_; }
  const std::vector<std::string>& areas() const { return names_; }

  static constexpr std::uint64_t kEndless = std::numeric_limits<std::uint64_t>::max() / 2;

 private:
  void begin(const std::string& area);

  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  struct Fixed {
    Case value;
    std::size_t vector;        // index in vectors_, or kNone
    std::size_t file = kNone;  // index in files_
    int line = 0;              // of it
  };
  std::vector<std::string> names_;
  std::vector<std::uint64_t> starts_;  // of each area
  std::vector<Fixed> cases_;
  std::vector<VectorCase> vectors_;
  std::vector<std::string> files_;
  std::uint64_t fixed_ = 0, seed_ = 0, random_ = 0;
};

/// The default run: found cases (those of corpus/found.cases, then `found`, each once; no area where
/// there are none), corpus, small worlds, SIMD edges, networks, published vectors, random cases.
Plan standard_plan(const std::filesystem::path& corpus, std::uint64_t seed,
                   std::uint64_t random_cases, const std::vector<Case>& found = {});

/// The same without what grew from failures: how strong the cases are is not to be told by those
/// that were written for it.
Plan untaught_plan(const std::filesystem::path& corpus, std::uint64_t seed,
                   std::uint64_t random_cases);

/// The whole file as text. Throws CorpusError.
std::string read_text(const std::filesystem::path& file);

}  // namespace truenorm::oracle
