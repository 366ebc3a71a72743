#include "corpus.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <system_error>

#include "fuzz/finding.h"
#include "oracle/bytes.h"
#include "oracle/text.h"

namespace truenorm::night {
namespace {

namespace fs = std::filesystem;

std::string bytes_of(const Target& target, const oracle::Case& c) {
  if (target.input == Target::Input::text) return print(c);
  const std::vector<std::uint8_t> bytes = oracle::encode(c);
  return {bytes.begin(), bytes.end()};
}

/// Moves the files of one folder to another, but for those that it has.
void carry(const fs::path& from, const fs::path& to, const std::set<std::string>& not_these) {
  for (const fs::path& file : files_of(from)) {
    const std::string name = file.filename().string();
    std::error_code ignored;  // an engine may have replaced a file since
    if (not_these.count(name) == 0 && !fs::exists(to / name, ignored))
      fs::rename(file, to / name, ignored);
  }
}

}  // namespace

std::vector<oracle::Case> seed_cases(const fs::path& corpus_folder, const fs::path& found) {
  std::vector<fs::path> files = files_of(corpus_folder);
  std::erase_if(files, [](const fs::path& file) { return file.extension() != ".cases"; });
  files.push_back(found);
  std::vector<oracle::Case> all;
  for (const fs::path& file : files)
    for (const oracle::Line& line : oracle::parse_file(read_bytes(file), file.string()))
      all.push_back(line.value);
  return all;
}

std::vector<std::string> seeds_of(const Target& target, const std::vector<oracle::Case>& cases,
                                  const fs::path& corpus_folder) {
  std::vector<std::string> seeds;
  if (target.input != Target::Input::raw)
    for (const oracle::Case& c : cases) seeds.push_back(bytes_of(target, c));
  for (const fs::path& file : files_of(corpus_folder / "seeds" / target.name))
    seeds.push_back(read_bytes(file));
  return seeds;
}

std::size_t write_seeds(const Target& target, const Folder& folder,
                        const std::vector<std::string>& seeds) {
  const fs::path corpus = folder.corpus(target.name), memory = folder.seeded(target.name);
  fs::create_directories(corpus);
  fs::create_directories(memory.parent_path());
  // Without inputs there is nothing to go on from.
  std::string known = files_of(corpus).empty() ? std::string() : read_bytes(memory);
  std::size_t count = 0;
  for (const std::string& bytes : seeds) {
    const std::string name = digest(bytes);
    if (known.find(name) != known.npos) continue;
    fuzz::write_whole((corpus / ("seed-" + name)).string(), bytes);
    known += name + '\n';
    ++count;
  }
  if (count > 0) fuzz::write_whole(memory.string(), known);
  return count;
}

std::vector<Input> newer(const fs::path& folder, std::int64_t than) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t until =
      std::chrono::duration_cast<std::chrono::nanoseconds>(now - std::chrono::seconds(1)).count();
  std::vector<Input> inputs;
  for (const fs::path& file : files_of(folder)) {
    struct stat about {};
    if (::stat(file.c_str(), &about) != 0) continue;
    const std::int64_t modified =
        std::int64_t{about.st_mtim.tv_sec} * 1'000'000'000 + about.st_mtim.tv_nsec;
    if (modified > than && modified <= until) inputs.push_back({file, modified});
  }
  std::stable_sort(inputs.begin(), inputs.end(),
                   [](const Input& a, const Input& b) { return a.modified < b.modified; });
  return inputs;
}

std::size_t banish(const Folder& folder, const std::string& target, std::string_view bytes) {
  std::size_t count = 0;
  for (const fs::path& file : files_of(folder.corpus(target))) {
    std::error_code error;
    if (fs::file_size(file, error) != bytes.size() || error || read_bytes(file) != bytes) continue;
    fs::create_directories(folder.banished());
    fs::rename(file, folder.banished() / (target + '-' + file.filename().string()), error);
    if (!error) ++count;
  }
  return count;
}

Merge::Merge(const Folder& folder, const std::string& target)
    : corpus_(folder.corpus(target)), place_(folder.merge(target)) {}

void Merge::begin() {
  fs::remove_all(place_);
  fs::create_directories(in());
  fs::create_directories(out());
  for (const fs::path& file : files_of(corpus_)) {
    std::error_code ignored;  // it may have gone
    fs::create_hard_link(file, in() / file.filename(), ignored);
  }
}

void Merge::finish() {
  std::set<std::string> merged;
  for (const fs::path& file : files_of(in())) merged.insert(file.filename().string());
  if (files_of(out()).empty()) return discard();
  fuzz::write_whole(ready().string(), "");
  if (::renameat2(AT_FDCWD, out().c_str(), AT_FDCWD, corpus_.c_str(), RENAME_EXCHANGE) != 0)
    return discard();             // a file system that cannot: the larger corpus stays
  carry(out(), corpus_, merged);  // `out` is what the corpus was
  fs::remove_all(place_);
}

void Merge::discard() { fs::remove_all(place_); }

void Merge::recover() {
  if (fs::exists(ready())) carry(out(), corpus_, {});
  fs::remove_all(place_);
}

}  // namespace truenorm::night
