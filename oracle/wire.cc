#include "wire.h"

#include <cstring>

namespace truenorm::oracle::wire {
namespace {

static_assert(std::is_trivially_copyable_v<Contract>, "a contract travels as raw bytes");

class Writer {
 public:
  template <class T>
  void raw(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(const std::string& s) {
    raw(std::uint64_t{s.size()});
    bytes_.append(s);
  }
  void numbers(const std::vector<double>& v) {
    raw(std::uint64_t{v.size()});
    bytes_.append(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(double));
  }
  std::string take() { return std::move(bytes_); }
  std::string& bytes() { return bytes_; }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  void raw(T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::memcpy(&value, next(sizeof value), sizeof value);
  }
  void text(std::string& s) {
    const std::uint64_t n = count(1);
    s.assign(next(n), n);
  }
  void numbers(std::vector<double>& v) {
    const std::uint64_t n = count(sizeof(double));
    const char* from = next(n * sizeof(double));
    v.resize(n);
    if (n > 0) std::memcpy(v.data(), from, n * sizeof(double));
  }
  template <class E>
  void enumerator(E& value, E last) {
    std::uint8_t code = 0;
    raw(code);
    if (code > static_cast<std::uint8_t>(last)) throw Error("unknown enumerator in a reply");
    value = static_cast<E>(code);
  }
  /// A count of things that take at least `size` bytes each: no reply can make us allocate more
  /// than it is long.
  std::uint64_t count(std::size_t size) {
    std::uint64_t n = 0;
    raw(n);
    if (n > bytes_.size() / size) throw Error("a reply announces more than it holds");
    return n;
  }
  bool at_end() const { return bytes_.empty(); }

 private:
  const char* next(std::uint64_t n) {
    if (n > bytes_.size()) throw Error("a reply ends too early");
    const char* here = bytes_.data();
    bytes_.remove_prefix(static_cast<std::size_t>(n));
    return here;
  }
  std::string_view bytes_;
};

template <class Given, class Visit>
void each_input(Given& inputs, Visit visit) {
  visit(inputs.weight);
  visit(inputs.bias);
  visit(inputs.running_mean);
  visit(inputs.running_var);
  for (auto& step : inputs.step) visit(step);
}

constexpr std::string_view kDigits = "0123456789abcdef";

// One list of a step's tensors for both directions, so that they cannot drift apart.
template <class Step, class Visit>
void each_tensor(Step& step, Visit visit) {
  visit(step.y);
  visit(step.save_mean);
  visit(step.save_invstd);
  visit(step.dx);
  visit(step.dweight);
  visit(step.dbias);
  visit(step.running_mean);
  visit(step.running_var);
}

/// What a step without words and tensors takes: its refusal, counter and nine lengths.
constexpr std::size_t kStepBytes = 1 + 8 + 9 * 8;

void put(Writer& to, const Trace& trace) {
  to.raw(trace.outcome);
  to.text(trace.detail);
  to.raw(std::uint64_t{trace.steps.size()});
  for (const StepTrace& step : trace.steps) {
    to.raw(step.refused);
    to.text(step.message);
    to.raw(step.num_batches_tracked);
    each_tensor(step, [&](const std::vector<double>& v) { to.numbers(v); });
  }
}

void get(Reader& from, Trace& trace) {
  from.enumerator(trace.outcome, Outcome::refused_but_wrote);
  from.text(trace.detail);
  trace.steps.resize(from.count(kStepBytes));
  for (StepTrace& step : trace.steps) {
    from.enumerator(step.refused, Refusal::other);
    from.text(step.message);
    from.raw(step.num_batches_tracked);
    each_tensor(step, [&](std::vector<double>& v) { from.numbers(v); });
  }
}

}  // namespace

std::string encode(const Message& message) {
  Writer to;
  to.raw(std::uint64_t{0});  // the length, filled in below
  to.raw(kVersion);
  to.raw(message.kind);
  to.text(message.text);
  to.text(message.detail);
  if (message.kind == Kind::answer) {
    to.text(message.unsupported);
    to.raw(std::uint64_t{sizeof(Contract)});
    to.raw(message.contract);
    put(to, message.trace);
  }
  const std::uint64_t body = to.bytes().size() - kPrefix;
  std::memcpy(to.bytes().data(), &body, kPrefix);
  return to.take();
}

std::uint64_t length(const char* prefix) {
  std::uint64_t n = 0;
  std::memcpy(&n, prefix, kPrefix);
  if (n < 2 || n > kMaxMessage) throw Error("a reply announces an absurd length");
  return n;
}

Message decode(std::string_view body) {
  Reader from(body);
  std::uint8_t version = 0;
  from.raw(version);
  if (version != kVersion) throw Error("a reply of protocol version " + std::to_string(version));
  Message message;
  from.enumerator(message.kind, Kind::malformed);
  from.text(message.text);
  from.text(message.detail);
  if (message.kind == Kind::answer) {
    from.text(message.unsupported);
    std::uint64_t size = 0;
    from.raw(size);
    if (size != sizeof(Contract)) throw Error("the worker was built with another contract.h");
    from.raw(message.contract);
    get(from, message.trace);
  }
  if (!from.at_end()) throw Error("a reply is longer than its contents");
  return message;
}

std::string to_word(const Inputs& inputs) {
  Writer to;
  to.raw(std::uint64_t{inputs.step.size()});
  each_input(inputs, [&](const std::vector<double>& v) { to.numbers(v); });
  std::string word;
  word.reserve(2 * to.bytes().size());
  for (const char c : to.bytes()) {
    const auto byte = static_cast<unsigned char>(c);
    word += kDigits[byte >> 4];
    word += kDigits[byte & 15];
  }
  return word;
}

Inputs from_word(std::string_view word) {
  if (word.size() % 2 != 0) throw Error("half a byte in the inputs");
  std::string bytes;
  bytes.reserve(word.size() / 2);
  for (std::size_t i = 0; i < word.size(); i += 2) {
    const std::size_t high = kDigits.find(word[i]), low = kDigits.find(word[i + 1]);
    if (high == kDigits.npos || low == kDigits.npos)
      throw Error("inputs that are no hexadecimal digits");
    bytes += static_cast<char>(high << 4 | low);
  }
  Reader from(bytes);
  Inputs inputs;
  inputs.step.resize(from.count(sizeof(std::uint64_t)));
  each_input(inputs, [&](std::vector<double>& v) { from.numbers(v); });
  if (!from.at_end()) throw Error("inputs longer than their contents");
  return inputs;
}

}  // namespace truenorm::oracle::wire
