// What a fuzzing engine calls, for every target over bytes.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "byte_target.h"
#include "speed.h"

namespace {

using namespace truenorm::fuzz;

class Process {
 public:
  Process(ByteTarget target, const Options& options)
      : target_(std::move(target)),
        status_(options.status),
        findings_(target_.name, options.findings) {
    if (options.subject != "truenorm")
      throw std::invalid_argument("--subject=" + options.subject + ": " + target_.name +
                                  " judges truenorm alone");
  }

  void run(Bytes input) {
    ++executions_;
    if (const auto found = target_.look(input)) findings_.tell(*found, input);
    if (!status_.empty() && executions_ % 64 == 0) tell_status();
  }

 private:
  void tell_status() {
    const auto now = std::chrono::steady_clock::now();
    if (now - told_ < std::chrono::seconds(1)) return;
    told_ = now;
    const nlohmann::ordered_json json{{"target", target_.name},
                                      {"subject", "truenorm"},
                                      {"executions", executions_},
                                      {"judged", executions_ - target_.left_out()},
                                      {"known", 0},
                                      {"findings", findings_.count()},
                                      {"worst", nlohmann::ordered_json::object()}};
    write_whole(status_, json.dump() + '\n');
  }

  ByteTarget target_;
  std::string status_;
  Findings findings_;
  std::uint64_t executions_ = 0;
  std::chrono::steady_clock::time_point told_{};
};

// Engines hand nothing from call to call, so the target lives as long as the process.
std::unique_ptr<Process>& process() {
  static std::unique_ptr<Process> made;
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  try {
    const Options options = read_options(*argc, *argv);
    ByteTarget target = make_byte_target(options);
    if (options.speed > 0) {
      if (!target.input_of)
        throw std::invalid_argument("--speed: inputs of " + target.name + " have no cases");
      measure_speed(Bounds{}, target.input_of, target.look, options.speed);
      std::exit(0);
    }
    process() = std::make_unique<Process>(std::move(target), options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", (*argv)[0], e.what());
    std::exit(2);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  process()->run({data, size});
  return 0;
}
