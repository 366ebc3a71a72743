// How calls are run: threads, instruction set and scratch. Never what they compute.
#ifndef TRUENORM_CONTEXT_H_
#define TRUENORM_CONTEXT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "truenorm/status.h"

namespace truenorm {

/// Instruction sets. `best` stands for the first of available_isas().
enum class Isa : std::uint8_t { best, scalar, sse4, avx2, avx512, neon };
inline constexpr int isa_count = static_cast<int>(Isa::neon) + 1;

/// "best", "scalar", "sse4", "avx2", "avx512" or "neon".
[[nodiscard]] TRUENORM_API const char* name(Isa isa) noexcept;

/// A short list held by value.
struct IsaList {
  std::array<Isa, isa_count> items{};
  std::size_t count = 0;

  [[nodiscard]] const Isa* begin() const noexcept { return items.data(); }
  [[nodiscard]] const Isa* end() const noexcept { return items.data() + count; }
};

/// The instruction sets that are both built in and supported by this machine, best first. Never
/// empty, always ends with `scalar`, never contains `best`.
[[nodiscard]] TRUENORM_API IsaList available_isas() noexcept;

/// True if this instruction set rounds a*b + c once. All such sets give the same bits for the same
/// call.
[[nodiscard]] TRUENORM_API bool has_fma(Isa isa) noexcept;

inline constexpr int max_threads = 1024;

namespace detail {
struct ContextState;
}

/// Threads, instruction set and scratch memory of the calls that it is passed to.
///
/// One Context serves one call at a time; different Contexts may be used at the same time, also
/// with different instruction sets. Scratch grows to what the largest call has needed and is then
/// reused: a call like an earlier one from the same thread allocates nothing, unless OpenMP was used
/// with another number of threads in between. Results do not depend on the thread count. The first
/// Context of a process takes a few milliseconds to look at the machine's caches.
///
/// With more than one thread: the process ends if the system refuses OpenMP a thread, which OpenMP
/// cannot report; after fork() the child may use only Context(1) until it execs.
class TRUENORM_API Context {
 public:
  /// An ill-formed Context (see status()) is inert: every call that it is passed to returns its
  /// status.
  explicit Context(int threads = 1, Isa isa = Isa::best) noexcept;
  ~Context();
  Context(Context&& other) noexcept;
  Context& operator=(Context&& other) noexcept;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// ok, bad_threads, unsupported_isa or out_of_memory. A moved-from Context is out_of_memory.
  Status status() const noexcept;
  /// As asked for; 0 if ill-formed.
  [[nodiscard]] int threads() const noexcept;
  /// The set in use, never `best` unless ill-formed.
  [[nodiscard]] Isa isa() const noexcept;

  /// For the implementation.
  [[nodiscard]] detail::ContextState* state() noexcept { return state_.get(); }

 private:
  std::unique_ptr<detail::ContextState> state_;
  Status status_;
};

}  // namespace truenorm

#endif  // TRUENORM_CONTEXT_H_
