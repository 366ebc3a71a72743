#include "api_other.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "../impl/testing/inspector.h"

namespace truenorm::fuzz {
namespace {

using namespace calls;
using A = Argument;

std::string answer(Status s) {
  return std::string(truenorm::name(s.code)) + " " + truenorm::name(s.argument);
}

Finding wrong(std::string reason, const char* where, const std::string& what) {
  return against_truenorm(std::move(reason), where, what);
}

constexpr std::array<A, 4> kEntries{A::weight, A::bias, A::running_mean, A::running_var};

std::array<ConstVector, 4> entries(const State& s) {
  return {s.weight, s.bias, s.running_mean, s.running_var};
}

/// What is wrong with a state that is to be loaded.
class LoadInspector : public Views {
 public:
  LoadInspector(const BatchNorm& layer, const State& source) {
    const auto have = entries(layer.state());
    const auto from = entries(source);
    for (std::size_t i = 0; i < have.size(); ++i) {
      if (!have[i].present()) continue;
      if (!from[i].present()) {
        complain(Code::missing_state, kEntries[i]);
        continue;
      }
      View v = view({kEntries[i]}, from[i]);
      inspect(v);
      if (v.dtype != have[i].dtype) complain(Code::dtype_mismatch, kEntries[i]);
      if (v.size[0] != have[i].size) complain(Code::bad_size, kEntries[i]);
      views_.push_back(std::move(v));
    }
    if (!layer.num_batches_tracked()) return;
    if (!source.num_batches_tracked)
      complain(Code::missing_state, A::num_batches_tracked);
    else if (*source.num_batches_tracked < 0)
      complain(Code::bad_value, A::num_batches_tracked);
  }
};

std::vector<std::byte> elements(const ConstVector& v) {
  const auto size = static_cast<std::size_t>(size_of(v.dtype));
  std::vector<std::byte> bytes(static_cast<std::size_t>(v.size) * size);
  for (std::int64_t c = 0; c < v.size; ++c)
    std::memcpy(bytes.data() + static_cast<std::size_t>(c) * size,
                static_cast<const std::byte*>(v.data) + c * v.stride * size_of(v.dtype), size);
  return bytes;
}

/// A number of features that either is small or cannot be had.
std::int64_t features(Reader& in) {
  const std::int64_t wanted = integer(in);
  return wanted < 0 || wanted > std::int64_t{1} << 44 ? wanted : wanted % 64;
}

std::optional<Finding> look_at_context(Reader& in) {
  const auto threads = static_cast<int>(integer(in));
  const auto isa = static_cast<Isa>(in.below(10));
  const Context context(threads, isa);
  const IsaList isas = available_isas();
  const bool bad_threads = threads < 1 || threads > max_threads;
  const bool bad_isa = isa != Isa::best && std::find(isas.begin(), isas.end(), isa) == isas.end();
  const Status got = context.status();
  const bool right = got.ok() ? !bad_threads && !bad_isa
                              : (bad_threads && got == Status{Code::bad_threads, A::context}) ||
                                    (bad_isa && got == Status{Code::unsupported_isa, A::context});
  if (!right) return wrong("status", "Context", std::to_string(threads) + ": " + answer(got));
  if (context.threads() != (got.ok() ? threads : 0) || (context.isa() == Isa::best) == got.ok() ||
      (got.ok() && isa != Isa::best && context.isa() != isa))
    return wrong("getters", "Context", std::to_string(threads) + " threads are not as asked for");
  return {};
}

bool sound(const std::optional<Renorm>& r) { return !r || (r->r_max >= 1 && r->d_max >= 0); }

std::optional<Finding> look_at_layer(Reader& in) {
  BatchNormOptions o;
  o.num_features = features(in);
  o.affine = static_cast<Affine>(in.below(6));
  o.dtype = static_cast<Dtype>(in.below(6));
  o.track_running_stats = in.below(2) != 0;
  if (in.below(2) != 0) o.renorm = Renorm{number(in, 3), number(in, 5)};
  BatchNorm layer(o);
  const Status got = layer.status();
  Complaints wrongs;
  if (o.num_features < 0) wrongs.insert({Code::bad_size, A::num_features});
  if (o.num_features > std::int64_t{1} << 44) wrongs.insert({Code::overflow, A::num_features});
  if (static_cast<int>(o.affine) > 3) wrongs.insert({Code::bad_value, A::layer});
  if (static_cast<int>(o.dtype) > 3) wrongs.insert({Code::dtype_mismatch, A::layer});
  if (!sound(o.renorm)) wrongs.insert({Code::bad_value, A::renorm});
  const std::string asked = std::to_string(o.num_features) + " features: " + answer(got);
  if (got.ok() ? !wrongs.empty() : wrongs.count({got.code, got.argument}) == 0)
    return wrong("status", "BatchNorm", asked);
  const std::optional<Renorm> next =
      in.below(2) != 0 ? std::optional(Renorm{number(in, 1), number(in, 0)}) : std::nullopt;
  const auto before = bytes_of(layer);
  const Status set = layer.set_renorm(next);
  const Status want = !got.ok() ? got : sound(next) ? Status{} : Status{Code::bad_value, A::renorm};
  if (set != want) return wrong("status", "set_renorm", answer(set));
  if (!set.ok() && bytes_of(layer) != before)
    return wrong("state", "set_renorm", "a refused call changes the layer: " + answer(set));
  const Status reset = layer.reset_parameters();
  if (reset != (got.ok() ? Status{} : got))
    return wrong("status", "reset_parameters", answer(reset));
  return {};
}

}  // namespace

void* address(Reader& in, const Places& places) {
  const std::uint8_t head = in.byte();
  if (head < 32) return nullptr;
  if (head > 240) return reinterpret_cast<void*>(static_cast<std::uintptr_t>(integer(in)));
  const auto by = static_cast<std::size_t>(in.word<std::uint16_t>()) % (kPlace + 1);
  return places.of(static_cast<Argument>(head % argument_count)) + by;
}

std::int64_t integer(Reader& in) {
  constexpr std::array<int, 8> kShifts{63, 62, 61, 59, 40, 32, 31, 12};
  const std::uint8_t head = in.byte();
  if (head < 224) return head < 192 ? head % 32 : static_cast<std::int8_t>(head);
  if (head == 255) return static_cast<std::int64_t>(in.word<std::uint64_t>());
  const auto power = std::uint64_t{1} << kShifts[head % 8];
  const auto by = static_cast<std::uint64_t>(static_cast<std::int8_t>(in.byte()));
  return static_cast<std::int64_t>((head < 240 ? power : ~power + 1) + by);
}

double number(Reader& in, double usual) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  constexpr std::array<double, 12> kSome{0,    -0.0,  1,    -1,      2,    0.5,
                                         kInf, -kInf, 1e30, 0x1p-40, 1e-5, -1e300};
  const std::uint8_t head = in.byte();
  if (head < 128) return usual;
  if (head == 255) return in.f64();
  if (head == 254) return std::numeric_limits<double>::quiet_NaN();
  return kSome[head % kSome.size()];
}

std::optional<Finding> look_at_load(Reader& in, GuardedPlaces& places,
                                    std::vector<std::byte>& before, std::uint64_t& left_out) {
  places.refill();
  BatchNormOptions o{.num_features = static_cast<std::int64_t>(in.below(8))};
  o.affine = static_cast<Affine>(in.below(4));
  o.dtype = static_cast<Dtype>(in.below(4));
  o.track_running_stats = in.below(4) != 0;
  BatchNorm layer(o);
  std::array<ConstVector, 4> from{};
  for (std::size_t i = 0; i < from.size(); ++i) {
    const auto bytes = static_cast<std::size_t>(o.num_features * size_of(o.dtype));
    from[i] = {places.places().of(kEntries[i]) + kPlace - bytes, o.dtype, o.num_features, 1};
  }
  State source{{}, {}, {}, {}, static_cast<std::int64_t>(in.byte())};
  for (int i = 0; i < 24 && !in.done(); ++i) {
    const std::size_t what = in.below(18);
    ConstVector& v = from[what % 4];
    if (what < 4) v.data = address(in, places.places());
    if (what >= 4 && what < 8) v.dtype = static_cast<Dtype>(integer(in));
    if (what >= 8 && what < 12) v.size = integer(in);
    if (what >= 12 && what < 16) v.stride = integer(in);
    if (what == 16) source.num_batches_tracked = integer(in);
    if (what == 17) source.num_batches_tracked = std::nullopt;
  }
  source = {from[0], from[1], from[2], from[3], source.num_batches_tracked};
  const LoadInspector inspector(layer, source);
  const bool well_formed = inspector.complaints().empty();
  if (well_formed &&
      !inspector.contained([&](std::uintptr_t byte) { return places.places().owns(byte); })) {
    ++left_out;
    return {};
  }
  places.copy_to(before);
  const auto layer_before = bytes_of(layer);
  const Status got = layer.load(source);
  if (places.changed(before) != nullptr) return wrong("memory", "load", "the source is written");
  if (got.ok() && !well_formed) return wrong("accepted", "load", "an ill-formed state is loaded");
  if (!got.ok() && !inspector.allows(got)) return wrong("refusal", "load", answer(got));
  if (!got.ok() && bytes_of(layer) != layer_before) return wrong("state", "load", answer(got));
  const auto now = entries(std::as_const(layer).state());
  for (std::size_t i = 0; got.ok() && i < now.size(); ++i)
    if (now[i].present() && elements(now[i]) != elements(from[i]))
      return wrong("value", "load", truenorm::name(kEntries[i]));
  if (got.ok() && layer.num_batches_tracked() &&
      layer.num_batches_tracked() != source.num_batches_tracked)
    return wrong("value", "load", "num_batches_tracked");
  return {};
}

std::optional<Finding> look_at_making(Reader& in) {
  return in.below(2) != 0 ? look_at_context(in) : look_at_layer(in);
}

}  // namespace truenorm::fuzz
