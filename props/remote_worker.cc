// A worker for remote_test: its player does what the case's seed asks for.
//   --gibberish    says something that is no message, then hangs
//   --quiet-exit   leaves at once
//   --killed       is killed before its first word; with a FOLDER to make, only the one that makes it
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "remote.h"

namespace truenorm::oracle {
namespace {

class OnDemand final : public Player {
 public:
  std::string name() const override { return "on demand"; }
  std::string version() const override { return "1.2.3"; }
  Unsupported unsupported(const Problem& p, const Exec&) const override {
    return p.seed == 2 ? "seed 2 is not for me" : "";
  }
  Contract contract(const Problem& p, const Exec& e) const override {
    Contract c;
    c.unit = static_cast<double>(p.shape.n);
    c.forward_roundings = e.threads;
    c.f32_range = true;
    return c;
  }
  Trace play(const Case& c, const Inputs& inputs) override {
    switch (c.problem.seed) {
      case 3:
        ::signal(SIGSEGV, SIG_DFL);  // a sanitizer would turn it into an exit
        ::raise(SIGSEGV);
        break;
      case 4:
        for (;;) ::pause();
      case 5:
        ::_exit(7);
      case 6:
        std::puts("a library prints to standard output"), std::fflush(stdout);
        break;
      case 7:
        throw std::runtime_error("play() threw");
      case 8:
        std::abort();
      case 9:
        ::close(STDERR_FILENO);
        break;
      default:
        break;
    }
    Trace trace;
    trace.detail = "played";
    for (std::size_t i = 0; i < c.problem.run.size(); ++i) {
      StepTrace step;
      step.y = inputs.step[i];
      step.num_batches_tracked = static_cast<double>(i);
      step.message = "step";
      step.refused = i == 1 ? Refusal::no_forward : Refusal::none;
      trace.steps.push_back(std::move(step));
    }
    return trace;
  }
};

}  // namespace
}  // namespace truenorm::oracle

// A library may print before main() begins.
const bool printed = std::printf("early words\n") > 0 && std::fflush(stdout) == 0;

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  if (std::strcmp(mode, "--quiet-exit") == 0) return 0;
  if (std::strcmp(mode, "--killed") == 0 && (argc < 3 || ::mkdir(argv[2], 0700) == 0))
    ::raise(SIGKILL);
  if (std::strcmp(mode, "--gibberish") == 0) {
    constexpr char text[] = "Hello! This is no message of the protocol, but long enough for one.";
    if (::write(STDIN_FILENO, text, sizeof text) < 0) return 1;  // the socket
    for (;;) ::pause();
  }
  if (!printed) return 1;
  truenorm::oracle::OnDemand player;
  return truenorm::oracle::serve(player, STDIN_FILENO, STDOUT_FILENO);
}
