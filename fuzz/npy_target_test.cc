// The npy target: what it finds right is right, and it can find something; its dictionary's words are
// words.
#include "npy_target.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "case.h"
#include "dice.h"

namespace truenorm::fuzz {
namespace {

using namespace oracle;

std::string told(const std::optional<Finding>& found) {
  return found ? found->reason + ": " + found->detail : "";
}

std::optional<Finding> look(const std::string& text) {
  return look_at_npy({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  for (const auto& entry :
       std::filesystem::directory_iterator(TRUENORM_CORPUS_DIR "/seeds/npy_fuzz")) {
    std::ifstream file(entry.path(), std::ios::binary);
    all.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return all;
}

TEST(NpyTarget, FindsNothingInTheSeedsNorInWhatIsMadeOfThem) {
  Dice dice(1, 0);
  ASSERT_GE(seeds().size(), 5u);
  for (const std::string& seed : seeds()) {
    ASSERT_EQ(told(look(seed)), "");
    EXPECT_NO_THROW(npy::parse(seed)) << "a seed that is refused leads nowhere";
    for (int i = 0; i < 2000; ++i) {
      std::string other = seed;
      for (std::int64_t k = 1 + dice.below(4); k > 0; --k)
        other[static_cast<std::size_t>(dice.below(static_cast<std::int64_t>(other.size())))] =
            static_cast<char>(
                dice.pick<std::int64_t>({{4, 32 + dice.below(95)}, {1, dice.below(256)}}));
      ASSERT_EQ(told(look(other)), "") << other;
    }
  }
}

TEST(NpyTarget, FindsWhatIsWrong) {
  npy::Header header;
  header.shape = {kMaxElements, 2};
  EXPECT_EQ(told(look_at_header(header)).substr(0, 7), "bounds:");
  header.shape = {-1};
  EXPECT_EQ(told(look_at_header(header)).substr(0, 7), "bounds:");
  header = {};
  header.item = npy::kMaxItem + 1;
  EXPECT_EQ(told(look_at_header(header)).substr(0, 7), "bounds:");
  header = {};
  header.kind = 'b';
  header.item = 1;
  header.big = true;  // one byte has no order
  EXPECT_EQ(told(look_at_header(header)).substr(0, 13), "parse(print):");
}

TEST(NpyTarget, TheDictionaryHasWordsOfHeaders) {
  std::ifstream file(std::filesystem::path(TRUENORM_FUZZ_DIR) / "npy_fuzz.dict");
  std::string words((std::istreambuf_iterator<char>(file)), {});
  for (const std::string word : {"descr", "fortran_order", "shape"})
    EXPECT_NE(words.find("\"'" + word + "': \""), words.npos) << word;
  EXPECT_NE(words.find(std::to_string(kMaxElements)), words.npos);
}

}  // namespace
}  // namespace truenorm::fuzz
