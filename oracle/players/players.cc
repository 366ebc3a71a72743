#include "players.h"

#include <filesystem>
#include <stdexcept>

#include "../place.h"

namespace truenorm::oracle {
namespace {

#ifdef TRUENORM_HAVE_ONEDNN
constexpr bool kOnednn = true;
#else
constexpr bool kOnednn = false;
#endif

constexpr std::string_view kFaulty = "faulty:";

bool is_library(std::string_view spec) {
  return spec.find('/') != std::string_view::npos || spec.ends_with(".so") ||
         spec.find(".so:") != std::string_view::npos;
}

/// A program of ours, beside the running one; where /proc is missing, whatever the path finds.
std::string program(const char* name) {
  const std::filesystem::path folder = program_folder();
  return folder.empty() ? name : (folder / name).string();
}

}  // namespace

std::vector<PlayerInfo> list_players() {
  return {
      {"truenorm", "Truenorm's own BatchNorm", true},
      {"libtorch", "torch::nn::BatchNorm of the system's LibTorch, in a process of its own", true},
      {"onednn",
       kOnednn ? "oneDNN's batch normalization primitives"
               : "oneDNN's primitives: this build found no libdnnl-dev",
       kOnednn},
      {"naive", "textbook loops, sums in double", true},
      {"naive:layer", "a textbook layer with its own books over those loops", true},
      {"blocked", "the textbook's formulas by lanes, blocks, tiles and threads' shares", true},
      {"faulty:ID",
       "one of these three with one of " + std::to_string(faults().size()) +
           " defects planted (truenorm list faults)",
       true},
      {"PATH.so",
       "your kernel or layer, see truenorm_plugin.h (PATH.so:layer for the layer of a library that "
       "has both)",
       true},
  };
}

std::unique_ptr<Player> make_player(std::string_view spec) {
  if (spec == "truenorm") return make_truenorm();
  if (spec == "naive") return make_naive();
  if (spec == "naive:layer") return make_naive_layer();
  if (spec == "blocked") return make_blocked();
  if (spec.starts_with(kFaulty)) return make_faulty(spec.substr(kFaulty.size()));
  if (is_library(spec)) return make_plugin(std::string(spec));
  if (spec == "libtorch")
    throw std::invalid_argument("libtorch plays in a program of its own, truenorm-libtorch");
#ifdef TRUENORM_HAVE_ONEDNN
  if (spec == "onednn") return make_onednn();
#else
  if (spec == "onednn")
    throw std::invalid_argument(
        "this build has no oneDNN: install libdnnl-dev and configure again");
#endif
  std::string names;
  for (const PlayerInfo& info : list_players()) names += " " + info.name;
  throw std::invalid_argument("no player is called \"" + std::string(spec) +
                              "\"; there are:" + names);
}

std::vector<std::string> worker_command(std::string_view spec) {
  if (spec == "libtorch") return {program("truenorm-libtorch")};
  return {program("truenorm"), "worker", "--subject", std::string(spec)};
}

}  // namespace truenorm::oracle
