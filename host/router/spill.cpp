#include "router/spill.hpp"

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "router/envelope.hpp"

namespace backplane::host {

namespace {

constexpr std::size_t flush_at = std::size_t{64} << 10;  // bytes gathered before they are written

std::string default_folder() {
  const char* folder = std::getenv("TMPDIR");
  return folder != nullptr && *folder != '\0' ? folder : "/tmp";
}

}  // namespace

Spill::Spill(std::string folder, std::uint64_t limit)
    : folder_(folder.empty() ? default_folder() : std::move(folder)), limit_(limit) {}

Spill::~Spill() {
  if (file_ >= 0) ::close(file_);
}

bool Spill::open() {
  if (file_ >= 0) return true;
  file_ = ::open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file_ < 0) error_ = "cannot make a file in " + folder_ + ": " + std::strerror(errno);
  return file_ >= 0;
}

bool Spill::push(HostMessage* message) {
  if (!open()) return false;
  const std::size_t before = pending_.size();
  std::uint64_t length = 0;
  pending_.append(reinterpret_cast<const char*>(&length), sizeof length);
  if (!encode_message(*message, pending_)) {
    pending_.resize(before);
    error_ = "a message is too large to be written";
    return false;
  }
  length = pending_.size() - before - sizeof length;
  std::memcpy(pending_.data() + before, &length, sizeof length);
  if (written_ + pending_.size() > limit_) {
    pending_.resize(before);
    error_ = "spill_limit of " + std::to_string(limit_) + " bytes is reached";
    return false;
  }
  if (pending_.size() >= flush_at && !flush()) {
    pending_.resize(before);
    return false;
  }
  ++messages_;
  free_message(message);
  return true;
}

bool Spill::flush() {
  std::size_t done = 0;
  while (done < pending_.size()) {
    const auto count =
        ::pwrite(file_, pending_.data() + done, pending_.size() - done, static_cast<off_t>(written_ + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      error_ = "cannot write in " + folder_ + ": " + std::strerror(errno);
      return false;  // what was written of it is written again: the position has not moved
    }
    done += static_cast<std::size_t>(count);
  }
  written_ += pending_.size();
  pending_.clear();
  return true;
}

// Reads from the file and then from what has not been written yet.
bool Spill::read_exactly(char* to, std::size_t size) {
  std::size_t done = 0;
  while (done < size && read_ + done < written_) {
    const auto room = std::min<std::uint64_t>(size - done, written_ - read_ - done);
    const auto count = ::pread(file_, to + done, room, static_cast<off_t>(read_ + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      error_ =
          "cannot read back from " + folder_ + ": " + (count < 0 ? std::strerror(errno) : "it was cut short");
      return false;
    }
    done += static_cast<std::size_t>(count);
  }
  const auto skip = read_ + done - written_;
  if (done < size) {
    if (pending_.size() - skip < size - done) {
      error_ = "what was written in " + folder_ + " is not complete";
      return false;
    }
    std::memcpy(to + done, pending_.data() + skip, size - done);
  }
  read_ += size;
  return true;
}

HostMessage* Spill::pop(std::uint64_t& lost) {
  std::uint64_t length = 0;
  HostMessage* message = nullptr;
  bool whole = read_exactly(reinterpret_cast<char*>(&length), sizeof length) &&
               length <= written_ + pending_.size() - read_;
  if (whole) {
    scratch_.resize(length);
    whole = read_exactly(scratch_.data(), length);
  }
  if (whole) message = decode_message(scratch_);
  if (message == nullptr) {
    if (whole) error_ = "what was read back from " + folder_ + " is damaged";
    lost = messages_;
    messages_ = 0;
  } else {
    --messages_;
  }
  if (messages_ == 0) rewind();
  return message;
}

void Spill::rewind() {
  pending_.clear();
  read_ = written_ = 0;
  if (::ftruncate(file_, 0) != 0)
    error_ = std::string("cannot empty the spill file: ") + std::strerror(errno);
}

}  // namespace backplane::host
