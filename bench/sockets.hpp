// The little of libzmq that the load generator and the proxy share: sockets that close themselves, endpoints
// given on the command line, errors with a place.
#pragma once

#include <zmq.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace backplane::bench {

// A failed libzmq call: what was tried, and libzmq's reason.
class ZmqError : public std::runtime_error {
 public:
  explicit ZmqError(const std::string& tried)
      : std::runtime_error(tried + ": " + zmq_strerror(zmq_errno())), number_(zmq_errno()) {}
  int number() const { return number_; }

 private:
  int number_;
};

// One libzmq context; sockets made from it must be closed before it goes.
class Context {
 public:
  Context() : context_(zmq_ctx_new()) {}
  ~Context() { zmq_ctx_term(context_); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  void* get() const { return context_; }

 private:
  void* context_;
};

// The number libzmq has for a socket type written in lower case. Throws std::invalid_argument.
inline int socket_type(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, int>, 10> types{{{"push", ZMQ_PUSH},
                                                                    {"pull", ZMQ_PULL},
                                                                    {"pub", ZMQ_PUB},
                                                                    {"sub", ZMQ_SUB},
                                                                    {"xpub", ZMQ_XPUB},
                                                                    {"xsub", ZMQ_XSUB},
                                                                    {"req", ZMQ_REQ},
                                                                    {"rep", ZMQ_REP},
                                                                    {"dealer", ZMQ_DEALER},
                                                                    {"router", ZMQ_ROUTER}}};
  for (const auto& [known, number] : types)
    if (known == name) return number;
  throw std::invalid_argument("unknown socket type \"" + std::string(name) + "\"");
}

// One end of a wire, written TYPE,bind|connect,ENDPOINT, for example pull,bind,tcp://127.0.0.1:5555.
struct End {
  int type = 0;
  bool bind = false;
  std::string endpoint;
};

// Throws std::invalid_argument, saying what is wrong with `text`.
inline End parse_end(const std::string& text) {
  const auto first = text.find(',');
  const auto second = text.find(',', first == std::string::npos ? first : first + 1);
  if (second == std::string::npos)
    throw std::invalid_argument("\"" + text + "\" is not TYPE,bind|connect,ENDPOINT");
  const auto action = text.substr(first + 1, second - first - 1);
  if (action != "bind" && action != "connect")
    throw std::invalid_argument("\"" + action + "\" in \"" + text + "\" is neither bind nor connect");
  return {socket_type(text.substr(0, first)), action == "bind", text.substr(second + 1)};
}

// A socket with libzmq's defaults, apart from: no linger, a SUB takes what begins with `topic`, and
// publishers and routers wait for a slow peer instead of dropping, because a benchmark that loses messages
// measures nothing. Belongs to one thread.
class Socket {
 public:
  Socket(const Context& context, const End& end, std::string_view topic = {})
      : socket_(zmq_socket(context.get(), end.type)) {
    if (socket_ == nullptr) throw ZmqError("cannot make a socket");
    set(ZMQ_LINGER, 0);
    if (end.type == ZMQ_PUB || end.type == ZMQ_XPUB) set(ZMQ_XPUB_NODROP, 1);
    if (end.type == ZMQ_ROUTER) set(ZMQ_ROUTER_MANDATORY, 1);
    if (end.type == ZMQ_SUB) zmq_setsockopt(socket_, ZMQ_SUBSCRIBE, topic.data(), topic.size());
    const auto attach = end.bind ? zmq_bind : zmq_connect;
    if (attach(socket_, end.endpoint.c_str()) != 0) {
      const ZmqError failure((end.bind ? "cannot bind " : "cannot connect ") + end.endpoint);
      zmq_close(socket_);
      throw failure;
    }
  }
  Socket(Socket&& other) noexcept : socket_(std::exchange(other.socket_, nullptr)) {}
  Socket& operator=(Socket&&) = delete;
  ~Socket() {
    if (socket_ != nullptr) zmq_close(socket_);
  }
  void set(int option, int value) { zmq_setsockopt(socket_, option, &value, sizeof value); }
  void* get() const { return socket_; }

 private:
  void* socket_;
};

// A frame that closes itself.
class Frame {
 public:
  Frame() { zmq_msg_init(&frame_); }
  explicit Frame(std::size_t size) {
    if (zmq_msg_init_size(&frame_, size) != 0) throw std::bad_alloc();
  }
  explicit Frame(std::string_view bytes) : Frame(bytes.size()) {
    if (!bytes.empty()) std::memcpy(data(), bytes.data(), bytes.size());
  }
  ~Frame() { zmq_msg_close(&frame_); }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  // Shows bytes that stay as they are until they have been sent.
  void show(std::string_view bytes) {
    zmq_msg_close(&frame_);
    zmq_msg_init_data(&frame_, const_cast<char*>(bytes.data()), bytes.size(), nullptr, nullptr);
  }
  // False: not now (EAGAIN).
  bool send(const Socket& socket, int flags) {
    if (zmq_msg_send(&frame_, socket.get(), flags) >= 0) return true;
    if (zmq_errno() != EAGAIN) throw ZmqError("send");
    return false;
  }
  bool receive(const Socket& socket, int flags) {
    if (zmq_msg_recv(&frame_, socket.get(), flags) >= 0) return true;
    if (zmq_errno() != EAGAIN) throw ZmqError("receive");
    return false;
  }
  bool more() const { return zmq_msg_more(&frame_) != 0; }
  std::size_t size() const { return zmq_msg_size(&frame_); }
  char* data() { return static_cast<char*>(zmq_msg_data(&frame_)); }
  std::string_view view() { return {data(), size()}; }

 private:
  zmq_msg_t frame_;
};

}  // namespace backplane::bench
