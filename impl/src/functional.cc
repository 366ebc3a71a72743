#include "truenorm/functional.h"

#include "jobs.h"

namespace truenorm {

namespace {

template <class Job>
Status check_and_run(Context& context, const Job& job) noexcept {
  if (!context.status().ok()) return context.status();
  const Status status = detail::check(job);
  return status.ok() ? detail::run(*context.state(), job) : status;
}

}  // namespace

Status forward_training(Context& context, const ForwardTraining& args) noexcept {
  detail::ForwardJob job;
  job.x = args.x;
  job.y = args.y;
  job.weight = args.weight;
  job.bias = args.bias;
  job.running_mean = args.running_mean;
  job.running_var = args.running_var;
  job.factor = args.factor;
  job.eps = args.eps;
  job.save_mean = args.save_mean;
  job.save_invstd = args.save_invstd;
  job.renorm = args.renorm;
  job.save_r = args.save_r;
  job.save_d = args.save_d;
  return check_and_run(context, job);
}

Status forward_inference(Context& context, const ForwardInference& args) noexcept {
  detail::ForwardJob job;
  job.x = args.x;
  job.y = args.y;
  job.weight = args.weight;
  job.bias = args.bias;
  job.batch = false;
  job.given_mean = args.running_mean;
  job.given_var = args.running_var;
  job.eps = args.eps;
  return check_and_run(context, job);
}

Status backward_training(Context& context, const BackwardTraining& args) noexcept {
  detail::BackwardJob job;
  job.dy = args.dy;
  job.x = args.x;
  job.weight = args.weight;
  job.mean = args.save_mean;
  job.spread = args.save_invstd;
  job.r = args.save_r;
  job.d = args.save_d;
  job.dx = args.dx;
  job.dweight = args.dweight;
  job.dbias = args.dbias;
  return check_and_run(context, job);
}

Status backward_inference(Context& context, const BackwardInference& args) noexcept {
  detail::BackwardJob job;
  job.dy = args.dy;
  job.x = args.x;
  job.weight = args.weight;
  job.batch = false;
  job.mean = args.running_mean;
  job.spread = args.running_var;
  job.spread_is_var = true;
  job.eps = args.eps;
  job.dx = args.dx;
  job.dweight = args.dweight;
  job.dbias = args.dbias;
  return check_and_run(context, job);
}

}  // namespace truenorm
