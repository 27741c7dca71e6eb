// Task<T>: a lazily started coroutine with exactly one owner. Destroying a task cancels it at the
// point where it waits; what its frame owns is released then. Single-threaded: a task runs on the
// loop that started it.
//
// Rules for every coroutine here (tests/tidy/await.py checks the first): a co_await stands alone
// in its statement; reference parameters only to objects that an ancestor of the task owns;
// coroutine lambdas capture nothing.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "mcplb/base/assert.hpp"

namespace mcplb {

// Coroutine frames come from per-thread free lists: a request makes a handful of them.
void* take_frame(std::size_t bytes);
void give_back_frame(void* frame, std::size_t bytes);

template <class T>
class Task;

namespace detail {

struct TaskPromiseBase {
  static void* operator new(std::size_t bytes) { return take_frame(bytes); }
  static void operator delete(void* frame, std::size_t bytes) { give_back_frame(frame, bytes); }

  // The parent is resumed by transfer; going up, the depth is bounded by the call depth.
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      TaskPromiseBase& promise = ended.promise();
      if (promise.continuation) return promise.continuation;
      if (promise.on_done != nullptr) promise.on_done(promise.on_done_context);
      return std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  // No exception crosses a floor; one that does is a bug.
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }

  std::coroutine_handle<> continuation;
  void (*on_done)(void*) = nullptr;  // set by a Nursery on the tasks that it starts
  void* on_done_context = nullptr;
};

template <class T>
struct TaskPromise : TaskPromiseBase {
  Task<T> get_return_object();
  template <class U = T>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() { return std::move(*value); }
  std::optional<T> value;
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
  Task<void> get_return_object();
  void return_void() const {}
  void take() const {}
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;

  Task() = default;
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() { reset(); }

  // Cancels. Never call it from inside the task: ask its Nursery with cancel_soon().
  void reset() {
    if (handle_) std::exchange(handle_, nullptr).destroy();
  }
  bool done() const { return !handle_ || handle_.done(); }
  // For the owner of a root task (Nursery): runs it to its first wait.
  void start(void (*on_done)(void*), void* context) {
    MCPLB_ASSERT(handle_ && !handle_.done());
    handle_.promise().on_done = on_done;
    handle_.promise().on_done_context = context;
    handle_.resume();
  }

  // Awaiting starts the child on the spot. The parent suspends only if the child did: no
  // transfer downward, so a loop over tasks that end at once does not grow the stack.
  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> parent) {
    handle_.resume();
    if (handle_.done()) return false;
    handle_.promise().continuation = parent;
    return true;
  }
  T await_resume() { return handle_.promise().take(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

template <class T>
Task<T> detail::TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}

inline Task<void> detail::TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise<void>>::from_promise(*this));
}

}  // namespace mcplb
