// fuzz: handed over to the program beside this one that does it.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "support.h"
#include "verbs.h"

namespace truenorm::oracle::cli {

void become_fuzz(const std::vector<std::string>& words) {
  std::error_code ignored;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  const std::string program = (self.parent_path() / "truenorm-fuzz").string();
  std::vector<std::string> all{program};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::fflush(nullptr);
  ::execv(program.c_str(), argv.data());
  throw UsageError(fmt::format("{}: {}; './run fuzz' builds it", program, std::strerror(errno)));
}

void add_fuzz(CLI::App& app, int&) {
  CLI::App* verb =
      app.add_subcommand("fuzz", "Fuzz for a night, see what was found, play it again");
  verb->prefix_command();  // everything behind it is the other program's
  verb->set_help_flag();
  verb->footer("Example: truenorm fuzz --hours 8 --dir tonight");
  verb->callback([verb] { become_fuzz(verb->remaining()); });
}

}  // namespace truenorm::oracle::cli
