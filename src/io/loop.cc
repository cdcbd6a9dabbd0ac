#include "io/loop.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include "base/check.h"
#include "io/loop_impl.h"

namespace tw::io {
namespace {

// Handlers run before a flush even while more are ready, so that a busy loop still sends.
constexpr int kHandlersPerTurnMax = 512;

}  // namespace

Loop::Loop(Clock& clock)
    : clock_(clock), timers_(clock.Mono()), impl_(std::make_unique<Impl>()) {}

Loop::~Loop() = default;

void Loop::Run() {
  const auto guard = boost::asio::make_work_guard(impl_->context);
  Tick();
  while (!impl_->stopped.load(std::memory_order_acquire)) {
    impl_->context.run_one();
    for (int i = 1; i < kHandlersPerTurnMax && impl_->context.poll_one() > 0; ++i) {
    }
    FlushAll();
  }
  FlushAll();
}

void Loop::Stop() {
  boost::asio::post(impl_->context,
                    [this] { impl_->stopped.store(true, std::memory_order_release); });
}

void Loop::Post(Function<void()> task) {
  boost::asio::post(impl_->context, [task = std::move(task)]() mutable { task(); });
}

void Loop::FlushAtEndOfTurn(Flushable& target) {
  if (target.flush_index_ != 0) return;
  flush_.push_back(&target);
  target.flush_index_ = static_cast<uint32_t>(flush_.size());
}

void Loop::ForgetFlush(Flushable& target) {
  if (target.flush_index_ == 0) return;
  flush_[target.flush_index_ - 1] = nullptr;
  target.flush_index_ = 0;
}

void Loop::FlushAll() {
  // A flush may schedule others (or itself again); those belong to this turn as well.
  for (size_t i = 0; i < flush_.size(); ++i) {
    Flushable* const target = flush_[i];
    if (target == nullptr) continue;
    target->flush_index_ = 0;
    flush_[i] = nullptr;
    target->Flush();
  }
  flush_.clear();
}

void Loop::Tick() {
  timers_.Advance(clock_.Mono());
  impl_->tick.expires_after(TimerWheel::kTick);
  impl_->tick.async_wait([this](const boost::system::error_code& error) {
    if (!error) Tick();
  });
}

}  // namespace tw::io
