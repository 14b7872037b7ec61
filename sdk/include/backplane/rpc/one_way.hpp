// Senders of one-way calls, to pullers and subscribers of ZeroRPC: nobody answers.
//
//   backplane::rpc::Pusher pusher("tcp://127.0.0.1:4243");
//   pusher.push("note", "text");
//
// Thread-safe. Errors: "TimeoutExpired" (nobody to take it in time), "TypeError" (an argument cannot be
// sent), "ZmqError" (libzmq refused something, an address for instance).
#pragma once

#include <backplane/binding.hpp>
#include <backplane/host.hpp>
#include <backplane/rpc/event.hpp>
#include <backplane/rpc/requests.hpp>
#include <backplane/sockets.hpp>
#include <backplane/value.hpp>

#include <zmq.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace backplane::rpc {

struct OneWayOptions {
  bool bind = false;  // the endpoint, instead of connecting
  // How long somebody who takes what is sent may be waited for, when sending and in the end; 0: for ever.
  std::chrono::nanoseconds timeout = std::chrono::seconds(30);
  Map context = {};             // keys for every header
  void* zmq_context = nullptr;  // borrowed; nullptr: the sender makes its own
};

namespace detail {

// What both senders share.
class OneWaySender {
 public:
  OneWaySender(int type, const std::string& endpoint, const OneWayOptions& options)
      : timeout_(options.timeout),
        encoded_context_(encoded_context(options.context)),
        context_pairs_(static_cast<std::uint32_t>(options.context.size())),
        context_(options.zmq_context),
        socket_(context_, type),
        first_(std::make_unique<sockets::FirstConnection>(context_, socket_, endpoint)) {
    socket_.set(ZMQ_LINGER, timeout_.count() <= 0 ? -1 : static_cast<int>(sockets::poll_time(timeout_)));
    if (options.bind) {
      address_ = socket_.bind(endpoint);
    } else {
      socket_.connect(address_ = endpoint);
    }
  }

  const std::string& address() const { return address_; }
  sockets::Clock::time_point patience() const { return sockets::after(timeout_); }

  sockets::Frame encoded_event(std::string_view method, Array arguments) {
    if (!is_utf8(method)) throw Error("TypeError", "the name of a method must be UTF-8");
    std::string args;
    encode_for_peer(std::move(arguments), "an argument of \"" + std::string(method) + '"', args);
    return frame_of({.id = ids_.next(),
                     .context = encoded_context_,
                     .context_pairs = context_pairs_,
                     .name = method,
                     .args = args});
  }

  // False: nobody has connected until then.
  bool wait_for_connection(sockets::Clock::time_point until) {
    if (first_ && first_->events() != nullptr && !first_->events()->wait(ZMQ_POLLIN, until)) return false;
    first_.reset();
    return true;
  }
  sockets::Socket& socket() { return socket_; }
  std::mutex& mutex() { return mutex_; }

 private:
  std::chrono::nanoseconds timeout_;
  std::string encoded_context_;
  std::uint32_t context_pairs_;
  std::mutex mutex_;
  EventIds ids_;
  sockets::Context context_;
  sockets::Socket socket_;
  std::unique_ptr<sockets::FirstConnection> first_;  // until there was one; ends before its socket
  std::string address_;
};

}  // namespace detail

// Sends to one puller at a time, in turn when there are several. What is on its way when the pusher is
// destroyed gets the timeout to leave.
class Pusher {
 public:
  explicit Pusher(const std::string& endpoint, const OneWayOptions& options = {})
      : sender_(ZMQ_PUSH, endpoint, options) {}

  // Where it connects to, or what it has bound.
  const std::string& address() const { return sender_.address(); }

  // Waits for a puller to be connected. Throws Error "TimeoutExpired".
  void wait_for_puller() {
    const std::lock_guard lock(sender_.mutex());
    if (!sender_.wait_for_connection(sender_.patience()))
      throw Error("TimeoutExpired", "no puller at " + address());
  }
  // Calls a method. Waits while too much is on its way: a thousand calls. Throws Error "TimeoutExpired".
  template <typename... Args>
  void push(std::string_view method, Args&&... args) {
    push_list(method, detail::list_of(std::forward<Args>(args)...));
  }
  void push_list(std::string_view method, Array arguments) {
    const std::lock_guard lock(sender_.mutex());
    auto payload = sender_.encoded_event(method, std::move(arguments));
    const auto until = sender_.patience();
    while (!sender_.socket().try_send(payload))
      if (!sender_.socket().wait(ZMQ_POLLOUT, until))
        throw Error("TimeoutExpired", "nobody takes what is pushed to " + address());
    sender_.wait_for_connection(sockets::Clock::now());  // its events are taken
  }

 private:
  detail::OneWaySender sender_;
};

// Sends to all that are subscribed at the time. Whoever reads too slowly misses some.
class Publisher {
 public:
  explicit Publisher(const std::string& endpoint, const OneWayOptions& options = {})
      : sender_(ZMQ_XPUB, endpoint, options) {}

  const std::string& address() const { return sender_.address(); }

  // Waits for a subscriber. Throws Error "TimeoutExpired".
  void wait_for_subscriber() {
    const std::lock_guard lock(sender_.mutex());
    const auto until = sender_.patience();
    while (read_subscriptions(), topics_.empty())
      if (!sender_.socket().wait(ZMQ_POLLIN, until))
        throw Error("TimeoutExpired", "no subscriber at " + address());
  }
  // Calls a method of all subscribers; waits for nobody.
  template <typename... Args>
  void publish(std::string_view method, Args&&... args) {
    publish_list(method, detail::list_of(std::forward<Args>(args)...));
  }
  void publish_list(std::string_view method, Array arguments) {
    const std::lock_guard lock(sender_.mutex());
    read_subscriptions();
    auto payload = sender_.encoded_event(method, std::move(arguments));
    sender_.socket().try_send(payload);
  }

 private:
  // A byte, 1 or 0, and the topic that somebody wants, or nobody any more.
  void read_subscriptions() {
    sockets::Frame frame;
    bool more = false;
    while (sender_.socket().try_receive(frame, more)) {
      const std::string said(frame.view());
      if (said.empty()) continue;
      if (said.front() == '\1') topics_.insert(said.substr(1));
      if (said.front() == '\0') topics_.erase(said.substr(1));
    }
    sender_.wait_for_connection(sockets::Clock::now());
  }

  detail::OneWaySender sender_;
  std::set<std::string> topics_;
};

}  // namespace backplane::rpc
