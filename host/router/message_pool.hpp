// Memory of messages: reused, so that the steady path allocates nothing.
//
// Threading: every thread has its own free list; lists that grow long or run empty exchange whole runs with
// a shared one, since messages are often made on one loop and freed on another.
#pragma once

#include <backplane/abi.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace backplane::host {

// A message as the host keeps it: what plugins see, and the host's own notes behind it.
struct HostMessage : bp_message {
  static constexpr std::uint32_t inline_frames = 3;

  HostMessage* next;           // in a MessageQueue
  std::uint32_t lane_loop;     // loop that holds the lane's credit
  std::uint32_t lane;          // index of that lane plus 1; 0: travels without credit
  std::uint32_t dead_letters;  // component that gets it when it is discarded; 0: nobody
  zmq_msg_t space[inline_frames];
};

inline std::string_view bytes_of(const zmq_msg_t& frame) {
  auto* raw = const_cast<zmq_msg_t*>(&frame);  // libzmq takes no const, and changes nothing
  return {static_cast<const char*>(zmq_msg_data(raw)), zmq_msg_size(raw)};
}

inline HostMessage* as_host(bp_message* message) { return static_cast<HostMessage*>(message); }

// A new message: envelope all zero, no frames, room for `frames`. Throws std::bad_alloc.
HostMessage* new_message(std::uint32_t frames = 0);
// Makes room for `frames` frames. False: out of memory, nothing changed.
bool reserve_frames(bp_message* message, std::uint32_t frames);
// Same envelope and frames, contents shared. Lane and dead letters are not copied. Throws std::bad_alloc.
HostMessage* copy_message(const bp_message* message);
// Closes the frames and takes the memory back. nullptr is ignored.
void free_message(bp_message* message);

// First in, first out; intrusive, so that waiting costs no allocation. Owns what it holds.
class MessageQueue {
 public:
  MessageQueue() = default;
  MessageQueue(const MessageQueue&) = delete;
  MessageQueue& operator=(const MessageQueue&) = delete;
  ~MessageQueue() {
    while (!empty()) free_message(pop());
  }

  bool empty() const { return head_ == nullptr; }
  std::size_t size() const { return size_; }
  HostMessage* front() const { return head_; }
  void push(HostMessage* message) {
    message->next = nullptr;
    if (head_ == nullptr) {
      head_ = message;
    } else {
      tail_->next = message;
    }
    tail_ = message;
    ++size_;
  }
  void push_front(HostMessage* message) {
    message->next = head_;
    if (head_ == nullptr) tail_ = message;
    head_ = message;
    ++size_;
  }
  // REQUIRES: !empty().
  HostMessage* pop() {
    HostMessage* first = head_;
    head_ = first->next;
    --size_;
    return first;
  }

 private:
  HostMessage* head_ = nullptr;
  HostMessage* tail_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace backplane::host
