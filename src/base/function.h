// A move-only callable, until std::move_only_function (C++23) reaches both of our compilers'
// libraries.
#pragma once

#include <memory>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace tw {

template <typename Signature>
class Function;

template <typename R, typename... Args>
class Function<R(Args...)> {
 public:
  Function() = default;
  Function(std::nullptr_t) {}
  template <typename F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Function> &&
             std::is_invocable_r_v<R, F&, Args...>)
  Function(F&& callable)
      : target_(std::make_unique<Holder<std::decay_t<F>>>(std::forward<F>(callable))) {}

  explicit operator bool() const { return target_ != nullptr; }
  R operator()(Args... args) { return target_->Call(std::forward<Args>(args)...); }

 private:
  struct Target {
    virtual ~Target() = default;
    virtual R Call(Args... args) = 0;
  };
  template <typename F>
  struct Holder final : Target {
    explicit Holder(F held) : callable(std::move(held)) {}
    R Call(Args... args) override { return callable(std::forward<Args>(args)...); }
    F callable;
  };
  std::unique_ptr<Target> target_;
};

}  // namespace tw
