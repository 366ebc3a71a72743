// Makes up a report of a conformance run, and writes its page for a look at it.
//   made_up_conform full|plain|nothing FOLDER
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "made_up_report.h"

int main(int argc, char** argv) {
  using namespace truenorm::oracle;
  const std::string what = argc == 3 ? argv[1] : "";
  if (what != "full" && what != "plain" && what != "nothing") {
    std::fputs("made_up_conform full|plain|nothing FOLDER\n", stderr);
    return 2;
  }
  const std::filesystem::path folder = argv[2];
  std::filesystem::create_directories(folder);
  const Report report = what == "full"    ? full_report()
                        : what == "plain" ? plain_report()
                                          : Report{};
  std::ofstream out(folder / "report.html", std::ios::binary);
  out << to_html(report, {}) << std::flush;
  return out ? 0 : 3;
}
