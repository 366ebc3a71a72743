// fold() with raw arguments.
#include <algorithm>
#include <array>
#include <string>

#include "../impl/testing/inspector.h"
#include "api_answer.h"
#include "api_other.h"
#include "exact/fold.h"
#include "truenorm/fold.h"

namespace truenorm::fuzz {
namespace {

using namespace calls;
using A = Argument;

/// What is wrong with a folding, by the words of fold.h.
class FoldInspector : public Views {
 public:
  FoldInspector(const BatchNorm& layer, const Fold& args) {
    if (const Status made = layer.status(); !made.ok()) {
      complain(made.code, made.argument);
      return;
    }
    if (!layer.running_mean().present()) complain(Code::missing_statistics, A::running_mean);
    if (!layer.options().track_running_stats) complain(Code::missing_statistics, A::layer);
    views_ = {view({A::weight, true}, args.weight),
              view({A::bias}, args.bias),
              view({A::folded_weight, true, true}, args.folded_weight),
              view({A::folded_bias, false, true}, args.folded_bias),
              view({A::layer}, layer.weight()),
              view({A::layer}, layer.bias()),
              view({A::layer}, layer.running_mean()),
              view({A::layer}, layer.running_var())};
    for (View& v : views_)
      if (v.slot.tensor || v.slot.output || v.data != nullptr) inspect(v);
    sizes(layer.options().num_features, args);
    overlaps({{A::weight, A::folded_weight}, {A::bias, A::folded_bias}});
  }

 private:
  void sizes(std::int64_t features, const Fold& args) {
    for (const View& v : views_)
      if (!v.slot.tensor && (v.slot.output || v.data != nullptr) && v.size[0] != features)
        complain(Code::bad_size, v.slot.argument);
    const ConstTensor& w = args.weight;
    if (w.rank < min_rank || w.rank > max_rank) return;
    if (args.groups < 1 || w.size[0] % args.groups != 0) complain(Code::bad_value, A::groups);
    const Wide channels = args.transposed ? Wide{w.size[1]} * args.groups : Wide{w.size[0]};
    if (channels > std::numeric_limits<std::int64_t>::max()) complain(Code::overflow, A::groups);
    if (channels != features) complain(Code::bad_size, A::weight);
    const Tensor& to = args.folded_weight;
    if (to.rank != w.rank || !std::equal(w.size.begin(), w.size.begin() + w.rank, to.size.begin()))
      complain(Code::shape_mismatch, A::folded_weight);
  }
};

/// A well-formed folding: sizes, data types and the layer are drawn, everything stands at the end of
/// its place.
struct Folding {
  Folding(Reader& in, const Places& places) {
    args.transposed = in.below(2) != 0;
    args.groups = 1 + static_cast<std::int64_t>(in.below(3));
    const int rank = min_rank + static_cast<int>(in.below(4));
    std::array<std::int64_t, max_rank> size{};
    for (std::size_t i = 0; i < static_cast<std::size_t>(rank); ++i)
      size[i] = static_cast<std::int64_t>(in.below(5));
    size[0] = args.groups * (size[0] % 3);
    features = args.transposed ? size[1] * args.groups : size[0];
    args.folded_weight = {nullptr, dtype(in), rank, size, {}};
    std::int64_t count = 1;
    for (auto i = static_cast<std::size_t>(rank); i-- > 0; count *= size[i])
      args.folded_weight.stride[i] = count;
    args.weight = args.folded_weight;
    args.weight.dtype = dtype(in);
    args.weight.data = end(places, A::weight, args.weight.dtype, count);
    args.folded_weight.data = end(places, A::folded_weight, args.folded_weight.dtype, count);
    const Dtype given = dtype(in), folded = dtype(in);
    args.bias = {end(places, A::bias, given, features), given, features, 1};
    args.folded_bias = {end(places, A::folded_bias, folded, features), folded, features, 1};
    BatchNormOptions options{.num_features = features, .dtype = dtype(in)};
    options.eps = number(in, options.eps);
    options.affine = static_cast<Affine>(in.below(4));
    layer.emplace(options);
    for (const Vector& v :
         {layer->weight(), layer->bias(), layer->running_mean(), layer->running_var()})
      for (std::int64_t c = 0; v.present() && c < features; ++c)
        oracle::store(static_cast<oracle::Dtype>(v.dtype), number(in, 1.5 + static_cast<double>(c)),
                      static_cast<std::byte*>(v.data) + c * size_of(v.dtype));
  }

  void change(Reader& in, const Places& places) {
    const std::uint8_t head = in.byte();
    switch (head % 8) {
      case 0:
        args.groups = integer(in);
        return;
      case 1:
        args.transposed = !args.transposed;
        return;
      case 2:
        layer->set_track_running_stats(false);
        return;
      case 3:
        layer.emplace(BatchNormOptions{.num_features = std::min<std::int64_t>(integer(in), 64),
                                       .track_running_stats = head % 16 < 8});
        return;
      case 4:
        return set(args.bias, in, places);
      case 5:
        return set(args.folded_bias, in, places);
      case 6:
        return set(args.weight, in, places);
      default:
        return set(args.folded_weight, in, places);
    }
  }

  Fold args;
  std::int64_t features = 0;
  std::optional<BatchNorm> layer;

 private:
  static Dtype dtype(Reader& in) { return static_cast<Dtype>(in.below(oracle::kDtypes)); }

  static std::byte* end(const Places& places, A a, Dtype dtype, std::int64_t count) {
    return places.of(a) + kPlace - static_cast<std::size_t>(count * size_of(dtype));
  }

  template <class V>
  static void set(V& v, Reader& in, const Places& places) {
    constexpr bool kTensor = std::is_same_v<V, Tensor> || std::is_same_v<V, ConstTensor>;
    const std::size_t field = in.below(kTensor ? 3 + 2 * max_rank : 4);
    if (field == 0) {
      v.data = address(in, places);
      return;
    }
    const std::int64_t value = integer(in);
    if (field == 1) v.dtype = static_cast<Dtype>(value);
    if constexpr (kTensor) {
      if (field == 2) v.rank = static_cast<int>(value);
      if (field >= 3) (field < 3 + max_rank ? v.size : v.stride)[(field - 3) % max_rank] = value;
    } else {
      if (field == 2) v.size = value;
      if (field == 3) v.stride = value;
    }
  }
};

/// Every folded parameter, exactly, of what stood in the arguments before.
class FoldQuestion {
 public:
  FoldQuestion(const BatchNorm& layer, const Fold& args)
      : weight_(read(args.weight)), bias_(read(args.bias)) {
    const BatchNorm& l = layer;
    const auto features = static_cast<std::size_t>(l.options().num_features);
    const auto or_else = [&](const ConstVector& v, double usual) {
      return v.present() ? read(v) : std::vector<double>(features, usual);
    };
    gain_ = or_else(l.weight(), 1);
    shift_ = or_else(l.bias(), 0);
    mean_ = read(l.running_mean());
    var_ = read(l.running_var());
    eps_ = l.options().eps;
  }

  oracle::Verdict judge(const Fold& args) const {
    oracle::Trace got;
    got.steps.resize(1);
    got.steps[0].y = read(ConstTensor(args.folded_weight));
    got.steps[0].dbias = read(ConstVector(args.folded_bias));
    oracle::Answer want;
    want.steps.resize(1);
    std::size_t plane = 1;
    for (int i = 2; i < args.weight.rank; ++i)
      plane *= static_cast<std::size_t>(args.weight.size[static_cast<std::size_t>(i)]);
    const auto columns = static_cast<std::size_t>(args.weight.size[1]);
    for (std::size_t k = 0; k < weight_.size(); ++k) {
      const std::size_t row = k / plane / columns, column = k / plane % columns;
      const std::size_t rows_of_group = static_cast<std::size_t>(args.weight.size[0] / args.groups);
      const std::size_t c = args.transposed ? row / rows_of_group * columns + column : row;
      push(want.steps[0].y, folding(c, args.folded_weight.dtype).weight(weight_[k]),
           format(args.folded_weight.dtype));
    }
    for (std::size_t c = 0; c < mean_.size(); ++c)
      push(want.steps[0].dbias,
           folding(c, args.folded_bias.dtype).bias(bias_.empty() ? 0 : bias_[c]),
           format(args.folded_bias.dtype));
    oracle::Verdict v = oracle::judge(got, want);
    if (v.result == oracle::Result::fail)
      v.reason = v.reason == "y" ? "folded_weight" : "folded_bias";
    return v;
  }

 private:
  static oracle::exact::Format format(Dtype dtype) {
    return oracle::exact::format(static_cast<oracle::Dtype>(dtype));
  }
  oracle::exact::Folding folding(std::size_t c, Dtype dtype) const {
    return oracle::exact::Folding(mean_[c], var_[c], eps_, gain_[c], shift_[c], format(dtype));
  }

  std::vector<double> weight_, bias_, gain_, shift_, mean_, var_;
  double eps_ = 0;
};

Finding wrong(std::string reason, const Fold& a, const std::string& what) {
  std::string text = what + "; weight (";
  for (int i = 0; i < std::clamp(a.weight.rank, 0, max_rank); ++i)
    text += " " + std::to_string(a.weight.size[static_cast<std::size_t>(i)]);
  return against_truenorm(
      std::move(reason), "fold",
      text + " ), groups " + std::to_string(a.groups) + (a.transposed ? ", transposed" : ""));
}

}  // namespace

std::optional<Finding> look_at_folding(Reader& in, GuardedPlaces& places,
                                       std::vector<std::byte>& before, std::uint64_t& left_out) {
  places.refill();
  Folding f(in, places.places());
  for (int i = 0; i < 40 && !in.done(); ++i) f.change(in, places.places());
  const BatchNorm& layer = *f.layer;
  const FoldInspector inspector(layer, f.args);
  const bool well_formed = inspector.complaints().empty();
  const auto of_layer = [&](std::uintptr_t byte) {
    for (const ConstVector& v :
         {layer.weight(), layer.bias(), layer.running_mean(), layer.running_var()}) {
      const auto begin = reinterpret_cast<std::uintptr_t>(v.data);
      if (byte - begin < static_cast<std::uintptr_t>(v.size * size_of(v.dtype))) return true;
    }
    return false;
  };
  if (well_formed && !inspector.contained([&](std::uintptr_t byte) {
        return places.places().owns(byte) || of_layer(byte);
      })) {
    ++left_out;
    return {};
  }
  std::optional<FoldQuestion> question;
  if (well_formed) question.emplace(layer, f.args);
  places.copy_to(before);
  const auto layer_before = bytes_of(layer);
  const Status got = fold(layer, f.args);
  const std::string answer =
      std::string(truenorm::name(got.code)) + " " + truenorm::name(got.argument);
  if (bytes_of(layer) != layer_before) return wrong("state", f.args, "the layer is changed");
  if (got.ok() && !well_formed)
    return wrong("accepted", f.args, "an ill-formed folding is accepted");
  if (!got.ok() && !inspector.allows(got))
    return wrong("refusal", f.args, "refused without that reason: " + answer);
  if (got.ok())
    for (const Argument output : {A::folded_weight, A::folded_bias})
      for (const std::uintptr_t byte : inspector.find(output)->bytes)
        before[places.index_of(reinterpret_cast<const void*>(byte))] =
            *reinterpret_cast<const std::byte*>(byte);
  if (places.changed(before) != nullptr)
    return wrong(got.ok() ? "memory" : "written", f.args, "a byte is written: " + answer);
  if (!got.ok()) return {};
  const oracle::Verdict v = question->judge(f.args);
  if (v.result == oracle::Result::fail) return wrong(v.reason, f.args, v.detail);
  return {};
}

}  // namespace truenorm::fuzz
