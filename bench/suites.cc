#include "suites.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "oracle/text.h"

namespace truenorm::bench {

using oracle::ParseError;

/// Reads the file line by line; a word is told with its column.
class Suites::Reader {
 public:
  Reader(std::vector<Suite>& suites, std::string_view what) : suites_(suites), what_(what) {}

  void line(std::string_view text) {
    ++number_;
    text_ = text;
    at_ = 0;
    const Word first = next();
    if (first.text == "#suite") return suite();
    if (first.text == "#case") return one();
    if (first.text.empty()) open_ = false;
  }

 private:
  struct Word {
    std::string_view text;
    std::size_t column = 1;  // 1-based
  };

  Word next() {
    at_ = std::min(text_.find_first_not_of(" \t\r", at_), text_.size());
    const std::size_t end = std::min(text_.find_first_of(" \t\r", at_), text_.size());
    const Word word{text_.substr(at_, end - at_), at_ + 1};
    at_ = end;
    return word;
  }

  [[noreturn]] void refuse(const Word& word, const std::string& expected) const {
    throw ParseError(word.column, std::string(word.text), expected, place());
  }
  std::string place() const { return fmt::format("{}:{}", what_, number_); }
  bool known(std::string_view name) const {
    return std::any_of(suites_.begin(), suites_.end(),
                       [&](const Suite& s) { return s.name == name; });
  }

  void suite() {
    const Word name = next();
    if (name.text.empty() || known(name.text)) refuse(name, "the name of a new suite");
    Suite suite{std::string(name.text), false, false, {}, {}};
    for (Word word = next(); !word.text.empty(); word = next()) {
      if (word.text == "network") {
        suite.network = true;
      } else if (word.text == "nhwc") {
        suite.inner = true;
      } else if (word.text == "=") {
        others(suite);
      } else {
        refuse(word, "network, nhwc or =");
      }
    }
    open_ = suite.of.empty();
    suites_.push_back(std::move(suite));
  }

  void others(Suite& suite) {
    Word word = next();
    if (word.text.empty()) refuse(word, "suites that stand above");
    for (; !word.text.empty(); word = next()) {
      if (!known(word.text)) refuse(word, "a suite that stands above");
      suite.of.emplace_back(word.text);
    }
  }

  void one() {
    if (!open_)
      refuse({text_.substr(0, 5), 1}, "a #suite above its cases, and no blank line between");
    const Word times = next();
    Entry entry;
    const char* const end = times.text.data() + times.text.size();
    const auto [last, error] = std::from_chars(times.text.data(), end, entry.times);
    if (error != std::errc() || last != end || entry.times < 1)
      refuse(times, "how many BatchNorms of the network look like this, 1 or more");
    const std::size_t before = at_;
    try {
      entry.value = oracle::parse(text_.substr(before));
    } catch (const ParseError& e) {
      throw ParseError(before + e.column, e.token, e.expected, place());
    }
    if (const std::string why = untimed(entry.value); !why.empty())
      refuse({text_.substr(before), before + 1}, "a case that can be timed: " + why);
    Suite& suite = suites_.back();
    entry.suite = suite.name;
    entry.network = suite.network;
    entry.inner = suite.inner;
    suite.entries.push_back(std::move(entry));
  }

  std::vector<Suite>& suites_;
  std::string_view what_, text_;
  std::size_t at_ = 0;
  int number_ = 0;
  bool open_ = false;  // cases of the last suite may follow
};

Suites::Suites(std::string_view text, std::string_view what) {
  Reader reader(suites_, what);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    reader.line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string Suites::names() const {
  std::string all;
  for (const Suite& suite : suites_) {
    all += (all.empty() ? "" : ", ") + suite.name;
    if (!suite.of.empty()) all += fmt::format(" ({})", fmt::join(suite.of, " "));
  }
  return all;
}

const Suites::Suite* Suites::find(std::string_view name) const {
  const auto it = std::find_if(suites_.begin(), suites_.end(),
                               [&](const Suite& suite) { return suite.name == name; });
  return it == suites_.end() ? nullptr : &*it;
}

void Suites::collect(const Suite& suite, const std::vector<std::int64_t>& batches,
                     std::vector<Entry>& all) const {
  for (const std::string& other : suite.of) collect(*find(other), batches, all);
  if (!suite.network || batches.empty()) {
    for (const Entry& entry : suite.entries) add_once(all, entry);
    return;
  }
  for (const std::int64_t n : batches)
    for (Entry entry : suite.entries) {
      entry.value.problem.shape.n = n;
      add_once(all, std::move(entry));
    }
}

std::vector<Entry> Suites::entries(const std::vector<std::string>& suites,
                                   const std::vector<std::int64_t>& batches) const {
  std::vector<Entry> all;
  for (const std::string& name : suites) {
    const Suite* suite = find(name);
    if (suite == nullptr)
      throw std::invalid_argument(fmt::format("there is no suite '{}'; these are: {}", name,
                                              suites_.empty() ? "none" : names()));
    collect(*suite, batches, all);
  }
  return all;
}

void add_once(std::vector<Entry>& all, Entry entry) {
  const auto same =
      std::find_if(all.begin(), all.end(), [&](const Entry& e) { return e.value == entry.value; });
  if (same == all.end()) return all.push_back(std::move(entry));
  same->inner = same->inner && entry.inner;
}

std::string untimed(const oracle::Case& value) {
  const oracle::Problem& p = value.problem;
  if (const auto why = oracle::defect(value); !why.empty()) return std::string(why);
  if (p.shape.numel() == 0) return "n, c, s: the tensor is empty; sizes of 1 or more";
  if (!p.weight || !p.bias) return "affine: affine=gb is timed only";
  if (!p.track || p.momentum.cumulative) return "stats, mom: stats=on and a number are timed only";
  if (p.renorm) return "renorm: is not timed";
  for (const oracle::Step& step : p.run)
    if (!oracle::has_data(step.op) || step.batch != oracle::Step::kSameBatch)
      return "run: T, E and B on one batch size are timed only, such as run=TBE";
  if (!value.exec) return {};
  const oracle::Exec& e = *value.exec;
  if (e.x != oracle::Layout::nchw && e.x != oracle::Layout::nhwc)
    return "layout: nchw and nhwc are timed only";
  if (e.y != e.x || e.dy != e.x || e.dx != e.x) return "y, dy, dx: one layout of all is timed only";
  if (e.inplace || e.strided_params || e.skew != 0)
    return "inplace, params, skew: tensors and vectors of their own, on cache lines, are timed "
           "only";
  return {};
}

std::string shape_name(const oracle::Shape& shape) {
  std::string name = fmt::format("n{}c{}", shape.n, shape.c);
  for (int d = 0; d < shape.spatial_rank; ++d)
    name += fmt::format("{}{}", d == 0 ? 's' : 'x', shape.s[static_cast<std::size_t>(d)]);
  return name;
}

}  // namespace truenorm::bench
