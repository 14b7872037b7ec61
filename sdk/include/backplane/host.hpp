// What a component may ask of its host.
#pragma once

#include <backplane/abi.h>
#include <backplane/baggage.hpp>
#include <backplane/message.hpp>
#include <backplane/options.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

#if __has_include(<cxxabi.h>)
#include <cxxabi.h>
#endif

namespace backplane {

// An error that a caller sees: its type and text travel to whoever asked.
class Error : public std::runtime_error {
 public:
  Error(std::string type, const std::string& message, std::string traceback = {})
      : std::runtime_error(message), type_(std::move(type)), traceback_(std::move(traceback)) {}
  const std::string& type() const { return type_; }
  const std::string& traceback() const { return traceback_; }

 private:
  std::string type_;
  std::string traceback_;
};

// Bytes from a peer that are not what the protocol allows. Counted as refused, stops nothing.
class Malformed : public Error {
 public:
  explicit Malformed(const std::string& message) : Error("Malformed", message) {}
};

namespace detail {

inline void copy_text(char* to, std::size_t room, std::string_view from) {
  const auto count = std::min(room - 1, from.size());
  if (count > 0) std::memcpy(to, from.data(), count);
  to[count] = '\0';
}

inline void fill(bp_error& error, std::string_view type, std::string_view message,
                 std::string_view traceback = {}) {
  copy_text(error.type, sizeof error.type, type);
  copy_text(error.message, sizeof error.message, message);
  copy_text(error.traceback, sizeof error.traceback, traceback);
}

inline std::string demangled(const char* mangled) {
#if __has_include(<cxxabi.h>)
  int status = 0;
  std::unique_ptr<char, void (*)(void*)> plain(abi::__cxa_demangle(mangled, nullptr, nullptr, &status),
                                               std::free);
  if (status == 0) return plain.get();
#endif
  return mangled;
}

inline std::string type_name(const std::exception& failure) { return demangled(typeid(failure).name()); }

// Describes the exception in flight. REQUIRES: called in a catch block.
inline void describe_current(bp_error& error) noexcept {
  try {
    throw;
  } catch (const Error& failure) {
    fill(error, failure.type(), failure.what(), failure.traceback());
  } catch (const std::exception& failure) {
    try {
      fill(error, type_name(failure), failure.what());
    } catch (...) {
      fill(error, "std::exception", failure.what());
    }
  } catch (...) {
    fill(error, "unknown", "something that is not a std::exception was thrown");
  }
}

}  // namespace detail

// What `Host::send` says of a message; it is accounted for in every case.
enum class Sent {
  yes = BP_SENT,
  pause = BP_PAUSED,       // accepted; bring no more until on_resume
  rejected = BP_REJECTED,  // overflow: reject
  no_route = BP_NO_ROUTE,
};

enum class Severity {
  trace = BP_TRACE,
  debug = BP_DEBUG,
  info = BP_INFO,
  warning = BP_WARNING,
  failure = BP_FAILURE
};

// A number that the component adds to on its loop and the host shows. Copyable handle.
class Counter {
 public:
  Counter() = default;
  explicit Counter(std::int64_t* cell) : cell_(cell) {}
  void add(std::int64_t amount = 1) {
    if (cell_ != nullptr) __atomic_store_n(cell_, *cell_ + amount, __ATOMIC_RELAXED);
  }
  void set(std::int64_t value) {
    if (cell_ != nullptr) __atomic_store_n(cell_, value, __ATOMIC_RELAXED);
  }
  std::int64_t value() const { return cell_ == nullptr ? 0 : __atomic_load_n(cell_, __ATOMIC_RELAXED); }

 private:
  std::int64_t* cell_ = nullptr;  // one writer: the component's loop
};
using Gauge = Counter;

// A watched socket or descriptor; ends the watch when destroyed. Loop thread only.
class Watch {
 public:
  Watch() = default;
  bool active() const { return state_ != nullptr; }
  // Changes what is waited for: BP_READABLE, BP_WRITABLE, both, or 0.
  void events(std::uint32_t events) {
    if (state_) state_->host->watch_events(state_->host, state_->watch, events);
  }
  void end() { *this = Watch(); }
  Watch(Watch&&) = default;
  Watch& operator=(Watch&& other) noexcept {
    if (state_) state_->end();
    state_ = std::move(other.state_);
    return *this;
  }
  ~Watch() {
    if (state_) state_->end();
  }

 private:
  friend class Host;
  // Shared, so that a callback may end its own watch.
  struct State : std::enable_shared_from_this<State> {
    const bp_host* host = nullptr;
    std::function<void(std::uint32_t)> run;
    std::uint64_t watch = 0;
    void end() {
      if (const auto ended = std::exchange(watch, 0); ended != 0) host->unwatch(host, ended);
    }
  };
  std::shared_ptr<State> state_;
};

// A running timer; ends when destroyed. Loop thread only.
class Timer {
 public:
  Timer() = default;
  bool active() const { return state_ != nullptr; }
  void end() { *this = Timer(); }
  Timer(Timer&&) = default;
  Timer& operator=(Timer&& other) noexcept {
    if (state_) state_->end();
    state_ = std::move(other.state_);
    return *this;
  }
  ~Timer() {
    if (state_) state_->end();
  }

 private:
  friend class Host;
  // Shared, so that a callback may end or replace its own timer.
  struct State : std::enable_shared_from_this<State> {
    const bp_host* host = nullptr;
    std::function<void()> run;
    std::uint64_t timer = 0;
    void end() {
      if (const auto ended = std::exchange(timer, 0); ended != 0) host->timer_stop(host, ended);
    }
  };
  std::shared_ptr<State> state_;
};

// A component's view of its host: a copyable handle. Thread rules are those of <backplane/abi.h>: send,
// reply, post, log, now, message and option from any thread, all else on the component's loop.
class Host {
 public:
  explicit Host(const bp_host* host) : host_(host) {}

  std::string_view component() const { return host_->component_name; }
  std::string_view kind() const { return host_->kind_name; }
  std::string_view host_name() const { return host_->host_name; }
  std::uint32_t instance() const { return host_->instance; }
  std::uint32_t instances() const { return host_->instances; }
  // The manifest has a route from this component.
  bool routed() const { return host_->routed != 0; }
  void* zmq_context() const { return host_->zmq_context; }
  const bp_host* abi() const { return host_; }

  OptionValue option(const char* name) const {
    bp_value value{};
    return host_->option(host_, name, &value) == 0 ? OptionValue(value) : OptionValue();
  }

  // A new message with copies of `frames`.
  Message message(std::initializer_list<std::string_view> frames = {}) const {
    Message made(host_, host_->message_new(host_, static_cast<std::uint32_t>(frames.size())));
    for (auto frame : frames) made.append(frame);
    return made;
  }
  // A new message that continues `earlier`: same asker, function, deadline, stage, trace and baggage; no
  // frames.
  Message message_after(const Message& earlier) const {
    Message made(host_, host_->message_new(host_, 1));
    made.envelope() = earlier.envelope();
    if (!earlier.function().empty()) made.set_function(earlier.function());
    carry_baggage(earlier.headers(), made);
    return made;
  }

  Sent send(Message message) const { return static_cast<Sent>(host_->send(host_, message.release())); }
  // Sends a request; its outcome comes to on_reply with `cookie` in the envelope. `timeout` 0: none.
  Sent request(Message message, std::uint64_t cookie, std::chrono::nanoseconds timeout = {}) const {
    message.set(BP_REQUEST);
    message.envelope().cookie = cookie;
    if (timeout.count() > 0) message.envelope().deadline = now() + timeout.count();
    return send(std::move(message));
  }
  Sent call(std::string_view target, Message message) const {
    return static_cast<Sent>(host_->call(host_, to_text(target), message.release()));
  }
  void reply(const bp_envelope& request, Message answer) const {
    host_->reply(host_, &request, answer.release());
  }
  void reply(const bp_envelope& request, std::initializer_list<std::string_view> frames) const {
    reply(request, message(frames));
  }
  // `attributes`: a map in msgpack (DetailedError), or empty.
  void reply_error(const bp_envelope& request, std::string_view type, std::string_view says,
                   std::string_view traceback = {}, std::string_view attributes = {}) const {
    if (attributes.empty())
      return host_->reply_error(host_, &request, to_text(type), to_text(says), to_text(traceback));
    Message answer = message({type, says, traceback, attributes});
    answer.set(BP_ERROR);
    reply(request, std::move(answer));
  }
  void cancel(std::uint64_t correlation) const { host_->cancel(host_, correlation); }
  void grant(std::uint64_t correlation, std::uint32_t items) const {
    host_->grant(host_, correlation, items);
  }
  // The correlation of the request just sent, or 0: not accepted, or the host does not tell.
  std::uint64_t last_request() const {
    const bool known = host_->size >= offsetof(bp_host, last_request) + sizeof(host_->last_request);
    return known && host_->last_request != nullptr ? host_->last_request(host_) : 0;
  }
  void resume() const { host_->resume(host_); }

  // Runs `run` on the component's loop. False when the component has stopped: then it never runs.
  bool post(std::function<void()> run) const {
    struct Task {
      const bp_host* host;
      std::function<void()> run;
    };
    auto task = std::make_unique<Task>(Task{host_, std::move(run)});
    const auto trampoline = [](void* data) {
      std::unique_ptr<Task> owned(static_cast<Task*>(data));
      guarded(owned->host, "a posted task", [&] { owned->run(); });
    };
    if (host_->post(host_, trampoline, task.get()) != 0) return false;
    task.release();
    return true;
  }
  // Watches a ZeroMQ socket: `run(events)` is called while one of `events` lasts. Throws Error.
  [[nodiscard]] Watch watch_socket(void* socket, std::uint32_t events,
                                   std::function<void(std::uint32_t)> run) const {
    Watch made = new_watch(std::move(run));
    made.state_->watch = host_->watch_socket(host_, socket, events, run_watch, made.state_.get());
    return checked(std::move(made));
  }
  [[nodiscard]] Watch watch_descriptor(int descriptor, std::uint32_t events,
                                       std::function<void(std::uint32_t)> run) const {
    Watch made = new_watch(std::move(run));
    made.state_->watch = host_->watch_descriptor(host_, descriptor, events, run_watch, made.state_.get());
    return checked(std::move(made));
  }
  // Calls `run` once after `delay`.
  [[nodiscard]] Timer after(std::chrono::nanoseconds delay, std::function<void()> run) const {
    return timer(delay, {}, std::move(run));
  }
  // Calls `run` every `period`, first after one.
  [[nodiscard]] Timer every(std::chrono::nanoseconds period, std::function<void()> run) const {
    return timer(period, period, std::move(run));
  }
  std::int64_t now() const { return host_->now(host_); }

  void log(Severity severity, std::string_view line) const {
    host_->log(host_, static_cast<std::uint32_t>(severity), to_text(line));
  }
  void info(std::string_view line) const { log(Severity::info, line); }
  void warn(std::string_view line) const { log(Severity::warning, line); }
  Counter counter(const char* name, const char* help) const {
    return Counter(host_->counter(host_, name, help));
  }
  Gauge gauge(const char* name, const char* help) const { return Gauge(host_->gauge(host_, name, help)); }

  // A component that publishes functions leaves this to the SDK, which tells how many calls run.
  void holding(std::uint64_t count) const { host_->holding(host_, count); }
  // How long the drain of this component may take at most by its own rules: the host waits for what it holds
  // at least that long, also when host.shutdown.timeout is shorter. 0, the default: no rules of its own.
  // Does nothing when the host is too old to know it.
  void drain_time(std::chrono::nanoseconds span) const {
    const bool known = host_->size >= offsetof(bp_host, drain_time) + sizeof(host_->drain_time);
    if (known && host_->drain_time != nullptr) host_->drain_time(host_, span.count());
  }
  void finished() const { host_->finished(host_); }
  void failed(std::string_view type, std::string_view message) const {
    bp_error error{};
    detail::fill(error, type, message);
    host_->failed(host_, &error);
  }
  const void* extension(const char* name) const { return host_->extension(host_, name); }

  // Runs `body`; an exception becomes a log line and goes no further.
  template <typename Body>
  static void guarded(const bp_host* host, std::string_view where, Body&& body) noexcept {
    try {
      body();
    } catch (...) {
      bp_error error{};
      detail::describe_current(error);
      char line[1200];
      const int length =
          std::snprintf(line, sizeof line, "%.*s failed: %s: %s", static_cast<int>(where.size()),
                        where.data(), error.type, error.message);
      host->log(host, BP_FAILURE, {line, std::min(sizeof line - 1, static_cast<std::size_t>(length))});
    }
  }

 private:
  Watch new_watch(std::function<void(std::uint32_t)> run) const {
    Watch made;
    made.state_ = std::make_shared<Watch::State>();
    made.state_->host = host_;
    made.state_->run = std::move(run);
    return made;
  }
  static Watch checked(Watch made) {
    if (made.state_->watch == 0) throw Error("WatchFailed", std::strerror(errno));
    return made;
  }
  static void run_watch(void* data, std::uint32_t events) {
    const auto state = static_cast<Watch::State*>(data)->shared_from_this();
    guarded(state->host, "a watch", [&] { state->run(events); });
  }
  Timer timer(std::chrono::nanoseconds delay, std::chrono::nanoseconds period,
              std::function<void()> run) const {
    Timer made;
    made.state_ = std::make_shared<Timer::State>();
    made.state_->host = host_;
    made.state_->run = std::move(run);
    const auto trampoline = [](void* data) {
      const auto state = static_cast<Timer::State*>(data)->shared_from_this();
      guarded(state->host, "a timer", [&] { state->run(); });
    };
    made.state_->timer =
        host_->timer_start(host_, delay.count(), period.count(), trampoline, made.state_.get());
    return made;
  }

  const bp_host* host_;
};

}  // namespace backplane
