// The classes that a generator must reach. One entry here, and the census counts it and the test of
// generators demands it.
#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "numbers.h"
#include "sample.h"

namespace truenorm::oracle {
namespace {

using Test = std::function<bool(const Case&)>;

Layout input_layout(const Case& c) { return c.exec ? c.exec->x : Layout::nchw; }

/// |mean|/sigma that the data of x are made with; -1 where the distribution does not say.
double cancellation(const Dist& dist) {
  if (dist.kind == DistKind::cancel) return dist.a;
  if (dist.kind == DistKind::normal && dist.b > 0) return std::fabs(dist.a) / dist.b;
  return -1;
}

/// The spread that the data of x are made with; -1 where the distribution does not say.
double magnitude(const Dist& dist) {
  return dist.kind == DistKind::normal && dist.b > 0 ? dist.b : -1;
}

int count(const Problem& p, Op op) {
  return static_cast<int>(
      std::count_if(p.run.begin(), p.run.end(), [op](const Step& step) { return step.op == op; }));
}

bool only(const Problem& p, std::initializer_list<Op> ops) {
  return std::all_of(p.run.begin(), p.run.end(), [ops](const Step& step) {
    return std::find(ops.begin(), ops.end(), step.op) != ops.end();
  });
}

bool changes_batch(const Problem& p) {
  return std::any_of(p.run.begin(), p.run.end(),
                     [](const Step& step) { return step.batch != Step::kSameBatch; });
}

/// A backward right after an evaluation.
bool eval_backward(const Problem& p) {
  for (std::size_t i = 1; i < p.run.size(); ++i)
    if (p.run[i].op == Op::backward && p.run[i - 1].op == Op::eval) return true;
  return false;
}

bool backward_first(const Problem& p) {
  const auto first =
      std::find_if(p.run.begin(), p.run.end(), [](const Step& step) { return has_data(step.op); });
  return first != p.run.end() && first->op == Op::backward;
}

bool mismatched_backward(const Problem& p) {
  for (std::size_t i = 1; i < p.run.size(); ++i)
    if (p.run[i].op == Op::backward && p.run[i].batch != Step::kSameBatch &&
        is_forward(p.run[i - 1].op) && p.run[i].batch != batch_of(p, i - 1))
      return true;
  return false;
}

/// A backward before which, since its forward, the layer met one of these.
bool backward_after(const Problem& p, std::initializer_list<Op> ops) {
  bool changed = false;
  for (const Step& step : p.run) {
    if (step.op == Op::backward && changed) return true;
    const bool changes = std::find(ops.begin(), ops.end(), step.op) != ops.end();
    changed = !is_forward(step.op) && (changed || changes);
  }
  return false;
}

bool any_size(const Shape& shape, std::int64_t size) {
  const auto end = shape.s.begin() + shape.spatial_rank;
  return shape.n == size || shape.c == size || std::find(shape.s.begin(), end, size) != end;
}

bool beside_power_of_two(std::int64_t size) {
  for (std::int64_t power = 4; power <= kMaxElements; power *= 2)
    if (size == power - 1 || size == power + 1) return true;
  return false;
}

class List {
 public:
  void add(std::string area, std::string name, Test holds) {
    classes_.push_back({std::move(area), std::move(name), std::move(holds)});
  }
  /// As add(), for a test of the problem alone.
  template <typename Holds>
  void problem(const std::string& area, const std::string& name, Holds holds) {
    add(area, name, [holds](const Case& c) { return holds(c.problem); });
  }
  std::vector<Class> take() { return std::move(classes_); }

 private:
  std::vector<Class> classes_;
};

void add_enumerations(List& list) {
  for (int i = 0; i < kLayouts; ++i)
    list.add("layout", std::string(name(static_cast<Layout>(i))),
             [i](const Case& c) { return input_layout(c) == static_cast<Layout>(i); });
  for (const auto& [data, params] : kDtypePairs)
    list.problem(
        "dtype", std::string(name(data)) + (data == params ? "" : "/" + std::string(name(params))),
        [d = data, q = params](const Problem& p) { return p.dtype == d && p.param_dtype == q; });
  for (int i = 0; i < kDistKinds; ++i) {
    const auto kind = static_cast<DistKind>(i);
    list.problem("distribution of x", std::string(name(kind)),
                 [kind](const Problem& p) { return p.x.kind == kind; });
    list.problem("distribution of dy", std::string(name(kind)),
                 [kind](const Problem& p) { return p.dy.kind == kind; });
  }
  for (int i = 0; i < kOps; ++i)
    list.problem("step", std::string(1, letter(static_cast<Op>(i))),
                 [i](const Problem& p) { return count(p, static_cast<Op>(i)) > 0; });
}

void add_shapes(List& list) {
  const auto dense = [](const Case& c) {
    return input_layout(c) == Layout::nchw && c.problem.shape.spatial_rank > 0;
  };
  list.add("regime", "large planes",
           [dense](const Case& c) { return dense(c) && c.problem.shape.plane() >= 1024; });
  list.add("regime", "small planes",
           [dense](const Case& c) { return dense(c) && c.problem.shape.plane() < 1024; });
  list.add("regime", "channels innermost", [](const Case& c) {
    return input_layout(c) == Layout::nhwc ||
           (input_layout(c) == Layout::nchw && c.problem.shape.spatial_rank == 0);
  });
  list.add("regime", "strided", [](const Case& c) {
    return input_layout(c) != Layout::nchw && input_layout(c) != Layout::nhwc;
  });
  for (int rank = 2; rank <= 5; ++rank)
    list.problem("rank", std::to_string(rank),
                 [rank](const Problem& p) { return p.shape.rank() == rank; });
  for (const std::int64_t size : {0, 1})
    list.problem("shape", "a size " + std::to_string(size),
                 [size](const Problem& p) { return any_size(p.shape, size); });
  list.problem("shape", "one value a channel",
               [](const Problem& p) { return p.shape.per_channel() == 1; });
  list.problem("shape", "a size past 65536", [](const Problem& p) {
    return std::max({p.shape.n, p.shape.c, p.shape.plane()}) > 65536;
  });
  list.problem("shape", "one channel", [](const Problem& p) { return p.shape.c == 1; });
  list.problem("shape", "prime channels",
               [](const Problem& p) { return p.shape.c > 2 && is_prime(p.shape.c); });
  list.problem("shape", "channels beside a power of two",
               [](const Problem& p) { return beside_power_of_two(p.shape.c); });
  list.problem("shape", "a plane beside a power of two",
               [](const Problem& p) { return beside_power_of_two(p.shape.plane()); });
  for (const std::int64_t limit : {10, 100, 1000, 10000, 100000})
    list.problem("elements", "up to " + std::to_string(limit), [limit](const Problem& p) {
      return p.shape.numel() <= limit && p.shape.numel() > (limit == 10 ? -1 : limit / 10);
    });
}

void add_programs(List& list) {
  list.problem("program", "training alone",
               [](const Problem& p) { return p.run.size() == 1 && p.run[0].op == Op::train; });
  list.problem("program", "evaluation alone", [](const Problem& p) { return only(p, {Op::eval}); });
  list.problem("program", "training with backward", [](const Problem& p) {
    return only(p, {Op::train, Op::backward}) && count(p, Op::backward) > 0;
  });
  list.problem("program", "training, then evaluation", [](const Problem& p) {
    return p.run.back().op == Op::eval && count(p, Op::train) > 0;
  });
  list.problem("program", "backward of an evaluation", eval_backward);
  list.problem("program", "another batch", changes_batch);
  list.problem("program", "backward first", backward_first);
  list.problem("program", "backward of another size", mismatched_backward);
  list.problem("program", "backward of a layer set, copied or moved", [](const Problem& p) {
    return backward_after(p, {Op::set_eps, Op::copy, Op::move});
  });
  list.problem("program", "backward of a layer reset or loaded", [](const Problem& p) {
    return backward_after(p, {Op::reset_stats, Op::reset_params, Op::save_load});
  });
  list.problem("program", "tracking toggled", [](const Problem& p) {
    return count(p, Op::track_off) + count(p, Op::track_on) > 0;
  });
  list.problem("program", "four trainings or more",
               [](const Problem& p) { return count(p, Op::train) >= 4; });
  list.problem("program", "eight steps or more",
               [](const Problem& p) { return p.run.size() >= 8; });
}

void add_options(List& list) {
  const auto momentum = [&list](const std::string& name, auto holds) {
    list.problem("momentum", name, [holds](const Problem& p) {
      return !p.momentum.cumulative && holds(p.momentum.value);
    });
  };
  list.problem("momentum", "cum", [](const Problem& p) { return p.momentum.cumulative; });
  momentum("0", [](double m) { return m == 0; });
  momentum("0.1", [](double m) { return m == 0.1; });
  momentum("between 0 and 1", [](double m) { return m > 0 && m < 1 && m != 0.1; });
  momentum("1", [](double m) { return m == 1; });
  momentum("above 1", [](double m) { return m > 1; });
  momentum("negative", [](double m) { return m < 0; });
  momentum("nan", [](double m) { return std::isnan(m); });
  for (const double value : {0.0, 1e-12, 1e-5, 1.0})
    list.problem("eps",
                 value == 0     ? "0"
                 : value == 1   ? "1"
                 : value < 1e-8 ? "1e-12"
                                : "1e-05",
                 [value](const Problem& p) { return p.eps == value; });
  list.problem("eps", "negative", [](const Problem& p) { return p.eps < 0; });
  for (const int affine : {0, 1, 2, 3}) {
    const bool weight = (affine & 1) != 0, bias = (affine & 2) != 0;
    list.problem("affine",
                 affine == 0 ? "none" : std::string(weight ? "g" : "") + (bias ? "b" : ""),
                 [weight, bias](const Problem& p) { return p.weight == weight && p.bias == bias; });
  }
  const auto renorm = [&list](const std::string& name, auto holds) {
    list.problem("renorm", name,
                 [holds](const Problem& p) { return p.renorm && p.track && holds(*p.renorm); });
  };
  list.problem("renorm", "off", [](const Problem& p) { return !p.renorm; });
  renorm("3,5", [](const Renorm& r) { return r == Renorm{3, 5}; });
  renorm("tight r", [](const Renorm& r) { return r.r_max < 2; });
  renorm("tight d", [](const Renorm& r) { return r.d_max < 1; });
  renorm("loose", [](const Renorm& r) { return r.r_max > 100 && std::isfinite(r.r_max); });
  renorm("unbounded", [](const Renorm& r) { return std::isinf(r.r_max); });
  for (const bool track : {true, false})
    list.problem("stats", track ? "on" : "off",
                 [track](const Problem& p) { return p.track == track; });
}

void add_data(List& list) {
  for (int decade = 0; decade <= 8; ++decade) {
    const double low = std::pow(10, decade) * 0.5, high = low * 10;
    list.problem("mean/sigma", "1e" + std::to_string(decade), [low, high](const Problem& p) {
      const double ratio = cancellation(p.x);
      return ratio >= low && ratio < high;
    });
  }
  for (int decade = -38; decade <= 34; decade += 8) {
    const double low = std::pow(10, decade) * 0.5, high = low * 1e8;
    list.problem("magnitude", "1e" + std::to_string(decade) + " to 1e" + std::to_string(decade + 8),
                 [low, high](const Problem& p) {
                   const double spread = magnitude(p.x);
                   return spread >= low && spread < high;
                 });
  }
}

void add_execs(List& list) {
  const auto exec = [&list](const std::string& name, auto holds) {
    list.add("exec", name, [holds](const Case& c) { return c.exec && holds(*c.exec); });
  };
  exec("one thread", [](const Exec& e) { return e.threads == 1; });
  exec("threads", [](const Exec& e) { return e.threads > 1; });
  exec("isa best", [](const Exec& e) { return e.isa == Isa::best; });
  exec("isa scalar", [](const Exec& e) { return e.isa == Isa::scalar; });
  exec("misaligned", [](const Exec& e) { return e.skew > 0; });
  exec("in place", [](const Exec& e) { return e.inplace; });
  exec("strided parameters", [](const Exec& e) { return e.strided_params; });
  exec("dense parameters", [](const Exec& e) { return !e.strided_params; });
  exec("y laid out unlike x", [](const Exec& e) { return e.y != e.x && e.x != Layout::expanded; });
}

}  // namespace

const std::vector<Class>& classes() {
  static const std::vector<Class> all = [] {
    List list;
    add_enumerations(list);
    add_shapes(list);
    add_programs(list);
    add_options(list);
    add_data(list);
    add_execs(list);
    return list.take();
  }();
  return all;
}

void Census::add(const Case& c) {
  const std::vector<Class>& all = classes();
  counts_.resize(all.size());
  ++total_;
  for (std::size_t i = 0; i < all.size(); ++i) counts_[i] += all[i].holds(c) ? 1 : 0;
}

void Census::add(const Census& other) {
  total_ += other.total_;
  counts_.resize(classes().size());
  for (std::size_t i = 0; i < other.counts_.size(); ++i) counts_[i] += other.counts_[i];
}

std::map<std::pair<std::string, std::string>, std::uint64_t> Census::counts() const {
  const std::vector<Class>& all = classes();
  std::map<std::pair<std::string, std::string>, std::uint64_t> table;
  for (std::size_t i = 0; i < all.size(); ++i)
    table[{all[i].area, all[i].name}] = i < counts_.size() ? counts_[i] : 0;
  return table;
}

}  // namespace truenorm::oracle
