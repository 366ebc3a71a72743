// What is wrong with a call, found out from the words of the headers by a look at every view and
// every byte: without the implementation's order of checks, and all of it, not the first alone.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "scene.h"

namespace truenorm::calls {

__extension__ using Wide = __int128;  // holds every product of a size and a stride

/// A tensor or a vector, as it was handed over.
struct View {
  Slot slot;
  const void* data;
  Dtype dtype;
  int rank;
  std::array<std::int64_t, 5> size, stride;
  bool sound = false;                   // its bytes are known
  Wide count = 0, extent = 0;           // elements; bytes from the first to past the last
  std::vector<std::uintptr_t> bytes{};  // sorted
};
inline View view(const Slot& slot, const ConstTensor& t) {
  return {slot, t.data, t.dtype, t.rank, t.size, t.stride};
}
inline View view(const Slot& slot, const ConstVector& v) {
  return {slot, v.data, v.dtype, 1, {v.size}, {v.stride}};
}

using Complaints = std::set<std::pair<Code, Argument>>;

/// Everything that is wrong with some views, each alone and where they share memory.
class Views {
 public:
  const Complaints& complaints() const { return complaints_; }

  /// Whether a call may be refused so. Views of more than 100 elements may be taken to overlap where
  /// they only interleave.
  bool allows(Status refused) const {
    const std::pair complaint{refused.code, refused.argument};
    return complaints_.count(complaint) != 0 || perhaps_.count(complaint) != 0;
  }

  /// Whether every element is known to stand where owns(address) is true.
  template <class Owns>
  bool contained(const Owns& owns) const {
    return std::all_of(views_.begin(), views_.end(), [&](const View& v) {
      if (!v.sound) return v.data == nullptr || v.count == 0;
      return std::all_of(v.bytes.begin(), v.bytes.end(), owns);
    });
  }
  bool contained(const Scene& scene) const {
    return contained([&](std::uintptr_t byte) { return scene.owns(byte); });
  }

  const View* find(Argument a) const {
    for (const View& v : views_)
      if (v.slot.argument == a) return &v;
    return nullptr;
  }

 protected:
  void complain(Code code, Argument a) { complaints_.insert({code, a}); }

  /// The view alone, and where its bytes are.
  void inspect(View& v) {
    const Argument a = v.slot.argument;
    if (v.slot.tensor && (v.rank < min_rank || v.rank > max_rank)) {
      complain(Code::bad_rank, a);
      return;
    }
    const std::size_t before = complaints_.size();
    if (static_cast<int>(v.dtype) > 3) complain(Code::dtype_mismatch, a);
    const auto element = static_cast<std::uint64_t>(size_of(v.dtype));
    constexpr Wide kMuch = Wide{1} << 80;
    Wide count = 1, last = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(v.rank); ++i) {
      if (v.size[i] < 0) complain(Code::bad_size, a);
      if (v.stride[i] < 0) complain(Code::bad_stride, a);
      count = std::min<Wide>(count * std::max<std::int64_t>(v.size[i], 0), kMuch);
      if (v.size[i] > 1)
        last = std::clamp<Wide>(last + Wide{v.size[i] - 1} * v.stride[i], -kMuch, kMuch);
    }
    if (complaints_.size() != before) return;
    v.count = count;
    v.sound = true;
    if (count == 0) return;
    if (v.data == nullptr) return complain(Code::null_data, a);
    const auto begin = reinterpret_cast<std::uintptr_t>(v.data);
    if (begin % element != 0) complain(Code::misaligned, a);
    constexpr Wide kMost = Wide{1} << 61;
    v.extent = (last + 1) * Wide{element};
    if (count > kMost || v.extent > kMost ||
        Wide{begin} + v.extent > std::numeric_limits<std::uintptr_t>::max())
      complain(Code::overflow, a);
    v.sound = complaints_.size() == before && count < 4096;
    if (v.sound) list_bytes(v, element);
  }

  /// An input that may be the very view that an output is.
  using InPlace = std::pair<Argument, Argument>;

  /// Outputs share no byte, neither with themselves nor with others, but for what is in place.
  void overlaps(const std::vector<InPlace>& allowed) {
    for (const View& out : views_) {
      if (!out.slot.output || out.count == 0) continue;
      const Argument a = out.slot.argument;
      if (out.count > kToldApart) perhaps_.insert({Code::overlap, a});
      if (std::adjacent_find(out.bytes.begin(), out.bytes.end()) != out.bytes.end())
        complain(Code::overlap, a);
      for (const View& other : views_) {
        if (&other == &out || other.count == 0) continue;
        if (in_place(out, other, allowed) || !spans_meet(out, other)) continue;
        if (std::max(out.count, other.count) > kToldApart) perhaps_.insert({Code::overlap, a});
        if (bytes_meet(out, other)) complain(Code::overlap, a);
      }
    }
  }

  std::vector<View> views_;

 private:
  static constexpr int kToldApart = 100;

  static void list_bytes(View& v, std::uint64_t element) {
    std::vector<std::uintptr_t> at{reinterpret_cast<std::uintptr_t>(v.data)};
    for (std::size_t i = 0; i < static_cast<std::size_t>(v.rank); ++i) {
      if (v.size[i] == 1) continue;
      std::vector<std::uintptr_t> next;
      next.reserve(at.size() * static_cast<std::size_t>(v.size[i]));
      for (const std::uintptr_t from : at)
        for (std::int64_t k = 0; k < v.size[i]; ++k)
          next.push_back(from + static_cast<std::uintptr_t>(k * v.stride[i]) * element);
      at = std::move(next);
    }
    std::sort(at.begin(), at.end());
    v.bytes.reserve(at.size() * element);
    for (const std::uintptr_t from : at)
      for (std::uint64_t b = 0; b < element; ++b) v.bytes.push_back(from + b);
    if (!std::is_sorted(v.bytes.begin(), v.bytes.end())) std::sort(v.bytes.begin(), v.bytes.end());
  }

  static bool spans_meet(const View& a, const View& b) {
    const auto begin = [](const View& v) { return Wide{reinterpret_cast<std::uintptr_t>(v.data)}; };
    return begin(a) < begin(b) + b.extent && begin(b) < begin(a) + a.extent;
  }
  static bool bytes_meet(const View& a, const View& b) {
    for (auto i = a.bytes.begin(), k = b.bytes.begin(); i != a.bytes.end() && k != b.bytes.end();) {
      if (*i == *k) return true;
      *i < *k ? ++i : ++k;
    }
    return false;
  }

  /// The strides of axes of size 1 mean nothing.
  static bool in_place(const View& out, const View& other, const std::vector<InPlace>& allowed) {
    const InPlace pair{other.slot.argument, out.slot.argument};
    if (std::find(allowed.begin(), allowed.end(), pair) == allowed.end()) return false;
    if (out.data != other.data || out.dtype != other.dtype || out.rank != other.rank) return false;
    for (std::size_t i = 0; i < static_cast<std::size_t>(out.rank); ++i)
      if (out.size[i] != other.size[i] || (out.size[i] > 1 && out.stride[i] != other.stride[i]))
        return false;
    return true;
  }

  Complaints complaints_, perhaps_;
};

/// Everything that is wrong with one call; `data` is the data type of the scene's layer's forward.
class Inspector : public Views {
 public:
  Inspector(Scene& scene, Dtype data) : scene_(scene), call_(scene.call), data_(data) {
    for (const Slot& slot : slots_of(call_))
      views_.push_back(slot.tensor ? view(slot, scene.tensor(slot.argument))
                                   : view(slot, scene.vector(slot.argument)));
    if (!scene.context.status().ok())
      complain(scene.context.status().code, scene.context.status().argument);
    if (call_ == Call::forward_renorm && !(scene.renorm.r_max >= 1 && scene.renorm.d_max >= 0))
      complain(Code::bad_value, Argument::renorm);
    for (View& v : views_)
      if (asked_for(v)) inspect(v);
    const View& x = *find(Argument::x);
    if (x.rank < min_rank || x.rank > max_rank || static_cast<int>(x.dtype) > 3) return;
    compare_with(x);
    data_types(x);
    statistics(x);
    if (of_layer(call_)) layer(x);
    overlaps({{Argument::x, Argument::y}, {Argument::dy, Argument::dx}});
  }

 private:
  /// A vector or dx without data is not there.
  static bool asked_for(const View& v) {
    return v.data != nullptr || (v.slot.tensor && v.slot.argument != Argument::dx);
  }

  void compare_with(const View& x) {
    for (const View& v : views_) {
      if (!asked_for(v)) continue;
      if (!v.slot.tensor) {
        if (v.size[0] != x.size[1]) complain(Code::bad_size, v.slot.argument);
        continue;
      }
      const auto axes = static_cast<std::ptrdiff_t>(x.rank);
      if (v.rank != x.rank || !std::equal(x.size.begin(), x.size.begin() + axes, v.size.begin()))
        complain(Code::shape_mismatch, v.slot.argument);
      if (v.dtype != x.dtype) complain(Code::dtype_mismatch, v.slot.argument);
    }
  }

  /// Parameters have x's dtype, or f32 with 16 bits; save_* f64, or f32 unless x has f64. All
  /// parameters the same, and both of a pair.
  void data_types(const View& x) {
    const bool half = size_of(x.dtype) == 2;
    const auto layer_dtype = scene_.layer ? scene_.layer->options().dtype : x.dtype;
    for (const View& v : views_) {
      if (v.slot.tensor || v.data == nullptr) continue;
      const bool saved = is_saved(v.slot.argument);
      bool fits = saved ? v.dtype == Dtype::f64 || (v.dtype == Dtype::f32 && x.dtype != Dtype::f64)
                        : v.dtype == x.dtype || (v.dtype == Dtype::f32 && half);
      fits &= !of_layer(call_) || v.dtype == layer_dtype;
      for (const View& other : views_) {
        if (other.slot.tensor || other.data == nullptr) continue;
        if (is_saved(other.slot.argument) != saved || (saved && !pair(v, other))) continue;
        fits &= v.dtype == other.dtype;
      }
      if (!fits) complain(Code::dtype_mismatch, v.slot.argument);
    }
  }
  static bool pair(const View& a, const View& b) {
    const auto correction = [](const View& v) {
      return v.slot.argument == Argument::save_r || v.slot.argument == Argument::save_d;
    };
    return correction(a) == correction(b);
  }

  static bool empty(const View& v) {
    return std::any_of(v.size.begin(), v.size.begin() + v.rank, [](auto n) { return n == 0; });
  }
  void statistics(const View& x) {
    for (const View& v : views_)
      if (v.slot.required && v.data == nullptr && !empty(x) && !both_absent(v))
        complain(Code::missing_statistics, v.slot.argument);
    const bool one = [&] {
      for (std::size_t i = 0; i < static_cast<std::size_t>(x.rank); ++i)
        if (i != 1 && x.size[i] != 1) return false;
      return true;
    }();
    if (by_batch(call_) && one) complain(Code::one_value_per_channel, Argument::x);
  }
  /// save_r and save_d may be absent together.
  bool both_absent(const View& v) const {
    if (call_ != Call::backward_renorm) return false;
    const Argument a = v.slot.argument;
    if (a != Argument::save_r && a != Argument::save_d) return false;
    return find(Argument::save_r)->data == nullptr && find(Argument::save_d)->data == nullptr;
  }

  /// A layer of four features whose last forward was of sizes 3, 4, 5.
  void layer(const View& x) {
    const Dtype of_layer = scene_.layer->options().dtype;
    const bool fits = x.dtype == of_layer || (of_layer == Dtype::f32 && size_of(x.dtype) == 2);
    const bool as_before =
        x.rank == 3 && x.size[0] == 3 && x.size[1] == Scene::kChannels && x.size[2] == 5;
    if (call_ == Call::layer_backward) {
      if (!as_before) complain(Code::shape_mismatch, Argument::x);
      if (x.dtype != data_) complain(Code::dtype_mismatch, Argument::x);
      return;
    }
    if (x.size[1] != Scene::kChannels) complain(Code::bad_size, Argument::x);
    if (!fits) complain(Code::dtype_mismatch, Argument::x);
  }

  Scene& scene_;
  Call call_;
  Dtype data_;
};

}  // namespace truenorm::calls
