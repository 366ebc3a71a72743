// The blocked kernel with one step changed: what goes wrong between lanes, blocks, tiles and
// threads.
#include <algorithm>
#include <cmath>
#include <map>

#include "blocked.h"
#include "plant.h"

namespace truenorm::oracle::planted {
namespace {

using namespace blocked;

std::int64_t whole_vectors(std::size_t n) { return static_cast<std::int64_t>(n) / kLanes * kLanes; }

// ---- lanes -------------------------------------------------------------------------------------

struct DropsTail : Honest {
  double lanes(const Values& t) const override {
    return Honest::lanes({t.begin(), t.begin() + whole_vectors(t.size())});
  }
};
struct DoublesTail
    : Honest {  // a last vector that ends with the block, and overlaps the one before
  double lanes(const Values& t) const override {
    const auto whole = whole_vectors(t.size()), size = static_cast<std::int64_t>(t.size());
    if (whole == size || whole == 0) return Honest::lanes(t);
    return Honest::lanes({t.begin(), t.begin() + whole}) +
           Honest::lanes({t.end() - kLanes, t.end()});
  }
};
struct DropsLane : Honest {  // a sum across lanes that shuffles wrongly
  double lanes(const Values& t) const override {
    double sum = 0;
    for (std::size_t i = 0; i < t.size(); ++i) sum += i % kLanes == 5 ? 0 : t[i];
    return sum;
  }
};
struct KeepsLanes : Honest {  // accumulators that are not cleared for the next block of a channel
  Part block(const Values& v, Range r) override {
    Part part = Honest::block(v, r);
    part.m2 += r.begin == 0 ? 0 : kept_;
    kept_ = part.m2;
    return part;
  }

 private:
  double kept_ = 0;
};

// ---- blocks and merges -------------------------------------------------------------------------

struct FullCount : Honest {
  Part block(const Values& v, Range r) override {
    Part part = Honest::block(v, r);
    if (r.begin > 0) part.n = kBlock;
    return part;
  }
};
struct NoDeltaSquared : Honest {
  Part merge(const Part& a, const Part& b) const override {
    Part both = Honest::merge(a, b);
    both.m2 = a.m2 + b.m2;
    return both;
  }
};
struct WrongRatio : Honest {
  Part merge(const Part& a, const Part& b) const override {
    Part both = Honest::merge(a, b);
    if (both.n > 0) both.mean = a.mean + (b.mean - a.mean) * (a.n / both.n);
    return both;
  }
};
struct SmallerCount : Honest {
  Part merge(const Part& a, const Part& b) const override {
    Part both = Honest::merge(a, b);
    const double delta = b.mean - a.mean;
    both.m2 = a.m2 + b.m2 + delta * delta * std::min(a.n, b.n);
    return both;
  }
};
struct DropsOddBlock : Honest {
  Part tree(std::vector<Part> level) const override {
    if (level.size() > 1 && level.size() % 2 == 1) level.pop_back();
    return Honest::tree(std::move(level));
  }
};
struct MergesInFloat : Honest {
  Part merge(const Part& a, const Part& b) const override {
    const Part both = Honest::merge(a, b);
    return {both.n, round_to(Dtype::f32, both.mean), round_to(Dtype::f32, both.m2)};
  }
};
struct ShortBlockCount : Honest {  // 4 bits here, for tensors of a test's size; 8 in the wild
  Part tree(std::vector<Part> level) const override {
    level.resize(level.size() % 16);
    return Honest::tree(std::move(level));
  }
};
struct EmptyMerge : Honest {
  Part merge(const Part& a, const Part& b) const override {
    const Part both = Honest::merge(a, b);
    return a.n > 0 || b.n > 0 ? both : Part{0, 0 / both.n, 0 / both.n};
  }
};

// ---- pivots ------------------------------------------------------------------------------------

struct PivotOfNeighbour : Honest {  // the mean is put back on the pivot of the block before
  Part block(const Values& v, Range r) override {
    Part part = Honest::block(v, r);
    const double own = pivot(v, r);
    if (any_ && r.begin == 0) part.mean += last_ - own;
    last_ = own;
    any_ = true;
    return part;
  }

 private:
  double last_ = 0;
  bool any_ = false;
};

/// The pivots of a case's first call, by channel.
std::map<std::int64_t, double>& first_pivots() {
  thread_local std::map<std::int64_t, double> pivots;
  return pivots;
}
struct PivotOfFirstCall : Honest {  // sums about the new pivot, the mean about the one kept
  Moments moments(const Tensor& x, std::int64_t c, int threads) {
    Moments m = Honest::moments(x, c, threads);
    const double own = x({0, c, 0, 0, 0});
    m.mean += first_pivots().try_emplace(c, own).first->second - own;
    return m;
  }
};

// ---- threads -----------------------------------------------------------------------------------

struct DropsLastItem : Honest {
  Range share(std::int64_t n, int threads, int t) const override {
    const std::int64_t each = n / threads;
    return {each * t, each * (t + 1)};
  }
};
struct SharesOverlap : Honest {
  Range share(std::int64_t n, int threads, int t) const override {
    Range r = Honest::share(n, threads, t);
    r.end = std::min(n, r.end + 1);
    return r;
  }
};
struct LosesPartial : Honest {  // two threads read, add and write at once
  Part reduce(const std::vector<Part>& parts) const override {
    return parts.size() < 2 ? Honest::reduce(parts)
                            : Honest::reduce(std::vector<Part>(parts.begin(), parts.end() - 1));
  }
};
struct KeepsPartials : Honest {  // all but the first thread's
  Part reduce(const std::vector<Part>& parts) const override {
    kept_.resize(parts.size());
    kept_[0] = parts[0];
    for (std::size_t t = 1; t < parts.size(); ++t) kept_[t] = merge(kept_[t], parts[t]);
    return Honest::reduce(kept_);
  }

 private:
  mutable std::vector<Part> kept_;
};
struct ReducesInPlace : Honest {  // slot 0 already holds the sum when another worker reads it
  Sums reduce_sums(const std::vector<Sums>& parts) const override {
    Sums all = Honest::reduce_sums(parts);
    for (std::size_t t = 1; t < parts.size(); ++t) {
      all.dy += parts[t].dy;
      all.dot += parts[t].dot;
    }
    return all;
  }
};
struct ConvertsFirstShare : Honest {  // every thread widens the first share's values into its own
  Moments moments(const Tensor& x, std::int64_t c, int threads) {
    threads_ = threads;
    const Moments m = Honest::moments(x, c, threads);
    threads_ = 1;
    return m;
  }
  Values gather(const Tensor& x, std::int64_t c) const override {
    Values v = Honest::gather(x, c);
    if (size_of(x.dtype()) > 2) return v;
    const auto n = static_cast<std::int64_t>(v.size());
    for (int t = 1; t < threads_; ++t) {
      const Range r = share(n, threads_, t);
      for (std::int64_t i = r.begin; i < r.end; ++i)
        v[static_cast<std::size_t>(i)] = v[static_cast<std::size_t>(i - r.begin)];
    }
    return v;
  }

 private:
  int threads_ = 1;
};
struct SharedSlot : Honest {  // scratch of sixteen channels, not cleared for the seventeenth
  Moments moments(const Tensor& x, std::int64_t c, int threads) {
    Moments m = Honest::moments(x, c, threads);
    Moments& slot = slots_[static_cast<std::size_t>(c % 16)];
    if (c >= 16) m.mean = (m.mean + slot.mean) / 2;
    slot = m;
    return m;
  }

 private:
  std::array<Moments, 16> slots_{};
};
struct CountOfShare : Honest {
  Sums sums(const Tensor& dy, const Tensor& x, std::int64_t c, double mean, bool training,
            int threads) {
    threads_ = threads;
    return Honest::sums(dy, x, c, mean, training, threads);
  }
  double dx(double dy, double centred, double invstd, double weight, const Sums& s,
            double n) const {
    return Honest::dx(dy, centred, invstd, weight, s, std::ceil(n / threads_));
  }

 private:
  int threads_ = 1;
};

// ---- memory ------------------------------------------------------------------------------------

struct ReadsGaps : Honest {  // neighbours along a row are taken for a dense plane
  Path path(const Tensor& x) const override {
    const Path honest = Honest::path(x);
    return honest == Path::strided && x.rank() > 2 && x.stride(x.rank() - 1) == 1 ? Path::planes
                                                                                  : honest;
  }
};
struct ReadsSlicesDense : Honest {
  Path path(const Tensor& x) const override {
    const Path honest = Honest::path(x);
    return honest == Path::strided && x.stride(x.rank() - 1) == 2 ? Path::planes : honest;
  }
};
struct ParametersDense : Honest {
  static double parameter(const Vector& v, std::int64_t c, double otherwise) {
    return v.present() ? v.place(c) : otherwise;
  }
};
struct NarrowIndex : Honest {  // 15 bits here, for tensors of a test's size; 31 in the wild
  std::int64_t row(std::int64_t offset) const override { return offset & 0x7fff; }
};
struct MiscountsPeel : Honest {
  std::vector<Range> blocks(Range share, std::int64_t peel) const override {
    std::vector<Range> cut = Honest::blocks(share, peel);
    if (peel > 0 && cut.size() > 1 && cut[1].size() > 1) ++cut[1].begin;
    return cut;
  }
};
struct DropsStoreTail : Honest {
  void store_run(const Tensor& y, std::int64_t offset, const double* values,
                 std::int64_t count) const override {
    Honest::store_run(y, offset, values, count < kLanes ? count : count / kLanes * kLanes);
  }
};
struct StoresWholeVectors : Honest {
  void store_run(const Tensor& y, std::int64_t offset, const double* values,
                 std::int64_t count) const override {
    Honest::store_run(y, offset, values, count);
    if (count > kLanes)
      for (std::int64_t i = count; i % kLanes != 0; ++i) y.put(offset + i, values[count - 1]);
  }
};
struct LoadsWholeTile : Honest {
  Range tile(std::int64_t c, std::int64_t channels) const override {
    const std::int64_t begin = Honest::tile(c, channels).begin;
    return {begin, begin + kTile};
  }
};
struct ShiftsLastTile : Honest {  // a last tile that ends with the channels, and lanes as before
  Range tile(std::int64_t c, std::int64_t channels) const override {
    const Range honest = Honest::tile(c, channels);
    return channels < kTile || honest.size() == kTile ? honest : Range{channels - kTile, channels};
  }
};
struct RereadsOverwritten : Honest {  // in place, a last vector that overlaps the one before
  using Honest::map;
  template <class F>
  void map(const Tensor& x, const Tensor& y, std::int64_t c, F&& f) {
    Values v = gather(x, c);
    const bool same = x.at(0) == y.at(0);
    const std::int64_t size = static_cast<std::int64_t>(v.size()), whole = whole_vectors(v.size());
    for (double& value : v) value = f(value);
    if (same && whole != size && whole > 0)
      for (std::int64_t i = size - kLanes; i < whole; ++i) {
        double& value = v[static_cast<std::size_t>(i)];
        value = f(round_to(x.dtype(), value));
      }
    scatter(y, c, v);
  }
};

// ---- fused passes ------------------------------------------------------------------------------

struct StaleMean : Honest {  // the dot product about the mean of the channel before
  Sums sums(const Tensor& dy, const Tensor& x, std::int64_t c, double mean, bool training,
            int threads) {
    const Sums own = Honest::sums(dy, x, c, mean, training, threads);
    const Sums stale = Honest::sums(dy, x, c, c > 0 ? last_ : mean, training, threads);
    last_ = mean;
    return {own.dy, stale.dot};
  }

 private:
  double last_ = 0;
};
struct LongLanes : Honest {  // the backward forgets to cut into blocks
  Sums sums(const Tensor& dy, const Tensor& x, std::int64_t c, double mean, bool training,
            int threads) {
    uncut_ = true;
    const Sums all = Honest::sums(dy, x, c, mean, training, threads);
    uncut_ = false;
    return all;
  }
  std::vector<Range> blocks(Range share, std::int64_t peel) const override {
    return uncut_ && share.size() > 0 ? std::vector<Range>{share} : Honest::blocks(share, peel);
  }

 private:
  bool uncut_ = false;
};
struct ForgetsBias : Honest {  // a scale of 1 is no work, and the shift goes with it
  static double transform(double x, double mean, double invstd, double weight, double bias) {
    return textbook::Honest::transform(x, mean, invstd, weight, weight == 1 ? 0 : bias);
  }
};

template <class Kernel>
Plant kernel(std::string_view id, std::string_view what, bool corner = false) {
  return {{id, what, corner}, textbook::kernel<Kernel>(id.data()), nullptr, contract, [] {
            first_pivots().clear();
          }};
}

}  // namespace

Plants blocked_kernels() {
  return {
      kernel<NarrowIndex>("B102", "the linear index of a load has 15 bits"),
      kernel<ReducesInPlace>("B112", "partial sums are reduced in place while others read slot 0"),
      kernel<ConvertsFirstShare>("B114",
                                 "every thread widens the first share's bf16 or f16 values"),
      kernel<LoadsWholeTile>("B119", "the last, partial tile of channels is loaded in full"),
      kernel<StoresWholeVectors>("B122", "the last vector of a plane is stored in full"),
      kernel<DropsTail>("tail-dropped", "values behind the last whole vector are not summed"),
      kernel<DoublesTail>("tail-twice", "the last vector of a block overlaps the one before it"),
      kernel<DropsLane>("lane-lost", "a sum across lanes misses one"),
      kernel<KeepsLanes>("lanes-kept", "accumulators are not cleared for the next block"),
      kernel<FullCount>("full-count", "the last block is merged as if it were full"),
      kernel<NoDeltaSquared>("no-delta2", "a merge forgets the distance of the means"),
      kernel<SmallerCount>("delta2-count",
                           "a merge weighs the squared distance by the smaller count"),
      kernel<WrongRatio>("merge-ratio", "a merge moves the mean by the other part's share"),
      kernel<DropsOddBlock>("odd-block", "the tree of merges drops an odd block"),
      kernel<MergesInFloat>("merge-f32", "merges are rounded to f32"),
      kernel<ShortBlockCount>("block-count", "blocks are counted in 4 bits"),
      kernel<EmptyMerge>("empty-merge", "a merge of two empty parts divides 0 by 0"),
      kernel<PivotOfNeighbour>("stale-pivot",
                               "the first block's mean stands on the pivot of the channel before"),
      kernel<PivotOfFirstCall>("cached-pivot", "the mean stands on the pivot of the first call"),
      kernel<DropsLastItem>("share-short", "values that threads do not divide evenly are dropped"),
      kernel<SharesOverlap>("share-overlap",
                            "the first value of the next thread's share is taken, too"),
      kernel<LosesPartial>("partial-lost", "the last thread's partial result is overwritten"),
      kernel<KeepsPartials>("partials-kept",
                            "partial results are not cleared for the next channel"),
      kernel<SharedSlot>("shared-slot", "the seventeenth channel shares the first one's scratch"),
      kernel<CountOfShare>("count-of-share", "dx divides by the count of a thread's share"),
      kernel<ReadsGaps>("gaps-read", "rows with gaps between them are taken for a dense plane"),
      kernel<ReadsSlicesDense>("slices-dense",
                               "every second element of memory is taken for every one"),
      kernel<ParametersDense>("params-dense", "weight and bias are read as if their stride were 1"),
      kernel<MiscountsPeel>("peel", "after a peel the blocks begin one value late"),
      kernel<DropsStoreTail>("store-tail", "what is left behind whole vectors is not stored"),
      kernel<ShiftsLastTile>("tile-shift",
                             "the last tile of channels is shifted to be full, its lanes are not"),
      kernel<RereadsOverwritten>("inplace-tail",
                                 "in place, the last vector takes values already normalized"),
      kernel<StaleMean>("stale-mean",
                        "the dot product is taken about the mean of the channel before"),
      kernel<LongLanes>("long-lanes",
                        "backward sums are not cut into blocks: a lane adds up a whole share",
                        /*corner=*/true),
      kernel<ForgetsBias>("scale-1", "a scale of 1 skips the bias as well"),
  };
}

}  // namespace truenorm::oracle::planted
