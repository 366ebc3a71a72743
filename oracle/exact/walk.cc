#include "walk.h"

#include <algorithm>

namespace truenorm::oracle::exact {

namespace {

constexpr std::array<std::string_view, 8> kStatTerms{
    "error of the sums", "roundings", "carried over", "store", "", "", "", ""};

/// The format that has this unit roundoff.
Format saved_as(double unit) {
  if (unit == kUBf16) return format(Dtype::bf16);
  if (unit == kUF16) return format(Dtype::f16);
  return format(unit == kU32 ? Dtype::f32 : Dtype::f64);
}

/// Balls of the values, which are `absent` where there are none.
void set_balls(std::vector<Ball>& balls, const std::vector<double>& values, std::size_t count,
               double absent) {
  balls.resize(count);
  for (std::size_t i = 0; i < count; ++i) balls[i] = exactly(values.empty() ? absent : values[i]);
}

/// A statistic as it is stored and judged.
Element stored(const Ball& ball, double unit, const Format& format) {
  Element e;
  e.kind = ball.kind;
  e.scale = std::max(ball.scale, std::abs(ball.mid.hi));
  if (ball.kind != Kind::finite) return e;
  e.terms[0] = ball.radius;
  e.terms[3] = store_term(format, unit, ball.upper());
  finish(e, ball.mid, format);
  return e;
}

Ball ball_of(const Element& e) {
  return {DD(e.mid, e.low), e.kind == Kind::finite ? e.radius : 0, e.kind, e.scale};
}

/// A stored statistic as it is read again: anything, where it may have become Inf.
Ball read_back(const Ball& ball, const Format& format) {
  const bool straddles =
      ball.kind == Kind::finite && ball.radius > 0 && ball.upper() >= format.max_finite;
  return straddles ? Ball{0, 0, Kind::any} : ball;
}

Channel channel_of(const std::vector<double>& values, const Shape& shape, std::int64_t channel) {
  const std::int64_t plane = shape.plane();
  return {values.data() + channel * plane, shape.n, plane, shape.c * plane};
}

void resize(Balls& balls, std::size_t size, bool wide) {
  const auto set = [size](auto& values) {
    values.clear();
    values.resize(size);
  };
  set(balls.mid);
  set(balls.radius);
  set(balls.kind);
  set(balls.scale);
  balls.low.clear();
  if (wide) balls.low.resize(size);
}

void reserve(Balls& balls, std::size_t size, bool wide, const Format& format) {
  balls.max_finite = format.max_finite;
  balls.min_positive = format.min_positive;
  resize(balls, size, wide);
}

/// As a new one, but for its memory.
void clear(StepAnswer& a) {
  for (Balls* balls : {&a.y, &a.save_mean, &a.save_invstd, &a.dx, &a.dweight, &a.dbias,
                       &a.running_mean, &a.running_var}) {
    balls->max_finite = balls->min_positive = 0;
    resize(*balls, 0, false);
  }
  a.num_batches_tracked = -1;
}

}  // namespace

Walk::Walk(const Problem& problem, const Inputs* inputs, const Contract* contract, Probe* probe)
    : problem_(problem),
      inputs_(inputs),
      contract_(contract),
      probe_(probe),
      data_(format(problem.dtype)),
      param_(format(problem.param_dtype)),
      eps_(problem.eps),
      momentum_(problem.momentum),
      track_(problem.track),
      buffers_(problem.track) {
  if (!inputs_) return;
  save_ = saved_as(contract_->save_unit);
  weight_ = inputs_->weight;
  bias_ = inputs_->bias;
  set_balls(running_mean_, inputs_->running_mean, inputs_->running_mean.size(), 0);
  set_balls(running_var_, inputs_->running_var, inputs_->running_var.size(), 1);
}

void Walk::push(Balls& balls, Output output, const Element& e,
                const std::array<std::string_view, 8>& names) {
  const std::size_t i = index_++;
  balls.mid[i] = e.mid;
  balls.radius[i] = e.radius;
  balls.kind[i] = e.kind;
  balls.scale[i] = e.scale;
  if (!balls.low.empty()) balls.low[i] = e.low;
  note(output, i, e, names);
}

void Walk::note(Output output, std::size_t element, const Element& e,
                const std::array<std::string_view, 8>& names) {
  if (!probe_ || probe_->output != output || probe_->element != element) return;
  probe_->terms.clear();
  if (e.kind != Kind::finite) return;
  for (std::size_t t = 0; t < e.terms.size(); ++t)
    if (!names[t].empty()) probe_->terms.push_back({std::string(names[t]), e.terms[t]});
}

// LibTorch's order: the test for one value per channel comes before the empty tensor, that before
// the missing statistics.
Refusal Walk::refusal(std::size_t index) const {
  const Step& step = problem_.run[index];
  const Shape shape = problem_.shape.with_batch(batch_of(problem_, index));
  switch (step.op) {
    case Op::train:
    case Op::eval:
      if (uses_batch(step.op))
        return shape.per_channel() == 1 ? Refusal::one_value_per_channel : Refusal::none;
      return !buffers_ && shape.numel() != 0 ? Refusal::missing_statistics : Refusal::none;
    case Op::backward:
      if (!last_) return Refusal::no_forward;
      return shape.n != last_->batch ? Refusal::shape_mismatch : Refusal::none;
    case Op::reset_stats:
    case Op::reset_params:
      return track_ && !buffers_ ? Refusal::missing_statistics : Refusal::none;
    case Op::save_load:
    case Op::track_off:
    case Op::track_on:
    case Op::set_eps:
    case Op::set_momentum:
    case Op::copy:
    case Op::move:
      break;
  }
  return Refusal::none;
}

void Walk::step(std::size_t index, StepAnswer& answer) {
  clear(answer);
  answer.refused = refusal(index);
  if (answer.refused == Refusal::none) {
    switch (problem_.run[index].op) {
      case Op::train:
      case Op::eval:
        forward(index, answer);
        break;
      case Op::backward:
        if (inputs_) backward(index, answer);
        break;
      case Op::reset_params:
        std::fill(weight_.begin(), weight_.end(), 1.0);
        std::fill(bias_.begin(), bias_.end(), 0.0);
        reset_stats();
        break;
      case Op::reset_stats:
        reset_stats();
        break;
      case Op::track_off:
        track_ = false;
        break;
      case Op::track_on:
        track_ = true;
        break;
      case Op::set_eps:
        eps_ = problem_.run[index].eps;
        break;
      case Op::set_momentum:
        momentum_ = problem_.run[index].momentum;
        break;
      case Op::save_load:
      case Op::copy:
      case Op::move:
        break;
    }
  }
  state(answer);
}

void Walk::give(const Given& given) {
  const auto channels = static_cast<std::size_t>(problem_.shape.c);
  remember(0, batch_of(problem_, 0), true);
  set_balls(last_->mean, given.mean, channels, 0);
  set_balls(last_->invstd, given.invstd, channels, 0);
  set_balls(last_->weight, weight_, channels, 1);
  for (std::size_t i = 0; i < given.r.size(); ++i) {
    last_->correction.push_back({exactly(given.r[i]), exactly(given.d[i])});
    last_->weight[i] = scaled(ieee(last_->weight[i]), last_->correction[i].r, *contract_);
  }
}

void Walk::reset_stats() {
  if (!track_ || !buffers_) return;
  if (probe_) probe_->terms.clear();
  batches_ = 0;
  for (Ball& ball : running_mean_) ball = {};
  for (Ball& ball : running_var_) ball = {1};
}

void Walk::state(StepAnswer& answer) const {
  if (!buffers_) return;
  answer.num_batches_tracked = batches_;
  if (!inputs_) return;
  for (auto [balls, from] : {std::pair{&answer.running_mean, &running_mean_},
                             std::pair{&answer.running_var, &running_var_}}) {
    reserve(*balls, from->size(), true, param_);
    for (std::size_t c = 0; c < from->size(); ++c) {
      const Ball& ball = (*from)[c];
      balls->mid[c] = ball.mid.hi;
      balls->low[c] = ball.mid.lo;
      balls->radius[c] = ball.radius;
      balls->kind[c] = ball.kind;
      balls->scale[c] = std::max(ball.scale, std::abs(ball.mid.hi));
    }
  }
}

void Walk::remember(std::size_t index, std::int64_t batch, bool training) {
  if (!last_) last_.emplace();
  last_->step = index;
  last_->batch = batch;
  last_->training = training;
  last_->eps = eps_;
  last_->correction.clear();
}

void Walk::forward(std::size_t index, StepAnswer& answer) {
  const Op op = problem_.run[index].op;
  const Shape shape = problem_.shape.with_batch(batch_of(problem_, index));
  const bool batch = uses_batch(op);
  double factor = 0;
  if (op == Op::train && track_ && buffers_) {
    batches_ += 1;
    factor = momentum_.cumulative ? 1 / batches_ : momentum_.value;
  }
  remember(index, shape.n, batch);
  if (!inputs_) return;
  const auto channels = static_cast<std::size_t>(shape.c);
  last_->mean.assign(channels, {});
  last_->invstd.assign(channels, {});
  set_balls(last_->weight, weight_, channels, 1);
  set_balls(last_->bias, bias_, channels, 0);
  sigma_.assign(channels, 0);
  reserve(answer.y, static_cast<std::size_t>(shape.numel()), problem_.dtype == Dtype::f64, data_);
  if (shape.numel() == 0) return;
  if (batch)
    train(index, shape, factor, answer);
  else
    evaluate(index, shape, answer);
}

void Walk::train(std::size_t index, const Shape& shape, double factor, StepAnswer& answer) {
  const Contract& c = *contract_;
  const bool update = problem_.run[index].op == Op::train && track_ && buffers_;
  const auto channels = static_cast<std::size_t>(shape.c);
  reserve(answer.save_mean, channels, true, save_);
  reserve(answer.save_invstd, channels, true, save_);
  statistics_.clear();
  for (std::int64_t i = 0; i < shape.c; ++i)
    statistics_.push_back(
        batch_statistics(moments(channel_of(inputs_->step[index], shape, i)), c, eps_));
  for (std::size_t i = 0; i < channels; ++i) {
    const Statistics& found = statistics_[i];
    last_->mean[i] = found.mean;
    last_->invstd[i] = found.invstd;
    if (found.var.kind == Kind::finite) sigma_[i] = std::sqrt(found.var.mid.hi);
    if (update && problem_.renorm) renormalize(i, found);
    if (update) update_running(i, found, static_cast<double>(shape.per_channel()), factor);
  }
  transform(index, shape, answer);
  // Handed out with the rounding of their dtype, which the backward may or may not read.
  for (auto [balls, output, from] :
       {std::tuple{&answer.save_mean, Output::save_mean, &last_->mean},
        std::tuple{&answer.save_invstd, Output::save_invstd, &last_->invstd}}) {
    index_ = 0;
    for (std::size_t i = 0; i < channels; ++i) {
      Element e = stored((*from)[i], 0, save_);
      e.scale = std::max(e.scale, output == Output::save_mean ? sigma_[i] : 0);
      push(*balls, output, e, kStatTerms);
      if (c.backward_from_saved) (*from)[i] = read_back(ball_of(e), save_);
    }
  }
}

void Walk::renormalize(std::size_t channel, const Statistics& statistics) {
  const Correction k =
      correction(statistics, read_back(running_mean_[channel], param_),
                 read_back(running_var_[channel], param_), *problem_.renorm, eps_, *contract_);
  Ball &weight = last_->weight[channel], &bias = last_->bias[channel];
  bias = shifted(ieee(bias), ieee(weight), k.d, *contract_);
  weight = scaled(ieee(weight), k.r, *contract_);
  last_->correction.push_back(k);
}

void Walk::evaluate(std::size_t index, const Shape& shape, StepAnswer& answer) {
  const auto channels = static_cast<std::size_t>(shape.c);
  for (std::size_t i = 0; i < channels; ++i) {
    const Ball var = read_back(running_var_[i], param_);
    last_->mean[i] = read_back(running_mean_[i], param_);
    last_->invstd[i] =
        inverse_std(var, eps_, contract_->eps_unit, contract_->eval_invstd_unit, false);
    const double largest = std::max(last_->invstd[i].upper(), var.upper() + std::abs(eps_));
    if (last_->invstd[i].kind == Kind::finite && largest > contract_->overflow())
      last_->invstd[i].kind = Kind::any;
  }
  transform(index, shape, answer);
}

void Walk::transform(std::size_t index, const Shape& shape, StepAnswer& answer) {
  const std::int64_t plane = shape.plane();
  const std::vector<double>& x = inputs_->step[index];
  for (std::int64_t i = 0; i < shape.c; ++i) {
    const auto c = static_cast<std::size_t>(i);
    const Forward element({last_->mean[c], last_->invstd[c], last_->weight[c], last_->bias[c],
                           sigma_[c], problem_.dtype == Dtype::f64,
                           gamma(contract_->forward_roundings, contract_->unit), data_,
                           *contract_});
    for (std::int64_t n = 0; n < shape.n; ++n) {
      index_ = static_cast<std::size_t>((n * shape.c + i) * plane);
      for (std::int64_t s = 0; s < plane; ++s)
        push(answer.y, Output::y, element.at(x[index_]), Forward::kTerms);
    }
  }
}

// running = factor*stat + (1 - factor)*running, with the unbiased variance. One rounding each for
// factor, 1 - factor, two products, the sum; two more for var*n/(n-1). Higham 2002, Lemma 3.1.
// Each of the two products, and each of the two behind factor, may underflow by half a spacing; factor
// itself, where it is rounded.
void Walk::update_running(std::size_t channel, const Statistics& statistics, double count,
                          double factor) {
  const Contract& c = *contract_;
  const auto update = [&](Output output, Ball& held, const Ball& stat, double scale,
                          int roundings) {
    const Ball running = read_back(held, param_);
    if (stat.kind == Kind::any || running.kind == Kind::any) {
      held = {0, 0, Kind::any};
      return;
    }
    const double limit = saved_as(std::max(c.run_unit, c.factor_unit)).max_finite / 2;
    const double added = factor * (ieee(stat) * scale), kept = (1 - factor) * ieee(running);
    const bool finite = stat.kind == Kind::finite && running.kind == Kind::finite;
    const bool nan = stat.kind == Kind::nan || running.kind == Kind::nan;
    // The update's own arithmetic may leave its range, the factor already; and an Inf may meet a
    // factor, or what is left of 1, that has become 0.
    const auto beyond = [&](double v) { return std::isfinite(v) && std::abs(v) > limit; };
    const auto vanishes = [](double v, double least) { return v != 0 && std::abs(v) <= least; };
    const bool left = beyond(factor) || beyond(1 - factor) || beyond(added) || beyond(kept) ||
                      beyond(scale * stat.upper()) ||
                      (finite && std::isfinite(factor) && !std::isfinite(added + kept));
    const bool lost =
        (stat.kind != Kind::finite && vanishes(factor, c.underflow())) ||
        (running.kind != Kind::finite && vanishes(1 - factor, c.factor_unit + c.run_unit));
    if (!nan && (left || lost)) {
      held = {0, 0, Kind::any};
      return;
    }
    if (!finite || !std::isfinite(factor)) {
      held = {0, 0, kind_of(added + kept)};
      return;
    }
    const DD part = DD(factor) * stat.mid * (DD(count) / DD(count - (scale == 1 ? 0 : 1)));
    const DD rest = (DD(1) - DD(factor)) * running.mid;
    Element next;
    const double fresh = std::abs(factor) * scale * stat.radius,
                 carried = std::abs(1 - factor) * running.radius;
    const double size = std::abs(part.hi) + fresh + std::abs(rest.hi) + carried;
    const double factors =
        c.factor_unit *
        (std::abs(factor) * (scale * stat.upper() + running.upper()) + std::abs(rest.hi) + carried);
    next.terms[0] = fresh;
    const double rounded = c.factor_unit > 0 ? scale * stat.upper() : 0;
    next.terms[1] = factors + gamma(roundings, c.run_unit) * size +
                    multiple(1 + std::abs(factor) + rounded, c.underflow());
    next.terms[2] = carried;
    const DD sum = part + rest;
    next.scale = std::max({stat.scale, std::abs(stat.mid.hi), running.scale,
                           std::abs(running.mid.hi), std::abs(sum.hi)});
    next.terms[3] =
        store_term(param_, c.run_unit, std::abs(sum.hi) + next.terms[0] + next.terms[1] + carried);
    finish(next, sum, param_);
    note(output, channel, next, kStatTerms);
    held = ball_of(next);
  };
  update(Output::running_mean, running_mean_[channel], statistics.mean, 1, 3);
  update(Output::running_var, running_var_[channel], statistics.var, count / (count - 1), 5);
}

// dweight = dot*invstd*r + d*sum(dy), where r and d are 1 and 0 without renormalization: three roundings
// on the way of dot*invstd*r and two on the other, then; two of dot*invstd. Where dy*(x^*r + d) is summed
// instead, with 1 and 0 at that, each of its terms may underflow, and before it x^ and x^*r.
Element Walk::weight_gradient(const Products& p, std::size_t channel) const {
  const Contract& c = *contract_;
  const Ball& invstd = last_->invstd[channel];
  const bool renormed = !last_->correction.empty();
  const Correction k = renormed ? last_->correction[channel] : Correction{};
  const auto any_is = [&](Kind kind) {
    return p.dot.kind == kind || invstd.kind == kind || k.r.kind == kind || k.d.kind == kind;
  };
  Element e;
  if (any_is(Kind::nan)) {
    e.kind = Kind::nan;
    return e;
  }
  // Infs of both signs in dy make sum(dy) NaN, but not sum(dy*(r*x^ + d)): there d may turn a sign.
  const bool shifts = k.d.kind != Kind::finite || k.d.upper() > 0;
  const bool finite = !any_is(Kind::any) && !any_is(Kind::pos_inf) && !any_is(Kind::neg_inf);
  if (!finite || (shifts && p.dy_sum.kind != Kind::finite)) {
    const bool inf = !renormed && p.dot.kind != Kind::any && invstd.kind == Kind::finite &&
                     invstd.mid.hi - invstd.radius > 0;
    e.kind = inf ? p.dot.kind : Kind::any;
    return e;
  }
  const double factor = invstd.upper() * k.r.upper();
  const double terms = c.dot_normalized ? p.count + (1 + k.r.upper()) * p.dy_scale : 0;
  const double size = p.dot.upper() * factor + k.d.upper() * p.dy_sum.upper();
  e.terms[0] = p.dot.radius * factor + k.d.upper() * p.dy_sum.radius;
  e.terms[1] = std::abs(p.dot.mid.hi) * (invstd.radius * k.r.upper() + invstd.mid.hi * k.r.radius) +
               std::abs(p.dy_sum.mid.hi) * k.d.radius +
               gamma(renormed ? 3 : 2, std::max(c.unit, kU64)) * size +
               multiple((renormed ? 2 + k.r.upper() : 1) + terms, c.underflow());
  e.terms[3] = store_error(param_, size);
  e.scale = (p.dot_scale + p.dy_scale * std::sqrt(std::max(last_->eps, 0.0))) * invstd.mid.hi *
                k.r.mid.hi +
            k.d.upper() * p.dy_scale;
  finish(e, p.dot.mid * invstd.mid * k.r.mid + k.d.mid * p.dy_sum.mid, param_);
  if (size > c.overflow() / 2) e.kind = Kind::any;
  return e;
}

void Walk::backward(std::size_t index, StepAnswer& answer) {
  const Contract& c = *contract_;
  const Shape shape = problem_.shape.with_batch(last_->batch);
  const auto channels = static_cast<std::size_t>(shape.c);
  const std::vector<double>&x = inputs_->step[last_->step], &dy = inputs_->step[index];
  reserve(answer.dx, static_cast<std::size_t>(shape.numel()), problem_.dtype == Dtype::f64, data_);
  reserve(answer.dweight, channels, true, param_);
  reserve(answer.dbias, channels, true, param_);
  const std::int64_t plane = shape.plane();
  for (std::int64_t i = 0; i < shape.c; ++i) {
    const auto k = static_cast<std::size_t>(i);
    const Ball &mean = last_->mean[k], &invstd = last_->invstd[k];
    const bool empty = shape.numel() == 0;
    const Products p =
        empty ? Products{} : products(channel_of(x, shape, i), channel_of(dy, shape, i), mean, c);
    Element dweight = weight_gradient(p, k), dbias = stored(p.dy_sum, 0, param_);
    if (empty) dweight = dbias = {};
    dbias.scale = p.dy_scale;
    index_ = k;
    push(answer.dweight, Output::dweight, dweight, kStatTerms);
    index_ = k;
    push(answer.dbias, Output::dbias, dbias, kStatTerms);
    const double r = last_->correction.empty() ? 1 : last_->correction[k].r.upper();
    const Backward element({last_->training, mean, invstd, p.dy_sum, p.dot, last_->weight[k],
                            static_cast<double>(shape.per_channel()), problem_.dtype == Dtype::f64,
                            gamma(c.backward_roundings, c.unit),
                            gamma(c.eval_backward_roundings, c.unit), data_, c, r});
    for (std::int64_t n = 0; n < shape.n; ++n) {
      index_ = static_cast<std::size_t>((n * shape.c + i) * plane);
      for (std::int64_t s = 0; s < plane; ++s) {
        const std::size_t at = index_;
        push(answer.dx, Output::dx, element.at(x[at], dy[at]), Backward::kTerms);
      }
    }
  }
}

}  // namespace truenorm::oracle::exact
