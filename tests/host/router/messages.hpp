// Messages for the router's tests.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "router/message_pool.hpp"

namespace backplane::test {

inline void set_frame(zmq_msg_t& frame, std::string_view bytes) {
  zmq_msg_t fresh;
  zmq_msg_init_size(&fresh, bytes.size());
  if (!bytes.empty()) std::memcpy(zmq_msg_data(&fresh), bytes.data(), bytes.size());
  zmq_msg_move(&frame, &fresh);
  zmq_msg_close(&fresh);
}

inline host::HostMessage* make_message(const std::vector<std::string>& frames) {
  auto* message = host::new_message(static_cast<std::uint32_t>(frames.size()));
  for (const auto& bytes : frames) {
    zmq_msg_t& frame = message->frames[message->frame_count++];
    zmq_msg_init(&frame);
    set_frame(frame, bytes);
  }
  return message;
}

inline std::vector<std::string> frames_of(const bp_message& message) {
  std::vector<std::string> frames;
  for (std::uint32_t i = 0; i < message.frame_count; ++i)
    frames.emplace_back(host::bytes_of(message.frames[i]));
  return frames;
}

// Frees a message at the end of a scope.
class Owned {
 public:
  explicit Owned(host::HostMessage* message) : message_(message) {}
  ~Owned() { host::free_message(message_); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  host::HostMessage& operator*() const { return *message_; }
  host::HostMessage* operator->() const { return message_; }
  explicit operator bool() const { return message_ != nullptr; }

 private:
  host::HostMessage* message_;
};

}  // namespace backplane::test
