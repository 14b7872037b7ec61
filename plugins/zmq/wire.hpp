// What the kinds put around a message on the wire, and take off again: pure functions, no sockets.
#pragma once

#include <backplane/message.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace backplane::zmq {

// Owns one libzmq frame. Always initialised; empty after its content was moved away.
class Frame {
 public:
  Frame() { zmq_msg_init(&raw_); }
  // Of so many bytes, to be written. Throws std::bad_alloc.
  explicit Frame(std::size_t size) {
    if (zmq_msg_init_size(&raw_, size) != 0) throw std::bad_alloc();
  }
  // Throws std::bad_alloc.
  explicit Frame(std::string_view bytes) : Frame() { assign_frame(raw_, bytes); }
  Frame(Frame&& other) noexcept : Frame() { zmq_msg_move(&raw_, &other.raw_); }
  Frame& operator=(Frame&& other) noexcept {
    zmq_msg_move(&raw_, &other.raw_);
    return *this;
  }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
  ~Frame() { zmq_msg_close(&raw_); }

  zmq_msg_t* raw() { return &raw_; }
  char* data() { return static_cast<char*>(zmq_msg_data(&raw_)); }
  std::string_view view() const { return frame_view(raw_); }

 private:
  zmq_msg_t raw_;
};

// Which of the first frames of what a ROUTER socket received belong to the way back to the asker.
enum class Envelope {
  identity,   // the peer's routing id alone
  delimited,  // everything up to and including the first empty frame: peers that speak as REQ does
  automatic,  // the routing id, and an empty frame when it follows at once and something follows it
};

// How many frames the envelope has, or nothing when the message is malformed: no delimiter, or no body.
std::optional<std::size_t> envelope_frames(std::span<const zmq_msg_t> frames, Envelope rule);

// A request's number as a frame: eight bytes, most significant first. A peer sends it back unread.
inline constexpr std::size_t request_frame_size = 8;
std::string request_frame(std::uint64_t number);

// What a DEALER that asks by [number][empty][body...] got back: the number; the body begins at frame 2.
// Nothing when the frames do not have this form.
inline constexpr std::size_t answer_envelope_frames = 2;
std::optional<std::uint64_t> answered_request(std::span<const zmq_msg_t> frames);

// The frames for a log line: text as it is, other bytes as \xNN, at most `limit` characters of it.
std::string readable(std::span<const zmq_msg_t> frames, std::size_t limit);

// All frames of a message.
inline std::span<const zmq_msg_t> frames_of(Message& message) {
  return message.empty() ? std::span<const zmq_msg_t>{}
                         : std::span<const zmq_msg_t>{message.raw(0), message.size()};
}

}  // namespace backplane::zmq
