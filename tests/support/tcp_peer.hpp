// A raw TCP connection: bytes to and from what is tested, cut as the test likes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "support/eventually.hpp"

namespace backplane::test {

// One thread at a time. What the system refuses throws std::runtime_error. Verbs without a limit never wait,
// so that they suit a test whose own thread runs what it talks to; the others wait up to their limit.
class TcpPeer {
 public:
  // Connects to ADDRESS:PORT of this machine, IPv4; a scheme in front (tcp://, http://) is ignored.
  explicit TcpPeer(const std::string& endpoint);
  // Adopts a connected socket.
  explicit TcpPeer(int socket);
  TcpPeer(TcpPeer&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)),
        received_(std::move(other.received_)),
        closed_(other.closed_) {}
  TcpPeer& operator=(TcpPeer&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(received_, other.received_);
    std::swap(closed_, other.closed_);
    return *this;
  }
  ~TcpPeer();

  // Sends all of it; false: not within the limit, or the other side is gone.
  bool send(std::string_view bytes, std::chrono::nanoseconds limit = kPatience);
  // Sends what the system takes now and returns how much that was.
  std::size_t send_some(std::string_view bytes);
  // No more bytes will come from here.
  void finish();
  // Closes with a reset, as a machine that crashed.
  void reset();
  void close();

  // All that has come so far and was not taken.
  const std::string& received();
  bool has(std::string_view part) { return received().find(part) != std::string::npos; }
  std::string take() { return std::exchange(received_, {}); }
  // The other side has closed, and all its bytes are in received().
  bool closed();

  // The bytes up to and with `mark`, taken; nothing: they did not come.
  std::optional<std::string> receive_until(std::string_view mark, std::chrono::nanoseconds limit = kPatience);
  std::optional<std::string> receive(std::size_t count, std::chrono::nanoseconds limit = kPatience);
  // All up to the close; nothing: it did not close.
  std::optional<std::string> receive_all(std::chrono::nanoseconds limit = kPatience);

  int socket() const { return socket_; }

 private:
  void read();

  int socket_;
  std::string received_;
  bool closed_ = false;
};

// Listens on a free port of loopback.
class TcpListener {
 public:
  TcpListener();
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;
  ~TcpListener() { close(); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::uint16_t port() const { return port_; }
  // The next connection, if there is one now.
  std::optional<TcpPeer> accept_now();
  std::optional<TcpPeer> accept(std::chrono::nanoseconds limit = kPatience);
  void close();

 private:
  int socket_;
  std::uint16_t port_ = 0;
};

}  // namespace backplane::test
