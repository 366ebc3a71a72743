// Memory that the harness owns: tensors in every layout, fenced, poisoned and checked afterwards.
//
//   arena.begin(c);                                                   // one call of the player;
//   earlier tensors are gone const Placed& x = arena.tensor(Use::in, "x", shape, Dtype::f32,
//   Layout::nhwc, &values); const Placed& y = arena.tensor(Use::out, "y", shape, Dtype::f32,
//   Layout::nchw);
//   ... the player works on x.data, y.data ...
//   if (const Harm harm = arena.harm()) ...      // "y: written 4 bytes behind its end"
//   std::vector<double> got = arena.read(y);     // logical order
//
// Memory is kept from call to call, so small tensors cost next to nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "case.h"
#include "data.h"
#include "player.h"

namespace truenorm::oracle {

/// Strides in elements of a tensor in a layout. `expanded` has stride 0 along N; ask for nchw where
/// an output is meant.
std::array<std::int64_t, 5> strides_of(Layout, const Shape&);

/// What the player may do with a tensor.
enum class Use : std::uint8_t {
  in,     // filled; must come back bit for bit
  out,    // filled with a poison NaN; every element must be written
  maybe,  // like out, but elements may stay unwritten
  inout,  // filled; may be written
};

/// A tensor or per-channel vector in the arena. `data` is never null: a tensor of no elements has a
/// place, too.
struct Placed {
  void* data = nullptr;  // the first element
  Dtype dtype = Dtype::f32;
  int rank = 0;  // 1: a per-channel vector
  std::array<std::int64_t, 5> size{}, stride{};
  std::int64_t count = 0;  // product of the sizes
};

/// What a player did to memory: which Outcome that is, and where. False: nothing.
struct Harm {
  Outcome what = Outcome::played;
  std::string where;
  explicit operator bool() const { return what != Outcome::played; }
};

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  /// Forgets all tensors. From the case come the skew, the stride of vectors, and whether this is
  /// one of the guarded cases: every fourth seed, whose tensors end right at a protected page,
  /// wherever that puts their beginning, so that even a read behind the end is a crash.
  void begin(const Case&);
  static bool guarded(const Case&);

  /// Places a tensor; `values` in logical order for in and inout. `expanded` becomes nchw unless
  /// the use is `in`. The reference holds until begin().
  const Placed& tensor(Use, std::string_view name, const Shape&, Dtype, Layout,
                       const std::vector<double>* values = nullptr);
  const Placed& vector(Use, std::string_view name, std::int64_t count, Dtype,
                       const std::vector<double>* values = nullptr);

  /// After an accepted call, the first of these: out_of_bounds, changed_input, not_written.
  Harm harm() const;
  /// After a refused call: out_of_bounds, or refused_but_wrote for the first byte that changed.
  Harm harm_after_refusal() const;

  /// The elements in logical order.
  static std::vector<double> read(const Placed&);

 private:
  struct Block {  // reusable memory
    std::byte* begin = nullptr;
    std::size_t bytes = 0;
    bool guard = false;  // a protected page follows
    void reserve(std::size_t);
    void release();
  };
  struct Item {
    Placed placed;
    Use use = Use::in;
    std::string name;
    std::byte *first = nullptr, *last = nullptr;  // the elements' span
    std::byte *low = nullptr, *high = nullptr;    // the span with its fences
    std::int64_t
        period = 1,
        live = 1;  // of every `period` elements in memory, the first `live` belong to the tensor
    std::vector<std::byte> before;  // the span as handed out (in, inout)
  };
  const Placed& place(Item&&, std::int64_t slots, const std::vector<double>*);
  std::string fences(const Item&) const;
  Harm written(const Item&) const;

  std::deque<Item> items_;
  std::size_t used_ = 0;                // items_ beyond are kept for their memory
  std::vector<Block> plain_, guarded_;  // block i serves item i
  int skew_ = 0;
  bool strided_ = false, guard_ = false;
};

}  // namespace truenorm::oracle
