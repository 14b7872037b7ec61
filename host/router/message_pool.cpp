#include "router/message_pool.hpp"

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace backplane::host {

namespace {

constexpr std::size_t run_length = 256;    // messages that change hands between lists at once
constexpr std::uint32_t kept_frames = 16;  // a larger frame array is not kept with a free message
constexpr std::size_t shared_runs = 64;    // beyond that, memory goes back to the system

#if defined(__SANITIZE_ADDRESS__)
constexpr bool reuse = false;  // so that AddressSanitizer sees a use after free
#else
constexpr bool reuse = true;
#endif

void release_memory(HostMessage* message) {
  if (message->frames != message->space) std::free(message->frames);
  delete message;
}

// A run of free messages, linked by `next`.
struct Run {
  HostMessage* head = nullptr;
  std::size_t size = 0;

  void push(HostMessage* message) {
    message->next = head;
    head = message;
    ++size;
  }
  HostMessage* pop() {
    HostMessage* first = head;
    head = first->next;
    --size;
    return first;
  }
  void release() {
    while (head != nullptr) release_memory(pop());
  }
};

// Runs that no thread holds.
class SharedRuns {
 public:
  ~SharedRuns() {
    for (auto& run : runs_) run.release();
  }
  void give(Run run) {
    {
      const std::lock_guard lock(mutex_);
      if (runs_.size() < shared_runs) {
        runs_.push_back(run);
        return;
      }
    }
    run.release();
  }
  Run take() {
    const std::lock_guard lock(mutex_);
    if (runs_.empty()) return {};
    Run run = runs_.back();
    runs_.pop_back();
    return run;
  }

 private:
  std::mutex mutex_;
  std::vector<Run> runs_;
};

SharedRuns& shared() {
  static SharedRuns runs;
  return runs;
}

// One thread's free messages: two runs, so that a thread at the border does not go back and forth.
struct LocalRuns {
  Run current;
  Run spare;

  LocalRuns() { shared(); }  // outlives every thread's list
  ~LocalRuns() {
    current.release();
    spare.release();
  }
  HostMessage* take() {
    if (current.size == 0) {
      std::swap(current, spare);
      if (current.size == 0) current = shared().take();
      if (current.size == 0) return nullptr;
    }
    return current.pop();
  }
  void give(HostMessage* message) {
    if (current.size == run_length) {
      if (spare.size == run_length) shared().give(std::exchange(spare, Run{}));
      std::swap(current, spare);
    }
    current.push(message);
  }
};

LocalRuns& local() {
  thread_local LocalRuns runs;
  return runs;
}

HostMessage* fresh() {
  auto* message = new HostMessage;
  zmq_msg_init(&message->function);
  zmq_msg_init(&message->headers);
  message->frames = message->space;
  message->frame_capacity = HostMessage::inline_frames;
  return message;
}

void clear_frame(zmq_msg_t& frame) {
  if (zmq_msg_size(&frame) == 0) return;
  zmq_msg_close(&frame);
  zmq_msg_init(&frame);
}

}  // namespace

HostMessage* new_message(std::uint32_t frames) {
  HostMessage* message = reuse ? local().take() : nullptr;
  if (message == nullptr) message = fresh();
  std::memset(&message->envelope, 0, sizeof message->envelope);
  message->frame_count = 0;
  message->next = nullptr;
  message->lane_loop = 0;
  message->lane = 0;
  message->dead_letters = 0;
  if (!reserve_frames(message, frames)) {
    free_message(message);
    throw std::bad_alloc();
  }
  return message;
}

bool reserve_frames(bp_message* message, std::uint32_t frames) {
  if (frames <= message->frame_capacity) return true;
  auto* larger = static_cast<zmq_msg_t*>(std::malloc(sizeof(zmq_msg_t) * frames));
  if (larger == nullptr) return false;
  for (std::uint32_t i = 0; i < message->frame_count; ++i) {
    zmq_msg_init(&larger[i]);
    zmq_msg_move(&larger[i], &message->frames[i]);
  }
  if (message->frames != as_host(message)->space) std::free(message->frames);
  message->frames = larger;
  message->frame_capacity = frames;
  return true;
}

HostMessage* copy_message(const bp_message* message) {
  HostMessage* copy = new_message(message->frame_count);
  copy->envelope = message->envelope;
  auto* from = const_cast<bp_message*>(message);  // zmq_msg_copy marks the content as shared
  zmq_msg_copy(&copy->function, &from->function);
  zmq_msg_copy(&copy->headers, &from->headers);
  for (std::uint32_t i = 0; i < from->frame_count; ++i) {
    zmq_msg_init(&copy->frames[i]);
    zmq_msg_copy(&copy->frames[i], &from->frames[i]);
  }
  copy->frame_count = from->frame_count;
  return copy;
}

void free_message(bp_message* raw) {
  if (raw == nullptr) return;
  auto* message = as_host(raw);
  for (std::uint32_t i = 0; i < message->frame_count; ++i) zmq_msg_close(&message->frames[i]);
  message->frame_count = 0;
  clear_frame(message->function);
  clear_frame(message->headers);
  if (message->frame_capacity > kept_frames) {
    std::free(message->frames);
    message->frames = message->space;
    message->frame_capacity = HostMessage::inline_frames;
  }
  if (reuse) {
    local().give(message);
  } else {
    release_memory(message);
  }
}

}  // namespace backplane::host
