// A client of infi.rpc servers for programs of their own.
//
//   backplane::rpc::InfiClient client("tcp://127.0.0.1:4245");
//   int sum = client.call<int>("add", 2, backplane::rpc::Named{{"b", 3}});
//   auto later = client.start<double>("slow", 0.9);
//   while (!later.poll()) ...
//   double seconds = later.get();
//
// A server answers with the result or, when the work takes longer, with a token by which the result can be
// asked for: by this client, by another one, after a restart. call() asks until the work has ended.
//
// Thread-safe, but for what one Deferred does. Errors: InfiError, whose type() is the name of infi.rpc's
// class, "TimeoutExpired" among them; and as Client, "TypeError", "ZmqError", "LostRemote" (a connection
// broke while there are other addresses).
#pragma once

#include <backplane/rpc/client.hpp>
#include <backplane/rpc/infi_error.hpp>
#include <backplane/uuid.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace backplane::rpc {

// Named arguments, behind the positional ones.
struct Named {
  Named() = default;
  Named(std::initializer_list<MapEntry> entries) : all(entries) {}
  explicit Named(Map entries) : all(std::move(entries)) {}
  Map all;
};

struct InfiOptions {
  std::chrono::nanoseconds timeout = std::chrono::seconds(10);  // for one answer; 0: none
  std::chrono::nanoseconds poll_interval = std::chrono::milliseconds(100);
  int poll_again = 3;  // times that a poll without an answer is repeated before it fails
  // Asks the server, before the first call, within what time it answers, and waits no longer than `rule`
  // says, so that a server that is stuck is noticed however long its work may take.
  bool auto_timeout = false;
  std::function<std::chrono::nanoseconds(double seconds)> rule = [](double seconds) {
    const std::chrono::duration<double> twice(std::clamp(2 * seconds, 1.0, 1e9));
    return std::chrono::duration_cast<std::chrono::nanoseconds>(twice);
  };
  std::string request_id_tag = {};  // for the server's log, 8 hex digits; empty: it makes one
  Map context = {};                 // as of ClientOptions, like those below
  ClientHooks hooks = {};
  bool bind = false;
  std::size_t max_payload = std::size_t{100} << 20;
  void* zmq_context = nullptr;
};

// What one call has instead of the client's options.
struct InfiCallOptions {
  std::optional<std::chrono::nanoseconds> timeout = {};
  std::optional<std::chrono::nanoseconds> poll_interval = {};
  std::string uuid = {};  // of the call; empty: a new one. A server joins calls of the same.
};

namespace detail {

// An answer on its way. The client stays until it is there.
struct InfiExchange {
  std::shared_ptr<Client> client;
  Conversation conversation;
  std::string method;
  std::string uuid;
  std::chrono::nanoseconds timeout{0};
};

// What a server said of a request: ended with a value, or failed, or not yet ended.
struct InfiState {
  std::optional<Value> value = {};
  std::optional<InfiError> error = {};
  std::string token = {};
};

// What an InfiClient and its Deferreds share. Any thread.
class InfiCore {
 public:
  InfiCore(std::string endpoint, InfiOptions options)
      : endpoint_(std::move(endpoint)),
        options_(std::move(options)),
        hooks_(std::make_shared<const ClientHooks>(options_.hooks)),
        timeout_(options_.timeout) {
    connection_ = connect();
  }

  const InfiOptions& options() const { return options_; }
  std::shared_ptr<Client> connection() {
    const std::lock_guard lock(mutex_);
    if (!connection_) connection_ = connect();
    return connection_;
  }

  InfiExchange send(std::string_view method, Array arguments, Map named, const InfiCallOptions& options) {
    if (options_.auto_timeout) negotiate();
    return send_plainly(method, std::move(arguments), std::move(named), options);
  }

  void signal(std::string_view method, Array arguments, Map named) {
    connection()->signal_list("on_call", on_call(method, new_uuid(), std::move(arguments), std::move(named)));
  }

  // Waits for the answer. Throws InfiError "TimeoutExpired"; then the next call has a new connection.
  InfiState answer(InfiExchange& exchange) {
    try {
      return state_in(exchange.conversation.result());
    } catch (const RemoteError&) {
      throw;
    } catch (const Error& error) {
      if (error.type() != "TimeoutExpired") throw;
      forget(exchange.client);
      throw InfiError("TimeoutExpired", "timeout after " + seconds_text(exchange.timeout.count()) +
                                            "s, when calling remote method " + exchange.method);
    }
  }

  // Asks once for the state of a request; again, a few times, when no answer comes.
  InfiState poll(const std::string& token) {
    for (int again = options_.poll_again;; --again) {
      try {
        auto exchange = send("query_async_request", {Value(token)}, {}, {});
        auto told = answer(exchange);
        if (told.value) return state_in(std::move(*told.value));
        if (told.error) return told;
        throw InfiError("InvalidReturnValue", "a poll was answered with a token");
      } catch (const Error& error) {
        if (again <= 0 || (error.type() != "TimeoutExpired" && error.type() != "LostRemote")) throw;
      }
    }
  }

 private:
  std::shared_ptr<Client> connect() const {
    ClientOptions options;
    options.timeout = options_.timeout;
    options.heartbeat = {};  // infi.rpc's clients take a heartbeat for the answer
    options.context = options_.context;
    options.hooks = *hooks_;
    options.bind = options_.bind;
    options.max_payload = options_.max_payload;
    options.zmq_context = options_.zmq_context;
    return std::make_shared<Client>(endpoint_, std::move(options));
  }
  // Others who wait for an answer on it keep it until then.
  void forget(const std::shared_ptr<Client>& client) {
    const std::lock_guard lock(mutex_);
    if (connection_ == client && !options_.bind) connection_ = nullptr;
  }

  // The arguments of on_call: one, [[method, uuid and tag], positional arguments, named ones].
  Array on_call(std::string_view method, const std::string& uuid, Array arguments, Map named) const {
    const auto& tag = options_.request_id_tag;
    Map meta{{"method", method}, {"uuid", uuid}, {"request_id_tag", tag.empty() ? Value() : Value(tag)}};
    Array call;
    call.emplace_back(std::move(meta));
    call.emplace_back(std::move(arguments));
    call.emplace_back(std::move(named));
    Array only;
    only.emplace_back(std::move(call));
    return only;
  }
  InfiExchange send_plainly(std::string_view method, Array arguments, Map named,
                            const InfiCallOptions& options) {
    const auto uuid = options.uuid.empty() ? new_uuid() : options.uuid;
    InfiExchange exchange{connection(), {}, std::string(method), uuid, options.timeout.value_or(timeout())};
    exchange.conversation =
        exchange.client->begin({.timeout = exchange.timeout}, "on_call",
                               on_call(method, uuid, std::move(arguments), std::move(named)));
    return exchange;
  }

  std::chrono::nanoseconds timeout() {
    const std::lock_guard lock(mutex_);
    return timeout_;
  }
  // Asks once; a server that does not know the question is not asked again.
  void negotiate() {
    const std::lock_guard asking(negotiating_);
    if (std::exchange(negotiated_, true)) return;
    try {
      auto exchange = send_plainly("get_rpc_max_response_time", {}, {}, {});
      const auto told = answer(exchange);
      if (told.error && told.error->type() != "InvalidRPCMethod") throw *told.error;
      if (!told.value || told.value->is_nil()) return;
      const auto seconds = from_value<double>(*told.value);
      if (!(seconds >= 0))
        throw InfiError("InvalidReturnValue",
                        "get_rpc_max_response_time: expected seconds, got " + describe(*told.value));
      const auto agreed = options_.rule(seconds);
      const std::lock_guard lock(mutex_);
      timeout_ = agreed;
    } catch (...) {
      negotiated_ = false;
      throw;
    }
  }

  // The part of a result, by its key; of equal keys the last.
  static Value* part_of(Value& told, std::string_view key) {
    Value* found = nullptr;
    if (auto* all = told.get_if<Map>())
      for (auto& [name, value] : *all)
        if (text_in(&name) == key) found = &value;
    return found;
  }
  static InfiState state_in(Value told) {
    const auto code = text_in(part_of(told, "code"));
    auto* result = part_of(told, "result");
    const auto* exception = part_of(told, "exception");
    if (code == "success" && result != nullptr) return {std::move(*result), {}, {}};
    if (code == "deferred" && !text_in(result).empty()) return {{}, {}, text_in(result)};
    if (code == "error" && exception != nullptr) return {{}, infi_error(*exception), {}};
    throw InfiError("InvalidReturnValue", "the server's answer is no result of infi.rpc: " + describe(told));
  }

  const std::string endpoint_;
  const InfiOptions options_;
  const std::shared_ptr<const ClientHooks> hooks_;
  std::mutex mutex_;
  std::shared_ptr<Client> connection_;
  std::chrono::nanoseconds timeout_;
  std::mutex negotiating_;
  bool negotiated_ = false;
};

}  // namespace detail

// A call whose result is asked for later, whatever the type of that. Movable; one thread at a time. Nothing
// that happens to it, its destruction included, ends the work at the server.
class DeferredCall {
 public:
  DeferredCall() = default;

  // Whether the call is known to have ended; asks nobody.
  bool is_done() const { return outcome_.has_value(); }
  // Asks the server, once; true: the call has ended, well or not. Waits for the call's own answer first,
  // which tells the token. Throws what keeps it from knowing, "TimeoutExpired" or "InvalidAsyncToken" for
  // example.
  bool poll() {
    if (!is_done() && !take_first()) take(core_->poll(token_));
    return is_done();
  }
  // Polls until the call has ended. Throws as poll().
  void wait() { wait_until(sockets::Clock::time_point::max()); }
  // False: not within that time, which one answer may exceed.
  bool wait_for(std::chrono::nanoseconds time) { return wait_until(sockets::from_now(time)); }
  // Waits for the result, once. Throws the call's error, and as poll().
  Value get() {
    wait();
    const auto outcome = std::exchange(outcome_, std::nullopt);
    core_ = nullptr;
    if (outcome->error) throw *outcome->error;
    return *outcome->value;
  }
  // Names the result at the server. Waits for the first answer; empty: the call ended with that, and the
  // server keeps nothing.
  const std::string& token() {
    if (!is_done()) take_first();
    return token_;
  }
  // Forgets the call. The work at the server goes on.
  void cancel() {
    core_ = nullptr;
    first_ = std::nullopt;
  }
  // False: the result was taken, or it was cancelled. REQUIRED by all but cancel().
  bool active() const { return core_ != nullptr; }

 private:
  friend class InfiClient;
  DeferredCall(std::shared_ptr<detail::InfiCore> core, detail::InfiExchange first,
               std::chrono::nanoseconds interval)
      : core_(std::move(core)), first_(std::move(first)), interval_(interval) {}
  DeferredCall(std::shared_ptr<detail::InfiCore> core, std::string token, std::chrono::nanoseconds interval)
      : core_(std::move(core)), token_(std::move(token)), interval_(interval) {}

  // Waits for the answer to the call itself. False: there is nothing more to come of that kind.
  bool take_first() {
    if (!first_) return false;
    auto first = std::exchange(first_, std::nullopt);
    token_ = first->uuid;  // which the server gives to its result, should this answer be lost
    auto state = core_->answer(*first);
    token_.clear();
    take(std::move(state));
    return true;
  }
  void take(detail::InfiState state) {
    if (!state.token.empty()) {
      token_ = std::move(state.token);
    } else {
      outcome_ = std::move(state);
    }
  }

  bool wait_until(sockets::Clock::time_point until) {
    if (!is_done() && first_) {
      const auto left = until - sockets::Clock::now();
      if (until != sockets::Clock::time_point::max() && !first_->conversation.wait_for(left)) return false;
      take_first();
    }
    while (!poll()) {
      const auto next = sockets::from_now(interval_);
      if (next > until) return false;
      std::this_thread::sleep_until(next);
    }
    return true;
  }

  std::shared_ptr<detail::InfiCore> core_;
  std::optional<detail::InfiExchange> first_;  // until it was answered
  std::string token_;
  std::chrono::nanoseconds interval_{0};
  std::optional<detail::InfiState> outcome_;
};

// The same with a result that becomes a T, as in <backplane/binding.hpp>; void: it is ignored.
template <typename T>
class Deferred {
 public:
  Deferred() = default;
  explicit Deferred(DeferredCall call) : call_(std::move(call)) {}

  bool is_done() const { return call_.is_done(); }
  bool poll() { return call_.poll(); }
  void wait() { call_.wait(); }
  bool wait_for(std::chrono::nanoseconds time) { return call_.wait_for(time); }
  T get() {
    if constexpr (std::is_void_v<T>) {
      call_.get();
    } else {
      return from_value<T>(call_.get());
    }
  }
  const std::string& token() { return call_.token(); }
  void cancel() { call_.cancel(); }
  bool active() const { return call_.active(); }

 private:
  DeferredCall call_;
};

class InfiClient {
 public:
  // Connects, or binds, without waiting for the server. Throws as Client.
  explicit InfiClient(std::string endpoint, InfiOptions options = {})
      : core_(std::make_shared<detail::InfiCore>(std::move(endpoint), std::move(options))) {}

  // Where it connects to, or what it has bound.
  std::string address() { return core_->connection()->address(); }

  // Calls a method and waits for its result, however long the work takes; a Named as the last argument holds
  // named ones. Throws the call's error, and TypeMismatch when the result is no T.
  template <typename T = Value, typename... Args>
  T call(std::string_view method, Args&&... args) {
    return start<T>(method, std::forward<Args>(args)...).get();
  }
  template <typename T = Value, typename... Args>
  T call(const InfiCallOptions& options, std::string_view method, Args&&... args) {
    return start<T>(options, method, std::forward<Args>(args)...).get();
  }
  // Waits so long for one answer.
  template <typename T = Value, typename... Args>
  T call_within(std::chrono::nanoseconds timeout, std::string_view method, Args&&... args) {
    return start<T>(InfiCallOptions{.timeout = timeout}, method, std::forward<Args>(args)...).get();
  }

  // Calls a method and waits for nothing; its result is asked for later.
  template <typename T = Value, typename... Args>
  Deferred<T> start(std::string_view method, Args&&... args) {
    return start<T>(InfiCallOptions(), method, std::forward<Args>(args)...);
  }
  template <typename T = Value, typename... Args>
  Deferred<T> start(const InfiCallOptions& options, std::string_view method, Args&&... args) {
    Map named;
    Array positional;
    positional.reserve(sizeof...(args));
    (add(positional, named, std::forward<Args>(args)), ...);
    return Deferred<T>(begin(options, method, std::move(positional), std::move(named)));
  }
  // Calls a method and waits for its first answer: the result, so that it is done, or a token.
  template <typename T = Value, typename... Args>
  Deferred<T> deferred(std::string_view method, Args&&... args) {
    auto started = start<T>(method, std::forward<Args>(args)...);
    started.token();
    return started;
  }
  // A call that somebody made at some time, by its token.
  template <typename T = Value>
  Deferred<T> adopt(std::string token) {
    return Deferred<T>(DeferredCall(core_, std::move(token), core_->options().poll_interval));
  }

  // Calls a method with arguments whose number and types are known at run time only.
  DeferredCall begin(const InfiCallOptions& options, std::string_view method, Array arguments, Map named) {
    return {core_, core_->send(method, std::move(arguments), std::move(named), options),
            options.poll_interval.value_or(core_->options().poll_interval)};
  }

  // Calls a method and waits for nothing, also when the client ends.
  template <typename... Args>
  void signal(std::string_view method, Args&&... args) {
    Map named;
    Array positional;
    (add(positional, named, std::forward<Args>(args)), ...);
    signal_list(method, std::move(positional), std::move(named));
  }
  void signal_list(std::string_view method, Array arguments, Map named) {
    core_->signal(method, std::move(arguments), std::move(named));
  }

  // Asks the server for its functions, one by one.
  std::vector<RemoteFunction> functions() {
    std::vector<RemoteFunction> all;
    for (auto& name : call<std::vector<std::string>>("get_rpc_method_names")) {
      RemoteFunction function{name, {}, {}};
      detail::add_signature(function, call("get_rpc_ipython_argspec", name));
      all.push_back(std::move(function));
    }
    return all;
  }

 private:
  static void add(Array&, Map& named, Named given) { named = std::move(given.all); }
  template <typename T>
  static void add(Array& positional, Map&, T&& argument) {
    positional.push_back(to_value(std::forward<T>(argument)));
  }

  std::shared_ptr<detail::InfiCore> core_;
};

}  // namespace backplane::rpc
