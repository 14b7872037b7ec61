// A client of PALM servers for programs of their own: calls, jobs of many calls, and the servers' cache.
//
//   backplane::palm::Client client("tcp://127.0.0.1:5559");
//   std::string answer = client.eval("server.function", "payload");
//
// Needs libzmq and message.hpp, no host. Not thread-safe: one thread at a time uses a client; several clients
// in several threads are fine. Everything waits at most ClientOptions::timeout for the other side, then
// throws Error "TimeoutExpired"; the client can be used on after that.
//
// Types of the errors that are thrown: "WrongServer" (it has another name), "NoAddress" (the server does not
// tell where its messages go), "TimeoutExpired", "Interrupted" (ClientOptions::interrupted said so),
// "NotStored" (the cache took no value), "ZmqError" (libzmq refused something, an address for instance), and
// of a call that failed the code that the server marked its reply with, such as "unknown_function". A pylm
// server marks nothing: its error is the payload "0", which cannot be told from data and is returned as data.
#pragma once

#include <backplane/host.hpp>
#include <backplane/palm/message.hpp>
#include <backplane/sockets.hpp>

#include <zmq.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace backplane::palm {

struct ClientOptions {
  std::string server = {};          // its name; empty: not checked, taken from its cache key "name"
  std::string push_address = {};    // where messages go; empty: the server's cache key "pull_address"
  std::string sub_address = {};     // where replies come from; empty: the server's cache key "pub_address"
  std::string session = {};         // the `pipeline` of every message, and a prefix of keys that are set
  bool fetch_configuration = true;  // false: ask the server for nothing of the above
  // How long a connection, a reply, room to send may be waited for; 0: for ever.
  std::chrono::nanoseconds timeout = std::chrono::seconds(10);
  // A publisher of pylm drops replies to a subscription that it has not read yet. It has no way to tell when
  // it has, so the constructor waits this long after the connection. One of Backplane keeps such replies.
  std::chrono::nanoseconds settle = std::chrono::milliseconds(50);
  void* zmq_context = nullptr;  // borrowed; nullptr: the client makes its own
  // Asked ten times a second while something is waited for; true ends the waiting with Error "Interrupted".
  std::function<bool()> interrupted = {};
  bool symmetric_session = false;  // get and remove prefix keys with the session, as set does
};

// `server.function`, or several of them: the steps of a call through several servers.
class FunctionName {
 public:
  FunctionName(std::string name) : text_(std::move(name)) {}
  FunctionName(std::string_view name) : text_(name) {}
  FunctionName(const char* name) : text_(name) {}
  FunctionName(std::initializer_list<std::string_view> steps) { join(steps); }
  FunctionName(const std::vector<std::string>& steps) { join(steps); }
  const std::string& text() const { return text_; }

 private:
  template <typename Steps>
  void join(const Steps& steps) {
    for (const auto& step : steps) (text_ += text_.empty() ? "" : " ") += step;
  }
  std::string text_;
};

struct EvalOptions {
  std::string cache = {};  // for the function to see; replies are then matched by their order
};

// One reply of a job: a payload, or why there is none.
struct JobReply {
  std::string payload = {};
  std::optional<Error> error = {};
  bool ok() const { return !error; }
};

// What a job has done so far.
struct JobCounts {
  std::uint64_t sent = 0;       // items
  std::uint64_t replies = 0;    // good ones
  std::uint64_t done = 0;       // items with all their replies
  std::uint64_t failed = 0;     // items with an error reply, or too few replies
  std::uint64_t abandoned = 0;  // items still waiting when the job was interrupted
};

// What a source says when it is asked for an item.
enum class Supply { item, later, end };
// Fills `payload` with the next item, or has none now (`later`), or none any more.
using JobSource = std::function<Supply(std::string& payload)>;
// Takes a reply to the item with this index, counted from 0.
using JobSink = std::function<void(std::uint64_t index, JobReply reply)>;

struct JobOptions {
  std::size_t messages = 1;   // replies to one item
  std::size_t window = 1000;  // items that may wait for replies at a time; ordered: or for earlier ones
  bool ordered = false;       // the sink is called in the order of the items
  std::string cache = {};     // as of eval
  std::function<void(const JobCounts&)> progress = {};  // after every item and reply
  std::function<bool()> interrupted = {};  // asked ten times a second at least; true ends the job
  int source_descriptor = -1;              // readable when a source that said `later` should be asked again
};

namespace client_detail {

// A pylm server tells the address it was given to bind. One that means "every interface" is reached where
// its cache is.
inline std::string reachable(std::string address, const std::string& db_address) {
  constexpr std::string_view tcp = "tcp://";
  for (const std::string_view wildcard : {"tcp://*:", "tcp://0.0.0.0:"}) {
    if (!address.starts_with(wildcard) || !db_address.starts_with(tcp)) continue;
    const auto machine = db_address.substr(tcp.size(), db_address.rfind(':') - tcp.size());
    return std::string(tcp) + machine + ":" + address.substr(wildcard.size());
  }
  return address;
}

// The error that a mark, "code: why", stands for.
inline Error error_of(std::string_view mark) {
  const auto colon = mark.find(": ");
  if (colon == std::string_view::npos) return {std::string(mark), std::string(mark)};
  return {std::string(mark.substr(0, colon)), std::string(mark.substr(colon + 2))};
}

// Keys for the `cache` field, in the form of a UUID: a random part for the client, a number for the message.
// With them a reply says which message it answers.
class MessageKeys {
 public:
  std::string key(std::uint64_t number) const {
    std::string digits(number_digits, '0');
    for (auto at = digits.rbegin(); at != digits.rend(); ++at, number >>= 4U)
      *at = "0123456789abcdef"[number & 15U];
    return prefix_ + digits;
  }
  // The number in `key`; nothing: not one of these keys.
  std::optional<std::uint64_t> number(std::string_view key) const {
    if (key.size() != prefix_.size() + number_digits || !key.starts_with(prefix_)) return std::nullopt;
    std::uint64_t number = 0;
    const auto [end, failure] =
        std::from_chars(key.data() + prefix_.size(), key.data() + key.size(), number, 16);
    if (failure != std::errc() || end != key.data() + key.size()) return std::nullopt;
    return number;
  }

 private:
  static constexpr std::size_t number_digits = 12;
  std::string prefix_ = new_uuid().substr(0, 36 - number_digits);
};

}  // namespace client_detail

class Client {
 public:
  // Asks the server for what `options` do not say, subscribes to the replies and connects; returns when
  // messages can be sent and their replies come. Throws Error "WrongServer", "TimeoutExpired", "ZmqError".
  // A server that tells no addresses, such as a pipeline, is fine as long as only its cache is used.
  explicit Client(std::string db_address, ClientOptions options = {})
      : db_address_(std::move(db_address)), options_(std::move(options)), context_(options_.zmq_context) {
    pipeline_ = options_.session.empty() ? new_uuid() : options_.session;
    open_db(uuid_);
    if (options_.fetch_configuration) fetch_configuration();
    if (!options_.push_address.empty() && !options_.sub_address.empty()) connect();
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Identifies this client to servers, and is the topic of its replies.
  const std::string& uuid() const { return uuid_; }
  const std::string& server() const { return options_.server; }
  const std::string& push_address() const { return options_.push_address; }
  const std::string& sub_address() const { return options_.sub_address; }
  // Replies that were not understood: no PALM message, another topic, other frames.
  std::uint64_t undecodable() const { return undecodable_; }
  // Replies to calls that nobody waits for any more.
  std::uint64_t late() const { return late_; }

  // Calls a function and returns its result. Throws Error: that of the call, "TimeoutExpired", "NoAddress".
  std::string eval(const FunctionName& function, std::string_view payload, const EvalOptions& options = {}) {
    return std::move(eval_many(function, payload, 1, options).front());
  }

  // Calls a function that gives `messages` replies, and returns all of them as they came. With 0 it does not
  // wait. Throws as eval, at the first reply that is an error.
  std::vector<std::string> eval_many(const FunctionName& function, std::string_view payload,
                                     std::size_t messages, const EvalOptions& options = {}) {
    require_addresses();
    const auto number = next_number_++;
    const auto bytes = encoded(function.text(), payload, options.cache, number);
    const auto until = sockets::after(options_.timeout);
    while (!push_.try_send(bytes))
      if (!wait(push_, ZMQ_POLLOUT, until)) throw Error("TimeoutExpired", "no room to send the message");
    std::vector<std::string> payloads;
    while (payloads.size() < messages) payloads.push_back(wait_for_reply(number, function.text()));
    return payloads;
  }

  // Sends an item for everything that `source` gives and hands the replies to `sink`, both on this thread,
  // interleaved; a server that takes nothing more for a while only slows the source down. Returns when every
  // item has its replies, or an error reply, or was given up: when nothing moved for the timeout, all that
  // wait fail with "TimeoutExpired", and when nothing had come since the last such time, the job ends.
  // An interrupted job leaves its last items without a reply. What source or sink throw ends the job, too.
  JobCounts job(const FunctionName& function, const JobSource& source, const JobSink& sink,
                const JobOptions& options = {}) {
    require_addresses();
    return Job(*this, function.text(), source, sink, options).run();
  }
  // `source` returns std::optional<std::string>; nothing: the end.
  template <typename Items>
  requires std::is_invocable_r_v<std::optional<std::string>, Items&> JobCounts
  job(const FunctionName& function, Items source, const JobSink& sink, const JobOptions& options = {}) {
    const JobSource adapted = [&source](std::string& payload) {
      std::optional<std::string> item = source();
      if (!item) return Supply::end;
      payload = std::move(*item);
      return Supply::item;
    };
    return job(function, adapted, sink, options);
  }

  // Stores a value and returns its key: the given one behind the session's name, or, with none, one that the
  // server chose. Throws Error "NotStored".
  std::string set(std::string_view value, std::string_view key = {}) {
    const auto full = key.empty() ? std::string() : options_.session + std::string(key);
    auto stored = ask("set", full, value);
    if (stored.empty()) throw Error("NotStored", "the server did not store \"" + full + '"');
    return stored;
  }
  // The value of a key; empty also when there is none. Keys are taken as they are, without the session's
  // name, unless ClientOptions::symmetric_session.
  std::string get(std::string_view key) { return ask("get", {}, key_to_find(key)); }
  // False when there was no such key. (The cache of a pylm server does not survive that.)
  bool remove(std::string_view key) { return !ask("delete", {}, key_to_find(key)).empty(); }

 private:
  using Clock = sockets::Clock;

  // As Socket::wait. Throws Error "Interrupted".
  bool wait(const sockets::Socket& socket, short events, Clock::time_point until) const {
    for (;;) {
      const auto look_up = std::min(until, Clock::now() + std::chrono::milliseconds(100));
      if (socket.wait(events, options_.interrupted ? look_up : until)) return true;
      if (options_.interrupted && options_.interrupted())
        throw Error("Interrupted", "ended while waiting for " + db_address_);
      if (Clock::now() >= until) return false;
    }
  }

  // ---- the cache ----

  void open_db(std::string_view routing_id) {
    db_ = sockets::Socket(context_, ZMQ_DEALER);
    if (!routing_id.empty()) db_.set(ZMQ_ROUTING_ID, routing_id);
    db_.connect(db_address_);
  }

  std::string key_to_find(std::string_view key) const {
    return (options_.symmetric_session ? options_.session : std::string()) + std::string(key);
  }

  // Sends what a REQ socket would send, and waits for the answer.
  std::string ask(std::string_view instruction, std::string_view key, std::string_view payload) {
    const auto pipeline = new_uuid();
    const auto function = (options_.server.empty() ? "_" : options_.server) + "." + std::string(instruction);
    Fields fields;
    fields.pipeline = pipeline;
    fields.client = uuid_;
    fields.function = function;
    fields.cache = key;
    fields.payload = payload;
    const auto until = sockets::after(options_.timeout);
    std::vector<std::string> frames;
    if (db_.try_send({}, ZMQ_SNDMORE) && db_.try_send(encode(fields))) {
      while (wait(db_, ZMQ_POLLIN, until))
        if (db_.try_receive(frames) && frames.size() == 2 && frames[0].empty()) return std::move(frames[1]);
    }
    // An answer that is still on its way must not become that of the next request. The name is new, because
    // the server may know the old connection for a while.
    open_db({});
    throw Error("TimeoutExpired", "no answer to \"" + std::string(instruction) + "\" from " + db_address_);
  }

  void fetch_configuration() {
    const auto name = get_plain("name");
    if (!options_.server.empty() && name != options_.server)
      throw Error("WrongServer",
                  "the server at " + db_address_ + " is \"" + name + "\", not \"" + options_.server + '"');
    options_.server = name;
    if (options_.sub_address.empty())
      options_.sub_address = client_detail::reachable(get_plain("pub_address"), db_address_);
    if (options_.push_address.empty())
      options_.push_address = client_detail::reachable(get_plain("pull_address"), db_address_);
  }
  std::string get_plain(std::string_view key) { return ask("get", {}, key); }

  // ---- messages ----

  // PUSH first: a server that compares when connections came then finds that the subscription is the newer
  // one, and answers at once.
  void connect() {
    push_ = sockets::Socket(context_, ZMQ_PUSH);
    push_.set(ZMQ_LINGER, static_cast<int>(std::min<long>(sockets::poll_time(options_.timeout), 1000)));
    sub_ = sockets::Socket(context_, ZMQ_SUB);
    sub_.set(ZMQ_RCVHWM, 0);
    sub_.set(ZMQ_SUBSCRIBE, uuid_);
    const auto until = sockets::after(options_.timeout);
    connect(push_, options_.push_address, until);
    connect(sub_, options_.sub_address, until);
    std::this_thread::sleep_for(options_.settle);
  }

  // Returns when the connection stands.
  template <typename Until>
  void connect(sockets::Socket& socket, const std::string& address, Until until) {
    const sockets::FirstConnection first(context_, socket, address);
    socket.connect(address);
    if (first.events() != nullptr && !wait(*first.events(), ZMQ_POLLIN, until))
      throw Error("TimeoutExpired", "no connection to " + first.address());
  }

  void require_addresses() const {
    if (!push_)
      throw Error("NoAddress",
                  "the server at " + db_address_ + " does not tell where messages go and replies come from");
  }

  std::string encoded(std::string_view function, std::string_view payload, std::string_view cache,
                      std::uint64_t number) const {
    const auto key = cache.empty() ? keys_.key(number) : std::string(cache);
    Fields fields;
    fields.pipeline = pipeline_;
    fields.client = uuid_;
    fields.function = function;
    fields.cache = key;
    fields.payload = payload;
    return encode(fields);
  }

  // The next reply that is one, as views of `frames_`; nothing: none now.
  std::optional<Fields> receive() {
    while (sub_.try_receive(frames_)) {
      try {
        if (frames_.size() == 2 && frames_[0] == uuid_) return read(frames_[1]);
      } catch (const Malformed&) {
      }
      ++undecodable_;
    }
    return std::nullopt;
  }

  std::string wait_for_reply(std::uint64_t number, const std::string& function) {
    const auto until = sockets::after(options_.timeout);
    for (;;) {
      while (const auto reply = receive()) {
        // A key that is not ours was put there by the user or the server: that reply is matched by order.
        if (keys_.number(reply->cache).value_or(number) != number) {
          ++late_;
          continue;
        }
        if (reply->failed()) throw client_detail::error_of(*reply->error);
        return std::string(reply->payload);
      }
      if (!wait(sub_, ZMQ_POLLIN, until)) throw Error("TimeoutExpired", "no reply to \"" + function + '"');
    }
  }

  // One run of job().
  class Job {
   public:
    Job(Client& client, const std::string& function, const JobSource& source, const JobSink& sink,
        const JobOptions& options)
        : client_(client),
          function_(function),
          source_(source),
          sink_(sink),
          options_(options),
          first_number_(client.next_number_),
          until_(sockets::after(client.options_.timeout)) {}
    ~Job() { client_.next_number_ = first_number_ + counts_.sent + 1; }
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;

    JobCounts run() {
      while (!given_up_) {
        send_some();
        receive_all();
        if (supply_ == Supply::end && unsent_.empty() && items_.empty()) return counts_;
        if (options_.interrupted && options_.interrupted()) break;
        wait();
      }
      for (const auto& [index, item] : items_) counts_.abandoned += item.left > 0 ? 1 : 0;
      return counts_;
    }

   private:
    struct Item {
      std::size_t left;            // replies to come
      std::vector<JobReply> held;  // in a job whose order is kept: waiting for earlier items
    };
    using Items = std::map<std::uint64_t, Item>;

    // Up to a number of items, so that replies get their turn.
    void send_some() {
      for (int i = 0; i < 100 && items_.size() < window(); ++i)
        if (!take_item() || !send_item()) return;
    }
    std::size_t window() const { return std::max<std::size_t>(options_.window, 1); }

    // False: there is nothing to send now.
    bool take_item() {
      if (!unsent_.empty()) return true;
      if (supply_ == Supply::end) return false;
      std::string payload;
      supply_ = source_(payload);
      if (supply_ != Supply::item) return false;
      unsent_ = client_.encoded(function_, payload, options_.cache, first_number_ + counts_.sent);
      until_ = std::max(until_, sockets::after(client_.options_.timeout));
      return true;
    }

    // False: the server takes nothing now.
    bool send_item() {
      if (!client_.push_.try_send(unsent_)) return false;
      unsent_.clear();
      const auto index = counts_.sent++;
      if (options_.messages > 0) {
        items_.emplace(index, Item{options_.messages, {}});
      } else {
        ++counts_.done;
      }
      moved();
      return true;
    }

    void moved() {
      until_ = sockets::after(client_.options_.timeout);
      if (options_.progress) options_.progress(counts_);
    }

    void receive_all() {
      while (const auto reply = client_.receive()) {
        const auto found = item_of(reply->cache);
        if (found == items_.end()) {
          ++client_.late_;
          continue;
        }
        something_came_ = true;
        if (reply->failed()) {
          take(found, {{}, client_detail::error_of(*reply->error)});
        } else {
          take(found, {std::string(reply->payload), {}});
        }
        moved();
      }
    }

    typename Items::iterator item_of(std::string_view key) {
      if (const auto number = client_.keys_.number(key)) {
        const auto found = *number < first_number_ ? items_.end() : items_.find(*number - first_number_);
        return found == items_.end() || found->second.left == 0 ? items_.end() : found;
      }
      return std::find_if(items_.begin(), items_.end(),
                          [](const auto& item) { return item.second.left > 0; });
    }

    // An error is the last reply to its item.
    void take(typename Items::iterator place, JobReply reply) {
      auto& item = place->second;
      item.left = reply.ok() ? item.left - 1 : 0;
      counts_.replies += reply.ok() ? 1 : 0;
      counts_.failed += reply.ok() ? 0 : 1;
      counts_.done += reply.ok() && item.left == 0 ? 1 : 0;
      if (options_.ordered) {
        item.held.push_back(std::move(reply));
        return hand_over_in_order();
      }
      const auto index = place->first;
      if (item.left == 0) items_.erase(place);
      sink_(index, std::move(reply));
    }

    void hand_over_in_order() {
      while (!items_.empty()) {
        const auto first = items_.begin();
        const auto index = first->first;
        const bool whole = first->second.left == 0;
        auto held = std::exchange(first->second.held, {});
        if (whole) items_.erase(first);
        for (auto& reply : held) sink_(index, std::move(reply));
        if (!whole) return;
      }
    }

    bool waiting() const { return !unsent_.empty() || !items_.empty(); }

    void wait() {
      const bool wants_item = unsent_.empty() && supply_ == Supply::later && items_.size() < window();
      if (!wants_item && unsent_.empty() && supply_ != Supply::end && items_.size() < window()) return;
      std::array<zmq_pollitem_t, 3> polled{{{client_.sub_.get(), 0, ZMQ_POLLIN, 0}}};
      int count = 1;
      if (!unsent_.empty())
        polled[static_cast<std::size_t>(count++)] = {client_.push_.get(), 0, ZMQ_POLLOUT, 0};
      if (wants_item && options_.source_descriptor >= 0)
        polled[static_cast<std::size_t>(count++)] = {nullptr, options_.source_descriptor, ZMQ_POLLIN, 0};
      const int ready = zmq_poll(polled.data(), count, sockets::poll_time(longest_wait(wants_item)));
      if (ready < 0 && zmq_errno() != EINTR) sockets::throw_zmq("cannot wait");
      if (waiting() && Clock::now() >= until_) give_up();
    }

    Clock::duration longest_wait(bool wants_item) const {
      using std::chrono::milliseconds;
      const bool unwatched = wants_item && options_.source_descriptor < 0;
      const Clock::duration longest = unwatched ? milliseconds(10) : milliseconds(100);
      return waiting() ? std::min(longest, until_ - Clock::now()) : longest;
    }

    // Nothing moved for too long.
    void give_up() {
      given_up_ = !something_came_;
      something_came_ = false;
      std::vector<std::uint64_t> lost;
      for (const auto& [index, item] : items_)
        if (item.left > 0) lost.push_back(index);
      for (const auto index : lost)
        take(items_.find(index), {{}, Error("TimeoutExpired", "no reply to \"" + function_ + '"')});
      if (given_up_ && !unsent_.empty()) {
        ++counts_.failed;
        sink_(counts_.sent, {{}, Error("TimeoutExpired", "no room to send the message")});
      }
      moved();
    }

    Client& client_;
    const std::string& function_;
    const JobSource& source_;
    const JobSink& sink_;
    const JobOptions& options_;
    std::uint64_t first_number_;
    Clock::time_point until_;
    JobCounts counts_;
    Items items_;
    std::string unsent_;  // the next item, encoded
    Supply supply_ = Supply::item;
    bool something_came_ = false;
    bool given_up_ = false;
  };

  std::string db_address_;
  ClientOptions options_;
  std::string uuid_ = new_uuid();
  std::string pipeline_;
  client_detail::MessageKeys keys_;
  std::uint64_t next_number_ = 0;
  std::uint64_t undecodable_ = 0;
  std::uint64_t late_ = 0;
  sockets::Context context_;
  sockets::Socket db_;
  sockets::Socket sub_;
  sockets::Socket push_;
  std::vector<std::string> frames_;
};

}  // namespace backplane::palm
