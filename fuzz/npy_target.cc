#include "npy_target.h"

#include <bit>
#include <string>
#include <string_view>
#include <vector>

#include "case.h"

namespace truenorm::fuzz {
namespace {

using namespace oracle;

Finding wrong(std::string reason, std::string detail) {
  return against_truenorm(std::move(reason), "npy", std::move(detail));
}

bool same(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b) || (a != a && b != b);
}

/// Each element once more, alone, from the place in memory that its index has.
std::optional<Finding> look_at_elements(const npy::Parsed& p, std::string_view data) {
  const npy::Header& h = p.header;
  const std::vector<double> values = npy::numbers(p, data);
  if (values.size() != static_cast<std::size_t>(h.count()))
    return wrong("elements", std::to_string(values.size()) + " elements: " + npy::print(h));
  npy::Parsed one = p;
  one.header.shape.clear();
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::size_t rest = i, place = 0, all = values.size(), below = 1;
    for (const std::int64_t size : h.shape) {
      const auto extent = static_cast<std::size_t>(size);
      all /= extent;
      place = h.fortran ? place + rest / all * below : place * extent + rest / all;
      below *= extent;
      rest %= all;
    }
    const auto bytes = static_cast<std::size_t>(h.item);
    if (!same(npy::numbers(one, data.substr(place * bytes, bytes)).front(), values[i]))
      return wrong("elements",
                   "element " + std::to_string(i) + " is not at its place: " + npy::print(h));
  }
  return {};
}

}  // namespace

std::optional<Finding> look_at_header(const npy::Header& h) {
  __extension__ __int128 count = 1;
  for (const std::int64_t size : h.shape) {
    if (size < 0 || size > kMaxElements)
      return wrong("bounds", "a size out of bounds: " + npy::print(h));
    count *= size;
    if (count > kMaxElements) return wrong("bounds", "too many elements: " + npy::print(h));
  }
  if (h.count() != static_cast<std::int64_t>(count) || h.shape.size() > npy::kMaxRank ||
      h.item < 0 || h.item > npy::kMaxItem)
    return wrong("bounds", "out of bounds: " + npy::print(h));
  for (const int version : {1, 2, 3}) {
    const std::string text = npy::print(h, version);
    try {
      const npy::Parsed p = npy::parse(text);
      if (!(p.header == h) || p.size != text.size() || p.version != version || p.size % 64 != 0)
        return wrong("parse(print)", "another header comes back: " + text);
    } catch (const npy::Error& e) {
      return wrong("parse(print)", e.what() + (": " + text));
    }
  }
  return {};
}

std::optional<Finding> look_at_npy(Bytes input) {
  const std::string_view npy(reinterpret_cast<const char*>(input.data()), input.size());
  try {
    const npy::Parsed p = npy::parse(npy);
    if (p.size > npy.size()) return wrong("bounds", "a header longer than the array");
    if (auto found = look_at_header(p.header)) return found;
    const std::string_view data = npy.substr(p.size);
    if (!npy::is_number(p.header) || static_cast<std::size_t>(p.header.bytes()) > data.size())
      return {};
    return look_at_elements(p, data.substr(0, static_cast<std::size_t>(p.header.bytes())));
  } catch (const npy::Error& e) {
    if (e.byte > npy.size())
      return wrong("complaint", std::string("it points outside: ") + e.what());
  }
  return {};
}

}  // namespace truenorm::fuzz
