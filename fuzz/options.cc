#include "options.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace truenorm::fuzz {
namespace {

oracle::Isa isa_named(const std::string& word) {
  std::string all;
  for (int i = 0; i < oracle::kIsas; ++i) {
    const auto isa = static_cast<oracle::Isa>(i);
    if (word == oracle::name(isa)) return isa;
    all += ' ' + std::string(oracle::name(isa));
  }
  throw std::invalid_argument("--isa=" + word + ": no instruction set; there are:" + all);
}

bool switch_of(const std::string& word) {
  if (word == "1") return true;
  if (word == "0") return false;
  throw std::invalid_argument("--feedback=" + word + ": 0 or 1 was expected");
}

int number_of(const char* option, const std::string& word, int least, int most) {
  int value = 0;
  const char* const end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, value);
  if (error == std::errc{} && stop == end && value >= least && value <= most) return value;
  throw std::invalid_argument("--" + std::string(option) + '=' + word + ": a whole number from " +
                              std::to_string(least) + " to " + std::to_string(most) +
                              " was expected");
}

struct Option {
  std::string_view name;
  void (*set)(Options&, const std::string&);
};

constexpr std::array<Option, 7> kOptions{{
    {"subject", [](Options& o, const std::string& v) { o.subject = v; }},
    {"isa", [](Options& o, const std::string& v) { o.isa = isa_named(v); }},
    {"findings", [](Options& o, const std::string& v) { o.findings = v; }},
    {"status", [](Options& o, const std::string& v) { o.status = v; }},
    {"feedback", [](Options& o, const std::string& v) { o.feedback = switch_of(v); }},
    {"threads",
     [](Options& o, const std::string& v) {
       o.threads = number_of("threads", v, 1, oracle::kMaxThreads);
     }},
    {"speed", [](Options& o, const std::string& v) { o.speed = number_of("speed", v, 1, 1000); }},
}};

void set(Options& o, std::string_view word) {
  const std::size_t equals = word.find('=');
  const std::string_view name = word.substr(0, equals);
  for (const Option& option : kOptions)
    if (option.name == name && equals != word.npos)
      return option.set(o, std::string(word.substr(equals + 1)));
  std::string all;
  for (const Option& option : kOptions) all += " --" + std::string(option.name) + "=";
  throw std::invalid_argument("--" + std::string(word) +
                              ": no option of this program; there are:" + all);
}

}  // namespace

Options read_options(int argc, const char* const* argv) {
  Options o;
  for (const Option& option : kOptions) {
    std::string variable = "TRUENORM_FUZZ_" + std::string(option.name);
    std::transform(variable.begin(), variable.end(), variable.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    const char* value = std::getenv(variable.c_str());
    if (value != nullptr && *value != '\0') option.set(o, value);
  }
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word.starts_with("--")) set(o, word.substr(2));
  }
  return o;
}

}  // namespace truenorm::fuzz

// For the sanitizers' runtimes, read before main(). api_fuzz asks for layers of more features than there
// is memory, which has to be refused. What is freed is held back by 16 MB, many cases' worth: the usual 256
// MB are never in a cache, which takes half of the executions a second.
extern "C" const char* __asan_default_options() {
  return "allocator_may_return_null=1:quarantine_size_mb=16";
}
extern "C" const char* __msan_default_options() { return "allocator_may_return_null=1"; }
