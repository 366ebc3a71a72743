// The text target: what it finds right is right, and it can find something; its dictionary has every
// word of the language.
#include "text_target.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "bytes.h"
#include "dice.h"
#include "text.h"

namespace truenorm::fuzz {
namespace {

using namespace oracle;

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> corpus() {
  std::vector<std::string> texts;
  for (const auto& entry : std::filesystem::directory_iterator(TRUENORM_CORPUS_DIR))
    if (entry.path().extension() == ".cases") texts.push_back(read(entry.path()));
  return texts;
}

std::string told(const std::optional<Finding>& found) {
  return found ? found->reason + ": " + found->detail : "";
}

std::optional<Finding> look(const std::string& text) {
  return look_at_text({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

TEST(TextTarget, FindsNothingInTheCorpusNorInWhatIsMadeOfIt) {
  Dice dice(1, 0);
  for (const std::string& text : corpus()) {
    ASSERT_EQ(told(look(text)), "");
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      std::string line = text.substr(at, end - at);
      at = end + 1;
      for (int i = 0; i < 30; ++i) {
        ASSERT_EQ(told(look(line)), "") << line;
        if (line.empty()) break;
        const auto where =
            static_cast<std::size_t>(dice.below(static_cast<std::int64_t>(line.size())));
        line[where] = static_cast<char>(
            dice.pick<std::int64_t>({{4, 32 + dice.below(95)}, {1, dice.below(256)}, {1, '\n'}}));
      }
    }
  }
}

TEST(TextTarget, FindsWhatIsWrong) {
  // A case that no line is: its text is another case's.
  Case invalid;
  invalid.problem.run[0].eps = 1;
  EXPECT_EQ(told(look_at_case(invalid)).substr(0, 12), "parse(print)");
  Case far;
  far.problem.shape.n = kMaxElements + 1;
  EXPECT_EQ(told(look_at_case(far)).substr(0, 12), "parse(print)");
}

TEST(TextTarget, BytesAboveTextAreTheByteForm) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    Dice dice(seed, 0);
    std::string bytes(1 + static_cast<std::size_t>(dice.below(300)), '\xff');
    for (std::size_t i = 1; i < bytes.size(); ++i) bytes[i] = static_cast<char>(dice.next());
    ASSERT_EQ(told(look(bytes)), "");
  }
}

/// Without what marks a number, a step or a bracket.
std::set<std::string> dictionary() {
  std::set<std::string> words;
  const std::string text = read(std::filesystem::path(TRUENORM_FUZZ_DIR) / "text_fuzz.dict");
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.size() < 2 || line[0] != '"') continue;
    std::string word = line.substr(1, line.size() - 2);
    words.insert(word);
    word.erase(word.find_last_not_of("(= ") + 1);
    words.insert(word);
  }
  return words;
}

TEST(TextTarget, TheDictionaryHasEveryWord) {
  const std::set<std::string> words = dictionary();
  const auto expect = [&](std::string_view word) {
    EXPECT_TRUE(words.count(std::string(word))) << word;
  };
  for (int i = 0; i < kDtypes; ++i) expect(name(static_cast<Dtype>(i)));
  for (int i = 0; i < kDistKinds; ++i) expect(name(static_cast<DistKind>(i)));
  for (int i = 0; i < kLayouts; ++i) expect(name(static_cast<Layout>(i)));
  for (int i = 0; i < kIsas; ++i) expect(name(static_cast<Isa>(i)));
  for (int i = 0; i < kOps; ++i) expect(std::string(1, letter(static_cast<Op>(i))));
  // Fields: whatever stands before an equals sign somewhere in a line that leaves nothing out.
  const std::string line =
      print(parse("tn1 n1c1s1 renorm=3,5 x=zero w=zero b=zero rm=ramp rv=zero "
                  "| nhwc y=nchw dy=padded dx=nchw thr=2 isa=scalar skew=1 params=strided"));
  for (std::size_t at = line.find('='); at != line.npos; at = line.find('=', at + 1)) {
    const std::size_t begin = line.rfind(' ', at) + 1;
    expect(line.substr(begin, at + 1 - begin));
  }
}

}  // namespace
}  // namespace truenorm::fuzz
