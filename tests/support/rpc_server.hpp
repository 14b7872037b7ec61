// A ZeroRPC server made of a raw ROUTER socket: answers, events by event, what a test tells it to.
#pragma once

#include <backplane/rpc/event.hpp>
#include <backplane/value.hpp>

#include <zmq.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/peer.hpp"

namespace backplane::test {

// An event that came to the server.
struct RpcEvent {
  Frames way;           // what leads back to the client
  std::string payload;  // the whole event
  std::string id;       // encoded
  std::string response_to;
  std::string name;
  Value args;
  Value trace_id;  // of the header; nil: none

  // The channel, as later events name it.
  const std::string& channel() const { return response_to.empty() ? id : response_to; }
  bool opens_channel() const { return response_to.empty(); }
};

// One thread at a time; waiting has a limit.
class RpcServer {
 public:
  enum class Side { binds, connects };
  // `receive_hwm`: events that wait in the socket until they are read.
  explicit RpcServer(const std::string& endpoint = "tcp://127.0.0.1:*", Side side = Side::binds,
                     int receive_hwm = 1000) {
    router_.set(ZMQ_RCVHWM, receive_hwm);
    if (side == Side::binds) {
      endpoint_ = router_.bind(endpoint);
    } else {
      router_.connect(endpoint);
    }
  }

  const std::string& endpoint() const { return endpoint_; }
  void* socket() { return router_.socket(); }

  // The next event, of whatever kind; nothing: none within the limit.
  std::optional<RpcEvent> receive(std::chrono::nanoseconds limit = kPatience) {
    auto frames = router_.receive(limit);
    if (!frames) return std::nullopt;
    if (frames->size() != 3 || !frames->at(1).empty()) throw std::runtime_error("not a client's frames");
    rpc::Event event;
    if (const auto* wrong = rpc::read_event(frames->back(), event)) throw std::runtime_error(wrong);
    const auto trace_id = rpc::header_value(event, "trace_id");
    return RpcEvent{{frames->at(0)},
                    frames->back(),
                    std::string(event.message_id),
                    std::string(event.response_to),
                    std::string(event.name),
                    decode(event.args),
                    trace_id.empty() ? Value() : decode(trace_id)};
  }
  // The next event of one of these names; others are passed over. Throws when there is none within the limit.
  RpcEvent receive(std::initializer_list<std::string_view> names) {
    while (auto event = receive())
      if (std::find(names.begin(), names.end(), event->name) != names.end()) return std::move(*event);
    throw std::runtime_error("the client did not send " + std::string(*names.begin()));
  }
  // The next request.
  RpcEvent request() {
    while (auto event = receive())
      if (event->opens_channel()) return std::move(*event);
    throw std::runtime_error("the client sent no request");
  }

  void send(const RpcEvent& to, std::string_view name, const Value& args) {
    send_payload(
        to, rpc::event({.id = ids_.next(), .response_to = to.channel(), .name = name, .args = encode(args)}));
  }
  void send_payload(const RpcEvent& to, std::string payload) {
    auto frames = to.way;
    frames.insert(frames.end(), {"", std::move(payload)});
    router_.send(frames);
  }
  void ok(const RpcEvent& to, const Value& result) { send(to, "OK", list(result)); }
  void fail(const RpcEvent& to, const char* name, const char* message) {
    send(to, "ERR", Array{name, message, nullptr});
  }
  void beat(const RpcEvent& to) { send(to, "_zpc_hb", list(0)); }

  // A list of one, whatever it is.
  static Value list(Value item) {
    Array all;
    all.push_back(std::move(item));
    return all;
  }

 private:
  Peer router_{ZMQ_ROUTER};
  std::string endpoint_;
  rpc::EventIds ids_;
};

// The same on a thread of its own: hands every event to a function, which answers requests. Heartbeats are
// answered by heartbeats.
class ServingRpcServer {
 public:
  using Answer = std::function<void(RpcServer&, const RpcEvent&)>;
  explicit ServingRpcServer(Answer answer, const std::string& endpoint = "tcp://127.0.0.1:*")
      : server_(endpoint), answer_(std::move(answer)), thread_([this] { run(); }) {}
  ~ServingRpcServer() {
    stopping_ = true;
    thread_.join();
  }
  ServingRpcServer(const ServingRpcServer&) = delete;
  ServingRpcServer& operator=(const ServingRpcServer&) = delete;
  const std::string& endpoint() const { return server_.endpoint(); }
  // Heartbeats that came.
  int beats() const { return beats_; }

 private:
  void run() {
    while (!stopping_) {
      const auto event = server_.receive(milliseconds(5));
      if (!event) continue;
      if (event->name == "_zpc_hb") {
        server_.beat(*event);
        ++beats_;
      } else {
        answer_(server_, *event);
      }
    }
  }

  RpcServer server_;
  Answer answer_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> beats_ = 0;
  std::thread thread_;
};

}  // namespace backplane::test
