// The list of players, and how each is made from its name on the command line.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../player.h"

namespace truenorm::oracle {

struct PlayerInfo {
  std::string
      name;  // "truenorm", "libtorch", "onednn", "naive", "blocked", "faulty:B004", "PATH.so"
  std::string what;  // one line
  bool built;        // false: this build lacks its library; `what` says which
};
std::vector<PlayerInfo> list_players();

/// The player in this process. Throws std::invalid_argument naming what is wrong with the spec and
/// the names there are. Not for "libtorch", which lives in its own program: use remote_player().
std::unique_ptr<Player> make_player(std::string_view spec);

/// Command line of the worker process for a spec: this program (or truenorm-libtorch beside it)
/// with a hidden verb.
std::vector<std::string> worker_command(std::string_view spec);

std::unique_ptr<Player> make_truenorm();
std::unique_ptr<Player> make_naive();
std::unique_ptr<Player> make_naive_layer();
std::unique_ptr<Player> make_blocked();
std::unique_ptr<Player> make_faulty(std::string_view id);
std::unique_ptr<Player> make_onednn();  // only in builds that have oneDNN
std::unique_ptr<Player> make_plugin(const std::string& path);

struct Fault {
  std::string_view id;    // a number where libraries had it, else a word
  std::string_view what;  // one line
  /// It shows in a corner only that random cases do not find: `power` leaves it out unless it is
  /// named. Fuzzing is to find it.
  bool corner = false;
};
const std::vector<Fault>& faults();

}  // namespace truenorm::oracle
