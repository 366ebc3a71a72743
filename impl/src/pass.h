// The order in which the parts of a call are computed: by slabs that stay in a core's cache, or one
// phase after the other by all threads.
#ifndef TRUENORM_SRC_PASS_H_
#define TRUENORM_SRC_PASS_H_

#include "context_state.h"
#include "hwy/cache_control.h"
#include "parallel.h"
#include "transform.h"

namespace truenorm::detail {

/// Runs a pass, which has
///   prepare(c, end)             what the sums of these channels need
///   sum(part, segment, room)    partial sums
///   finish(c, end, room)        sums to coefficients
///   sweep(part, order, room)    the output; not called if the plan has no sweep
template <class Pass>
class Schedule {
 public:
  Schedule(const Plan& plan, const Run& run, const Pass& pass) noexcept
      : plan_(plan), run_(run), pass_(pass) {}

  void operator()() const noexcept {
    parallel(run_.threads, plan_.threads, [&](const Member& me) {
      ThreadRoom& room = run_.rooms[me.idle() ? 0 : me.rank];
      if (plan_.fused) {
        by_slab(me, room);
      } else {
        by_phase(me, room);
      }
      if (plan_.store == Store::streamed) hwy::FlushStream();
    });
  }

 private:
  /// Channels that two threads finish side by side lie this far apart: no line is shared.
  static constexpr std::int64_t grain = 16;

  [[nodiscard]] std::int64_t channels() const noexcept {
    return plan_.sums.views > 0 ? plan_.sums.channels : plan_.sweep.channels;
  }

  void sum(std::int64_t i, ThreadRoom& room) const noexcept {
    pass_.sum(part_of(plan_.sums, plan_.parts, i), i / plan_.parts.slabs, room);
  }

  void by_slab(const Member& me, ThreadRoom& room) const noexcept {
    const Walk& walk = plan_.sums.views > 0 ? plan_.sums : plan_.sweep;
    const auto [first, end] = me.share(plan_.parts.slabs);
    for (std::int64_t slab = first; slab < end; ++slab) {
      Part whole = part_of(walk, plan_.parts, slab);
      whole.end = walk.count;
      if (plan_.sums.views > 0) {
        pass_.prepare(whole.c, whole.c + whole.width);
        for (std::int64_t s = 0; s < plan_.parts.segments; ++s) {
          sum(s * plan_.parts.slabs + slab, room);
        }
      }
      pass_.finish(whole.c, whole.c + whole.width, room);
      if (plan_.sweep.views == 0) continue;
      const bool ahead = plan_.ahead && slab + 1 < end;
      pass_.sweep(whole, {plan_.store, plan_.sums.views > 0, ahead ? whole.width : 0}, room);
    }
  }

  void by_phase(const Member& me, ThreadRoom& room) const noexcept {
    const auto [c, c_end] = me.share(channels(), grain);
    if (plan_.sums.views > 0) {
      pass_.prepare(c, c_end);
      me.barrier();
      const auto [first, end] = me.share(plan_.parts.count());
      for (std::int64_t i = first; i < end; ++i) sum(i, room);
      me.barrier();
    }
    pass_.finish(c, c_end, room);
    if (plan_.sweep.views == 0) return;
    me.barrier();
    const auto [first, end] = me.share(plan_.tiles.count());
    for (std::int64_t i = first; i < end; ++i) {
      // What was summed last is still in the cache.
      const std::int64_t tile = plan_.sums.views > 0 ? end - 1 - (i - first) : i;
      pass_.sweep(part_of(plan_.sweep, plan_.tiles, tile), {plan_.store, false, 0}, room);
    }
  }

  const Plan& plan_;
  const Run& run_;
  const Pass& pass_;
};

}  // namespace truenorm::detail

#endif  // TRUENORM_SRC_PASS_H_
