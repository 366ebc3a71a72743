// The table of kernels of one instruction set (included by kernels.cc only).
#include "channel-inl.h"
#include "lanes-inl.h"
#include "sums-inl.h"
#include "transform-inl.h"

HWY_BEFORE_NAMESPACE();
namespace truenorm::detail {
namespace HWY_NAMESPACE {
namespace {

template <class E>
constexpr Kernels Make() {
  return {&Moments<E>,
          &Products<E>,
          &GroupMoments<E>,
          &GroupProducts<E>,
          &GroupFlush<E>,
          &RowMoments<E>,
          &RowProducts<E>,
          &GroupAffine<E>,
          &GroupGradient<E>,
          &RowAffine<E>,
          &RowGradient<E>,
          &SetPivots<Lane<E>>,
          &MomentsAbout<Lane<E>>,
          &MergeMoments<Lane<E>>,
          &ForwardStatistics<Lane<E>>,
          &ForwardCoefficients<Lane<E>>,
          &BackwardSums<Lane<E>>,
          &BackwardCoefficients<Lane<E>>};
}

// Included once for each target, in a namespace of its own.
// NOLINTBEGIN(misc-definitions-in-headers)
constexpr KernelSet kSet = {Make<float>(), Make<double>(), Make<Bf16>(), Make<F16>()};

}  // namespace

const KernelSet& Table() { return kSet; }
// NOLINTEND(misc-definitions-in-headers)

}  // namespace HWY_NAMESPACE
}  // namespace truenorm::detail
HWY_AFTER_NAMESPACE();
