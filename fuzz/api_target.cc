#include "api_target.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "../impl/testing/spoil.h"
#include "api_answer.h"
#include "api_other.h"

namespace truenorm::fuzz {
namespace {

using namespace calls;

constexpr int kMostChanges = 96;

Finding wrong(Scene& scene, std::string reason, const std::string& what) {
  return against_truenorm(std::move(reason), name(scene.call), what + "; " + words(scene));
}

/// Dense, in order or channels innermost.
void shape(Tensor& t, int rank, const std::array<std::int64_t, max_rank>& size, bool last) {
  t.rank = rank;
  t.size = size;
  std::int64_t step = 1;
  const auto place = [&](std::size_t axis) {
    t.stride[axis] = step;
    step *= std::max<std::int64_t>(size[axis], 1);
  };
  if (last) place(1);
  for (auto axis = static_cast<std::size_t>(rank); axis-- > 0;)
    if (axis != 1 || !last) place(axis);
}

/// Other sizes than the scene's, for all arguments.
void reshape(Scene& scene, Reader& in) {
  const int rank = min_rank + static_cast<int>(in.below(4));
  const bool last = in.below(2) != 0;
  std::array<std::int64_t, max_rank> size{};
  std::int64_t count = 1;
  for (std::size_t i = 0; i < static_cast<std::size_t>(rank); ++i) {
    const std::uint8_t head = in.byte();
    const std::int64_t wanted = head < 192 ? head % 6 : head % 32;
    size[i] = std::min<std::int64_t>(wanted, 512 / std::max<std::int64_t>(count, 1));
    count *= std::max<std::int64_t>(size[i], 1);
  }
  scene.for_tensors([&](Tensor& t) { shape(t, rank, size, last); });
  for (const Slot& slot : slots_of(scene.call))
    if (!slot.tensor) scene.vector(slot.argument).size = size[1];
}

/// So that the last element is the last of its place, where all is well-formed.
void move_to_ends(Scene& scene) {
  for (const Slot& slot : slots_of(scene.call)) {
    std::int64_t count = 1;
    if (slot.tensor)
      for (std::size_t i = 0; i < static_cast<std::size_t>(scene.tensor(slot.argument).rank); ++i)
        count *= scene.tensor(slot.argument).size[i];
    else
      count = scene.vector(slot.argument).size;
    const std::size_t bytes = static_cast<std::size_t>(count) * scene.element_bytes(slot);
    scene.set_data(slot, scene.place(slot.argument) + kPlace - bytes);
  }
}

std::string hex(const void* address) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", address);
  return text;
}

std::string numbers(const oracle::Where& worst) {
  char text[96];
  std::snprintf(text, sizeof text, " got %.17g, want %.17g +- %.3g", worst.got, worst.mid,
                worst.radius);
  return text;
}

}  // namespace

std::string words(Scene& scene) {
  const auto list = [](const auto& from, int count) {
    std::string text;
    for (int i = 0; i < std::clamp(count, 0, max_rank); ++i)
      text += (i == 0 ? "" : " ") + std::to_string(from[static_cast<std::size_t>(i)]);
    return text;
  };
  std::string text = name(scene.call);
  for (const Slot& slot : slots_of(scene.call)) {
    const void* const data = scene.data(slot);
    (text += "; ") += truenorm::name(slot.argument);
    if (data == nullptr) {
      text += " absent";
      continue;
    }
    const std::byte* const place = scene.place(slot.argument);
    text += scene.owns(reinterpret_cast<std::uintptr_t>(data))
                ? " at " + std::to_string(static_cast<const std::byte*>(data) - place)
                : " at " + hex(data);
    if (slot.tensor) {
      const Tensor& t = scene.tensor(slot.argument);
      text += " dtype " + std::to_string(static_cast<int>(t.dtype)) + " rank " +
              std::to_string(t.rank) + " size " + list(t.size, t.rank) + " stride " +
              list(t.stride, t.rank);
    } else {
      const Vector& v = scene.vector(slot.argument);
      text += " dtype " + std::to_string(static_cast<int>(v.dtype)) + " size " +
              std::to_string(v.size) + " stride " + std::to_string(v.stride);
    }
  }
  return text;
}

/// Bytes of the input, over and over, in the places of all inputs.
void ApiTarget::put_data(Scene& scene, Reader& in) {
  std::array<std::byte, 64> data{};
  const std::size_t count = in.below(data.size() + 1);
  for (std::size_t i = 0; i < count; ++i) data[i] = std::byte{in.byte()};
  for (const Slot& slot : slots_of(scene.call)) {
    if (count == 0 || (!slot.tensor && in.below(2) == 0)) continue;
    std::byte* const place = scene.place(slot.argument);
    for (std::size_t at = 0; at < kPlace; at += count)
      std::copy_n(data.begin(), std::min(count, kPlace - at), place + at);
  }
}

/// One field of one argument, whatever it is.
void ApiTarget::set(Scene& scene, const Slot& slot, Reader& in) {
  const std::size_t field = in.below(slot.tensor ? 3 + 2 * max_rank : 4);
  if (field == 0) return scene.set_data(slot, address(in, places_.places()));
  const std::int64_t value = integer(in);
  if (!slot.tensor) {
    Vector& v = scene.vector(slot.argument);
    if (field == 1) v.dtype = static_cast<Dtype>(value);
    if (field == 2) v.size = value;
    if (field == 3) v.stride = value;
    return;
  }
  Tensor& t = scene.tensor(slot.argument);
  if (field == 1) t.dtype = static_cast<Dtype>(value);
  if (field == 2) t.rank = static_cast<int>(value);
  if (field < 3) return;
  const std::size_t axis = (field - 3) % max_rank;
  (field < 3 + max_rank ? t.size : t.stride)[axis] = value;
}

void ApiTarget::change(Scene& scene, Reader& in) {
  const std::uint8_t head = in.byte();
  if (head < 128) {
    const std::uint8_t what = in.byte();
    return Spoiler(scene)({head, what, in.word<std::uint16_t>()});
  }
  const auto slots = slots_of(scene.call);
  set(scene, slots[head % slots.size()], in);
}

Scene ApiTarget::scene_of(Reader& in, Dtype data, Dtype parameters, Call call) {
  places_.refill();
  Scene scene(call, data, parameters, places_.places());
  scene.context = std::move(context_);
  const std::uint8_t flags = in.byte();
  if ((flags & 1) != 0) reshape(scene, in);
  if ((flags & 2) != 0) move_to_ends(scene);
  if ((flags & 4) != 0) put_data(scene, in);
  if ((flags & 8) != 0) {
    scene.eps = number(in, scene.eps);
    scene.factor = number(in, scene.factor);
    scene.renorm = {number(in, scene.renorm.r_max), number(in, scene.renorm.d_max)};
  }
  for (int i = 0; i < kMostChanges && !in.done(); ++i) change(scene, in);
  return scene;
}

std::optional<Finding> ApiTarget::look_at_accepted(Scene& scene, const Inspector& inspector,
                                                   const Question& question) {
  // Whatever the outputs' elements are now is as it should be, for this.
  for (const Slot& slot : slots_of(scene.call)) {
    const View& view = *inspector.find(slot.argument);
    if (!slot.output) continue;
    for (const std::uintptr_t byte : view.bytes)
      before_[places_.index_of(reinterpret_cast<const void*>(byte))] =
          *reinterpret_cast<const std::byte*>(byte);
  }
  if (const std::byte* at = places_.changed(before_))
    return wrong(
        scene, "memory",
        "a byte is written that is no output's, at " + std::to_string(places_.index_of(at)));
  const oracle::Verdict v = question.judge(scene);
  if (v.result == oracle::Result::fail) return wrong(scene, v.reason, v.detail + numbers(v.worst));
  return {};
}

std::optional<Finding> ApiTarget::look_at_call(Reader& in) {
  const Call call = kCalls[in.below(kCalls.size())];
  const auto& [data, parameters] = oracle::kDtypePairs[in.below(oracle::kDtypePairs.size())];
  if (!context_.status().ok()) context_ = Context(1, isa_);
  Scene scene = scene_of(in, static_cast<Dtype>(data), static_cast<Dtype>(parameters), call);
  const Inspector inspector(scene, static_cast<Dtype>(data));
  const bool well_formed = inspector.complaints().empty();
  std::optional<Finding> found;
  if (well_formed && !inspector.contained(scene)) {
    ++left_out_;
  } else {
    std::optional<Question> question;
    if (well_formed) question.emplace(scene);
    places_.copy_to(before_);
    const auto layer_before = scene.layer ? bytes_of(*scene.layer) : std::vector<std::byte>{};
    const Status got = library_(scene);
    const std::string answer =
        std::string(truenorm::name(got.code)) + " " + truenorm::name(got.argument);
    if (got.ok() && !well_formed) {
      found = wrong(scene, "accepted", "an ill-formed call is accepted");
    } else if (got.ok()) {
      ++accepted_;
      found = look_at_accepted(scene, inspector, *question);
    } else if (!inspector.allows(got)) {
      found = wrong(scene, "refusal", "refused without that reason: " + answer);
    } else if (places_.changed(before_) != nullptr) {
      found = wrong(scene, "written", "something is written before " + answer);
    } else if (scene.layer && bytes_of(*scene.layer) != layer_before) {
      found = wrong(scene, "state", "the layer is changed by " + answer);
    } else if (got.message()[0] == '\0') {
      found = wrong(scene, "message", "no message for " + answer);
    }
  }
  context_ = std::move(scene.context);
  return found;
}

std::optional<Finding> ApiTarget::look(Bytes bytes) {
  Reader in(bytes);
  switch (in.byte() % 16) {
    case 13:
      return look_at_folding(in, places_, before_, left_out_);
    case 14:
      return look_at_load(in, places_, before_, left_out_);
    case 15:
      return look_at_making(in);
    default:
      return look_at_call(in);
  }
}

}  // namespace truenorm::fuzz
