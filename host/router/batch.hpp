// What travels between loops: everything that one turn of a loop has for another loop, as one ZeroMQ
// message of one frame.
#pragma once

#include <zmq.h>

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

  std::uint64_t mark = mark_of_ours;
  std::uint32_t destination = 0;  // loop
  std::vector<Cell> cells;

  ~Batch() {
    for (auto& cell : cells) free_message(cell.message);
  }
};

// Makes `frame` own the batch. The frame must not be initialised yet. Throws std::bad_alloc.
void batch_to_frame(Batch* batch, zmq_msg_t* frame);
// The batch of a frame made by batch_to_frame, or nullptr for any other frame. The frame keeps it.
Batch* batch_of(zmq_msg_t* frame);

}  // namespace backplane::host
