#include "question.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

namespace truenorm::oracle {
namespace {

constexpr std::int64_t kMaxArray = std::int64_t{1} << 24;  // elements of x: 128 MB as doubles

enum class Extent : std::uint8_t { full, channel, one };
using enum Extent;

/// An array that is known by name; `others` are the names of other libraries.
struct Known {
  std::string_view name;
  Extent extent;
  std::vector<std::string_view> others;
};

const std::vector<Known>& known_arrays() {
  static const std::vector<Known> all{
      {"x", full, {"input", "inputs", "X"}},
      {"weight", channel, {"gamma", "scale", "w"}},
      {"bias", channel, {"beta", "shift", "offset", "b"}},
      {"running_mean", channel, {"moving_mean", "mean", "input_mean", "rm"}},
      {"running_var", channel, {"moving_variance", "moving_var", "var", "input_var", "rv"}},
      {"dy", full, {"grad_output", "dout", "grad_y"}},
      {"eps", one, {"epsilon"}},
      {"momentum", one, {"decay"}},
      {"mode", one, {}},
      {"training", one, {"train", "is_training"}},
      {"channel_axis", one, {"axis"}},
      {"dtype", one, {}},
      {"y", full, {"output", "out", "Y"}},
      {"running_mean_after", channel, {"new_running_mean", "running_mean_out"}},
      {"running_var_after", channel, {"new_running_var", "running_var_out"}},
      {"save_mean", channel, {"batch_mean", "saved_mean"}},
      {"save_invstd", channel, {"invstd", "batch_invstd", "saved_invstd"}},
      {"dx", full, {"grad_input", "grad_x"}},
      {"dweight", channel, {"grad_weight", "dgamma"}},
      {"dbias", channel, {"grad_bias", "dbeta"}},
  };
  return all;
}

struct Judged {
  std::string_view name;
  Output output;
};
constexpr std::array<Judged, kOutputs> kJudged{{{"y", Output::y},
                                                {"running_mean_after", Output::running_mean},
                                                {"running_var_after", Output::running_var},
                                                {"save_mean", Output::save_mean},
                                                {"save_invstd", Output::save_invstd},
                                                {"dx", Output::dx},
                                                {"dweight", Output::dweight},
                                                {"dbias", Output::dbias}}};

/// Elements in C order with axis `from` moved to place `to`, the others in their order.
std::vector<double> move_axis(const std::vector<double>& values, std::vector<std::int64_t> sizes,
                              std::size_t from, std::size_t to) {
  if (from == to || values.empty()) return values;
  // As three: what stands before both, the axis and what it passes, and what stands behind.
  const auto product = [&](std::size_t begin, std::size_t end) {
    std::size_t size = 1;
    for (std::size_t i = begin; i < end; ++i) size *= static_cast<std::size_t>(sizes[i]);
    return size;
  };
  const std::size_t low = std::min(from, to), high = std::max(from, to);
  const std::size_t axis = product(from, from + 1), inner = product(high + 1, sizes.size());
  const std::size_t passed = product(low, high + 1) / axis, outer = product(0, low);
  std::vector<double> moved;
  moved.reserve(values.size());
  const std::size_t rows = from > to ? axis : passed, columns = from > to ? passed : axis;
  for (std::size_t o = 0; o < outer; ++o)  // of a matrix of columns x rows: its transpose
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < columns; ++c) {
        const auto at =
            values.begin() + static_cast<std::ptrdiff_t>(((o * columns + c) * rows + r) * inner);
        moved.insert(moved.end(), at, at + static_cast<std::ptrdiff_t>(inner));
      }
  return moved;
}

class Reader {
 public:
  explicit Reader(const Archive& archive) : archive_(archive) {}
  Question read();

 private:
  using Array = Archive::Array;

  void check_names() const;
  void read_x();
  void read_dtypes();
  void read_layer();
  void read_mode();
  void read_claims();

  const Array* find(std::string_view name) const { return archive_.find(name); }
  double number(const Array&) const;
  double number(std::string_view name, double absent) const {
    const Array* array = find(name);
    return array != nullptr ? number(*array) : absent;
  }
  Dtype dtype_of(const Array&) const;
  std::vector<double> values(const Array&, Extent) const;
  std::vector<double> exact_values(const Array&, Extent, Dtype) const;
  void check_channels(const Array&) const;

  const Archive& archive_;
  Question q_;
};

void Reader::check_names() const {
  for (const Array& array : archive_.arrays()) {
    const auto& all = known_arrays();
    if (std::any_of(all.begin(), all.end(), [&](const Known& k) { return k.name == array.name; }))
      continue;
    if (array.name.starts_with("arr_"))
      archive_.fail(array,
                    "an array without a name; numpy.savez('f.npz', x=x, y=y, ...) was expected");
    for (const Known& k : all)
      if (std::find(k.others.begin(), k.others.end(), array.name) != k.others.end())
        archive_.fail(array, fmt::format("is called {} here", k.name));
    std::vector<std::string_view> names;
    for (const Known& k : all) names.push_back(k.name);
    archive_.fail(array, fmt::format("is not known here; these are: {}", fmt::join(names, " ")));
  }
}

double Reader::number(const Array& array) const {
  const npy::Header& h = array.parsed.header;
  if (h.kind == 'O')
    archive_.fail(
        array,
        "a Python object, such as None, which is not read; a number was expected, or no array");
  if (h.count() != 1)
    archive_.fail(array,
                  fmt::format("shape {}; one number was expected", npy::print_shape(h.shape)));
  return archive_.numbers(array).front();
}

/// The dtype whose values the array's elements are.
Dtype Reader::dtype_of(const Array& array) const {
  const npy::Header& h = array.parsed.header;
  if (h.kind == 'f' && h.item == 2) return Dtype::f16;
  if (h.kind == 'f' && h.item == 4) return Dtype::f32;
  if (h.kind == 'f' && h.item == 8) return Dtype::f64;
  if (h.kind == 'V' && h.item == 2 && find("dtype") != nullptr &&
      archive_.text(*find("dtype")) == "bfloat16")
    return Dtype::bf16;
  if (h.kind == 'V' && h.item == 2)
    archive_.fail(
        array,
        "dtype V2, which bfloat16 becomes in a file; dtype='bfloat16' beside the arrays says so");
  archive_.fail(
      array,
      fmt::format("dtype {}; float16, float32 or float64 was expected, as by {}.astype('float32')",
                  h.dtype(), array.name));
}

void Reader::check_channels(const Array& array) const {
  const npy::Header& h = array.parsed.header;
  const std::int64_t channels = q_.sizes[q_.channel_axis];
  if (h.shape.size() == 1 && h.shape[0] == channels) return;
  std::string hint =
      fmt::format("{} {} was expected: axis {} of x {} has the channels", "shape",
                  npy::print_shape({channels}), q_.channel_axis, npy::print_shape(q_.sizes));
  if (h.shape.size() == 1 && find("channel_axis") == nullptr && q_.sizes.back() == h.shape[0])
    hint += "; if they are its last axis, channel_axis=-1 says so";
  if (h.shape.size() != 1 && h.count() == channels)
    hint += fmt::format("; {}.ravel() has it", array.name);
  archive_.fail(array, fmt::format("shape {}; {}", npy::print_shape(h.shape), hint));
}

std::vector<double> Reader::values(const Array& array, Extent extent) const {
  dtype_of(array);
  if (extent == channel) {
    check_channels(array);
    return archive_.numbers(array);
  }
  if (array.parsed.header.shape != q_.sizes)
    archive_.fail(array, fmt::format("shape {}; that of x, {}, was expected",
                                     npy::print_shape(array.parsed.header.shape),
                                     npy::print_shape(q_.sizes)));
  return move_axis(archive_.numbers(array), q_.sizes, q_.channel_axis, 1);
}

/// Values that the dtype holds, as every input must be.
std::vector<double> Reader::exact_values(const Array& array, Extent extent, Dtype dtype) const {
  std::vector<double> all = values(array, extent);
  for (std::size_t i = 0; i < all.size(); ++i)
    if (const double rounded = round_to(dtype, all[i]); !(rounded == all[i]) && !std::isnan(all[i]))
      archive_.fail(array,
                    fmt::format("{} at element {} is no value of {} (x is {}); the nearest is {}. "
                                "{}.astype('{}') was expected",
                                all[i], i, numpy_name(dtype), numpy_name(q_.problem.dtype), rounded,
                                array.name, numpy_name(dtype)));
  return all;
}

void Reader::read_x() {
  const Array* x = find("x");
  if (x == nullptr) archive_.fail("array x, the input, is missing");
  const npy::Header& h = x->parsed.header;
  const std::string shape = npy::print_shape(h.shape);
  if (h.shape.size() < 2 || h.shape.size() > 5)
    archive_.fail(
        *x, fmt::format("shape {}; two to five axes were expected: (N, C) or (N, C, spatial...)",
                        shape));
  if (h.count() == 0) archive_.fail(*x, fmt::format("shape {}: there is nothing to judge", shape));
  if (h.count() > kMaxArray)
    archive_.fail(
        *x, fmt::format("shape {}: more than {} elements; channels are independent, so a slice of "
                        "them in every array, such as x[:, :8], tells as much",
                        shape, kMaxArray));
  q_.sizes = h.shape;
  const auto rank = static_cast<double>(h.shape.size());
  const double axis = number("channel_axis", 1), counted = axis < 0 ? axis + rank : axis;
  if (!(counted >= 1 && counted < rank && counted == std::floor(counted)))
    archive_.fail(*find("channel_axis"),
                  fmt::format("{}; an axis of x {} but the first was expected", axis, shape));
  q_.channel_axis = static_cast<std::size_t>(counted);
  Shape& s = q_.problem.shape;
  s.n = h.shape[0];
  s.c = h.shape[q_.channel_axis];
  s.spatial_rank = 0;
  for (std::size_t i = 1; i < h.shape.size(); ++i)
    if (i != q_.channel_axis) s.s[static_cast<std::size_t>(s.spatial_rank++)] = h.shape[i];
}

void Reader::read_dtypes() {
  Problem& p = q_.problem;
  p.dtype = dtype_of(*find("x"));
  if (const Array* array = find("dtype")) {
    const std::string text = archive_.text(*array);
    const auto named = std::find_if(kDtypePairs.begin(), kDtypePairs.end(), [&](const auto& pair) {
      return numpy_name(pair.first) == text;
    });
    if (named == kDtypePairs.end())
      archive_.fail(*array,
                    fmt::format("'{}'; float32, float64, float16 or bfloat16 was expected", text));
    p.dtype = named->first;
  }
  // Layers of 16 bits have parameters of 16 bits, or of 32: those that the arrays have.
  p.param_dtype = p.dtype;
  if (p.dtype == Dtype::f32 || p.dtype == Dtype::f64) return;
  for (const char* name : {"weight", "bias", "running_mean", "running_var", "running_mean_after",
                           "running_var_after", "dweight", "dbias"})
    if (const Array* array = find(name); array != nullptr && dtype_of(*array) != p.dtype)
      p.param_dtype = Dtype::f32;
}

void Reader::read_layer() {
  Problem& p = q_.problem;
  const Array *weight = find("weight"), *bias = find("bias");
  const Array *mean = find("running_mean"), *var = find("running_var");
  p.weight = weight != nullptr;
  p.bias = bias != nullptr;
  p.track = mean != nullptr;
  if ((mean == nullptr) != (var == nullptr))
    archive_.fail(fmt::format("{} without {}; both or neither were expected",
                              mean != nullptr ? "running_mean" : "running_var",
                              mean != nullptr ? "running_var" : "running_mean"));
  if (weight != nullptr) q_.inputs.weight = exact_values(*weight, channel, p.param_dtype);
  if (bias != nullptr) q_.inputs.bias = exact_values(*bias, channel, p.param_dtype);
  if (mean != nullptr) q_.inputs.running_mean = exact_values(*mean, channel, p.param_dtype);
  if (var != nullptr) q_.inputs.running_var = exact_values(*var, channel, p.param_dtype);
  for (const auto& [name, to] :
       {std::pair{"eps", &p.eps}, std::pair{"momentum", &p.momentum.value}}) {
    *to = number(name, *to);
    if (!std::isfinite(*to) || (to == &p.eps && *to < 0))
      archive_.fail(*find(name), fmt::format("{}; a finite number{} was expected", *to,
                                             to == &p.eps ? " of at least 0" : ""));
  }
}

void Reader::read_mode() {
  const Array *mode = find("mode"), *training = find("training");
  if ((mode == nullptr) == (training == nullptr))
    archive_.fail(
        fmt::format("mode {}; mode='train' or mode='eval' was expected",
                    mode == nullptr ? "is missing" : "and training both say whether it trains"));
  bool trains = false;
  if (mode != nullptr) {
    const std::string text = archive_.text(*mode);
    if (text != "train" && text != "eval")
      archive_.fail(*mode, fmt::format("'{}'; 'train' or 'eval' was expected", text));
    trains = text == "train";
  } else {
    const double value = number(*training);
    if (value != 0 && value != 1)
      archive_.fail(*training, fmt::format("{}; True or False was expected", value));
    trains = value == 1;
  }
  Problem& p = q_.problem;
  if (!trains && !p.track)
    archive_.fail("mode 'eval' normalizes by running_mean and running_var, which are missing");
  if (trains && p.shape.per_channel() == 1)
    archive_.fail(fmt::format(
        "x {} has one value in each channel: mode 'train' needs more, and LibTorch refuses it",
        npy::print_shape(q_.sizes)));
  p.run = {Step{trains ? Op::train : Op::eval}};
  q_.inputs.step.push_back(exact_values(*find("x"), full, p.dtype));
  if (const Array* dy = find("dy")) {
    p.run.push_back(Step{Op::backward, Step::kSameBatch, 1});
    q_.inputs.step.push_back(exact_values(*dy, full, p.dtype));
  }
  if (const auto why = defect({p, Exec{}}); !why.empty()) archive_.fail(std::string(why));
}

void Reader::read_claims() {
  const Problem& p = q_.problem;
  const bool trains = p.run[0].op == Op::train, backward = p.run.size() == 2;
  for (const Judged& judged : kJudged) {
    const Array* array = find(judged.name);
    if (array == nullptr) continue;
    const bool gradient = judged.output == Output::dx || judged.output == Output::dweight ||
                          judged.output == Output::dbias;
    const bool state =
        judged.output == Output::running_mean || judged.output == Output::running_var;
    const bool saved = judged.output == Output::save_mean || judged.output == Output::save_invstd;
    if (gradient && !backward)
      archive_.fail(*array, "a gradient, but dy, the gradient of y, is missing");
    if (state && !p.track)
      archive_.fail(*array, "but running_mean and running_var, as they were before, are missing");
    if (saved && !trains)
      archive_.fail(*array, "there are no statistics of the batch in mode 'eval'");
    const bool whole = judged.output == Output::y || judged.output == Output::dx;
    const Dtype wide = p.dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32;
    const Dtype due = whole ? p.dtype : saved ? wide : p.param_dtype;
    if (size_of(dtype_of(*array)) < size_of(due))
      archive_.fail(
          *array,
          fmt::format("dtype {}; {} or finer was expected, or the rounding alone leaves the "
                      "radii",
                      numpy_name(dtype_of(*array)), numpy_name(due)));
    q_.claims.push_back({std::string(judged.name), judged.output, std::size_t{gradient},
                         values(*array, whole ? full : channel)});
  }
  if (!q_.claims.empty()) return;
  std::vector<std::string_view> names;
  for (const Judged& judged : kJudged) names.push_back(judged.name);
  archive_.fail(fmt::format("there is nothing to judge: none of {}", fmt::join(names, " ")));
}

Question Reader::read() {
  check_names();
  read_x();
  read_dtypes();
  read_layer();
  read_mode();
  read_claims();
  return std::move(q_);
}

}  // namespace

std::string numpy_name(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return "float32";
    case Dtype::f64:
      return "float64";
    case Dtype::bf16:
      return "bfloat16";
    case Dtype::f16:
      return "float16";
  }
  return {};
}

Question read_question(const Archive& archive) { return Reader(archive).read(); }

std::string index_of(const Question& q, Output output, std::size_t element) {
  if (output != Output::y && output != Output::dx) return fmt::format("[{}]", element);
  std::vector<std::int64_t> sizes = q.sizes;
  std::rotate(sizes.begin() + 1, sizes.begin() + static_cast<std::ptrdiff_t>(q.channel_axis),
              sizes.begin() + static_cast<std::ptrdiff_t>(q.channel_axis) + 1);
  std::vector<std::int64_t> index(sizes.size());
  auto rest = static_cast<std::int64_t>(element);
  for (std::size_t i = sizes.size(); i-- > 0;) {
    index[i] = rest % sizes[i];
    rest /= sizes[i];
  }
  std::rotate(index.begin() + 1, index.begin() + 2,
              index.begin() + static_cast<std::ptrdiff_t>(q.channel_axis) + 1);
  return fmt::format("[{}]", fmt::join(index, ","));
}

std::size_t channel_of(const Question& q, Output output, std::size_t element) {
  if (output != Output::y && output != Output::dx) return element;
  const Shape& s = q.problem.shape;
  return element / static_cast<std::size_t>(s.plane()) % static_cast<std::size_t>(s.c);
}

Question one_channel(const Question& q, std::size_t channel) {
  Question one{q.problem, {}, {}, q.sizes, q.channel_axis};
  one.problem.shape.c = 1;
  one.sizes[q.channel_axis] = 1;
  const auto pick = [&](const std::vector<double>& values, Output output) {
    std::vector<double> picked;
    for (std::size_t i = 0; i < values.size(); ++i)
      if (channel_of(q, output, i) == channel) picked.push_back(values[i]);
    return picked;
  };
  const Inputs& in = q.inputs;
  one.inputs = {pick(in.weight, Output::dweight),
                pick(in.bias, Output::dbias),
                pick(in.running_mean, Output::running_mean),
                pick(in.running_var, Output::running_var),
                {}};
  for (const std::vector<double>& step : in.step) one.inputs.step.push_back(pick(step, Output::y));
  for (const Claim& claim : q.claims)
    one.claims.push_back({claim.name, claim.output, claim.step, pick(claim.values, claim.output)});
  return one;
}

Question with_channel_axis(const Question& q, std::size_t axis) {
  Question other = q;
  other.channel_axis = axis;
  Shape& s = other.problem.shape;
  s.c = q.sizes[axis];
  s.spatial_rank = 0;
  for (std::size_t i = 1; i < q.sizes.size(); ++i)
    if (i != axis) s.s[static_cast<std::size_t>(s.spatial_rank++)] = q.sizes[i];
  std::vector<std::int64_t> logical = q.sizes;  // (N, C, spatial), as the values stand
  std::rotate(logical.begin() + 1, logical.begin() + static_cast<std::ptrdiff_t>(q.channel_axis),
              logical.begin() + static_cast<std::ptrdiff_t>(q.channel_axis) + 1);
  const auto again = [&](std::vector<double>& values) {
    values = move_axis(move_axis(values, logical, 1, q.channel_axis), q.sizes, axis, 1);
  };
  for (std::vector<double>& step : other.inputs.step) again(step);
  for (Claim& claim : other.claims)
    if (claim.output == Output::y || claim.output == Output::dx) again(claim.values);
  return other;
}

}  // namespace truenorm::oracle
