// Makes up a report, and writes its page for a look at it.
//   made_up_bench full|plain|nothing FOLDER
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <filesystem>

#include "made_up.h"
#include "oracle/cli/support.h"
#include "page.h"

int main(int argc, char** argv) {
  using namespace truenorm::bench;
  const std::string what = argc == 3 ? argv[1] : "";
  if (what != "full" && what != "plain" && what != "nothing") {
    std::fputs("made_up_bench full|plain|nothing FOLDER\n", stderr);
    return 2;
  }
  try {
    const std::filesystem::path folder = argv[2];
    std::filesystem::create_directories(folder);
    const Report report = what == "full"    ? full_report()
                          : what == "plain" ? plain_report()
                                            : Report{};
    truenorm::oracle::cli::OutputFile((folder / "report.html").string()).write(to_html(report));
    if (what == "full") write_plots(report, folder);
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "made_up_bench: {}\n", e.what());
    return 3;
  }
}
