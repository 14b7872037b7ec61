// Serves the published functions of one component: from message to call to reply. Plugin authors do not
// need it; <backplane/plugin.hpp> puts it behind every kind that publishes functions.
#pragma once

#include <backplane/functions.hpp>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace backplane {

inline constexpr std::string_view deferred_result_name = "deferred_result";

namespace detail {

// Describes an exception for an asker.
inline Failure failure_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const DetailedError& failure) {
    return failure_of(failure);
  } catch (const Error& failure) {
    return {failure.type(), failure.what(), failure.traceback()};
  } catch (const std::exception& failure) {
    return {type_name(failure), failure.what(), {}};
  } catch (...) {
    std::string type = "unknown";
#if __has_include(<cxxabi.h>)
    if (const auto* info = abi::__cxa_current_exception_type()) type = demangled(info->name());
#endif
    return {type, "something that is not a std::exception was thrown", {}};
  }
}

// Arguments of a request in the order of the parameters, defaults filled in. Throws Malformed for bytes
// that are not arguments, Error "InvalidCallArguments" for arguments that do not fit.
class ArgumentReader {
 public:
  ArgumentReader(const FunctionEntry& entry, const DecodeLimits& limits) : entry_(entry), limits_(limits) {}

  Array read(const Message& request) const {
    Arguments given;
    if (request.envelope().encoding == BP_MSGPACK) {
      if (request.size() > 0) given.positional = decode_arguments(request[0], limits_);
      if (request.size() > 1) given.named = decode_named_arguments(request[1], limits_);
    } else {
      for (std::size_t i = 0; i < request.size(); ++i)
        given.positional.push_back(raw_argument(request[i], i));
    }
    if (entry_.any_arguments) {
      Array both;
      both.emplace_back(std::move(given.positional));
      both.emplace_back(std::move(given.named));
      return {Value(std::move(both))};
    }
    return arrange(std::move(given));
  }

 private:
  Value raw_argument(std::string_view frame, std::size_t index) const {
    const bool as_text =
        index < entry_.parameters.size() && std::string_view(entry_.parameters[index].type) == "text";
    return as_text ? Value(frame) : Value(Bytes{std::string(frame)});
  }

  Array arrange(Arguments given) const {
    const auto& parameters = entry_.parameters;
    if (given.positional.size() == parameters.size() && given.named.empty())
      return std::move(given.positional);
    if (given.positional.size() > parameters.size())
      refuse("takes " + std::to_string(parameters.size()) + " arguments (" + names() + "), got " +
             std::to_string(given.positional.size()));
    Array all = std::move(given.positional);
    std::vector<bool> present(parameters.size(), false);
    std::fill_n(present.begin(), all.size(), true);
    all.resize(parameters.size());
    for (auto& [key, value] : given.named) {
      const auto& name = *key.get_if<std::string>();
      const auto found = std::find_if(parameters.begin(), parameters.end(),
                                      [&](const auto& parameter) { return parameter.name == name; });
      if (found == parameters.end()) refuse("has no parameter \"" + name + "\"; it has: " + names());
      const auto index = static_cast<std::size_t>(found - parameters.begin());
      if (present[index]) refuse("parameter \"" + name + "\" is given twice");
      present[index] = true;
      all[index] = std::move(value);
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (present[i]) continue;
      if (!parameters[i].default_value)
        refuse("parameter \"" + parameters[i].name + "\": expected " + parameters[i].type + ", got nothing");
      all[i] = *parameters[i].default_value;
    }
    return all;
  }

  std::string names() const {
    std::string all;
    for (const auto& parameter : entry_.parameters) all += (all.empty() ? "" : ", ") + parameter.name;
    return all;
  }
  [[noreturn]] void refuse(const std::string& why) const {
    throw Error("InvalidCallArguments", entry_.name + ": " + why);
  }

  const FunctionEntry& entry_;
  const DecodeLimits& limits_;
};

// The threads of blocking functions. start() and stop() on the loop.
class Workers {
 public:
  using Job = std::function<void()>;
  ~Workers() { stop(); }

  void start(std::size_t threads, std::size_t most_waiting) {
    most_waiting_ = most_waiting;
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
  }
  // False: too many wait already. Jobs that idle threads are about to take do not wait.
  bool add(Job job) {
    {
      const std::scoped_lock lock(mutex_);
      if (jobs_.size() >= most_waiting_ + (threads_.size() - busy_)) return false;
      jobs_.push_back(std::move(job));
    }
    more_.notify_one();
    return true;
  }
  // Waits for the jobs that run; those that wait are dropped.
  void stop() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
      jobs_.clear();
    }
    more_.notify_all();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void run() {
    while (true) {
      Job job;
      {
        std::unique_lock lock(mutex_);
        more_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        if (stopping_) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
        ++busy_;
      }
      job();
      const std::scoped_lock lock(mutex_);
      --busy_;
    }
  }

  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<Job> jobs_;
  std::size_t most_waiting_ = 0;
  std::size_t busy_ = 0;  // threads with a job
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// Results that askers poll for. Loop thread only.
class DeferredResults {
 public:
  struct Result {
    bool finished = false;
    bool fetched = false;
    std::int64_t expires = 0;
    std::string content;  // encoded as a reply's frame
    std::uint32_t encoding = BP_MSGPACK;
    std::optional<Failure> failure;

    std::size_t size() const { return content.size() + (failure ? failure->size() : 0); }
  };

  DeferredResults(Host host, const ServingLimits& limits) : host_(host), limits_(limits) {}

  // A new token, or nothing when too much is kept already.
  std::optional<std::string> add() {
    if (results_.size() >= limits_.deferred || bytes_ >= limits_.deferred_bytes) drop_fetched();
    if (results_.size() >= limits_.deferred || bytes_ >= limits_.deferred_bytes) return std::nullopt;
    std::string token = new_token();
    results_.try_emplace(token);
    return token;
  }
  void finish(const std::string& token, Result result) {
    bytes_ += result.size();
    result.finished = true;
    result.expires = host_.now() + limits_.keep_result.count();
    results_[token] = std::move(result);
    if (!sweeper_.active()) {
      const auto period =
          std::max<std::chrono::nanoseconds>(limits_.keep_result / 4, std::chrono::milliseconds(1));
      sweeper_ = host_.every(period, [this] { sweep(); });
    }
  }
  // It was never given out, or its call was given up.
  void remove(const std::string& token) { erase(results_.find(token)); }
  // nullptr: no such token (any more). Marks a finished one as fetched.
  const Result* fetch(const std::string& token) {
    const auto found = results_.find(token);
    if (found == results_.end()) return nullptr;
    auto& result = found->second;
    const auto now = host_.now();
    if (result.finished && result.expires <= now) {
      erase(found);
      return nullptr;
    }
    if (result.finished && !result.fetched) {
      result.fetched = true;
      result.expires = now + limits_.keep_result.count();
    }
    return &result;
  }
  void clear() {
    sweeper_.end();
    results_.clear();
    bytes_ = 0;
  }
  std::size_t size() const { return results_.size(); }

 private:
  using Results = std::unordered_map<std::string, Result>;

  Results::iterator erase(Results::iterator where) {
    if (where == results_.end()) return where;
    bytes_ -= where->second.size();
    return results_.erase(where);
  }
  template <typename Condition>
  void erase_if(Condition&& condition) {
    for (auto at = results_.begin(); at != results_.end();)
      at = condition(at->second) ? erase(at) : std::next(at);
  }
  void drop_fetched() {
    erase_if([](const Result& result) { return result.fetched; });
  }
  void sweep() {
    const auto now = host_.now();
    erase_if([&](const Result& result) { return result.finished && result.expires <= now; });
    const bool idle =
        std::none_of(results_.begin(), results_.end(), [](const auto& one) { return one.second.finished; });
    if (idle) sweeper_.end();
  }
  // 128 random bits in hex: nobody guesses another asker's.
  static std::string new_token() {
    std::random_device random;
    std::string token;
    for (int i = 0; i < 4; ++i) {
      char part[9];
      std::snprintf(part, sizeof part, "%08x", static_cast<unsigned>(random()));
      token += part;
    }
    return token;
  }

  Host host_;
  const ServingLimits& limits_;
  Results results_;
  std::size_t bytes_ = 0;
  Timer sweeper_;
};

// The engine behind a FunctionServer. Loop thread only, save what workers and kept calls post to it.
class Engine final : public CallEngine {
 public:
  using Record = std::shared_ptr<CallRecord>;
  static constexpr std::uint64_t own_cookie = std::uint64_t{1} << 63;

  explicit Engine(Host host) : host_(host), gate_(std::make_shared<EngineGate>()) { gate_->engine = this; }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() { stop(); }

  Functions& functions() { return functions_; }

  void publish() {
    functions_.tell(tell_host, const_cast<bp_host*>(host_.abi()));
    if (!can_defer() || functions_.find(deferred_result_name) != nullptr) return;
    Functions built_in;
    built_in.add(std::string(deferred_result_name), [](std::string) { return Value(); },
                 "The result of a deferred call, by its token.", {"token"}, {.manner = Manner::immediate});
    built_in.tell(tell_host, const_cast<bp_host*>(host_.abi()));
  }

  void start() {
    calls_counter_ = host_.counter("calls", "calls of functions that were begun");
    failures_counter_ = host_.counter("call_failures", "calls that ended with an error");
    cancelled_counter_ = host_.counter("calls_cancelled", "calls given up before their end");
    running_gauge_ = host_.gauge("calls_running", "calls that run or wait now");
    deferred_gauge_ = host_.gauge("calls_deferred", "deferred results that are awaited or kept");
    const auto& limits = functions_.limits();
    const auto& entries = functions_.entries();
    if (std::any_of(entries.begin(), entries.end(),
                    [](const auto& entry) { return entry->settings.blocking; }))
      workers_.start(std::max<std::size_t>(1, option("workers", limits.workers)),
                     option("worker_queue", limits.worker_queue));
  }

  // Serves a call. Takes the message, unless it throws: Malformed for bytes that are not a call.
  void handle(Message&& message) {
    if (message.function().empty())
      throw Malformed("a message without a function's name came to functions only");
    const auto* entry = functions_.find(message.function());
    if (entry == nullptr) {
      if (message.function() == deferred_result_name) {
        poll(message);
      } else {
        refuse(message, {"NameError", std::string(message.function()), {}});
      }
      message = Message();
      return;
    }
    const auto record = std::make_shared<CallRecord>(host_, *entry);
    fill(*record, message);
    try {
      record->arguments = ArgumentReader(*entry, functions_.limits().decode).read(message);
    } catch (const Malformed&) {
      throw;
    } catch (const Error&) {
      message = Message();
      calls_counter_.add();
      finish(record, {{}, failure_of(std::current_exception())});
      return;
    }
    message = Message();
    admit(record);
  }

  // Takes outcomes of nested requests, and notices for calls that are served here. False: not for us.
  bool on_reply(Message& message) {
    const auto& envelope = message.envelope();
    if (message.has(BP_CANCEL) || message.has(BP_CREDIT)) return notice(envelope);
    if ((envelope.cookie & own_cookie) == 0) return false;
    const auto found = nested_.find(envelope.cookie);
    if (found != nested_.end()) {
      auto& request = *found->second;
      nested_.erase(found);
      request.cookie = 0;
      request.reply = std::move(message);
      wake(*request.record, request.waiter);
    }
    return true;
  }

  // Ends all calls: those that wait are destroyed, blocking ones are waited for; askers get "ShuttingDown".
  void stop() {
    {
      const std::scoped_lock lock(gate_->mutex);
      if (!gate_->open) return;
      gate_->open = false;
    }
    for (const auto& [serial, record] : calls_) record->cancelled = true;
    workers_.stop();
    take_worker_outcomes();
    stopping_ = true;
    const auto left = calls_;
    for (const auto& [serial, record] : left) {
      if (record->answers)
        send_failure(record->envelope, {"ShuttingDown", std::string(host_.component()) + " stops", {}});
      record->answers = false;
      give_up(record);
    }
    gate_->engine = nullptr;
    results_.clear();
    groups_.clear();
  }

  // ---- for coroutines and kept calls ----

  void wake(CallRecord& record, std::coroutine_handle<> where) override {
    record.next = where;
    advance(record);
  }

  void ask(NestedRequest& request, std::string_view target, Message message) override {
    request.cookie = own_cookie | ++last_cookie_;
    message.envelope().cookie = request.cookie;
    nested_.emplace(request.cookie, &request);
    const auto sent = host_.call(target, std::move(message));
    if (request.cookie == 0) return;  // answered already
    request.correlation = host_.last_request();
    if (sent == Sent::yes || sent == Sent::pause) return;
    nested_.erase(request.cookie);
    request.cookie = 0;
    if (sent == Sent::rejected)
      throw Error("Overloaded", "the call of " + std::string(target) + " was rejected");
    throw Error("NoRoute", "nothing takes the call of " + std::string(target));
  }

  void forget(NestedRequest& request) override {
    nested_.erase(request.cookie);
    request.cookie = 0;
    if (request.correlation != 0) host_.cancel(request.correlation);
  }

  void complete(const Record& record, Outcome outcome) override {
    if (!record->finished) finish(record, std::move(outcome));
  }

 private:
  struct Group {
    bool busy = false;
    bool releasing = false;
    std::deque<Record> waiting;
  };
  struct WorkerOutcome {
    Record record;
    Outcome outcome;
  };

  static void tell_host(void* host, const bp_function* function) {
    const auto* abi = static_cast<const bp_host*>(host);
    abi->publish(abi, function);
  }

  bool can_defer() const {
    const auto& entries = functions_.entries();
    return std::any_of(entries.begin(), entries.end(), [](const auto& entry) {
      const auto manner = entry->settings.manner;
      return manner == Manner::ordinary || manner == Manner::deferred || manner == Manner::synchronized;
    });
  }

  std::size_t option(const char* name, std::size_t otherwise) const {
    auto value = host_.option(name);
    return value.present() ? static_cast<std::size_t>(value) : otherwise;
  }

  void fill(CallRecord& record, const Message& message) {
    record.gate = gate_;
    record.serial = ++last_serial_;
    record.envelope = message.envelope();
    record.headers = message.headers();
    record.raw = message.envelope().encoding == BP_RAW;
    record.answers = message.wants_reply() && !message.has(BP_SIGNAL);
    record.streaming = record.answers && message.has(BP_STREAM) && record.entry.shape == Shape::stream;
    record.credit = record.envelope.credit;
    const auto manner = record.entry.settings.manner;
    record.may_defer =
        record.answers && message.has(BP_DEFERRED) && !record.streaming &&
        (manner == Manner::ordinary || manner == Manner::deferred || manner == Manner::synchronized);
  }

  // ---- the way of a call ----

  void admit(const Record& record) {
    const auto& limits = functions_.limits();
    calls_counter_.add();
    if (too_late(record)) return;
    if (calls_.size() >= limits.running)
      return finish(record, {{}, Failure{"Overloaded", "too many calls run at once", {}}});
    if (record->entry.settings.manner == Manner::deferred && record->may_defer && !defer(record))
      return finish(record, {{}, Failure{"Overloaded", "too many deferred results are kept", {}}});
    if (!record->entry.grouped()) return begin(record);
    auto& group = groups_[record->entry.settings.group];
    if (group.waiting.size() >= limits.group_queue)
      return finish(record, {{}, Failure{"Overloaded", "too many calls wait for their turn", {}}});
    if (group.busy) {
      group.waiting.push_back(record);
      enroll(record);
    } else {
      group.busy = true;
      record->in_group = true;
      begin(record);
    }
  }

  void begin(const Record& record) {
    if (record->entry.settings.blocking) return give_to_worker(record);
    Outcome outcome = invoke(*record);
    if (outcome.failure || record->entry.shape == Shape::plain) return finish(record, std::move(outcome));
    if (record->root) advance(*record);
    if (!record->finished) enroll(record);
  }

  static Outcome invoke(CallRecord& record) {
    try {
      const CurrentCall current(record);
      return {record.entry.invoker->invoke(record), {}};
    } catch (...) {
      return {{}, failure_of(std::current_exception())};
    }
  }

  void give_to_worker(const Record& record) {
    enroll(record);
    const bool taken = workers_.add([this, record] {
      if (record->claimed.exchange(true)) return;
      Outcome outcome = invoke(*record);
      {
        const std::scoped_lock lock(worker_mutex_);
        worker_outcomes_.push_back({record, std::move(outcome)});
      }
      // Fails when the component stops: then stop() takes the outcome.
      host_.post([gate = gate_] {
        if (auto* engine = gate->engine) static_cast<Engine*>(engine)->take_worker_outcomes();
      });
    });
    if (!taken) finish(record, {{}, Failure{"Overloaded", "too many calls wait for a worker thread", {}}});
  }

  void take_worker_outcomes() {
    std::vector<WorkerOutcome> ended;
    {
      const std::scoped_lock lock(worker_mutex_);
      ended.swap(worker_outcomes_);
    }
    for (auto& [record, outcome] : ended) complete(record, std::move(outcome));
  }

  // Goes on with the coroutine of a call until it waits or ends.
  void advance(CallRecord& call) {
    if (call.advancing) return;      // the loop below sees what is next
    constexpr int most_steps = 256;  // then it is the turn of others
    const auto record = call.shared_from_this();
    record->advancing = true;
    for (int step = 0; record->next && !record->cancelled && !record->finished; ++step) {
      if (step == most_steps) {
        host_.post([record, gate = gate_] {
          if (auto* engine = gate->engine; engine != nullptr && !record->finished)
            static_cast<Engine*>(engine)->advance(*record);
        });
        break;
      }
      const auto where = std::exchange(record->next, nullptr);
      const CurrentCall current(*record);
      where.resume();
      if (record->item_ready) offer_item(*record);
    }
    record->advancing = false;
    if (record->finished) {
      record->root.destroy();
    } else if (record->root.done()) {
      finish(record, outcome_of_root(*record));
    } else if (record->cancelled) {
      give_up(record);
    }
  }

  Outcome outcome_of_root(CallRecord& record) {
    try {
      Value result = record.root.promise().take_result();
      if (record.entry.shape == Shape::stream && !record.streaming) result = std::move(record.collected);
      return {std::move(result), {}};
    } catch (...) {
      return {{}, failure_of(std::current_exception())};
    }
  }

  // Sends the item that a stream has yielded, or keeps it until there is credit.
  void offer_item(CallRecord& record) {
    if (record.streaming) {
      if (record.credit == 0) return;
      --record.credit;
      record.item_ready = false;
      try {
        Message reply = reply_with(record, std::move(record.item));
        reply.set(BP_STREAM);
        host_.reply(record.envelope, std::move(reply));
      } catch (...) {
        return finish(record.shared_from_this(), {{}, failure_of(std::current_exception())});
      }
    } else {
      record.item_ready = false;
      if (record.collected.size() >= functions_.limits().collected)
        return finish(record.shared_from_this(),
                      {{}, Failure{"ResultTooLarge", "the stream has too many items for one answer", {}}});
      if (record.answers || !record.token.empty()) record.collected.push_back(std::move(record.item));
    }
    record.next = record.yielded;
  }

  // Makes a call known that did not end at once: it can be cancelled, and ends at its deadline.
  void enroll(const Record& record) {
    if (record->registered) return;
    record->registered = true;
    calls_.emplace(record->serial, record);
    if (record->answers) by_correlation_[record->envelope.correlation] = record;
    tell_running();
    const auto now = host_.now();
    CallRecord* const call = record.get();  // outlives its timers
    if (record->answers && record->envelope.deadline != 0)
      record->deadline_timer =
          host_.after(std::chrono::nanoseconds(std::max<std::int64_t>(0, record->envelope.deadline - now)),
                      [this, call] { pass_deadline(call->shared_from_this()); });
    if (!record->may_defer || !record->token.empty()) return;
    const auto& settings = record->entry.settings;
    const auto limit = settings.max_response_time.count() > 0 ? settings.max_response_time
                                                              : functions_.limits().max_response_time;
    if (limit.count() > 0)
      record->response_timer = host_.after(limit, [this, call] { defer(call->shared_from_this()); });
  }

  void withdraw(const Record& record) {
    record->finished = true;
    record->deadline_timer.end();
    record->response_timer.end();
    record->on_cancel.clear();
    if (!record->registered) return;
    record->registered = false;
    calls_.erase(record->serial);
    unlist(*record);
    tell_running();
  }

  void unlist(const CallRecord& record) {
    const auto found = by_correlation_.find(record.envelope.correlation);
    if (found != by_correlation_.end() && found->second.get() == &record) by_correlation_.erase(found);
  }

  void tell_running() {
    running_gauge_.set(static_cast<std::int64_t>(calls_.size()));
    host_.holding(calls_.size());
  }

  // The end of a call: accounts for it, answers, lets the next of its group begin.
  void finish(const Record& record, Outcome outcome) {
    if (record->finished) return;
    withdraw(record);
    const bool given_up = record->cancelled && !record->answers && record->token.empty();
    if (outcome.failure && !given_up) {
      failures_counter_.add();
      add_traceback(*record, *outcome.failure);
    }
    if (!record->token.empty()) {
      keep_result(*record, std::move(outcome));
    } else if (record->answers) {
      answer(*record, std::move(outcome));
    } else if (outcome.failure && !given_up) {
      host_.warn("function " + record->entry.name + " failed: " + outcome.failure->type + ": " +
                 outcome.failure->message);
    }
    if (!record->advancing) record->root.destroy();  // else advance() does it
    release_group(record);
  }

  void answer(CallRecord& record, Outcome outcome) {
    record.answers = false;
    if (outcome.failure) return send_failure(record.envelope, *outcome.failure);
    try {
      if (record.streaming) {
        Message end = host_.message();
        end.set(BP_STREAM_END);
        end.envelope().encoding = BP_MSGPACK;
        host_.reply(record.envelope, std::move(end));
      } else {
        host_.reply(record.envelope, reply_with(record, std::move(outcome.value)));
      }
    } catch (...) {
      failures_counter_.add();
      send_failure(record.envelope, failure_of(std::current_exception()));
    }
  }

  void send_failure(const bp_envelope& request, const Failure& failure) const {
    host_.reply_error(request, failure.type, failure.message, failure.traceback, failure.attributes);
  }

  // The chain of functions the error came through; its last line is the error.
  void add_traceback(const CallRecord& record, Failure& failure) const {
    const auto here = "in " + std::string(host_.component()) + "." + record.entry.name + "\n";
    if (failure.traceback.empty()) failure.traceback = failure.type + ": " + failure.message;
    failure.traceback = here + failure.traceback;
  }

  // A result as a reply's frame. Moves texts and bytes of raw calls.
  static std::pair<std::string, std::uint32_t> encode_result(const CallRecord& record, Value result) {
    if (record.raw) {
      if (auto* bytes = result.get_if<Bytes>()) return {std::move(bytes->content), BP_RAW};
      if (auto* words = result.get_if<std::string>()) return {std::move(*words), BP_RAW};
    }
    return {encode(result), BP_MSGPACK};
  }
  Message reply_with(const CallRecord& record, Value result) const {
    auto [content, encoding] = encode_result(record, std::move(result));
    Message reply = host_.message();
    reply.envelope().encoding = encoding;
    reply.append_moved(std::move(content));
    return reply;
  }

  // ---- groups ----

  void release_group(const Record& record) {
    if (!std::exchange(record->in_group, false)) return;
    auto& group = groups_[record->entry.settings.group];
    group.busy = false;
    if (group.releasing || stopping_) return;  // the loop below goes on
    group.releasing = true;
    while (!group.busy && !group.waiting.empty()) {
      const auto next = std::move(group.waiting.front());
      group.waiting.pop_front();
      if (next->finished || too_late(next)) continue;
      group.busy = true;
      next->in_group = true;
      begin(next);
    }
    group.releasing = false;
  }

  // ---- giving up ----

  bool notice(const bp_envelope& envelope) {
    const auto found = by_correlation_.find(envelope.correlation);
    if (found == by_correlation_.end()) return false;
    const auto record = found->second;
    if ((envelope.flags & BP_CREDIT) != 0) {
      const auto room = std::numeric_limits<std::uint32_t>::max() - record->credit;
      record->credit += std::min(room, envelope.credit);
      if (record->item_ready && !record->advancing) {
        offer_item(*record);
        advance(*record);
      }
    }
    if ((envelope.flags & BP_CANCEL) != 0) {
      record->answers = false;
      cancelled_counter_.add();
      give_up(record);
    }
    return true;
  }

  // Nobody waits for `record` any more. What waits ends here; a worker that runs it sees `cancelled`.
  void give_up(const Record& record) {
    if (record->finished) return;
    record->cancelled = true;
    unlist(*record);
    for (const auto& run : std::exchange(record->on_cancel, {}))
      Host::guarded(host_.abi(), "on_cancel", [&] { run(); });
    if (record->finished || record->advancing) return;  // advance() comes back here
    if (record->entry.settings.blocking && record->claimed.exchange(true) && !stopping_) return;
    withdraw(record);
    if (!record->token.empty()) results_.remove(record->token);
    record->root.destroy();
    release_group(record);
  }

  // True when nobody waits for `record` any more, before it began: it is answered and not run.
  bool too_late(const Record& record) {
    const auto now = host_.now();
    const auto& envelope = record->envelope;
    if (envelope.expires != 0 && envelope.expires <= now) {
      finish(record, {{}, Failure{"Expired", "its time to live ended before it was run", {}}});
      return true;
    }
    if (record->answers && envelope.deadline != 0 && envelope.deadline <= now) {
      finish(record,
             {{}, Failure{"DeadlineExceeded", "the deadline passed before the function was run", {}}});
      return true;
    }
    return false;
  }

  void pass_deadline(const Record& record) {
    if (record->finished || !record->answers) return;
    failures_counter_.add();
    cancelled_counter_.add();
    send_failure(record->envelope,
                 {"DeadlineExceeded", "the function " + record->entry.name + " did not end in time", {}});
    record->answers = false;
    give_up(record);
  }

  // ---- deferreds ----

  // Answers with a token instead of the result. False: too many are kept; the call goes on as it was.
  bool defer(const Record& record) {
    auto token = results_.add();
    if (!token) return false;
    record->token = *token;
    record->answers = false;
    record->deadline_timer.end();
    unlist(*record);
    reply_deferred(record->envelope, *token);
    tell_deferred();
    return true;
  }

  void reply_deferred(const bp_envelope& request, std::string_view token) const {
    Message reply = host_.message({token, host_.component()});
    reply.set(BP_DEFERRED);
    host_.reply(request, std::move(reply));
  }

  void keep_result(const CallRecord& record, Outcome outcome) {
    DeferredResults::Result result;
    result.failure = std::move(outcome.failure);
    if (!result.failure) {
      try {
        std::tie(result.content, result.encoding) = encode_result(record, std::move(outcome.value));
      } catch (...) {
        result.failure = failure_of(std::current_exception());
      }
    }
    results_.finish(record.token, std::move(result));
    tell_deferred();
  }

  void poll(const Message& message) {
    std::string token;
    if (message.envelope().encoding == BP_MSGPACK) {
      const Array arguments =
          message.empty() ? Array() : decode_arguments(message[0], functions_.limits().decode);
      if (arguments.size() != 1 || arguments[0].get_if<std::string>() == nullptr)
        return refuse(message,
                      {"InvalidCallArguments", "deferred_result: parameter \"token\": expected text", {}});
      token = *arguments[0].get_if<std::string>();
    } else {
      token = message.topic();
    }
    const auto* result = results_.fetch(token);
    tell_deferred();
    if (!message.wants_reply()) return;
    if (result == nullptr) return refuse(message, {"InvalidAsyncToken", token, {}});
    if (!result->finished) return reply_deferred(message.envelope(), token);
    if (const auto& failure = result->failure) return send_failure(message.envelope(), *failure);
    Message reply = host_.message({result->content});
    reply.envelope().encoding = result->encoding;
    host_.reply(message.envelope(), std::move(reply));
  }

  void tell_deferred() { deferred_gauge_.set(static_cast<std::int64_t>(results_.size())); }

  // An error before there is a call.
  void refuse(const Message& message, const Failure& failure) {
    failures_counter_.add();
    if (message.wants_reply() && !message.has(BP_SIGNAL)) {
      send_failure(message.envelope(), failure);
    } else {
      host_.warn("a call without an asker was refused: " + failure.type + ": " + failure.message);
    }
  }

  Host host_;
  std::shared_ptr<EngineGate> gate_;
  Functions functions_;
  DeferredResults results_{host_, functions_.limits()};
  Counter calls_counter_;
  Counter failures_counter_;
  Counter cancelled_counter_;
  Gauge running_gauge_;
  Gauge deferred_gauge_;
  std::uint64_t last_serial_ = 0;
  std::uint64_t last_cookie_ = 0;
  bool stopping_ = false;
  std::unordered_map<std::uint64_t, Record> calls_;           // those that did not end at once
  std::unordered_map<std::uint64_t, Record> by_correlation_;  // of these, those somebody waits for
  std::unordered_map<std::uint64_t, NestedRequest*> nested_;  // by cookie; owned by their frames
  std::map<std::string, Group> groups_;
  std::mutex worker_mutex_;
  std::vector<WorkerOutcome> worker_outcomes_;
  Workers workers_;
};

}  // namespace detail

// What stands between a component's messages and its functions. Loop thread only.
class FunctionServer {
 public:
  explicit FunctionServer(Host host) : engine_(std::make_unique<detail::Engine>(host)) {}

  // To be filled by the component's publish().
  Functions& functions() { return engine_->functions(); }
  // Names the object whose member functions are published. Before they are added.
  template <typename T>
  void bind(T* object) {
    functions().bind(object);
  }
  // Tells the host all functions.
  void publish() { engine_->publish(); }
  // Makes the counters, starts worker threads when there are blocking functions.
  void start() { engine_->start(); }
  // Serves a call. Takes the message, unless it throws.
  void handle(Message&& message) { engine_->handle(std::move(message)); }
  // Takes what concerns its own calls; false: the message is for the component, untouched.
  bool on_reply(Message& message) { return engine_->on_reply(message); }
  // Ends every call; waits for blocking ones that run.
  void stop() { engine_->stop(); }

 private:
  std::unique_ptr<detail::Engine> engine_;
};

}  // namespace backplane
