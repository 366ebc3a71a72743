#include "truenorm/context.h"

#include <new>
#include <utility>

#include "context_state.h"
#include "machine.h"

namespace truenorm {

namespace {

constexpr std::array<Isa, 5> best_first = {Isa::avx512, Isa::avx2, Isa::neon, Isa::sse4,
                                           Isa::scalar};

/// What the processor has, looked up once: it takes a while to answer.
struct Available {
  IsaList list;
  std::array<const detail::KernelSet*, isa_count> kernels{};

  Available() noexcept {
    for (const Isa isa : best_first) {
      const auto i = static_cast<std::size_t>(isa);
      kernels[i] = detail::find_kernels(isa);
      if (kernels[i] != nullptr) list.items[list.count++] = isa;
    }
  }
};

const Available& available() noexcept {
  static const Available found;
  return found;
}

}  // namespace

const char* name(Isa isa) noexcept {
  constexpr std::array<const char*, isa_count> names = {"best", "scalar", "sse4",
                                                        "avx2", "avx512", "neon"};
  const auto i = static_cast<std::size_t>(isa);
  return i < names.size() ? names[i] : "?";
}

IsaList available_isas() noexcept { return available().list; }

bool has_fma(Isa isa) noexcept {
  return isa == Isa::avx2 || isa == Isa::avx512 || isa == Isa::neon ||
         (isa == Isa::best && has_fma(available_isas().items[0]));
}

Context::Context(int threads, Isa isa) noexcept {
  if (threads < 1 || threads > max_threads) {
    status_ = {Code::bad_threads, Argument::context};
    return;
  }
  if (isa == Isa::best) isa = available_isas().items[0];
  const auto i = static_cast<std::size_t>(isa);
  const detail::KernelSet* kernels = i < isa_count ? available().kernels[i] : nullptr;
  if (kernels == nullptr) {
    status_ = {Code::unsupported_isa, Argument::context};
    return;
  }
  state_.reset(new (std::nothrow)
                   detail::ContextState{threads, isa, kernels, detail::this_machine(*kernels), {}});
  if (state_ == nullptr) status_ = {Code::out_of_memory, Argument::context};
}

Context::~Context() = default;

Context::Context(Context&& other) noexcept
    : state_(std::move(other.state_)), status_(other.status_) {
  if (other.status_.ok()) other.status_ = {Code::out_of_memory, Argument::context};
}

Context& Context::operator=(Context&& other) noexcept {
  if (this == &other) return *this;
  state_ = std::move(other.state_);
  status_ = other.status_;
  if (other.status_.ok()) other.status_ = {Code::out_of_memory, Argument::context};
  return *this;
}

Status Context::status() const noexcept { return status_; }

int Context::threads() const noexcept { return state_ ? state_->threads : 0; }

Isa Context::isa() const noexcept { return state_ ? state_->isa : Isa::best; }

}  // namespace truenorm
