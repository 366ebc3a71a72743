// Reads truenorm-vectors/1. Every complaint names the file and the JSON pointer.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "vectors.h"

namespace truenorm::oracle {
namespace {

using Json = nlohmann::json;

/// A value with its place in the file.
class Node {
 public:
  Node(const Json& json, std::string_view file, std::string pointer)
      : json_(&json), file_(file), pointer_(std::move(pointer)) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw VectorsError(fmt::format("{}: {}: {}", file_, pointer_.empty() ? "/" : pointer_, what));
  }

  /// The members must be among `known`.
  void members(std::initializer_list<std::string_view> known) const {
    if (!json_->is_object())
      fail(fmt::format("an object was expected, not {}", json_->type_name()));
    for (const auto& [key, value] : json_->items())
      if (std::find(known.begin(), known.end(), key) == known.end())
        Node(value, file_, pointer_ + "/" + key)
            .fail(fmt::format("unknown key; known here: {}", fmt::join(known, " ")));
  }

  /// A member, or nothing where it is absent or null.
  std::optional<Node> find(const std::string& key) const {
    const auto it = json_->find(key);
    if (it == json_->end() || it->is_null()) return std::nullopt;
    return Node(*it, file_, pointer_ + "/" + key);
  }

  Node at(const std::string& key) const {
    if (auto node = find(key)) return *node;
    fail(fmt::format("key '{}' is missing", key));
  }

  std::size_t size() const { return json_->size(); }

  Node operator[](std::size_t i) const {
    return Node((*json_)[i], file_, fmt::format("{}/{}", pointer_, i));
  }

  const Node& array() const {
    if (!json_->is_array()) fail(fmt::format("an array was expected, not {}", json_->type_name()));
    return *this;
  }

  std::string text() const {
    if (!json_->is_string()) fail(fmt::format("a string was expected, not {}", json_->type_name()));
    return json_->get<std::string>();
  }

  bool flag() const {
    if (!json_->is_boolean())
      fail(fmt::format("true or false was expected, not {}", json_->type_name()));
    return json_->get<bool>();
  }

  double number() const {
    if (!json_->is_number()) fail(fmt::format("a number was expected, not {}", json_->type_name()));
    return json_->get<double>();
  }

  double not_negative() const {
    const double value = number();
    if (!(value >= 0)) fail(fmt::format("{} is negative", value));
    return value;
  }

  std::int64_t count() const {
    if (!json_->is_number_integer()) fail("a whole number was expected");
    const bool huge =
        json_->is_number_unsigned() && json_->get<std::uint64_t>() > std::uint64_t{kMaxElements};
    const std::int64_t value = huge ? kMaxElements + 1 : json_->get<std::int64_t>();
    if (value < 0 || value > kMaxElements)
      fail(fmt::format("a size in 0..{} was expected", kMaxElements));
    return value;
  }

  std::vector<double> numbers(std::int64_t count) const {
    array();
    if (static_cast<std::int64_t>(size()) != count)
      fail(fmt::format("{} values where {} were expected", size(), count));
    std::vector<double> values;
    values.reserve(size());
    for (std::size_t i = 0; i < size(); ++i) values.push_back((*this)[i].number());
    return values;
  }

  /// Numbers that the dtype holds exactly, as every input must be.
  std::vector<double> numbers(std::int64_t count, Dtype dtype) const {
    std::vector<double> values = numbers(count);
    for (std::size_t i = 0; i < values.size(); ++i)
      if (round_to(dtype, values[i]) != values[i])
        (*this)[i].fail(fmt::format("{} is not a value of {}; the nearest is {}", values[i],
                                    oracle::name(dtype), round_to(dtype, values[i])));
    return values;
  }

 private:
  const Json* json_;
  std::string_view file_;
  std::string pointer_;
};

Dtype read_dtype(const Node& node) {
  const std::string text = node.text();
  for (const Dtype dtype : {Dtype::f32, Dtype::f64, Dtype::bf16, Dtype::f16})
    if (text == name(dtype)) return dtype;
  node.fail(fmt::format("'{}' is not a dtype; f32 f64 f16 bf16 are", text));
}

Shape read_shape(const Node& node) {
  node.array();
  if (node.size() < 2 || node.size() > 5)
    node.fail("[N, C, spatial...] of rank 2 to 5 was expected");
  Shape shape;
  shape.n = node[0].count();
  shape.c = node[1].count();
  shape.spatial_rank = static_cast<int>(node.size()) - 2;
  double elements = static_cast<double>(shape.n) * static_cast<double>(shape.c);
  for (std::size_t i = 2; i < node.size(); ++i) {
    shape.s[i - 2] = node[i].count();
    elements *= static_cast<double>(shape.s[i - 2]);
  }
  if (elements > static_cast<double>(kMaxElements))
    node.fail(fmt::format("more than {} elements", kMaxElements));
  return shape;
}

/// What the file says about which outputs there can be.
struct Produced {
  bool training = false, tracked = false, backward = false, relu = false;
};

/// Why this output cannot be stated here, or nothing.
std::string_view impossible(Published output, const Produced& produced) {
  switch (output) {
    case Published::running_mean:
    case Published::running_var:
      return produced.tracked ? "" : "there are no running statistics";
    case Published::save_mean:
    case Published::save_var_biased:
      return produced.training ? "" : "evaluation hands out no batch statistics";
    case Published::dx:
    case Published::dweight:
    case Published::dbias:
      return produced.backward ? "" : "there is no backward: dy is null";
    case Published::y_activated:
      return produced.relu ? "" : "no activation is stated";
    case Published::y:
      break;
  }
  return "";
}

std::vector<Expectation> read_expect(const Node& node, const Node& accuracy, const Shape& shape,
                                     const Produced& produced) {
  node.members({"y", "running_mean", "running_var", "save_mean", "save_var_biased", "dx", "dweight",
                "dbias", "y_activated"});
  accuracy.members({"y", "running_mean", "running_var", "save_mean", "save_var_biased", "dx",
                    "dweight", "dbias", "y_activated"});
  std::vector<Expectation> expect;
  for (int i = 0; i <= static_cast<int>(Published::y_activated); ++i) {
    const auto output = static_cast<Published>(i);
    const auto values = node.find(std::string(name(output)));
    if (!values) continue;
    if (const auto why = impossible(output, produced); !why.empty()) values->fail(std::string(why));
    const bool full =
        output == Published::y || output == Published::dx || output == Published::y_activated;
    expect.push_back({output, values->numbers(full ? shape.numel() : shape.c),
                      accuracy.at(std::string(name(output))).not_negative()});
  }
  if (expect.empty()) node.fail("nothing is expected; at least one output was expected");
  return expect;
}

/// Adds one forward, and the backward behind it if there is a dy.
void read_step(const Node& node, Produced produced, VectorCase& to) {
  Problem& p = to.value.problem;
  const Shape shape = read_shape(node.at("x_shape"));
  if (p.run.empty()) p.shape = shape;
  if (shape.with_batch(p.shape.n) != p.shape)
    node.at("x_shape").fail("only N may differ from the first step's sizes");

  produced.training = node.at("training").flag();
  VectorStep step;
  step.forward = step.backward = p.run.size();
  auto add = [&](Op op, std::vector<double> data) {
    const std::int64_t batch =
        shape.n == p.shape.n || op == Op::backward ? Step::kSameBatch : shape.n;
    p.run.push_back({op, batch, static_cast<std::uint32_t>(p.run.size())});
    to.inputs.step.push_back(std::move(data));
  };
  add(produced.training ? Op::train : Op::eval, node.at("x").numbers(shape.numel(), p.dtype));
  if (const auto dy = node.find("dy")) {
    produced.backward = true;
    step.backward = p.run.size();
    add(Op::backward, dy->numbers(shape.numel(), p.dtype));
  }
  step.expect = read_expect(node.at("expect"), node.at("accuracy"), shape, produced);
  const auto correct = node.find("expect_correct");
  if (to.known_wrong && !correct) node.fail("known_wrong without 'expect_correct'");
  if (!to.known_wrong && correct) correct->fail("'expect_correct' belongs to known_wrong cases");
  if (correct) step.correct = read_expect(*correct, node.at("accuracy"), shape, produced);
  to.steps.push_back(std::move(step));
}

/// Momentum: the weight of the new value, or the cumulative average; null where no step trains with
/// running statistics.
Momentum read_momentum(const Node& node, bool needed) {
  const auto cumulative = node.find("cumulative");
  const auto value = node.find("momentum");
  if (cumulative && cumulative->flag()) {
    if (value) value->fail("'cumulative' takes the place of momentum; null was expected");
    return {true, 0};
  }
  if (value) return {false, value->number()};
  if (needed) node.fail("training with running statistics needs 'momentum' or 'cumulative'");
  return {};
}

/// The options and the state, without the steps.
void read_layer(const Node& node, std::int64_t channels, VectorCase& to) {
  Problem& p = to.value.problem;
  p.run.clear();
  p.dtype = read_dtype(node.at("dtype"));
  p.param_dtype = p.dtype;
  if (const auto dtype = node.find("param_dtype")) {
    p.param_dtype = read_dtype(*dtype);
    const bool half = p.dtype == Dtype::bf16 || p.dtype == Dtype::f16;
    if (p.param_dtype != p.dtype && !(half && p.param_dtype == Dtype::f32))
      dtype->fail("the dtype of x was expected, or f32 where that is bf16 or f16");
  }
  const auto weight = node.find("weight"), bias = node.find("bias");
  const auto mean = node.find("running_mean"), var = node.find("running_var");
  p.weight = weight.has_value();
  p.bias = bias.has_value();
  p.track = mean.has_value();
  if (mean.has_value() != var.has_value())
    node.fail("running_mean and running_var must both be there or both be null");
  if (weight) to.inputs.weight = weight->numbers(channels, p.param_dtype);
  if (bias) to.inputs.bias = bias->numbers(channels, p.param_dtype);
  if (mean) to.inputs.running_mean = mean->numbers(channels, p.param_dtype);
  if (var) to.inputs.running_var = var->numbers(channels, p.param_dtype);
  p.eps = node.at("eps").number();

  const Node tolerance = node.at("tolerance");
  tolerance.members({"abs", "rel"});
  to.abs = tolerance.at("abs").not_negative();
  to.rel = tolerance.at("rel").not_negative();
  if (const auto wrong = node.find("known_wrong")) to.known_wrong = wrong->flag();
  if (const auto notes = node.find("notes")) notes->text();
  if (const auto converted = node.find("converted")) converted->flag();

  Exec exec;
  if (const auto layout = node.find("layout")) {
    if (layout->text() != "nhwc")
      layout->fail(
          fmt::format("'{}' is not a layout; \"nhwc\" is, or no layout at all", layout->text()));
    exec.x = exec.y = exec.dy = exec.dx = Layout::nhwc;
  }
  to.value.exec = exec;
}

VectorCase read_case(const Node& node, std::string_view file) {
  node.members({"name",        "source",    "dtype",          "param_dtype", "layout",
                "x_shape",     "x",         "weight",         "bias",        "running_mean",
                "running_var", "eps",       "training",       "momentum",    "cumulative",
                "dy",          "expect",    "expect_correct", "accuracy",    "tolerance",
                "activation",  "converted", "known_wrong",    "steps",       "notes"});
  VectorCase to;
  to.file = file;
  to.name = node.at("name").text();
  const auto steps = node.find("steps");
  if (steps && steps->array().size() == 0) steps->fail("at least one step was expected");
  if (steps)
    for (const char* key :
         {"x_shape", "x", "training", "dy", "expect", "expect_correct", "accuracy"})
      if (const auto stray = node.find(key))
        stray->fail("belongs into the steps of a case that has steps");

  const Node first = steps ? (*steps)[0] : node;
  read_layer(node, read_shape(first.at("x_shape")).c, to);
  Produced produced;
  produced.tracked = to.value.problem.track;
  if (const auto activation = node.find("activation")) {
    produced.relu = activation->text() == "relu";
    if (!produced.relu)
      activation->fail(fmt::format("'{}' is not an activation; \"relu\" is", activation->text()));
  }
  for (std::size_t i = 0; i < (steps ? steps->size() : 1); ++i) {
    if (!steps) {
      read_step(node, produced, to);
      continue;
    }
    (*steps)[i].members({"x_shape", "x", "training", "dy", "expect", "expect_correct", "accuracy"});
    read_step((*steps)[i], produced, to);
  }
  Problem& p = to.value.problem;
  const bool trains =
      std::any_of(p.run.begin(), p.run.end(), [](const Step& s) { return s.op == Op::train; });
  p.momentum = read_momentum(node, trains && p.track);
  if (const auto why = defect(to.value); !why.empty()) node.fail(std::string(why));
  return to;
}

/// The position of a byte as people count.
std::string line_and_column(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte > 0 ? byte - 1 : 0, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t start = before.rfind('\n');
  const std::size_t column =
      start == std::string_view::npos ? before.size() + 1 : before.size() - start;
  return fmt::format("{}:{}", line, column);
}

/// Throws for malformed text. A key that stands twice is malformed too: which of the two would
/// count?
Json parse_json(std::string_view text, std::string_view file) {
  std::vector<std::set<std::string>> open;
  auto watch = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end) open.pop_back();
    if (event == Json::parse_event_t::key && !open.back().insert(value.get<std::string>()).second)
      throw VectorsError(
          fmt::format("{}: key '{}' stands twice in one object", file, value.get<std::string>()));
    return true;
  };
  try {
    return Json::parse(text, watch);
  } catch (const Json::parse_error& e) {
    std::string what = e.what();
    if (const auto at = what.rfind("; "); at != std::string::npos) what = what.substr(at + 2);
    throw VectorsError(
        fmt::format("{}:{}: malformed JSON: {}", file, line_and_column(text, e.byte), what));
  } catch (const Json::exception& e) {
    throw VectorsError(fmt::format("{}: malformed JSON: {}", file, e.what()));
  }
}

}  // namespace

std::string_view name(Published output) {
  constexpr std::string_view kNames[] = {"y",         "running_mean",    "running_var",
                                         "save_mean", "save_var_biased", "dx",
                                         "dweight",   "dbias",           "y_activated"};
  return kNames[static_cast<std::size_t>(output)];
}

std::vector<VectorCase> read_vectors(std::string_view text, std::string_view file) {
  const Json json = parse_json(text, file);
  const Node root(json, file, "");
  root.members({"schema", "source", "cases"});
  if (root.at("schema").text() != "truenorm-vectors/1")
    root.at("schema").fail(
        fmt::format("'{}' is not \"truenorm-vectors/1\"", root.at("schema").text()));
  const Node list = root.at("cases");
  list.array();
  std::vector<VectorCase> cases;
  std::set<std::string> names;
  for (std::size_t i = 0; i < list.size(); ++i) {
    for (const Node& owner : {root, list[i]})
      if (const auto source = owner.find("source"))
        source->members({"repo", "path", "revision", "licence"});
    cases.push_back(read_case(list[i], file));
    if (!names.insert(cases.back().name).second)
      list[i].at("name").fail("this name stands twice in the file");
  }
  return cases;
}

}  // namespace truenorm::oracle
