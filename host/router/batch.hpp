// What travels between loops: everything that one turn of a loop has for another loop, as one ZeroMQ
// message of one frame.
#pragma once

#include <zmq.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "router/message_pool.hpp"

namespace backplane::host {

// A message on its way (message set), or credit on its way back (message nullptr).
struct Cell {
  HostMessage* message = nullptr;
  std::uint32_t lane = 0;    // whose credit comes back: HostMessage::lane
  std::uint32_t credit = 0;  // how much
};

// The frame's data is the Batch itself; closing the frame frees it and the messages still in it, so that
// nothing leaks wherever the frame ends.
struct Batch {
  static constexpr std::uint64_t mark_of_ours = 0x6270626174636831;  // "bpbatch1"

  std::uint32_t destination = 0;  // loop
  std::vector<Cell> cells;
  // Tells our frames from others. Written with release before the frame is sent, read with acquire when it is
  // received: the hand-over from thread to thread, said in the language's own terms beside libzmq's.
  std::atomic<std::uint64_t> mark{0};

  ~Batch() {
    for (auto& cell : cells) free_message(cell.message);
  }
};

// Says that this thread is done with the batch. Before each send of its frame.
inline void hand_over(Batch& batch) { batch.mark.store(Batch::mark_of_ours, std::memory_order_release); }
// Makes `frame` own the batch, ready to be sent. The frame must not be initialised yet. Throws
// std::bad_alloc.
void batch_to_frame(Batch* batch, zmq_msg_t* frame);
// The batch of a frame made by batch_to_frame, or nullptr for any other frame. The frame keeps it.
Batch* batch_of(zmq_msg_t* frame);

}  // namespace backplane::host
