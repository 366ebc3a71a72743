// Changes that make a well-formed call an ill-formed one. Not every change does.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "scene.h"

namespace truenorm::calls {

/// One change of a call, by three numbers that mean something for every argument.
struct Defect {
  std::uint64_t where = 0, what = 0, how = 0;
};

/// Applies defects to a scene, and says what they were where that is asked for.
class Spoiler {
 public:
  explicit Spoiler(Scene& scene, std::string* words = nullptr)
      : scene_(scene), words_(words), slots_(slots_of(scene.call)) {}

  void operator()(const Defect& d) {
    const std::size_t at = d.where % (slots_.size() + 1);
    if (at == slots_.size()) return call(d);
    say(std::string("; ") + truenorm::name(slots_[at].argument) + ": ");
    slots_[at].tensor ? tensor(slots_[at], d) : vector(slots_[at], d);
  }

 private:
  static constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

  template <class T>
  static T pick(std::initializer_list<T> from, std::uint64_t how) {
    return from.begin()[how % from.size()];
  }

  void say(const std::string& text) {
    if (words_ != nullptr) *words_ += text;
  }

  /// Sets a field and says so.
  template <class T>
  void set(T& field, T value, const std::string& name) {
    field = value;
    std::ostringstream out;
    if constexpr (std::is_same_v<T, Dtype>)
      out << name << " = dtype " << static_cast<int>(value);
    else
      out << name << " = " << value;
    say(out.str());
  }

  /// As an address, which may be null or beyond an array, where pointers do not move.
  static void* moved(void* data, std::size_t by) {
    return std::bit_cast<void*>(std::bit_cast<std::uintptr_t>(data) + by);
  }

  void place(const Slot& slot, const Defect& d) {
    if (d.what % 2 == 0) {
      const std::size_t by = 1 + d.how % 7;
      scene_.set_data(slot, moved(scene_.data(slot), by));
      return say("data " + std::to_string(by) + " bytes on");
    }
    const Slot& other = slots_[d.how % slots_.size()];
    const std::size_t by = pick<std::size_t>({0, 8, 16, 64}, d.how / slots_.size());
    scene_.set_data(slot, moved(scene_.place(other.argument), by));
    say("data " + std::to_string(by) + " bytes behind " + truenorm::name(other.argument) + "'s");
  }

  void tensor(const Slot& slot, const Defect& d) {
    Tensor& t = scene_.tensor(slot.argument);
    const std::size_t axis = d.how % 3;
    const std::uint64_t how = d.how / 3;
    const std::string at = "[" + std::to_string(axis) + "]";
    switch (d.what / 2 % 6) {
      case 0:
        return place(slot, d);
      case 1:
        return set(t.rank, pick({-1, 0, 1, 2, 4, 5, 6, 100}, how), "rank");
      case 2:
        return set(
            t.size[axis],
            pick<std::int64_t>(
                {-1, kLeast, 0, 1, t.size[axis] ^ 1, t.size[axis] ^ 2, std::int64_t{1} << 40}, how),
            "size" + at);
      case 3:
        return set(t.stride[axis],
                   pick<std::int64_t>(
                       {-1, kLeast, 0, 1, 7, std::int64_t{1} << 59, std::int64_t{1} << 61}, how),
                   "stride" + at);
      case 4:
        return set(t.dtype, static_cast<Dtype>(pick({0, 1, 2, 3, 7, 255}, how)), "type");
      default:
        break;
    }
    if (how % 2 == 0) {
      t.data = nullptr;
      return say("no data");
    }
    t = channels_last(t.data, t.dtype, {3, Scene::kChannels, 5});
    say("channels last");
  }

  void vector(const Slot& slot, const Defect& d) {
    Vector& v = scene_.vector(slot.argument);
    switch (d.what / 2 % 5) {
      case 0:
        return place(slot, d);
      case 1:
        return set(v.size, pick<std::int64_t>({-1, kLeast, 0, 3, 5, std::int64_t{1} << 62}, d.how),
                   "size");
      case 2:
        return set(v.stride,
                   pick<std::int64_t>(
                       {-1, kLeast, 0, 2, 3, std::int64_t{1} << 59, std::int64_t{1} << 62}, d.how),
                   "stride");
      case 3:
        return set(v.dtype, static_cast<Dtype>(pick({0, 1, 2, 3, 7, 255}, d.how)), "type");
      default:
        break;
    }
    v.data = nullptr;
    say("absent");
  }

  /// What is not one view's alone.
  void call(const Defect& d) {
    const std::size_t axis = d.how % 3;
    switch (d.what % 4) {
      case 0: {
        const int threads = pick({0, -1, max_threads + 1}, d.how);
        scene_.context = Context(threads);
        return say("; " + std::to_string(threads) + " threads");
      }
      case 1:
        scene_.for_tensors([&](Tensor& t) {
          t.size[axis] = pick<std::int64_t>({0, 1, 2}, d.how / 3);
        });
        return say("; all of size " + std::to_string(d.how / 3 % 3) + " in axis " +
                   std::to_string(axis));
      case 2:
        scene_.for_tensors([&](Tensor& t) { t.size[0] = t.size[2] = 1; });
        return say("; one value a channel");
      default:
        break;
    }
    const auto& [what, bounds] = kBadBounds[d.how % kBadBounds.size()];
    scene_.renorm = bounds;
    say(std::string("; ") + what);
  }

  Scene& scene_;
  std::string* words_;
  std::vector<Slot> slots_;
};

}  // namespace truenorm::calls
