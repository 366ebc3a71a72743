// Traces and contracts as bytes, for the pipe between a player's process and its parent. Both ends
// are of one build: numbers travel raw.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "contract.h"
#include "data.h"
#include "player.h"

namespace truenorm::oracle::wire {

/// First byte of every message; a message of another version is refused, never guessed at.
inline constexpr std::uint8_t kVersion = 1;

/// Bytes of the length that stands before every message, and the longest message that is believed.
inline constexpr std::size_t kPrefix = sizeof(std::uint64_t);
inline constexpr std::uint64_t kMaxMessage = std::uint64_t{1} << 34;

enum class Kind : std::uint8_t { hello, answer, malformed };

/// One message from the worker. `hello`: text = name, detail = version. `malformed`: text = what
/// was wrong with the request.
struct Message {
  Kind kind = Kind::hello;
  std::string text, detail;
  Unsupported unsupported;
  Contract contract;
  Trace trace;
};

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The message with its length in front.
std::string encode(const Message&);

/// The length that `prefix` (kPrefix bytes) announces. Throws Error if nobody would send that much.
std::uint64_t length(const char* prefix);

/// The message from its bytes, without the length. Throws Error on anything that encode() does not
/// write.
Message decode(std::string_view body);

/// Literal inputs as one word of hexadecimal digits, to stand in a request line; and back. Throws
/// Error on anything else.
std::string to_word(const Inputs&);
Inputs from_word(std::string_view);

}  // namespace truenorm::oracle::wire
