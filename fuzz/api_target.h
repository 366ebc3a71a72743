// Raw arguments to one call of the public interface, ill-formed ones included.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "../impl/testing/inspector.h"
#include "byte_target.h"
#include "guarded.h"
#include "reader.h"

namespace truenorm::fuzz {

/// A library that is called: what Scene::run() does, or something that only a test would do.
using Library = Status (*)(calls::Scene&);
inline Status honest_library(calls::Scene& scene) { return scene.run(); }

class ApiTarget {
 public:
  /// Calls are made with this instruction set.
  explicit ApiTarget(Isa isa = Isa::best, Library library = honest_library)
      : library_(library), isa_(isa) {}

  /// Total: every byte string is a call, or the making of a layer or context, or a folding.
  std::optional<Finding> look(Bytes);

  /// Well-formed calls that were not made: they would reach beyond the places.
  std::uint64_t left_out() const { return left_out_; }
  std::uint64_t accepted() const { return accepted_; }

 private:
  calls::Scene scene_of(Reader&, Dtype data, Dtype parameters, calls::Call);
  void change(calls::Scene&, Reader&);
  void set(calls::Scene&, const calls::Slot&, Reader&);
  void put_data(calls::Scene&, Reader&);
  std::optional<Finding> look_at_call(Reader&);
  std::optional<Finding> look_at_accepted(calls::Scene&, const calls::Inspector&,
                                          const class Question&);

  Library library_;
  Isa isa_;
  GuardedPlaces places_;
  Context context_{1};
  std::vector<std::byte> before_;
  std::uint64_t left_out_ = 0, accepted_ = 0;
};

/// The call of a scene in words.
std::string words(calls::Scene&);

}  // namespace truenorm::fuzz
