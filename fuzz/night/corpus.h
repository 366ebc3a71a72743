// The inputs of a target on the disk: seeds, what is new, what is put away, and the smaller corpus
// that takes the place of a larger one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "folder.h"

namespace truenorm::night {

/// The committed cases, and those that are found, as lines of *.cases files.
std::vector<oracle::Case> seed_cases(const std::filesystem::path& corpus_folder,
                                     const std::filesystem::path& found);

/// The inputs that a target begins with: the cases in its form, and what is committed for it alone in
/// `corpus_folder`/seeds/TARGET.
std::vector<std::string> seeds_of(const Target&, const std::vector<oracle::Case>&,
                                  const std::filesystem::path& corpus_folder);

/// Writes them to the target's corpus, each once in the life of the folder: a seed that a merge found
/// of no use stays away, and what is committed later is brought in. Returns how many.
std::size_t write_seeds(const Target&, const Folder&, const std::vector<std::string>& seeds);

/// An input and when it came.
struct Input {
  std::filesystem::path path;
  std::int64_t modified = 0;  // ns
};
/// Those that came after a time and at least a second ago (two files may have one time), the oldest
/// first.
std::vector<Input> newer(const std::filesystem::path& folder, std::int64_t than);

/// Moves every input that is these bytes out of the corpus: a process that loads it would die of it
/// again. Returns how many.
std::size_t banish(const Folder&, const std::string& target, std::string_view bytes);

/// A corpus made smaller: the engine merges `in`, as the corpus was, into `out`; finish() lets `out`
/// take the corpus's place at once and carries over what came meanwhile. A kill at any moment loses
/// nothing that recover() does not put back.
class Merge {
 public:
  Merge(const Folder&, const std::string& target);
  std::filesystem::path in() const { return place_ / "in"; }
  std::filesystem::path out() const { return place_ / "out"; }
  void begin();  // throws std::filesystem::filesystem_error
  void finish();
  void discard();
  void recover();

 private:
  std::filesystem::path ready() const {
    return place_ / "ready";
  }  // there: the exchange may be done

  std::filesystem::path corpus_, place_;
};

}  // namespace truenorm::night
