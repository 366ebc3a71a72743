#include "arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

// In a build for a fuzzing engine with AddressSanitizer what lies around a tensor is forbidden to
// readers, too. Tests of this file harm memory on purpose: in other builds fences are only checked.
#ifdef TRUENORM_FUZZED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(from, bytes) (static_cast<void>(from), static_cast<void>(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(from, bytes) (static_cast<void>(from), static_cast<void>(bytes))
#endif

namespace truenorm::oracle {
namespace {

constexpr std::size_t kAlign = 64;                   // of the base before the skew
constexpr std::size_t kFence = 64;                   // bytes watched before and behind a tensor
constexpr std::size_t kKeep = std::size_t{1} << 25;  // larger blocks go back at begin()
constexpr std::int64_t kGap =
    5;  // elements behind each row of a padded tensor: keeps rows off vector boundaries

// What no one may touch: all ones, a NaN in every dtype, so that a value computed from it shows,
// too.
constexpr int kCanary = 0xff;

/// A quiet NaN that no arithmetic produces: what an output holds until it is written.
std::uint64_t poison(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return 0x7fe5a5a5u;
    case Dtype::f64:
      return 0x7ffea5a5a5a5a5a5u;
    case Dtype::bf16:
      return 0x7fe5u;
    case Dtype::f16:
      return 0x7fa5u;
  }
  return 0;
}

std::size_t page_bytes() {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

/// First byte of [from, to) that is not a canary, or null.
const std::byte* disturbed(const std::byte* from, const std::byte* to) {
  constexpr auto kCanaries = ~std::uint64_t{0};
  for (std::uint64_t word; to - from >= static_cast<std::ptrdiff_t>(sizeof word);
       from += sizeof word) {
    std::memcpy(&word, from, sizeof word);
    if (word != kCanaries) break;
  }
  for (; from != to; ++from)
    if (*from != static_cast<std::byte>(kCanary)) return from;
  return nullptr;
}

/// Calls f(offset, index) for every row of the innermost axis: its first element's offset in memory
/// and its logical index.
template <class F>
void each_row(const Placed& p, F&& f) {
  if (p.count == 0) return;
  const auto last = static_cast<std::size_t>(p.rank - 1);
  std::array<std::int64_t, 5> at{};
  std::int64_t offset = 0;
  for (std::int64_t index = 0; index < p.count; index += p.size[last]) {
    f(offset, index);
    for (std::size_t axis = last; axis-- > 0;) {
      offset += p.stride[axis];
      if (++at[axis] < p.size[axis]) break;
      offset -= p.stride[axis] * p.size[axis];
      at[axis] = 0;
    }
  }
}

/// Calls f(offset, index) for every element.
template <class F>
void each_element(const Placed& p, F&& f) {
  const auto last = static_cast<std::size_t>(p.rank - 1);
  each_row(p, [&](std::int64_t offset, std::int64_t index) {
    for (std::int64_t i = 0; i < p.size[last]; ++i) f(offset + i * p.stride[last], index + i);
  });
}

template <class F>
void with_bits(Dtype dtype, F&& f) {
  switch (size_of(dtype)) {
    case 2:
      return f(std::uint16_t{});
    case 4:
      return f(std::uint32_t{});
    default:
      return f(std::uint64_t{});
  }
}

void fill(const Placed& p, const std::vector<double>& values) {
  const auto value = [&](std::int64_t i) { return values[static_cast<std::size_t>(i)]; };
  if (p.dtype == Dtype::f32) {  // the common types without a call per element
    auto* to = static_cast<float*>(p.data);
    each_element(p, [&](std::int64_t o, std::int64_t i) { to[o] = static_cast<float>(value(i)); });
  } else if (p.dtype == Dtype::f64) {
    auto* to = static_cast<double*>(p.data);
    each_element(p, [&](std::int64_t o, std::int64_t i) { to[o] = value(i); });
  } else {
    auto* to = static_cast<std::uint16_t*>(p.data);
    each_element(p, [&](std::int64_t o, std::int64_t i) { store(p.dtype, value(i), to + o); });
  }
}

void fill_poison(const Placed& p) {
  with_bits(p.dtype, [&](auto zero) {
    using Bits = decltype(zero);
    const auto bits = static_cast<Bits>(poison(p.dtype));
    each_element(p, [&](std::int64_t o, std::int64_t) {
      std::memcpy(static_cast<Bits*>(p.data) + o, &bits, sizeof bits);
    });
  });
}

/// Logical index of the first element whose being poison is `wanted`, or -1.
std::int64_t first_poison(const Placed& p, bool wanted) {
  std::int64_t found = -1;
  with_bits(p.dtype, [&](auto zero) {
    using Bits = decltype(zero);
    const auto bits = static_cast<Bits>(poison(p.dtype));
    each_element(p, [&](std::int64_t o, std::int64_t i) {
      Bits at;
      std::memcpy(&at, static_cast<const Bits*>(p.data) + o, sizeof at);
      if (found < 0 && (at == bits) == wanted) found = i;
    });
  });
  return found;
}

/// Whether the span holds what it held when it was handed out.
bool same(const std::vector<std::byte>& before, const std::byte* now) {
  return before.empty() || std::memcmp(before.data(), now, before.size()) == 0;
}

std::string element(const std::string& name, std::int64_t index) {
  return name + "[" + std::to_string(index) + "]";
}

}  // namespace

std::array<std::int64_t, 5> strides_of(Layout layout, const Shape& shape) {
  const int rank = shape.rank();
  std::array<std::int64_t, 5> size{shape.n, shape.c, shape.s[0], shape.s[1], shape.s[2]}, stride{};
  std::array<int, 5> order{0, 1, 2, 3, 4};  // axes from the outermost in memory to the innermost
  if (layout == Layout::nhwc)
    std::rotate(order.begin() + 1, order.begin() + 2, order.begin() + rank);
  if (layout == Layout::transposed) std::swap(order[0], order[static_cast<std::size_t>(rank - 1)]);
  std::int64_t next = layout == Layout::sliced ? 2 : 1;
  for (int i = rank; i-- > 0;) {
    const auto axis = static_cast<std::size_t>(order[static_cast<std::size_t>(i)]);
    stride[axis] = next;
    next *= std::max<std::int64_t>(size[axis], 1);
    if (layout == Layout::padded && i == rank - 1) next += kGap;
  }
  if (layout == Layout::expanded) stride[0] = 0;
  return stride;
}

void Arena::Block::reserve(std::size_t wanted) {
  if (wanted <= bytes) return;
  release();
  const std::size_t size = round_up(std::max(wanted, 2 * bytes), page_bytes());
  // One page more than asked for: the protected one, or simply none of our business.
  void* memory = mmap(nullptr, size + page_bytes(), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  begin = static_cast<std::byte*>(memory);
  bytes = size;
  if (guard && mprotect(begin + size, page_bytes(), PROT_NONE) != 0) {
    release();
    throw std::bad_alloc();
  }
}

void Arena::Block::release() {
  if (begin != nullptr) {
    ASAN_UNPOISON_MEMORY_REGION(begin, bytes);
    munmap(begin, bytes + page_bytes());
  }
  begin = nullptr;
  bytes = 0;
}

Arena::~Arena() {
  for (auto* blocks : {&plain_, &guarded_})
    for (Block& b : *blocks) b.release();
}

bool Arena::guarded(const Case& c) {
  return (c.problem.seed * 0x9e3779b97f4a7c15u >> 62) ==
         0;  // Fibonacci hashing: any two neighbouring seeds differ
}

void Arena::begin(const Case& c) {
  used_ = 0;
  skew_ = c.exec ? c.exec->skew : 0;
  strided_ = c.exec && c.exec->strided_params;
  guard_ = guarded(c);
  for (auto* blocks : {&plain_, &guarded_})
    for (Block& b : *blocks)
      if (b.bytes > kKeep) b.release();
}

const Placed& Arena::tensor(Use use, std::string_view name, const Shape& shape, Dtype dtype,
                            Layout layout, const std::vector<double>* values) {
  if (layout == Layout::expanded && use != Use::in) layout = Layout::nchw;
  Item item;
  item.use = use;
  item.name = name;
  Placed& p = item.placed;
  p.dtype = dtype;
  p.rank = shape.rank();
  p.size = {shape.n, shape.c, shape.s[0], shape.s[1], shape.s[2]};
  p.stride = strides_of(layout, shape);
  p.count = shape.numel();
  if (layout == Layout::sliced) item.period = 2;
  if (layout == Layout::padded) {
    item.live = p.size[static_cast<std::size_t>(p.rank - 1)];
    item.period = item.live + kGap;
  }
  std::int64_t slots = p.count == 0 ? 0 : 1;
  for (std::size_t i = 0; i < static_cast<std::size_t>(p.rank) && slots != 0; ++i)
    slots += (p.size[i] - 1) * p.stride[i];
  return place(std::move(item), slots, values);
}

const Placed& Arena::vector(Use use, std::string_view name, std::int64_t count, Dtype dtype,
                            const std::vector<double>* values) {
  Item item;
  item.use = use;
  item.name = name;
  item.period = strided_ ? 2 : 1;
  Placed& p = item.placed;
  p.dtype = dtype;
  p.rank = 1;
  p.size[0] = p.count = count;
  p.stride[0] = item.period;
  return place(std::move(item), count == 0 ? 0 : (count - 1) * item.period + 1, values);
}

const Placed& Arena::place(Item&& made, std::int64_t slots, const std::vector<double>* values) {
  if (used_ == items_.size()) items_.emplace_back();
  Item& item = items_[used_];
  made.before = std::move(item.before);  // keeps its capacity
  item = std::move(made);

  std::vector<Block>& blocks = guard_ ? guarded_ : plain_;
  if (blocks.size() <= used_) blocks.resize(used_ + 1);
  Block& block = blocks[used_++];
  block.guard = guard_;
  const std::size_t unit = size_of(item.placed.dtype),
                    span = static_cast<std::size_t>(slots) * unit;
  const std::size_t skew = static_cast<std::size_t>(skew_) * unit;
  block.reserve(round_up(kFence, kAlign) + skew + span + kFence);
  item.first =
      guard_ ? block.begin + block.bytes - span : block.begin + round_up(kFence, kAlign) + skew;
  item.last = item.first + span;
  item.low = item.first - kFence;
  item.high = guard_ ? item.last : item.last + kFence;
  item.placed.data = item.first;
  ASAN_UNPOISON_MEMORY_REGION(block.begin, block.bytes);

  const bool gaps = item.period != item.live;
  std::memset(item.low, kCanary, gaps ? static_cast<std::size_t>(item.high - item.low) : kFence);
  if (!gaps) std::memset(item.last, kCanary, static_cast<std::size_t>(item.high - item.last));
  if (item.use == Use::in || item.use == Use::inout) {
    fill(item.placed, *values);
    item.before.assign(item.first, item.last);
  } else {
    fill_poison(item.placed);
  }
  ASAN_POISON_MEMORY_REGION(item.low, kFence);
  ASAN_POISON_MEMORY_REGION(item.last, static_cast<std::size_t>(item.high - item.last));
  return item.placed;
}

/// A write before, behind or into a gap.
std::string Arena::fences(const Item& item) const {
  ASAN_UNPOISON_MEMORY_REGION(item.low, static_cast<std::size_t>(item.high - item.low));
  if (disturbed(item.low, item.first)) return item.name + ": written before its beginning";
  if (const std::byte* at = disturbed(item.last, item.high))
    return item.name + ": written " + std::to_string(at - item.last) + " bytes behind its end";
  if (item.period == item.live) return {};
  const auto unit = static_cast<std::ptrdiff_t>(size_of(item.placed.dtype));
  const std::byte* at = item.first;
  for (std::ptrdiff_t left; (left = item.last - at) > item.live * unit; at += item.period * unit)
    if (disturbed(at + item.live * unit,
                  at + std::min(left, static_cast<std::ptrdiff_t>(item.period * unit))))
      return item.name + ": written into the gap behind its place " +
             std::to_string((at - item.first) / unit + item.live - 1);
  return {};
}

Harm Arena::written(const Item& item) const {
  if (item.use == Use::in && !same(item.before, item.first))
    return {Outcome::changed_input, item.name + ": an input, changed"};
  if (item.use == Use::out)
    if (const std::int64_t i = first_poison(item.placed, true); i >= 0)
      return {Outcome::not_written, element(item.name, i) + ": never written"};
  return {};
}

Harm Arena::harm() const {
  for (std::size_t i = 0; i < used_; ++i)
    if (std::string where = fences(items_[i]); !where.empty())
      return {Outcome::out_of_bounds, std::move(where)};
  for (std::size_t i = 0; i < used_; ++i)
    if (Harm harm = written(items_[i])) return harm;
  return {};
}

Harm Arena::harm_after_refusal() const {
  for (std::size_t i = 0; i < used_; ++i) {
    const Item& item = items_[i];
    if (std::string where = fences(item); !where.empty())
      return {Outcome::out_of_bounds, std::move(where)};
    const bool filled = item.use == Use::in || item.use == Use::inout;
    if (filled && !same(item.before, item.first))
      return {Outcome::refused_but_wrote, item.name + ": changed by a refused call"};
    if (!filled)
      if (const std::int64_t e = first_poison(item.placed, false); e >= 0)
        return {Outcome::refused_but_wrote, element(item.name, e) + ": written by a refused call"};
  }
  return {};
}

std::vector<double> Arena::read(const Placed& p) {
  std::vector<double> values(static_cast<std::size_t>(p.count));
  // Any NaN is read as one and the same: the poison must not come back as the next call's input.
  const auto put = [&](std::int64_t i, double v) {
    values[static_cast<std::size_t>(i)] =
        std::isnan(v) ? std::numeric_limits<double>::quiet_NaN() : v;
  };
  if (p.dtype == Dtype::f32) {
    const auto* from = static_cast<const float*>(p.data);
    each_element(p, [&](std::int64_t o, std::int64_t i) { put(i, static_cast<double>(from[o])); });
  } else if (p.dtype == Dtype::f64) {
    const auto* from = static_cast<const double*>(p.data);
    each_element(p, [&](std::int64_t o, std::int64_t i) { put(i, from[o]); });
  } else {
    const auto* from = static_cast<const std::uint16_t*>(p.data);
    each_element(p, [&](std::int64_t o, std::int64_t i) { put(i, load(p.dtype, from + o)); });
  }
  return values;
}

}  // namespace truenorm::oracle
