// Runs one component without the program: a host for unit tests, with a real loop (sockets, descriptors,
// timers, posts from other threads), whose router is the test.
//
//   FakeComponent<Echo> echo({{"bind", "tcp://127.0.0.1:*"}});
//   echo.start();
//   EXPECT_EQ(echo.deliver(echo.message({"hello"})), BP_TAKEN);
//   ASSERT_TRUE(echo.run_until([&] { return !echo.sent().empty(); }));
//
// Threading: the thread that makes a FakeHost is the component's loop and calls all its verbs. What
// <backplane/abi.h> marks [any] may come from every thread. A component that breaks the rules of abi.h (a
// [loop] function from another thread, a watch it leaves behind, a message it loses) ends the test with a
// sentence.
#pragma once

#include <backplane/abi.h>
#include <backplane/host.hpp>
#include <backplane/message.hpp>
#include <backplane/plugin.hpp>
#include <backplane/published.hpp>
#include <backplane/testing/option_text.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace backplane {

// What the manifest would say about the component besides its options.
struct FakeSettings {
  std::string component = "fake";
  std::string host_name = "test";
  std::uint32_t instance = 0;
  std::uint32_t instances = 1;
  bool routed = true;
  void* zmq_context = nullptr;  // of another fake host, which outlives this one: both are one host then
};

// A message that the component sent, with `target` when it was a call.
struct FakeSent {
  std::string target;
  Message message;
};

// An answer of the component to a request it was given. Errors have a type and no message.
struct FakeReply {
  bp_envelope request;
  Message message;
  std::string error_type;
  std::string error_message;
  std::string traceback;
  Map attributes = {};
  bool is_error() const { return !error_type.empty(); }
};

struct FakeLogLine {
  Severity severity;
  std::string line;
};

using FakeFunction = PublishedFunction;

class FakeHost {
 public:
  using Condition = std::function<bool()>;
  static constexpr std::uint32_t component_number = 1;
  static constexpr std::uint32_t asker_number = 2;  // origin of the messages a test delivers

  // Converts the options; the component is made by start(). Throws Error "BadOption".
  explicit FakeHost(const bp_kind& kind, const OptionTexts& options = {}, FakeSettings settings = {})
      : kind_(kind), settings_(std::move(settings)), loop_thread_(std::this_thread::get_id()) {
    convert_options(options.all);
    wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    zmq_context_ = settings_.zmq_context != nullptr ? settings_.zmq_context : zmq_ctx_new();
    fill_table();
  }
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;
  ~FakeHost() {
    stop();
    destroy();
    forget_messages();
    if (settings_.zmq_context == nullptr) zmq_ctx_term(zmq_context_);
    close(wake_);
    if (live_messages_ != 0) misuse("a message was neither sent, answered nor freed");
  }

  // ---- verbs ----

  // Makes the component when start() has not. Throws Error as the component refused.
  void create() {
    if (self_ != nullptr) return;
    bp_error error{};
    self_ = kind_.create(&table_, &error);
    if (self_ == nullptr) throw Error(error.type, error.message, error.traceback);
  }
  // Makes and starts the component. Throws Error as the component refused.
  void start() {
    create();
    bp_error error{};
    if (kind_.start != nullptr && kind_.start(self_, &error) != 0) {
      destroy();
      throw Error(error.type, error.message, error.traceback);
    }
    started_ = true;
  }
  // Gives the component a message, as a route would. Returns BP_TAKEN, BP_BUSY (kept, offered again after
  // the component resumes), BP_MALFORMED or BP_FAILED (error() says why; an asker gets an error reply).
  std::int32_t deliver(Message message) {
    if (!busy_.empty()) {
      busy_.push_back(std::move(message));
      return BP_BUSY;
    }
    return offer(message);
  }
  // The outcome of a request the component sent, `request` as found in sent() or calls().
  void answer(const bp_envelope& request, std::initializer_list<std::string_view> frames,
              std::uint32_t encoding = BP_RAW, std::uint32_t flags = 0) {
    Message reply = message(frames);
    reply.envelope().encoding = encoding;
    outcome(request, std::move(reply), flags);
  }
  void answer_error(const bp_envelope& request, std::string_view type, std::string_view says,
                    std::string_view traceback = {}) {
    outcome(request, message({type, says, traceback}), BP_ERROR);
  }
  void answer_error(const bp_envelope& request, const DetailedError& error) {
    outcome(request,
            message({error.type(), error.what(), error.traceback(), encode(Value(error.attributes()))}),
            BP_ERROR);
  }
  // A finished message as an outcome: correlation and cookie are taken from `request`.
  void outcome(const bp_envelope& request, Message reply, std::uint32_t flags = 0) {
    reply.envelope().correlation = request.correlation;
    reply.envelope().cookie = request.cookie;
    reply.envelope().flags |= BP_REPLY | flags;
    notify(std::move(reply));
  }
  // Tells the component that the asker of `request` has gone.
  void give_up(const bp_envelope& request) { notice(request, BP_CANCEL, 0); }
  // Lets the component send `items` more of the stream that answers `request`.
  void grant_items(const bp_envelope& request, std::uint32_t items) { notice(request, BP_CREDIT, items); }
  // Sending is welcome again, after it was answered with BP_PAUSED.
  void resume() {
    paused_ = false;
    if (kind_.on_resume != nullptr) kind_.on_resume(self_);
  }
  void drain() {
    draining_ = true;
    if (kind_.drain != nullptr) kind_.drain(self_);
  }
  // Stops the component; posts and timers run no more. Does nothing when it is not running.
  void stop() {
    {
      const std::scoped_lock lock(mutex_);
      stopped_ = true;
    }
    run_posts();
    if (std::exchange(started_, false) && kind_.stop != nullptr) kind_.stop(self_);
  }
  // Destroys the component. stop() first.
  void destroy() {
    if (self_ == nullptr) return;
    kind_.destroy(std::exchange(self_, nullptr));
    if (!watches_.empty()) misuse("the component left a watch behind");
    timers_.clear();
    due_.clear();
  }

  // ---- the loop ----

  // Runs the loop until `condition` holds; false when `limit` has passed first.
  bool run_until(const Condition& condition, std::chrono::nanoseconds limit = std::chrono::seconds(10)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
      const auto left = end - std::chrono::steady_clock::now();
      if (left.count() <= 0) return false;
      run_once(std::min<std::chrono::nanoseconds>(left, std::chrono::milliseconds(20)));
    }
    return true;
  }
  void run_for(std::chrono::nanoseconds span) {
    run_until([] { return false; }, span);
  }
  // Runs what is ready now, without waiting.
  void run_ready() {
    for (int round = 0; round < 1000 && run_once(std::chrono::nanoseconds(0)); ++round) {
    }
  }
  // From now on time stands still and moves by advance() alone.
  void stop_clock() { manual_now_ = steady_now(); }
  // Moves a stopped clock; timers run in order, each at its instant.
  void advance(std::chrono::nanoseconds span) {
    const std::int64_t target = manual_now_ + span.count();
    run_ready();
    while (!due_.empty() && due_.begin()->first <= target) {
      manual_now_ = std::max<std::int64_t>(manual_now_, due_.begin()->first);
      run_ready();
    }
    manual_now_ = target;
    run_ready();
  }
  // Moves a stopped clock while the loop is busy with something else: what is due meanwhile runs late.
  void stall(std::chrono::nanoseconds span) { manual_now_ += span.count(); }
  std::int64_t now() const {
    const std::int64_t manual = manual_now_;
    return manual != 0 ? manual : steady_now();
  }

  // ---- messages for the component ----

  Message message(std::initializer_list<std::string_view> frames = {}) {
    Message made(&table_, new_message(&table_, static_cast<std::uint32_t>(frames.size())));
    for (auto frame : frames) made.append(frame);
    made.envelope().id = ++last_id_;
    made.envelope().origin = asker_number;
    return made;
  }
  // A message whose sender waits for the answer.
  Message request(std::string_view function, std::initializer_list<std::string_view> frames = {},
                  std::uint32_t encoding = BP_RAW) {
    Message made = message(frames);
    made.set_function(function);
    made.set(BP_REQUEST);
    made.envelope().correlation = made.envelope().id;
    made.envelope().reply_to = asker_number;
    made.envelope().encoding = encoding;
    return made;
  }

  // ---- what the component did ----

  // Messages it sent, in order; a test may take them out. Calls are kept apart.
  std::vector<FakeSent>& sent() { return collect(sent_, sent_inbox_); }
  std::vector<FakeSent>& calls() { return collect(calls_, calls_inbox_); }
  std::vector<FakeReply>& replies() { return collect(replies_, replies_inbox_); }
  std::vector<FakeLogLine>& log_lines() { return collect(log_, log_inbox_); }
  bool logged(std::string_view part) {
    for (const auto& entry : log_lines())
      if (entry.line.find(part) != std::string::npos) return true;
    return false;
  }
  // Takes the first of them out. REQUIRES: there is one.
  Message take_sent() {
    Message first = std::move(sent().front().message);
    sent_.erase(sent_.begin());
    return first;
  }
  FakeReply take_reply() {
    FakeReply first = std::move(replies().front());
    replies_.erase(replies_.begin());
    return first;
  }
  // What `send` and `call` answer from now on: BP_SENT, BP_PAUSED, BP_REJECTED or BP_NO_ROUTE.
  void answer_sends(std::int32_t with) {
    answer_sends([with](const FakeSent&) { return with; });
  }
  void answer_sends(std::function<std::int32_t(const FakeSent&)> with) {
    const std::scoped_lock lock(mutex_);
    send_answer_ = std::move(with);
  }

  bool paused() const { return paused_; }
  bool draining() const { return draining_; }
  std::uint64_t holding() const { return holding_; }
  // How long its drain may take, as the component told.
  std::chrono::nanoseconds drain_time() const { return drain_time_; }
  bool finished() const { return finished_; }
  // Why on_message said BP_FAILED or BP_MALFORMED the last time.
  const bp_error& error() const { return error_; }
  // What the component said when it could no longer work.
  std::optional<Error> failure() const {
    const std::scoped_lock lock(mutex_);
    return failure_;
  }
  const std::vector<std::uint64_t>& cancelled() const { return cancelled_; }
  const std::vector<std::pair<std::uint64_t, std::uint32_t>>& granted() const { return granted_; }
  const std::vector<FakeFunction>& published() const { return published_; }
  std::size_t busy_messages() const { return busy_.size(); }
  std::size_t running_timers() const { return timers_.size(); }
  std::size_t active_watches() const { return watches_.size(); }
  // A counter or gauge; 0 when the component has none of this name.
  std::int64_t metric(const std::string& name) const {
    const auto cell = cells_.find(name);
    return cell == cells_.end() ? 0 : __atomic_load_n(&cell->second, __ATOMIC_RELAXED);
  }
  // Makes a table available as an extension, e.g. "store/1".
  void offer_extension(const std::string& name, const void* table) { extensions_[name] = table; }
  // What the extension "functions/1" lists: functions of components that a real host would have.
  void offer_functions(std::vector<PublishedFunction> functions) { offered_ = std::move(functions); }

  // For sockets of the test itself: the same context, so that inproc works.
  void* zmq_context() const { return zmq_context_; }
  Host host() const { return Host(&table_); }
  const bp_kind& kind() const { return kind_; }
  void* self() const { return self_; }

 private:
  struct WatchEntry {
    void* socket;
    int descriptor;
    std::uint32_t events;
    bp_watch_callback run;
    void* data;
  };
  struct TimerEntry {
    std::int64_t due;
    std::int64_t period;
    bp_callback run;
    void* data;
  };
  struct Post {
    bp_callback run;
    void* data;
  };

  [[noreturn]] static void misuse(const char* what) {
    std::fprintf(stderr, "fake host: %s\n", what);
    std::abort();
  }
  static FakeHost& of(const bp_host* host) { return *static_cast<FakeHost*>(host->context); }
  // The same, for what only the loop may call.
  static FakeHost& on_loop(const bp_host* host, const char* function) {
    auto& fake = of(host);
    if (std::this_thread::get_id() != fake.loop_thread_) {
      std::fprintf(stderr, "fake host: %s was called from a thread that is not the component's loop\n",
                   function);
      std::abort();
    }
    return fake;
  }
  static std::int64_t steady_now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }

  void convert_options(const std::vector<OptionText>& given) {
    const auto* bytes = reinterpret_cast<const char*>(kind_.options);
    for (std::size_t i = 0; i < kind_.option_count; ++i) {
      const auto& option = *reinterpret_cast<const bp_option*>(bytes + i * kind_.option_size);
      const auto found = std::find_if(given.begin(), given.end(),
                                      [&](const auto& entry) { return entry.first == option.name; });
      if (found != given.end()) {
        options_[option.name] = detail::convert_option(option, found->second, true);
      } else if (option.default_text != nullptr) {
        options_[option.name] = detail::convert_option(option, option.default_text, false);
      } else if (option.required != 0) {
        detail::bad_option(option, "is required");
      }
    }
    for (const auto& [name, written] : given)
      if (!options_.contains(name))
        throw Error("BadOption", std::string(kind_.name) + " has no option \"" + name + "\"");
  }

  template <typename Item>
  std::vector<Item>& collect(std::vector<Item>& taken, std::vector<Item>& inbox) {
    const std::scoped_lock lock(mutex_);
    for (auto& item : inbox) taken.push_back(std::move(item));
    inbox.clear();
    return taken;
  }

  void forget_messages() {
    busy_.clear();
    sent().clear();
    calls().clear();
    replies().clear();
  }

  std::int32_t offer(Message& message) {
    if (kind_.on_message == nullptr) misuse("a message was delivered to a kind that takes none");
    error_ = bp_error{};
    bp_message* raw = message.release();
    const bp_envelope envelope = raw->envelope;
    const std::int32_t answer = kind_.on_message(self_, raw, &error_);
    if (answer == BP_TAKEN) return answer;
    message = Message(&table_, raw);
    if (answer == BP_BUSY) {
      busy_.push_front(std::move(message));
    } else if (envelope.reply_to != 0) {
      reply_error(&table_, &envelope, to_text(error_.type), to_text(error_.message),
                  to_text(error_.traceback));
    }
    return answer;
  }

  void offer_again() {
    while (!busy_.empty()) {
      Message next = std::move(busy_.front());
      busy_.pop_front();
      if (offer(next) == BP_BUSY) return;
    }
  }

  void notify(Message message) {
    if (kind_.on_reply == nullptr) return;
    kind_.on_reply(self_, message.release());
  }

  void notice(const bp_envelope& request, std::uint32_t flag, std::uint32_t credit) {
    Message made = message();
    made.envelope().correlation = request.correlation;
    made.envelope().flags = flag;
    made.envelope().credit = credit;
    notify(std::move(made));
  }

  // ---- the loop ----

  // One round; false when there was nothing to do.
  bool run_once(std::chrono::nanoseconds wait) {
    bool worked = run_posts();
    if (run_timers()) worked = true;
    if (resumed_) {
      resumed_ = false;
      offer_again();
      worked = true;
    }
    if (worked) wait = {};
    if (manual_now_ == 0 && !due_.empty())
      wait = std::clamp(std::chrono::nanoseconds(due_.begin()->first - steady_now()),
                        std::chrono::nanoseconds(0), wait);
    return poll(wait) || worked;
  }

  bool run_posts() {
    std::deque<Post> ready;
    {
      const std::scoped_lock lock(mutex_);
      ready.swap(posts_);
    }
    for (const auto& post : ready) post.run(post.data);
    return !ready.empty();
  }

  bool run_timers() {
    const std::int64_t instant = now();
    bool worked = false;
    while (!stopped_ && !due_.empty() && due_.begin()->first <= instant) {
      const auto id = due_.begin()->second;
      due_.erase(due_.begin());
      auto& timer = timers_.at(id);
      const auto run = timer.run;
      auto* const data = timer.data;
      if (timer.period > 0) {
        timer.due += timer.period;
        due_.emplace(timer.due, id);
      } else {
        timers_.erase(id);
      }
      run(data);
      worked = true;
    }
    return worked;
  }

  std::uint32_t wanted(std::uint32_t events) const {
    const bool inbound_only = (kind_.properties & (BP_INBOUND | BP_OUTBOUND)) == BP_INBOUND;
    const bool quiet = paused_ || (draining_ && kind_.drain == nullptr && inbound_only);
    return quiet && (events & BP_ALWAYS) == 0 ? events & ~BP_READABLE : events;
  }

  bool poll(std::chrono::nanoseconds wait) {
    std::vector<zmq_pollitem_t> items = {{nullptr, wake_, ZMQ_POLLIN, 0}};
    std::vector<std::uint64_t> ids = {0};
    for (const auto& [id, watch] : watches_) {
      const auto events = wanted(watch.events);
      const int poll_events =
          ((events & BP_READABLE) != 0 ? ZMQ_POLLIN : 0) | ((events & BP_WRITABLE) != 0 ? ZMQ_POLLOUT : 0);
      if (poll_events == 0) continue;
      items.push_back({watch.socket, watch.descriptor, static_cast<short>(poll_events), 0});
      ids.push_back(id);
    }
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
    if (zmq_poll(items.data(), static_cast<int>(items.size()), milliseconds) <= 0) return false;
    if (items[0].revents != 0) clear_wake();
    for (std::size_t i = 1; i < items.size(); ++i) run_watch(ids[i], items[i]);
    return true;
  }

  void run_watch(std::uint64_t id, const zmq_pollitem_t& item) {
    const auto watch = watches_.find(id);
    if (watch == watches_.end()) return;
    const bool failed = item.socket == nullptr && (item.revents & ZMQ_POLLERR) != 0;
    std::uint32_t events = 0;
    if ((item.revents & ZMQ_POLLIN) != 0 || failed) events |= BP_READABLE;
    if ((item.revents & ZMQ_POLLOUT) != 0) events |= BP_WRITABLE;
    events &= wanted(watch->second.events);
    if (events != 0) watch->second.run(watch->second.data, events);
  }

  void clear_wake() const {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = read(wake_, &count, sizeof count);
  }

  // ---- the table of functions ----

  void fill_table() {
    table_.size = sizeof(bp_host);
    table_.abi_minor = BP_ABI_MINOR;
    table_.context = this;
    table_.zmq_context = zmq_context_;
    table_.component_name = settings_.component.c_str();
    table_.kind_name = kind_.name;
    table_.host_name = settings_.host_name.c_str();
    table_.component = component_number;
    table_.instance = settings_.instance;
    table_.instances = settings_.instances;
    table_.routed = settings_.routed ? 1 : 0;
    table_.option = option;
    table_.message_new = new_message;
    table_.message_reserve = reserve_message;
    table_.message_copy = copy_message;
    table_.message_free = free_message;
    table_.send = [](const bp_host* host, bp_message* message) {
      return of(host).take({{}, Message(host, message)}, of(host).sent_inbox_);
    };
    table_.call = [](const bp_host* host, bp_text target, bp_message* message) {
      return of(host).take({std::string(to_view(target)), Message(host, message)}, of(host).calls_inbox_);
    };
    table_.reply = reply;
    table_.reply_error = reply_error;
    table_.cancel = [](const bp_host* host, std::uint64_t correlation) {
      on_loop(host, "cancel").cancelled_.push_back(correlation);
    };
    table_.grant = [](const bp_host* host, std::uint64_t correlation, std::uint32_t items) {
      on_loop(host, "grant").granted_.emplace_back(correlation, items);
    };
    table_.resume = [](const bp_host* host) { on_loop(host, "resume").resumed_ = true; };
    table_.post = post;
    table_.watch_socket = [](const bp_host* host, void* socket, std::uint32_t events, bp_watch_callback run,
                             void* data) {
      if (socket == nullptr) errno = ENOTSOCK;
      return socket == nullptr ? 0 : on_loop(host, "watch_socket").add_watch({socket, 0, events, run, data});
    };
    table_.watch_descriptor = [](const bp_host* host, int descriptor, std::uint32_t events,
                                 bp_watch_callback run, void* data) {
      if (descriptor < 0) errno = EBADF;
      return descriptor < 0
                 ? 0
                 : on_loop(host, "watch_descriptor").add_watch({nullptr, descriptor, events, run, data});
    };
    table_.watch_events = [](const bp_host* host, std::uint64_t watch, std::uint32_t events) {
      auto& fake = on_loop(host, "watch_events");
      const auto found = fake.watches_.find(watch);
      if (found == fake.watches_.end()) misuse("watch_events of a watch that does not exist");
      found->second.events = events;
    };
    table_.unwatch = [](const bp_host* host, std::uint64_t watch) {
      if (on_loop(host, "unwatch").watches_.erase(watch) == 0)
        misuse("unwatch of a watch that does not exist");
    };
    table_.timer_start = timer_start;
    table_.timer_stop = timer_stop;
    table_.now = [](const bp_host* host) { return of(host).now(); };
    table_.log = [](const bp_host* host, std::uint32_t severity, bp_text line) {
      auto& fake = of(host);
      const std::scoped_lock lock(fake.mutex_);
      fake.log_inbox_.push_back({static_cast<Severity>(severity), std::string(to_view(line))});
    };
    table_.counter = cell;
    table_.gauge = cell;
    table_.publish = publish;
    table_.holding = [](const bp_host* host, std::uint64_t count) {
      on_loop(host, "holding").holding_ = count;
    };
    table_.finished = [](const bp_host* host) { on_loop(host, "finished").finished_ = true; };
    table_.failed = [](const bp_host* host, const bp_error* error) {
      auto& fake = of(host);
      const std::scoped_lock lock(fake.mutex_);
      fake.failure_ = Error(error->type, error->message, error->traceback);
    };
    table_.extension = [](const bp_host* host, const char* name) -> const void* {
      const auto& known = of(host).extensions_;
      const auto found = known.find(name);
      return found == known.end() ? nullptr : found->second;
    };
    table_.last_request = [](const bp_host* host) {
      return on_loop(host, "last_request").last_request_.load();
    };
    table_.drain_time = [](const bp_host* host, std::int64_t span) {
      on_loop(host, "drain_time").drain_time_ = std::chrono::nanoseconds(span);
    };
  }

  static std::int32_t option(const bp_host* host, const char* name, bp_value* value) {
    auto& known = of(host).options_;
    const auto found = known.find(name);
    if (found == known.end()) return -1;
    *value = found->second.view();
    return 0;
  }

  static bp_message* new_message(const bp_host* host, std::uint32_t frames) {
    auto* made = new bp_message{};
    ++of(host).live_messages_;
    zmq_msg_init(&made->function);
    zmq_msg_init(&made->headers);
    if (reserve_message(host, made, std::max(frames, 1u)) != 0) misuse("out of memory");
    return made;
  }
  static std::int32_t reserve_message(const bp_host*, bp_message* message, std::uint32_t frames) {
    if (frames <= message->frame_capacity) return 0;
    auto* room = static_cast<zmq_msg_t*>(std::malloc(frames * sizeof(zmq_msg_t)));
    if (room == nullptr) return -1;
    for (std::uint32_t i = 0; i < message->frame_count; ++i) {
      zmq_msg_init(&room[i]);
      zmq_msg_move(&room[i], &message->frames[i]);
      zmq_msg_close(&message->frames[i]);
    }
    std::free(message->frames);
    message->frames = room;
    message->frame_capacity = frames;
    return 0;
  }
  static bp_message* copy_message(const bp_host* host, const bp_message* message) {
    auto* made = new_message(host, message->frame_count);
    made->envelope = message->envelope;
    const auto copy = [](zmq_msg_t& to, const zmq_msg_t& from) {
      zmq_msg_copy(&to, const_cast<zmq_msg_t*>(&from));
    };
    copy(made->function, message->function);
    copy(made->headers, message->headers);
    for (std::uint32_t i = 0; i < message->frame_count; ++i) {
      zmq_msg_init(&made->frames[i]);
      copy(made->frames[i], message->frames[i]);
    }
    made->frame_count = message->frame_count;
    return made;
  }
  static void free_message(const bp_host* host, bp_message* message) {
    if (message == nullptr) return;
    for (std::uint32_t i = 0; i < message->frame_count; ++i) zmq_msg_close(&message->frames[i]);
    zmq_msg_close(&message->function);
    zmq_msg_close(&message->headers);
    std::free(message->frames);
    delete message;
    --of(host).live_messages_;
  }

  std::int32_t take(FakeSent item, std::vector<FakeSent>& inbox) {
    const std::scoped_lock lock(mutex_);
    auto& envelope = item.message.envelope();
    envelope.id = ++last_id_;
    envelope.origin = component_number;
    const bool asks = (envelope.flags & BP_REQUEST) != 0 && envelope.reply_to == 0;
    if (asks) {
      envelope.correlation = envelope.id;
      envelope.reply_to = component_number;
    }
    const std::int32_t answer = send_answer_ ? send_answer_(item) : BP_SENT;
    last_request_ = asks && (answer == BP_SENT || answer == BP_PAUSED) ? envelope.correlation : 0;
    if (answer == BP_PAUSED) paused_ = true;
    if (answer == BP_SENT || answer == BP_PAUSED) inbox.push_back(std::move(item));
    return answer;
  }

  static void reply(const bp_host* host, const bp_envelope* request, bp_message* message) {
    auto& fake = of(host);
    message->envelope.correlation = request->correlation;
    message->envelope.cookie = request->cookie;
    message->envelope.flags |= BP_REPLY;
    FakeReply answer{*request, Message(host, message), {}, {}, {}};
    if (answer.message.is_error()) {
      const auto error = error_of(answer.message);
      answer = {*request, Message(), error.type(), error.what(), error.traceback(), error.attributes()};
    }
    const std::scoped_lock lock(fake.mutex_);
    fake.replies_inbox_.push_back(std::move(answer));
  }
  static void reply_error(const bp_host* host, const bp_envelope* request, bp_text type, bp_text says,
                          bp_text traceback) {
    auto& fake = of(host);
    std::string named(to_view(type));
    if (named.empty()) named = "Error";
    const std::scoped_lock lock(fake.mutex_);
    fake.replies_inbox_.push_back(
        {*request, Message(), named, std::string(to_view(says)), std::string(to_view(traceback))});
  }

  static std::int32_t post(const bp_host* host, bp_callback run, void* data) {
    auto& fake = of(host);
    const std::scoped_lock lock(fake.mutex_);
    if (fake.stopped_) return -1;
    fake.posts_.push_back({run, data});
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto put = write(fake.wake_, &one, sizeof one);
    return 0;
  }

  std::uint64_t add_watch(const WatchEntry& watch) {
    watches_.emplace(++last_handle_, watch);
    return last_handle_;
  }

  static std::uint64_t timer_start(const bp_host* host, std::int64_t delay, std::int64_t period,
                                   bp_callback run, void* data) {
    auto& fake = on_loop(host, "timer_start");
    const std::int64_t due = fake.now() + std::max<std::int64_t>(delay, 0);
    const std::uint64_t id = ++fake.last_handle_;
    fake.timers_.emplace(id, TimerEntry{due, period, run, data});
    fake.due_.emplace(due, id);
    return id;
  }
  static void timer_stop(const bp_host* host, std::uint64_t timer) {
    auto& fake = on_loop(host, "timer_stop");
    const auto found = fake.timers_.find(timer);
    if (found == fake.timers_.end()) return;
    fake.due_.erase({found->second.due, timer});
    fake.timers_.erase(found);
  }

  static std::int64_t* cell(const bp_host* host, const char* name, const char*) {
    return &on_loop(host, "counter").cells_[name];
  }

  static std::int32_t publish(const bp_host* host, const bp_function* function) {
    auto& fake = on_loop(host, "publish");
    auto told = detail::copy_of(fake.settings_.component, *function);
    if (told.name.empty()) return -1;
    const auto found = std::find_if(fake.published_.begin(), fake.published_.end(),
                                    [&](const auto& known) { return known.name == told.name; });
    if (found == fake.published_.end()) {
      fake.published_.push_back(std::move(told));
    } else {
      *found = std::move(told);
    }
    return 0;
  }
  static bp_text to_text(std::string_view says) { return backplane::to_text(says); }

  const bp_kind& kind_;
  FakeSettings settings_;
  std::thread::id loop_thread_;
  std::map<std::string, detail::ConvertedOption, std::less<>> options_;
  static void list_functions(const bp_host* host, void (*tell)(void*, bp_text, const bp_function*),
                             void* context) {
    for (const auto& function : of(host).offered_)
      detail::with_descriptor(function, [&](const bp_function& descriptor) {
        tell(context, to_text(function.component), &descriptor);
      });
  }
  static constexpr bp_functions_1 functions_table{sizeof(bp_functions_1), list_functions};

  std::map<std::string, const void*> extensions_ = {{BP_FUNCTIONS_1, &functions_table}};
  std::vector<PublishedFunction> offered_;
  bp_host table_{};
  void* zmq_context_ = nullptr;
  int wake_ = -1;
  void* self_ = nullptr;

  // Of the loop.
  bool started_ = false;
  std::atomic<bool> paused_ = false;
  bool draining_ = false;
  bool resumed_ = false;
  bool finished_ = false;
  std::uint64_t holding_ = 0;
  std::chrono::nanoseconds drain_time_{};
  bp_error error_{};
  std::deque<Message> busy_;
  std::map<std::uint64_t, WatchEntry> watches_;
  std::map<std::uint64_t, TimerEntry> timers_;
  std::set<std::pair<std::int64_t, std::uint64_t>> due_;
  std::uint64_t last_handle_ = 0;
  std::atomic<std::int64_t> manual_now_ = 0;  // 0: the real clock
  std::map<std::string, std::int64_t> cells_;
  std::vector<FakeFunction> published_;
  std::vector<std::uint64_t> cancelled_;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> granted_;
  std::vector<FakeSent> sent_;
  std::vector<FakeSent> calls_;
  std::vector<FakeReply> replies_;
  std::vector<FakeLogLine> log_;

  // Of every thread.
  mutable std::mutex mutex_;
  std::atomic<bool> stopped_ = false;
  std::atomic<std::int64_t> live_messages_ = 0;
  std::atomic<std::uint64_t> last_id_ = 0;
  std::atomic<std::uint64_t> last_request_ = 0;
  std::deque<Post> posts_;
  std::function<std::int32_t(const FakeSent&)> send_answer_;
  std::optional<Error> failure_;
  std::vector<FakeSent> sent_inbox_;
  std::vector<FakeSent> calls_inbox_;
  std::vector<FakeReply> replies_inbox_;
  std::vector<FakeLogLine> log_inbox_;
};

// The kind `name` of a plugin's table, for tests that link the plugin's sources. Throws Error.
inline const bp_kind& kind_named(const bp_plugin& plugin, std::string_view name) {
  for (std::size_t i = 0; i < plugin.kind_count; ++i)
    if (plugin.kinds[i]->name == name) return *plugin.kinds[i];
  throw Error("NoKind", std::string("the plugin has no kind \"") + std::string(name) + "\"");
}

// A fake host for a class that a plugin would offer as a kind.
template <typename T>
class FakeComponent : public FakeHost {
 public:
  explicit FakeComponent(const OptionTexts& options = {}, FakeSettings settings = {})
      : FakeHost(component_kind, options, std::move(settings)) {}
  // The component itself. REQUIRES: start() or create() succeeded.
  T& operator*() const { return detail::Component<T>::object_of(self()); }
  T* operator->() const { return &**this; }

 private:
  static constexpr bp_kind component_kind = detail::kind_of<T>();
};

}  // namespace backplane
