// Functions as coroutines: they wait without holding a thread.
//
//   Task<double> slow(double seconds) { co_await sleep(duration<double>(seconds)); co_return seconds; }
//   Task<int> twice(int n) { co_return 2 * co_await call<int>("other.function", n); }
//   Stream<int> count(int n) { for (int i = 0; i < n; ++i) co_yield i; }
//
// All coroutines of a component run on its loop. What can be awaited: a Task, sleep(), call() and
// call_within(). A call that nobody waits for any more ends at its next wait: its frames are destroyed, so
// destructors run and catch blocks do not. Parameters may be references: arguments live as long as the call.
// A lambda that is a coroutine may capture: the published function outlives its calls. (g++ 12 cannot
// compile a braced list inside an awaited expression: make the argument before.)
#pragma once

#include <backplane/binding.hpp>
#include <backplane/context.hpp>

#include <chrono>
#include <coroutine>
#include <exception>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace backplane {

template <typename T>
class Task;
template <typename T>
class Stream;

// Positional and named arguments as they came or are sent.
struct Arguments {
  Array positional;
  Map named;
};

namespace detail {

// Marks what await_transform lets through: awaitables that tell the engine where to go on.
struct EngineAwaitable {};

// Awaits what lives in the waiting coroutine's frame, without moving it (g++ 12 would copy).
template <typename Awaitable>
struct Borrowed {
  Awaitable* awaitable;
  bool await_ready() const { return awaitable->await_ready(); }
  void await_suspend(std::coroutine_handle<> where) const { awaitable->await_suspend(where); }
  decltype(auto) await_resume() const { return awaitable->await_resume(); }
};

class PromiseBase {
 public:
  PromiseBase() = default;
  PromiseBase(const PromiseBase&) = delete;
  PromiseBase& operator=(const PromiseBase&) = delete;
  virtual ~PromiseBase() = default;

  std::suspend_always initial_suspend() const noexcept { return {}; }
  auto final_suspend() const noexcept {
    // Back to who awaits this, by way of the engine's loop: the stack does not grow.
    struct Back : std::suspend_always {
      std::coroutine_handle<> continuation;
      void await_suspend(std::coroutine_handle<>) const noexcept {
        if (continuation) current_record->next = continuation;
      }
    };
    Back back;
    back.continuation = continuation_;
    return back;
  }
  void unhandled_exception() { failure_ = std::current_exception(); }
  void continue_with(std::coroutine_handle<> continuation) { continuation_ = continuation; }

  template <typename Awaitable>
  auto await_transform(Awaitable&& awaitable) const {
    static_assert(std::is_base_of_v<EngineAwaitable, std::remove_cvref_t<Awaitable>>,
                  "a coroutine of a component awaits a Task, sleep(), call() or call_within()");
    return Borrowed<std::remove_reference_t<Awaitable>>{&awaitable};
  }

  // The result as a value, or the exception the coroutine ended with.
  virtual Value take_result() = 0;

 protected:
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::coroutine_handle<> continuation_;
  std::exception_ptr failure_;
};

template <typename T>
class TaskPromise : public PromiseBase {
 public:
  Task<T> get_return_object();
  template <typename Result>
  void return_value(Result&& result) {
    result_.emplace(std::forward<Result>(result));
  }
  T take() {
    rethrow();
    return std::move(*result_);
  }
  Value take_result() override {
    if constexpr (requires(T content) { Converter<T>::give(std::move(content)); }) {
      return Converter<T>::give(take());
    } else {
      rethrow();
      return {};
    }
  }

 private:
  std::optional<T> result_;
};

template <>
class TaskPromise<void> : public PromiseBase {
 public:
  inline Task<void> get_return_object();
  void return_void() const {}
  void take() const { rethrow(); }
  Value take_result() override {
    rethrow();
    return {};
  }
};

template <typename T>
class StreamPromise : public PromiseBase {
 public:
  Stream<T> get_return_object();
  void return_void() const {}
  // Hands an item over; goes on when it has been sent.
  auto yield_value(T item) {
    struct Handed : std::suspend_always {
      void await_suspend(std::coroutine_handle<> where) const noexcept { current_record->yielded = where; }
    };
    current_record->item = Converter<T>::give(std::move(item));
    current_record->item_ready = true;
    return Handed();
  }
  Value take_result() override {
    rethrow();
    return {};
  }
};

// Owns a coroutine frame.
template <typename Promise>
class Coroutine {
 public:
  using promise_type = Promise;
  explicit Coroutine(std::coroutine_handle<Promise> handle) : handle_(handle) {}
  Coroutine(Coroutine&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Coroutine& operator=(Coroutine&&) = delete;
  ~Coroutine() {
    if (handle_) handle_.destroy();
  }
  // Gives the frame to a call; it starts where the handle says.
  void give_to(CallRecord& record) {
    const auto handle = std::exchange(handle_, nullptr);
    record.root = RootCoroutine(handle, handle.promise());
    record.next = handle;
  }

 protected:
  std::coroutine_handle<Promise> handle_;
};

}  // namespace detail

// The result of a coroutine that ends later with a T. Starts when it is awaited or served.
template <typename T = void>
class [[nodiscard]] Task : public detail::Coroutine<detail::TaskPromise<T>>, public detail::EngineAwaitable {
 public:
  using promise_type = detail::TaskPromise<T>;
  using detail::Coroutine<promise_type>::Coroutine;

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept {
    this->handle_.promise().continue_with(waiter);
    detail::current_record->next = this->handle_;
  }
  T await_resume() { return this->handle_.promise().take(); }
};

// A coroutine that yields any number of T with co_yield, under the credit of its asker.
template <typename T>
class [[nodiscard]] Stream : public detail::Coroutine<detail::StreamPromise<T>> {
 public:
  using promise_type = detail::StreamPromise<T>;
  using detail::Coroutine<promise_type>::Coroutine;
};

namespace detail {

template <typename T>
Task<T> TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise<void>>::from_promise(*this));
}
template <typename T>
Stream<T> StreamPromise<T>::get_return_object() {
  return Stream<T>(std::coroutine_handle<StreamPromise<T>>::from_promise(*this));
}

class [[nodiscard]] Sleep : public EngineAwaitable {
 public:
  explicit Sleep(std::chrono::nanoseconds span) : span_(span) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> where) {
    auto& record = *current_record;
    timer_ = record.host.after(span_, [&record, where] { record.gate->engine->wake(record, where); });
  }
  void await_resume() const noexcept {}

 private:
  std::chrono::nanoseconds span_;
  Timer timer_;  // ends with the frame
};

// Reads a reply as T. Throws the error that came instead, or TypeMismatch.
template <typename T>
T reply_as(const Message& reply) {
  if (reply.is_error()) {
    auto error = error_of(reply);
    if (error.attributes().empty()) throw Error(error.type(), error.what(), error.traceback());
    throw error;
  }
  if constexpr (!std::is_void_v<T>) {
    Value value;
    if (!reply.empty())
      value =
          reply.envelope().encoding == BP_MSGPACK ? decode(reply[0]) : Value(Bytes{std::string(reply[0])});
    return Converter<T>::take(value);
  }
}

template <typename T>
class [[nodiscard]] NestedCall : public EngineAwaitable {
 public:
  NestedCall(std::string target, Arguments arguments, std::chrono::nanoseconds timeout)
      : target_(std::move(target)), arguments_(std::move(arguments)), timeout_(timeout) {}
  NestedCall(const NestedCall&) = delete;
  NestedCall& operator=(const NestedCall&) = delete;
  ~NestedCall() {
    if (request_.cookie != 0) request_.record->gate->engine->forget(request_);
  }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> where) {
    request_.record = current_record;
    request_.waiter = where;
    current_record->gate->engine->ask(request_, target_, request());
  }
  T await_resume() const { return reply_as<T>(request_.reply); }

 private:
  // The asker's deadline, trace and baggage hold for what it makes others do.
  Message request() {
    const auto& host = current_record->host;
    const auto& asker = current_record->envelope;
    Message made = host.message({encode(Value(std::move(arguments_.positional)))});
    if (!arguments_.named.empty()) made.append(encode(Value(std::move(arguments_.named))));
    carry_baggage(current_record->headers, made);
    auto& envelope = made.envelope();
    envelope.encoding = BP_MSGPACK;
    envelope.flags = BP_REQUEST;
    envelope.deadline = current_record->token.empty() ? asker.deadline : 0;
    envelope.stage = asker.stage;
    std::copy(std::begin(asker.trace_id), std::end(asker.trace_id), envelope.trace_id);
    std::copy(std::begin(asker.span_id), std::end(asker.span_id), envelope.span_id);
    if (timeout_.count() > 0) {
      const auto own = host.now() + timeout_.count();
      if (envelope.deadline == 0 || own < envelope.deadline) envelope.deadline = own;
    }
    return made;
  }

  std::string target_;
  Arguments arguments_;
  std::chrono::nanoseconds timeout_;
  NestedRequest request_;
};

template <typename... Given>
Arguments pack_arguments(Given&&... given) {
  Arguments all;
  all.positional.reserve(sizeof...(given));
  (all.positional.push_back(to_value(std::forward<Given>(given))), ...);
  return all;
}
inline Arguments pack_arguments(Arguments arguments) { return arguments; }

}  // namespace detail

// Waits for `span` without holding a thread.
template <typename Rep, typename Period>
auto sleep(std::chrono::duration<Rep, Period> span) {
  return detail::Sleep(std::chrono::duration_cast<std::chrono::nanoseconds>(span));
}

// Calls a function through the router: `target` is "component.function", or a function that only one
// component publishes. Its error is thrown as Error, or DetailedError when it has attributes. Ends with the
// asker's deadline. A single argument of type Arguments brings named arguments too.
template <typename T = Value, typename... Given>
auto call(std::string target, Given&&... given) {
  return detail::NestedCall<T>(std::move(target), detail::pack_arguments(std::forward<Given>(given)...), {});
}
// The same with a time limit of its own.
template <typename T = Value, typename... Given>
auto call_within(std::chrono::nanoseconds limit, std::string target, Given&&... given) {
  return detail::NestedCall<T>(std::move(target), detail::pack_arguments(std::forward<Given>(given)...),
                               limit);
}

}  // namespace backplane
