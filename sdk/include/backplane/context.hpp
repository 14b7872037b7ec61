// The call that a function is serving: who asked, until when, whether anybody still waits.
#pragma once

#include <backplane/baggage.hpp>
#include <backplane/host.hpp>
#include <backplane/value.hpp>

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backplane {

namespace detail {

struct FunctionEntry;
struct CallRecord;

// An error on its way to an asker.
struct Failure {
  std::string type;
  std::string message;
  std::string traceback;
  std::string attributes = {};  // a map in msgpack; empty: none

  std::size_t size() const { return type.size() + message.size() + traceback.size() + attributes.size(); }
};

// Attributes that cannot be encoded are left out, and the traceback says so.
inline Failure failure_of(const DetailedError& error) {
  Failure failure{error.type(), error.what(), error.traceback()};
  if (error.attributes().empty()) return failure;
  try {
    failure.attributes = encode(Value(error.attributes()));
  } catch (const Error& why) {
    failure.traceback += failure.traceback.empty() ? failure.type + ": " + failure.message : "";
    failure.traceback = std::string("attributes left out: ") + why.what() + "\n" + failure.traceback;
  }
  return failure;
}

// How a call ended.
struct Outcome {
  Value value;
  std::optional<Failure> failure;
};

// A request that a coroutine waits for. Lives in the coroutine's frame.
struct NestedRequest {
  CallRecord* record = nullptr;
  std::coroutine_handle<> waiter;
  std::uint64_t cookie = 0;  // 0: not under way
  std::uint64_t correlation = 0;
  Message reply;
};

// What waiting coroutines and kept calls ask of the function server. Loop thread only.
class CallEngine {
 public:
  // Goes on with a coroutine of `record`.
  virtual void wake(CallRecord& record, std::coroutine_handle<> where) = 0;
  // Sends a nested request. Throws Error when nothing takes it.
  virtual void ask(NestedRequest& request, std::string_view target, Message message) = 0;
  // Gives a nested request up.
  virtual void forget(NestedRequest& request) = 0;
  // Ends `record`, unless it has ended already.
  virtual void complete(const std::shared_ptr<CallRecord>& record, Outcome outcome) = 0;

 protected:
  ~CallEngine() = default;
};

// How other threads reach an engine that may be gone.
struct EngineGate {
  std::mutex mutex;
  bool open = true;              // under the mutex: the component has not stopped
  CallEngine* engine = nullptr;  // of the loop's thread; nullptr: stopped
};

class PromiseBase;

// Owns the outermost coroutine of a call; those it awaits are owned by its frame.
class RootCoroutine {
 public:
  RootCoroutine() = default;
  RootCoroutine(std::coroutine_handle<> handle, PromiseBase& promise) : handle_(handle), promise_(&promise) {}
  RootCoroutine(const RootCoroutine&) = delete;
  RootCoroutine& operator=(RootCoroutine&& other) noexcept {
    destroy();
    handle_ = std::exchange(other.handle_, nullptr);
    promise_ = std::exchange(other.promise_, nullptr);
    return *this;
  }
  ~RootCoroutine() { destroy(); }

  explicit operator bool() const { return handle_ != nullptr; }
  bool done() const { return handle_ && handle_.done(); }
  PromiseBase& promise() const { return *promise_; }
  void destroy() {
    promise_ = nullptr;
    if (const auto ended = std::exchange(handle_, nullptr)) ended.destroy();
  }

 private:
  std::coroutine_handle<> handle_;
  PromiseBase* promise_ = nullptr;
};

// A call being served. Fields belong to the loop's thread; what a worker thread may read is constant
// after the start, or atomic.
struct CallRecord : std::enable_shared_from_this<CallRecord> {
  CallRecord(Host served_by, const FunctionEntry& called) : host(served_by), entry(called) {}

  Host host;
  const FunctionEntry& entry;
  std::shared_ptr<EngineGate> gate;
  std::uint64_t serial = 0;
  bp_envelope envelope{};
  std::string headers;     // lines "name: value"
  bool raw = false;        // frames in, frame out: no msgpack
  bool answers = false;    // somebody waits for the end
  bool may_defer = false;  // ... and takes a deferred instead
  bool streaming = false;  // ... item by item
  bool in_group = false;   // holds its group
  bool finished = false;
  bool registered = false;
  std::string token;  // of the deferred that was given out
  std::atomic<bool> cancelled = false;
  std::atomic<bool> claimed = false;  // a worker runs it, or the loop has withdrawn it from the workers
  std::vector<std::function<void()>> on_cancel;
  Timer deadline_timer;
  Timer response_timer;

  Array arguments;                   // in the order of the parameters; views of their texts are in use
  std::shared_ptr<void> parameters;  // converted, for a coroutine
  RootCoroutine root;                // last of these: its frame refers to them
  std::coroutine_handle<> next;      // where to go on
  bool advancing = false;            // a coroutine of this call is running now

  // Of a stream.
  std::uint32_t credit = 0;
  bool item_ready = false;
  Value item;
  std::coroutine_handle<> yielded;
  Array collected;  // when the asker takes no stream
};

// The call whose function runs on this thread now; nullptr: none.
inline thread_local CallRecord* current_record = nullptr;

class CurrentCall {
 public:
  explicit CurrentCall(CallRecord& record) : before_(std::exchange(current_record, &record)) {}
  CurrentCall(const CurrentCall&) = delete;
  CurrentCall& operator=(const CurrentCall&) = delete;
  ~CurrentCall() { current_record = before_; }

 private:
  CallRecord* before_;
};

}  // namespace detail

// A handle to the call that a function serves; copyable. A function gets it as its first parameter, or from
// current_call(). Any thread, until the component stops.
class Context {
 public:
  explicit Context(std::shared_ptr<detail::CallRecord> record) : record_(std::move(record)) {}

  // As the request came: origin, flags, stage, trace.
  const bp_envelope& envelope() const { return record_->envelope; }
  // A header of the request, or empty. Valid as long as the context.
  std::string_view header(std::string_view name) const { return header_in(record_->headers, name); }
  // All of them, as lines; the same.
  std::string_view headers() const { return record_->headers; }
  // A text that travels with the request and with what it causes (baggage.hpp), or empty.
  std::string baggage(std::string_view name) const { return baggage_in(record_->headers, name); }
  // After this instant of Host::now() nobody waits any more; 0: no limit.
  std::int64_t deadline() const { return record_->envelope.deadline; }
  // What is left of it, never negative; nothing: no limit.
  std::optional<std::chrono::nanoseconds> time_left() const {
    if (deadline() == 0) return std::nullopt;
    return std::chrono::nanoseconds(std::max<std::int64_t>(0, deadline() - record_->host.now()));
  }
  // The asker has gone, its deadline has passed or the component stops: whatever is computed, nobody gets
  // it. A function that waits or computes for long asks now and then.
  bool cancelled() const { return record_->cancelled; }
  // Calls `run` on the loop when that happens. Loop thread only.
  void on_cancel(std::function<void()> run) const {
    if (!record_->finished) record_->on_cancel.push_back(std::move(run));
  }
  // A line of the component's log; it begins with "[TAG] " when the request has the baggage "log_tag".
  void log(Severity severity, std::string_view line) const {
    const auto tag = baggage("log_tag");
    if (tag.empty()) return record_->host.log(severity, line);
    record_->host.log(severity, "[" + tag + "] " + std::string(line));
  }
  const Host& host() const { return record_->host; }

 private:
  std::shared_ptr<detail::CallRecord> record_;
};

// The call that the calling function serves. Throws Error "NoCall" outside of one.
inline Context current_call() {
  if (detail::current_record == nullptr)
    throw Error("NoCall", "current_call() outside of a function that is called");
  return Context(detail::current_record->shared_from_this());
}

}  // namespace backplane
