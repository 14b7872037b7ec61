// A ZeroMQ socket towards outside, made from a component's options. Belongs to the component's loop.
#pragma once

#include <backplane/host.hpp>
#include <backplane/message.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monitor.hpp"
#include "security.hpp"
#include "wire.hpp"
#include "zap.hpp"

namespace backplane::zmq {

// What a component says about its socket, read and checked before the socket exists.
class SocketPlan {
 public:
  // Throws Error "BadOption", naming what is missing, doubled, wrong or unsafe.
  explicit SocketPlan(Host host);
  // The same for a socket that binds what the option `bind` says. A kind with several sockets has one each.
  SocketPlan(Host host, const char* bind);
  // For a socket that connects to endpoints which no option says.
  SocketPlan(Host host, std::vector<std::string> connect);

  bool binds() const { return binds_; }
  const std::vector<std::string>& endpoints() const { return endpoints_; }
  const CurveKeys& keys() const { return keys_; }
  const AllowList& allow_list() const { return allow_list_; }
  // A socket says in the log where it listens or connects to, unless it is one of many.
  void be_quiet() { quiet_ = true; }
  bool quiet() const { return quiet_; }

 private:
  void check_exposure(const Host& host, const char* option) const;

  bool binds_ = false;
  bool quiet_ = false;
  std::vector<std::string> endpoints_;
  CurveKeys keys_;
  AllowList allow_list_;
};

// What to do about an errno of a bind.
std::string bind_advice(int why, const Host& host);

// Trouble with peers that stops nothing: counted each time, logged once a second at most.
class Trouble {
 public:
  // `counter` is the name of the metric.
  Trouble(Host host, const char* counter, const char* help)
      : host_(host), count_(host.counter(counter, help)) {}
  void happened(std::string_view what);

 private:
  Host host_;
  Counter count_;
  std::int64_t quiet_until_ = 0;
  std::uint64_t unsaid_ = 0;
};

class Socket {
 public:
  // Makes a socket of `type` (ZMQ_PULL, ...), sets its options and keys, lets `prepare` set what else its
  // kind needs, then binds or connects and says where it listens. Throws Error naming the endpoint and the
  // reason; nothing stays open then.
  Socket(Host host, int type, const SocketPlan& plan, const std::function<void(void*)>& prepare = {});
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void* get() const { return handle_.get(); }
  // Connects to an endpoint that the plan does not have. Throws Error naming it and the reason. `quiet`: says
  // nothing in the log.
  void connect(const std::string& endpoint, bool quiet = false);

 private:
  struct Close {
    void operator()(void* socket) const;
  };

  void admit(const SocketPlan& plan);
  void bind(const std::string& endpoint, bool quiet);

  struct Refusals;

  Host host_;
  std::shared_ptr<Refusals> refusals_;
  std::optional<Admission> admission_;
  std::unique_ptr<void, Close> handle_;
  std::optional<Monitor> monitor_;
};

// Sends the frames of `prefix` and `body` as one message, or nothing: false when no peer can take it now;
// body and prefix are untouched then. What was sent is moved away. A body without frames is sent as one empty
// frame. Throws Error "SendFailed".
bool send_message(void* socket, std::span<Frame> prefix, Message& body);
inline bool send_message(void* socket, Message& body) { return send_message(socket, {}, body); }

// Receives whole messages straight into the host's.
class Receiver {
 public:
  explicit Receiver(Host host);

  // Takes up to one batch of messages and gives each to `take(Message)`, until `take` says false. True: there
  // is none left.
  template <typename Take>
  bool run(void* socket, Take&& take) {
    for (int left = batch_; left > 0; --left) {
      const auto received = receive(socket);
      if (received == Received::nothing) return true;
      if (received == Received::message && !take(std::move(spare_))) return false;
    }
    return false;
  }
  // Counts a message that was received whole, but whose frames are not what the kind needs.
  void malformed(std::string_view why) { malformed_.happened(why); }

 private:
  enum class Received { nothing, message, refused };

  // The next message, into spare_.
  Received receive(void* socket);
  Received receive_rest(void* socket);
  Received refuse(void* socket, const char* why);

  Host host_;
  int batch_;
  std::size_t max_frames_;
  Trouble malformed_;
  Message spare_;  // made ahead: the receive that finds nothing costs no message
};

}  // namespace backplane::zmq
