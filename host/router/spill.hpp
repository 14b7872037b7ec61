// Messages of one route that wait on disk (overflow: spill). The file has no name and goes with the
// process: spilling is room for a burst, not durability.
//
// Threading: the loop of the route's origin.
#pragma once

#include <cstdint>
#include <string>

#include "router/message_pool.hpp"

namespace backplane::host {

class Spill {
 public:
  // `folder` empty: TMPDIR or /tmp. `limit`: bytes on disk. The file is made at the first push.
  Spill(std::string folder, std::uint64_t limit);
  ~Spill();
  Spill(const Spill&) = delete;
  Spill& operator=(const Spill&) = delete;

  std::uint64_t size() const { return messages_; }
  bool empty() const { return messages_ == 0; }

  // Writes the message behind the others and frees it. False: no room (limit, full disk, no file); the
  // message is still the caller's, and `error()` says why.
  bool push(HostMessage* message);
  // The oldest message, the caller's; nullptr: the file could not be read back (error() says why), and the
  // `lost` messages that were in it are gone. REQUIRES: !empty().
  HostMessage* pop(std::uint64_t& lost);

  const std::string& error() const { return error_; }

 private:
  bool open();
  bool flush();
  bool read_exactly(char* to, std::size_t size);
  void rewind();

  std::string folder_;
  std::uint64_t limit_;
  int file_ = -1;
  std::uint64_t messages_ = 0;
  std::uint64_t written_ = 0;  // bytes in the file
  std::uint64_t read_ = 0;     // bytes of it already read
  std::string pending_;        // encoded, not yet in the file
  std::string scratch_;
  std::string error_;
};

}  // namespace backplane::host
