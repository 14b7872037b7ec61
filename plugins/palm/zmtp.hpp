// ZMTP 3 (rfc.zeromq.org/spec/23, /37) as the side that pushes: what libzmq does inside a PUSH socket, for
// the bytes of one connection. The host speaks it itself where it must know which worker gets which job:
// libzmq's PUSH socket does not tell. Pure: bytes in, bytes out. One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace backplane::palm {

// The header of a message frame: flags and size. What follows it are the frame's bytes.
class FrameHeader {
 public:
  FrameHeader(std::size_t size, bool more);
  std::string_view view() const { return {bytes_.data(), length_}; }

 private:
  std::array<char, 9> bytes_{};  // 1 + 8
  std::size_t length_ = 0;
};

// The handshake with one peer that pulls, and its commands afterwards.
class PushPeer {
 public:
  enum class State { greeting, ready_awaited, ready, failed };

  // Takes what the peer sent and returns what to send back, perhaps nothing. After State::failed the
  // connection is to be closed; why() says the reason.
  std::string take(std::string_view bytes);
  // What to send as soon as the connection stands.
  static std::string greeting();
  // A heartbeat; the peer answers it.
  static std::string ping();

  State state() const { return state_; }
  const std::string& why() const { return why_; }

 private:
  bool take_greeting();
  bool take_frame(std::string& answer);
  void take_command(std::string_view command, std::string& answer);
  void take_ready(std::string_view properties);
  bool fail(std::string why);

  State state_ = State::greeting;
  std::string unread_;
  std::string why_;
};

}  // namespace backplane::palm
