// A client of ZeroRPC servers for programs of their own.
//
//   backplane::rpc::Client client("tcp://127.0.0.1:4242");
//   int sum = client.call<int>("add", 1, 2);
//   for (int item : client.stream<int>("count", 5)) ...
//   auto later = client.start<double>("slow", 0.5);   ...   later.get();
//
// Needs libzmq and msgpack-cxx, no host. Thread-safe: any number of threads, any number of calls under way. A
// thread of the client's own has the socket, so that heartbeats go on while the program computes or waits.
//
// A server that goes away is waited for: libzmq connects again, and a call that was made meanwhile is sent
// then. After a failed call the client can be used on.
//
// Types of the errors that are thrown: RemoteError, with the name that the server gave its error as the type
// ("RemoteError" when an old server gave none); and as Error "TimeoutExpired" (no answer in time),
// "LostRemote" (the server's heartbeats stopped, or its connection with other addresses left),
// "ProtocolError" (the answer is none), "TypeError" (an argument cannot be sent, or a result is not of the
// type asked for), "ClientClosed", "ZmqError" (libzmq refused something, an address for instance).
#pragma once

#include <backplane/binding.hpp>
#include <backplane/host.hpp>
#include <backplane/rpc/channels.hpp>
#include <backplane/rpc/inspection.hpp>
#include <backplane/rpc/link.hpp>
#include <backplane/rpc/requests.hpp>
#include <backplane/sockets.hpp>
#include <backplane/value.hpp>

#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <iterator>
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

// What a server answered instead of a result.
class RemoteError : public Error {
 public:
  using Error::Error;
  explicit RemoteError(const Error& error) : Error(error) {}
};

// What a hook sees of a call.
struct RequestInfo {
  std::string_view method;
  const Map& context;  // further keys of its header
};
// How it ended.
struct ReplyInfo {
  const Error* error;  // nullptr: well
  const Map& context;  // the header of the answer's last event; empty when none came
};

// Functions that see every call, in their order; what they throw, the caller gets. But for resolve_endpoint
// they run on the threads that call and take results.
struct ClientHooks {
  // Turns the name of an endpoint into addresses; nothing: it does not know the name. The first that knows it
  // decides; a name that nobody knows is an address. With several, the first that accepts a connection is
  // used, and the next when it is lost. Called by the constructor, and on the client's own thread after all
  // addresses were tried in vain.
  using Addresses = std::optional<std::vector<std::string>>;
  std::vector<std::function<Addresses(const std::string& endpoint)>> resolve_endpoint = {};
  // Gives keys to add to the header of a request.
  std::vector<std::function<Map()>> task_context = {};
  // Before a request is sent.
  std::vector<std::function<void(const RequestInfo&, const Array& arguments)>> before_request = {};
  // When a result, the end of a stream or an error is taken; not when a call was given up.
  std::vector<std::function<void(const RequestInfo&, const ReplyInfo&)>> after_request = {};
  // Replaces the error that a server answered; nullptr: it stays. The first replacement counts.
  std::vector<std::function<std::exception_ptr(const RemoteError&)>> handle_remote_error = {};
};

struct ClientOptions {
  std::chrono::nanoseconds timeout = std::chrono::seconds(30);   // for the first event of an answer; 0: none
  std::chrono::nanoseconds heartbeat = std::chrono::seconds(5);  // as the server's; 0: none, nobody is lost
  bool passive_heartbeat = false;  // heartbeats begin with the first one of the server
  std::uint32_t slots = 100;       // items of a stream that may wait to be read; at least 2
  Map context = {};                // keys for the header of every request, such as trace_id
  ClientHooks hooks = {};
  bool bind = false;                                 // the endpoint, for a server that connects
  std::size_t max_payload = std::size_t{100} << 20;  // a server that sends more is disconnected
  void* zmq_context = nullptr;                       // borrowed; nullptr: the client makes its own
};

// What one call has instead of the client's options.
struct CallOptions {
  std::optional<std::chrono::nanoseconds> timeout = {};
  std::optional<std::uint32_t> slots = {};
  Map context = {};  // added to the client's
};

namespace detail {

// ---- one call, between two threads ----------------------------------------------------------------------

// Bytes within a frame that came.
class Content {
 public:
  Content() = default;
  // Short frames hold their bytes themselves, so that a place in one is no address.
  Content(sockets::Frame frame, std::size_t offset, std::size_t size)
      : frame_(std::move(frame)), offset_(offset), size_(size) {}
  std::string_view view() const { return frame_.view().substr(offset_, size_); }

 private:
  sockets::Frame frame_;
  std::size_t offset_ = 0;
  std::size_t size_ = 0;
};

// An error on its way to another thread. An Error would share its text with the copies of it.
struct CallFailure {
  std::string type;
  std::string message;
  std::string traceback = {};

  static CallFailure of(const Error& error) { return {error.type(), error.what(), error.traceback()}; }
  Error error() const { return {type, message, traceback}; }
};

struct CallState {
  // Set before the client's thread knows of the call.
  std::string method;
  std::string args;
  std::string context;
  std::uint32_t context_pairs = 0;
  std::uint32_t slots = 100;
  std::chrono::nanoseconds timeout{0};
  bool watched = true;        // somebody waits for the outcome
  bool keeps_header = false;  // somebody wants to see the header of the answer

  // The client's thread only.
  ChannelId channel;

  enum class Stage : std::uint8_t { waiting, streaming, result, end, failure };
  std::mutex mutex;
  std::condition_variable changed;
  Stage stage = Stage::waiting;
  bool streams = false;       // the answer began as a stream
  std::deque<Content> items;  // of a stream; or the result
  CallFailure failure;
  bool remote = false;  // the failure is what the server answered
  std::string header;   // pairs of the last event's header
  std::uint64_t header_pairs = 0;
};
using CallPtr = std::shared_ptr<CallState>;

// Wakes a thread that waits in zmq_poll. Throws Error "OSError".
class Bell {
 public:
  Bell() : descriptor_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (descriptor_ < 0) throw Error("OSError", std::string("eventfd: ") + std::strerror(errno));
  }
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;
  ~Bell() { ::close(descriptor_); }
  // Readable since it was rung.
  int descriptor() const { return descriptor_; }
  void ring() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(descriptor_, &one, sizeof one);
  }
  void calm() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto read = ::read(descriptor_, &count, sizeof count);
  }

 private:
  int descriptor_;
};

// The thread of a client: its socket, its channels, the clock of its heartbeats. Any thread, but for what is
// said to be the thread's own.
class CallThread {
 public:
  CallThread(LinkSettings link, ChannelSettings channels, void* zmq_context)
      : context_(zmq_context),
        link_(context_, std::move(link), [this](const ChannelId& id) { return channels_.contains(id); }),
        channels_(channels) {
    address_ = link_.address();
    thread_ = std::thread([this] { run(); });
  }
  ~CallThread() { stop(); }
  CallThread(const CallThread&) = delete;
  CallThread& operator=(const CallThread&) = delete;

  void open(CallPtr call) { post({Command::Kind::open, std::move(call), 0}); }
  void grant(CallPtr call, std::uint32_t credit) { post({Command::Kind::grant, std::move(call), credit}); }
  void abandon(CallPtr call) { post({Command::Kind::abandon, std::move(call), 0}); }

  // What is open fails with "ClientClosed"; what was sent without waiting for an answer gets up to a second
  // to leave.
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      wake();
    }
    const std::lock_guard lock(joining_);
    if (thread_.joinable()) thread_.join();
  }

  // Where the first connection went to, or what was bound.
  const std::string& address() const { return address_; }
  std::uint64_t dropped() const { return dropped_; }

 private:
  using Clock = sockets::Clock;
  using News = ChannelNews<CallPtr>;
  struct Command {
    enum class Kind : std::uint8_t { open, grant, abandon };
    Kind kind;
    CallPtr call;
    std::uint32_t credit;
  };
  static constexpr std::chrono::milliseconds one_way_linger{1000};
  static constexpr int receive_at_most = 1000;  // before commands have their turn

  static std::int64_t now() { return Clock::now().time_since_epoch().count(); }

  void post(Command command) {
    CallFailure failure;
    {
      const std::lock_guard lock(mutex_);
      if (!ended_) {
        commands_.push_back(std::move(command));
        return wake();
      }
      failure = why_ended_;
    }
    if (command.kind == Command::Kind::open) fail(*command.call, failure);
  }
  // REQUIRES: the mutex is held.
  void wake() {
    if (!std::exchange(woken_, true)) bell_.ring();
  }

  // ---- the thread's own from here on ----

  void run() {
    CallFailure why{"ClientClosed", "the client was closed"};
    try {
      while (take_commands()) turn();
    } catch (const Error& failure) {
      why = CallFailure::of(failure);
    } catch (const std::exception& failure) {
      why.message = std::string("the client has failed: ") + failure.what();
    }
    end(why);
  }

  void end(const CallFailure& why) {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      why_ended_ = why;
      std::move(commands_.begin(), commands_.end(), std::back_inserter(taken_));
    }
    try {
      link_.close(sent_one_way_ ? one_way_linger : std::chrono::milliseconds(0));
    } catch (const Error&) {  // closed with the context
    }
    channels_.close_all([&](CallPtr& call) { fail(*call, why); });
    for (const auto& command : taken_)
      if (command.call != nullptr && command.kind == Command::Kind::open) fail(*command.call, why);
  }

  // False: the client is being closed, and all that it was told was done.
  bool take_commands() {
    bool stopping = false;
    {
      const std::lock_guard lock(mutex_);
      taken_.swap(commands_);
      stopping = stopping_;
      if (std::exchange(woken_, false)) bell_.calm();
    }
    for (auto& command : taken_) obey(command);
    taken_.clear();
    return !stopping;
  }

  void obey(Command& command) {
    auto& call = *command.call;
    switch (command.kind) {
      case Command::Kind::open:
        open_channel(std::move(command.call));
        break;
      case Command::Kind::grant:
        if (const auto credit = channels_.grant(call.channel, command.credit)) link_.send(*credit);
        break;
      case Command::Kind::abandon:
        channels_.close(call.channel);
        break;
    }
  }

  void open_channel(CallPtr call) {
    auto& state = *call;
    const ChannelRequest request{.method = state.method,
                                 .args = state.args,
                                 .context = state.context,
                                 .context_pairs = state.context_pairs,
                                 .slots = state.slots,
                                 .timeout = state.timeout.count()};
    sent_one_way_ = sent_one_way_ || !state.watched;
    auto opened = channels_.open(request, std::move(call), now());
    state.channel = opened.channel;
    link_.send(opened.event);
    state.args = {};
  }

  void turn() {
    const bool all = receive();
    if (link_.look(Clock::now())) leave_server();
    if (all) do_what_is_due();
    wait(all);
  }

  // False: there may be more.
  bool receive() {
    sockets::Frame payload;
    for (int i = 0; i < receive_at_most; ++i) {
      if (!link_.receive(payload)) return true;
      last_heard_ = now();
      auto news = channels_.receive(payload.view(), last_heard_);
      if (news.kind != News::Kind::none) {
        tell(news, std::move(payload));
        payload = {};
      } else if (news.dropped != nullptr) {
        ++dropped_;
      }
    }
    return false;
  }

  void do_what_is_due() {
    const auto time = now();
    while (auto due = channels_.next_due(time)) {
      if (due->heartbeat) {
        link_.send(*due->heartbeat);
        continue;
      }
      const bool lost = due->failure.error->type() == "LostRemote";
      fail(**due->failure.owner, CallFailure::of(*due->failure.error));
      if (lost && link_.several() && time - last_heard_ > channels_.lost_after()) return leave_server();
    }
  }

  // The next server knows nothing of what this one was asked.
  void leave_server() {
    while (!receive()) {
    }
    const CallFailure lost{"LostRemote", "the connection to " + link_.address() + " was lost"};
    channels_.close_all([&](CallPtr& call) { fail(*call, lost); });
    link_.move_on();
  }

  void wait(bool received_all) {
    std::array<zmq_pollitem_t, 3> items{{{nullptr, bell_.descriptor(), ZMQ_POLLIN, 0}}};
    const int count = 1 + link_.watch(&items[1]);
    auto until = link_.next_look();
    if (const auto tick = channels_.next_tick(); tick != channels_.never)
      until = std::min(until, Clock::time_point(Clock::duration(tick)));
    const auto left = received_all ? until - Clock::now() : Clock::duration::zero();
    const auto time = until == Clock::time_point::max() && received_all ? -1 : sockets::poll_time(left);
    if (zmq_poll(items.data(), count, time) < 0 && zmq_errno() != EINTR) sockets::throw_zmq("cannot wait");
  }

  // ---- outcomes ----

  void tell(News& news, sockets::Frame payload) {
    auto& call = **news.owner;
    if (!call.watched) {
      if (news.kind == News::Kind::item) channels_.close(news.channel);
      return;
    }
    const auto offset = static_cast<std::size_t>(news.content.data() - payload.view().data());
    {
      const std::lock_guard lock(call.mutex);
      if (call.keeps_header) {
        call.header = news.event.context;
        call.header_pairs = news.event.context_pairs;
      }
      switch (news.kind) {
        case News::Kind::result:
        case News::Kind::item:
          call.streams = news.kind == News::Kind::item;
          call.stage = call.streams ? CallState::Stage::streaming : CallState::Stage::result;
          call.items.emplace_back(std::move(payload), offset, news.content.size());
          break;
        case News::Kind::end:
          call.streams = true;
          call.stage = CallState::Stage::end;
          break;
        default:
          call.stage = CallState::Stage::failure;
          call.failure = CallFailure::of(*news.error);
          call.remote = news.remote;
          break;
      }
    }
    call.changed.notify_all();
  }

  static void fail(CallState& call, const CallFailure& failure) {
    {
      const std::lock_guard lock(call.mutex);
      call.stage = CallState::Stage::failure;
      call.failure = failure;
    }
    call.changed.notify_all();
  }

  sockets::Context context_;
  Link link_;
  std::string address_;
  ClientChannels<CallPtr> channels_;
  std::int64_t last_heard_ = 0;
  bool sent_one_way_ = false;
  std::vector<Command> taken_;
  std::atomic<std::uint64_t> dropped_ = 0;

  std::mutex mutex_;
  std::vector<Command> commands_;
  Bell bell_;
  bool woken_ = false;  // it was rung
  bool stopping_ = false;
  bool ended_ = false;
  CallFailure why_ended_;
  std::mutex joining_;
  std::thread thread_;
};

}  // namespace detail

// ---- answers ------------------------------------------------------------------------------------------

// A call under way, whatever it will be answered with: a result or a stream. Movable; one thread at a time.
// One that is destroyed before its end is given up: its heartbeats stop, which tells the server.
class Conversation {
 public:
  Conversation() = default;
  Conversation(Conversation&& other) noexcept = default;
  Conversation& operator=(Conversation&& other) noexcept {
    std::swap(thread_, other.thread_);
    std::swap(hooks_, other.hooks_);
    std::swap(call_, other.call_);
    std::swap(context_, other.context_);
    std::swap(window_, other.window_);
    std::swap(batch_, other.batch_);
    std::swap(reading_, other.reading_);
    std::swap(concluded_, other.concluded_);
    return *this;
  }
  ~Conversation() { cancel(); }

  // False: its result was taken, it was cancelled, or moved away.
  bool active() const { return call_ != nullptr; }

  // Waits until there is an answer: a result, an error, or a stream's beginning or end. Throws nothing.
  // REQUIRES, here and below: active().
  void wait() { wait_until(Clock::time_point::max()); }
  // False: none within that time.
  bool wait_for(std::chrono::nanoseconds time) { return wait_until(sockets::from_now(time)); }

  // Whether the answer is a stream. Waits for it, and throws when it is an error at once.
  bool streams() {
    wait();
    std::unique_lock lock(call_->mutex);
    if (call_->stage != Stage::failure || call_->streams) return call_->streams;
    lock.unlock();
    raise();
  }

  // Waits for the result, once. Throws its error, and Error "ProtocolError" when the answer is a stream.
  Value result() {
    if (streams()) {
      const auto method = call_->method;
      cancel();
      throw Error("ProtocolError", '"' + method + "\" answers with a stream, not with one result");
    }
    Value value = decoded(call_->items.front());
    conclude(nullptr);
    call_ = nullptr;
    return value;
  }

  // Waits for the next item of a stream; nothing: its end. Throws its error, and Error "ProtocolError" when
  // the answer is one result. Items that came before an error are given before it is thrown.
  std::optional<Value> next() {
    if (!streams()) {
      const auto method = call_->method;
      cancel();
      throw Error("ProtocolError", '"' + method + "\" answers with one result, not with a stream");
    }
    if (std::exchange(reading_, false))
      if (const auto credit = window_.taken(); credit > 0) thread_->grant(call_, credit);
    if (batch_.empty() && !take_items()) return std::nullopt;
    reading_ = true;
    const auto item = std::move(batch_.front());
    batch_.pop_front();
    return decoded(item);
  }

  // Gives the call up. Nothing happens when it has ended.
  void cancel() {
    if (call_ == nullptr) return;
    if (!ended()) thread_->abandon(call_);
    call_ = nullptr;
    batch_.clear();
  }

 private:
  friend class Client;
  using Clock = sockets::Clock;
  using Stage = detail::CallState::Stage;

  Conversation(std::shared_ptr<detail::CallThread> thread, std::shared_ptr<const ClientHooks> hooks,
               detail::CallPtr call, Map context)
      : thread_(std::move(thread)),
        hooks_(std::move(hooks)),
        call_(std::move(call)),
        context_(std::move(context)),
        window_(call_->slots) {}

  bool ended() const {
    const std::lock_guard lock(call_->mutex);
    return call_->stage != Stage::waiting && call_->stage != Stage::streaming;
  }

  bool wait_until(Clock::time_point until) {
    std::unique_lock lock(call_->mutex);
    const auto answered = [this] { return call_->stage != Stage::waiting; };
    if (until != Clock::time_point::max()) return call_->changed.wait_until(lock, until, answered);
    call_->changed.wait(lock, answered);
    return true;
  }

  // Waits for items and takes all that have come. False: the stream has ended.
  bool take_items() {
    std::unique_lock lock(call_->mutex);
    call_->changed.wait(lock, [this] { return !call_->items.empty() || call_->stage != Stage::streaming; });
    batch_.swap(call_->items);
    if (!batch_.empty()) return true;
    const bool failed = call_->stage == Stage::failure;
    lock.unlock();
    if (failed) raise();
    conclude(nullptr);
    return false;
  }

  static Value decoded(const detail::Content& content) {
    std::size_t used = 0;
    return decode_first(content.view(), used);
  }

  // REQUIRES: the call has failed; from then on nobody changes it.
  [[noreturn]] void raise() {
    const auto local = call_->failure.error();
    if (!call_->remote) {
      conclude(&local);
      throw local;
    }
    const RemoteError remote(local);
    conclude(&remote);
    for (const auto& replace : hooks_->handle_remote_error)
      if (const auto replacement = replace(remote)) std::rethrow_exception(replacement);
    throw remote;
  }

  void conclude(const Error* error) {
    if (std::exchange(concluded_, true) || hooks_->after_request.empty()) return;
    const auto context = detail::decoded_context(call_->header, call_->header_pairs);
    for (const auto& hook : hooks_->after_request) hook({call_->method, context_}, {error, context});
  }

  std::shared_ptr<detail::CallThread> thread_;
  std::shared_ptr<const ClientHooks> hooks_;
  detail::CallPtr call_;
  Map context_;  // of the request, for hooks
  CreditWindow window_{2};
  std::deque<detail::Content> batch_;
  bool reading_ = false;  // an item was given, and not yet followed by the wish for another
  bool concluded_ = false;
};

// A call whose result is taken later. As Conversation otherwise.
template <typename T>
class Pending {
 public:
  Pending() = default;
  explicit Pending(Conversation conversation) : conversation_(std::move(conversation)) {}

  bool active() const { return conversation_.active(); }
  void wait() { conversation_.wait(); }
  bool wait_for(std::chrono::nanoseconds time) { return conversation_.wait_for(time); }
  // Waits for the result, once. Throws its error.
  T get() {
    if constexpr (std::is_void_v<T>) {
      conversation_.result();
    } else {
      return from_value<T>(conversation_.result());
    }
  }
  void cancel() { conversation_.cancel(); }

 private:
  Conversation conversation_;
};

// The items of a stream, each read once; the server is given credit as they are read. Reading throws the
// stream's error. Ended before its end, when it is destroyed or cancelled, it is given up.
template <typename T>
class ItemStream {
 public:
  explicit ItemStream(Conversation conversation) : conversation_(std::move(conversation)) {}

  // Waits for the next item; nothing: the end.
  std::optional<T> next() {
    if (auto item = conversation_.active() ? conversation_.next() : std::nullopt)
      return from_value<T>(std::move(*item));
    return std::nullopt;
  }
  // Waits for the first item, the end or an error. False: none within that time.
  bool wait_for(std::chrono::nanoseconds time) { return conversation_.wait_for(time); }
  void cancel() { conversation_.cancel(); }

  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    explicit Iterator(ItemStream& stream) : stream_(&stream), item_(stream.next()) {}
    const T& operator*() const { return *item_; }
    Iterator& operator++() {
      item_ = stream_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !item_; }

   private:
    ItemStream* stream_;
    std::optional<T> item_;
  };
  Iterator begin() { return Iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  Conversation conversation_;
};

// ---- the client -----------------------------------------------------------------------------------------

class Client {
 public:
  // Connects, or binds, without waiting for the server. Throws Error "ZmqError", "TypeError" for a context
  // that cannot be sent, and what a resolve_endpoint throws.
  explicit Client(std::string endpoint, ClientOptions options = {})
      : options_(std::move(options)),
        hooks_(std::make_shared<const ClientHooks>(std::move(options_.hooks))),
        encoded_context_(detail::encoded_context(options_.context)) {
    LinkSettings link;
    link.addresses = [endpoint = std::move(endpoint), hooks = hooks_] { return resolved(endpoint, *hooks); };
    link.bind = options_.bind;
    link.max_payload = static_cast<std::int64_t>(options_.max_payload);
    const ChannelSettings channels{.heartbeat = options_.heartbeat.count(),
                                   .passive = options_.passive_heartbeat};
    thread_ = std::make_shared<detail::CallThread>(std::move(link), channels, options_.zmq_context);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  // What is under way fails with "ClientClosed".
  ~Client() { thread_->stop(); }

  // Where it connects to, the first of several addresses; or what it has bound, with the port that the system
  // chose for *.
  const std::string& address() const { return thread_->address(); }
  // Messages that were dropped: no events, or of calls that have ended. Late ones are normal.
  std::uint64_t dropped() const { return thread_->dropped(); }

  // Calls a method and waits for its result, which becomes a T as in <backplane/binding.hpp>; void: it is
  // ignored. Throws the call's error, and TypeMismatch.
  template <typename T = Value, typename... Args>
  T call(std::string_view method, Args&&... args) {
    return start<T>(method, std::forward<Args>(args)...).get();
  }
  template <typename T = Value, typename... Args>
  T call(const CallOptions& options, std::string_view method, Args&&... args) {
    return start<T>(options, method, std::forward<Args>(args)...).get();
  }
  // Waits for the first event of the answer so long; 0: for ever.
  template <typename T = Value, typename... Args>
  T call_within(std::chrono::nanoseconds timeout, std::string_view method, Args&&... args) {
    return start<T>(CallOptions{.timeout = timeout}, method, std::forward<Args>(args)...).get();
  }

  // Calls a method; the result is taken later.
  template <typename T = Value, typename... Args>
  Pending<T> start(std::string_view method, Args&&... args) {
    return start<T>(CallOptions(), method, std::forward<Args>(args)...);
  }
  template <typename T = Value, typename... Args>
  Pending<T> start(const CallOptions& options, std::string_view method, Args&&... args) {
    return Pending<T>(begin(options, method, detail::list_of(std::forward<Args>(args)...)));
  }

  // Calls a method that answers with a stream.
  template <typename T = Value, typename... Args>
  ItemStream<T> stream(std::string_view method, Args&&... args) {
    return stream<T>(CallOptions(), method, std::forward<Args>(args)...);
  }
  template <typename T = Value, typename... Args>
  ItemStream<T> stream(const CallOptions& options, std::string_view method, Args&&... args) {
    return ItemStream<T>(begin(options, method, detail::list_of(std::forward<Args>(args)...)));
  }

  // Calls a method and waits for nothing; what it answers is ignored. As long as the client lives, heartbeats
  // keep the server from giving the call up.
  template <typename... Args>
  void signal(std::string_view method, Args&&... args) {
    signal_list(method, detail::list_of(std::forward<Args>(args)...));
  }
  void signal_list(std::string_view method, Array arguments) {
    Map context;
    auto call = prepared({}, method, std::move(arguments), context);
    call->watched = false;
    if (options_.heartbeat.count() > 0 && !options_.passive_heartbeat) call->timeout = {};
    thread_->open(std::move(call));
  }

  // Calls a method with arguments whose number and types are known at run time only.
  Conversation begin(const CallOptions& options, std::string_view method, Array arguments) {
    Map context;
    auto call = prepared(options, method, std::move(arguments), context);
    thread_->open(call);
    return {thread_, hooks_, std::move(call), std::move(context)};
  }

  // Asks the server for its name and functions. The first argument of Python's methods, self, is left out.
  RemoteService inspect() {
    try {
      return detail::described(call("_zerorpc_inspect"));
    } catch (const RemoteError&) {
      return inspect_one_by_one();
    }
  }
  std::vector<RemoteFunction> functions() { return inspect().functions; }

 private:
  static std::vector<std::string> resolved(const std::string& endpoint, const ClientHooks& hooks) {
    for (const auto& resolve : hooks.resolve_endpoint) {
      if (auto addresses = resolve(endpoint)) {
        if (addresses->empty()) throw Error("NoAddress", "\"" + endpoint + "\" has no address at present");
        return std::move(*addresses);
      }
    }
    return {endpoint};
  }

  // Runs the hooks, and leaves the call's context for later ones in `context`.
  detail::CallPtr prepared(const CallOptions& options, std::string_view method, Array arguments,
                           Map& context) {
    if (!is_utf8(method)) throw Error("TypeError", "the name of a method must be UTF-8");
    auto call = std::make_shared<detail::CallState>();
    call->method = method;
    const Value list(std::move(arguments));
    detail::encode_for_peer(list, "an argument of \"" + call->method + '"', call->args);
    set_context(*call, options.context, context);
    call->slots = options.slots.value_or(options_.slots);
    call->timeout = options.timeout.value_or(options_.timeout);
    call->keeps_header = !hooks_->after_request.empty();
    for (const auto& hook : hooks_->before_request) hook({method, context}, *list.get_if<Array>());
    return call;
  }

  void set_context(detail::CallState& call, const Map& of_call, Map& context) {
    context = options_.context;
    if (hooks_->task_context.empty() && of_call.empty()) {
      call.context = encoded_context_;
    } else {
      for (const auto& hook : hooks_->task_context) detail::add_context(context, hook());
      detail::add_context(context, of_call);
      call.context = detail::encoded_context(context);
    }
    call.context_pairs = static_cast<std::uint32_t>(context.size());
  }

  // ---- introspection ----

  RemoteService inspect_one_by_one() {
    RemoteService service{call<std::string>("_zerorpc_name"), {}};
    for (auto& name : call<std::vector<std::string>>("_zerorpc_list")) {
      RemoteFunction function{name, call<std::optional<std::string>>("_zerorpc_help", name).value_or(""), {}};
      detail::add_signature(function, call("_zerorpc_args", name));
      service.functions.push_back(std::move(function));
    }
    return service;
  }
  ClientOptions options_;
  std::shared_ptr<const ClientHooks> hooks_;
  std::string encoded_context_;  // of the options
  std::shared_ptr<detail::CallThread> thread_;
};

}  // namespace backplane::rpc
