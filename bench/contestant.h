// Who is timed: an implementation in this process, behind one interface.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "oracle/case.h"
#include "oracle/contract.h"

namespace truenorm::bench {

/// The three calls of a layer's life. `backward` is that of a training step, with all gradients.
enum class Op : std::uint8_t { training, evaluation, backward };
std::string_view name(Op);

/// One call to time, on memory that all contestants share. Per-channel vectors are dense, of the
/// problem's parameter dtype.
struct Work {
  oracle::Problem problem;
  oracle::Exec exec;
  Op op = Op::training;
  const void *x = nullptr, *dy = nullptr;
  const void *weight = nullptr, *bias = nullptr;
  const void *running_mean = nullptr,
             *running_var = nullptr;  // initial values: copied, not updated
};

/// Where the outputs of the last run lie, in the layout of the work; null: not produced, or not in
/// the parameters' dtype.
struct Outputs {
  const void *y = nullptr, *dx = nullptr, *dweight = nullptr, *dbias = nullptr;
  const void *running_mean = nullptr, *running_var = nullptr;
  const double *save_mean = nullptr, *save_invstd = nullptr;
};

class Contestant {
 public:
  virtual ~Contestant() = default;
  virtual std::string name() const = 0;
  virtual std::string version() const = 0;
  /// Everything that a user does once: views, primitives, memory of the outputs; for a backward
  /// also its forward. Returns why the work cannot be done; empty if it can.
  virtual std::string prepare(const Work&) = 0;
  /// The call that is timed.
  virtual void run() = 0;
  /// The same call into outputs that it allocates, as a program that gets new tensors from each call
  /// has it. Those of the call before are given back first. outputs() stays what it was.
  virtual void run_fresh() = 0;
  /// Those of the last run_fresh().
  virtual Outputs fresh_outputs() const = 0;
  virtual Outputs outputs() const = 0;
  /// Which of several kernels was taken, in the library's own words.
  virtual std::string implementation() const { return {}; }
  /// What its outputs are judged by.
  virtual oracle::Contract contract(const oracle::Problem&, const oracle::Exec&) const = 0;
};

/// `caches`: nothing, or the bytes of a core's cache and of the shared one that its loop nests are to
/// be made for, instead of this machine's.
std::unique_ptr<Contestant> make_truenorm(const std::vector<std::int64_t>& caches);
std::unique_ptr<Contestant> make_libtorch();
std::unique_ptr<Contestant> make_onednn();  // only in builds that have oneDNN

/// A user's plugin, PATH.so or PATH.so:layer. Throws std::invalid_argument that says what is wrong
/// with it. A call that it refuses, or that fails, is a std::runtime_error.
std::unique_ptr<Contestant> make_subject(const std::string& spec);
inline constexpr std::string_view kSubject = "subject";  // its name

}  // namespace truenorm::bench
