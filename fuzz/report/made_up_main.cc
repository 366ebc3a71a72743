// Makes up a night, and its report, for a look at the page.
//   made_up_night night|nothing FOLDER
#include <cstdio>
#include <exception>
#include <string>

#include "fuzz/finding.h"
#include "made_up.h"
#include "report.h"

int main(int argc, char** argv) {
  using namespace truenorm;
  const std::string what = argc == 3 ? argv[1] : "";
  if (what != "night" && what != "nothing") {
    std::fputs("made_up_night night|nothing FOLDER\n", stderr);
    return 2;
  }
  try {
    const std::string folder = argv[2];
    (what == "night" ? night::make_up_night : night::make_up_nothing)(folder);
    fuzz::write_whole(folder + "/report.html", night::to_html(night::read_digest(folder)));
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "made_up_night: %s\n", e.what());
    return 3;
  }
}
