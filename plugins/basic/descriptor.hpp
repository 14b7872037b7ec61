// An open file descriptor and what can be known of it.
#pragma once

#include <backplane/host.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace backplane::basic {

// Owns a descriptor; borrowed ones (standard input and output) are not closed.
class Descriptor {
 public:
  Descriptor() = default;
  static Descriptor borrowed(int number) { return Descriptor(number, false); }
  // Throws Error("FileError") that names the file and says what to do.
  static Descriptor open(const std::string& path, int flags, std::string_view purpose) {
    const int number = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
    if (number < 0)
      throw Error("FileError", "cannot open \"" + path + "\" for " + std::string(purpose) + ": " +
                                   std::strerror(errno) + "; give the path of a file, or - for standard " +
                                   (purpose == "reading" ? "input" : "output"));
    return Descriptor(number, true);
  }
  Descriptor(Descriptor&& other) noexcept
      : number_(std::exchange(other.number_, -1)), owned_(std::exchange(other.owned_, false)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      close();
      number_ = std::exchange(other.number_, -1);
      owned_ = std::exchange(other.owned_, false);
    }
    return *this;
  }
  ~Descriptor() { close(); }

  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  void close() {
    if (owned_) ::close(number_);
    number_ = -1;
    owned_ = false;
  }
  // Zeroes when it cannot be asked.
  struct stat status() const {
    struct stat found {};
    if (::fstat(number_, &found) != 0) found = {};
    return found;
  }

 private:
  Descriptor(int number, bool owned) : number_(number), owned_(owned) {}

  int number_ = -1;
  bool owned_ = false;
};

// Reads and writes of such a file never wait for a peer, so it is not watched.
inline bool is_regular(const struct stat& status) {
  return S_ISREG(status.st_mode) || S_ISBLK(status.st_mode);
}

}  // namespace backplane::basic
