#include "file_writer.hpp"

#include <limits.h>
#include <poll.h>
#include <algorithm>

namespace backplane::basic {

FileWriter::FileWriter(Host host)
    : host_(host),
      path_(host.option("path")),
      shown_(path_ == "-" ? "standard output" : '"' + path_ + '"'),
      flush_after_(host.option("flush")),
      retry_(host.option("retry")),
      limit_(host.option("buffer")),
      sync_(host.option("sync")),
      wait_on_error_(host.option("on_error") == "wait"),
      line_end_(host.option("line_end") == "lf"     ? "\n"
                : host.option("line_end") == "crlf" ? "\r\n"
                                                    : "") {}

void FileWriter::start() {
  lines_ = host_.counter("lines", "frames written");
  bytes_ = host_.counter("bytes_written", "bytes written to the file");
  errors_ = host_.counter("write_errors", "writes that failed, such as on a full disk");
  lost_ = host_.counter("messages_lost", "messages taken but never written");
  if (path_ == "-") {
    file_ = Descriptor::borrowed(STDOUT_FILENO);
  } else {
    struct stat found {};
    const bool pipe = ::stat(path_.c_str(), &found) == 0 && S_ISFIFO(found.st_mode);
    const int place = host_.option("mode") == "truncate" ? O_TRUNC : O_APPEND;
    // A pipe is opened for reading too, so that opening it does not wait for its reader.
    file_ = Descriptor::open(path_, pipe ? O_RDWR | O_NONBLOCK : O_WRONLY | O_CREAT | place, "writing");
  }
  const auto status = file_.status();
  if (status.st_mode == 0) throw Error("FileError", "cannot write to " + shown_ + ": it is not open");
  watched_ = S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode);
}

Taken FileWriter::on_message(Message& message) {
  if (failing_ && !wait_on_error_) throw Error("FileError", shown_ + " cannot be written at the moment");
  if (buffer_.size() >= limit_) {
    refusing_ = true;
    return Taken::busy;
  }
  put(message);
  if (message.wants_reply()) host_.reply(message.envelope(), {""});
  if (failing_) return Taken::yes;
  if (buffer_.size() >= limit_ || flush_after_.count() == 0 || draining_) {
    flush();
  } else if (held_ == 1) {
    flush_later();
  }
  return Taken::yes;
}

void FileWriter::put(const Message& message) {
  for (std::size_t i = 0; i < message.size(); ++i) buffer_.append(message[i]).append(line_end_);
  lines_.add(static_cast<std::int64_t>(message.size()));
  host_.holding(++held_);
}

void FileWriter::flush_later() {
  timer_ = host_.after(flush_after_, [this] { flush(); });
}

// Writes as much of the buffer as the file takes now.
void FileWriter::flush() {
  timer_.end();
  while (written_ < buffer_.size()) {
    auto count = buffer_.size() - written_;
    if (watched_) {
      if (!writable_now()) {
        flush_when_writable();
        return;
      }
      count = std::min<std::size_t>(count, PIPE_BUF);  // as much as a writable pipe takes without waiting
    }
    const auto done = ::write(file_.number(), buffer_.data() + written_, count);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && errno == EAGAIN) {
      if (watched_) flush_when_writable();
      return;
    }
    if (done < 0) {
      write_failed(errno);
      return;
    }
    wrote(static_cast<std::size_t>(done));
  }
  if (sync_ && !watched_ && ::fdatasync(file_.number()) != 0 && errno != EINVAL && errno != EROFS) {
    errors_.add();
    host_.warn(shown_ + " was written but not synced: " + std::strerror(errno));
  }
  buffer_.clear();
  written_ = 0;
  held_ = 0;
  host_.holding(0);
  take_messages_again();
}

void FileWriter::flush_when_writable() {
  if (watch_.active()) return;
  watch_ = host_.watch_descriptor(file_.number(), BP_WRITABLE, [this](std::uint32_t) {
    watch_.end();
    flush();
  });
}

bool FileWriter::writable_now() {
  pollfd asked{file_.number(), POLLOUT, 0};
  return ::poll(&asked, 1, 0) > 0;
}

void FileWriter::wrote(std::size_t count) {
  written_ += count;
  bytes_.add(static_cast<std::int64_t>(count));
  if (failing_) host_.info(shown_ + " can be written again");
  failing_ = false;
}

void FileWriter::write_failed(int reason) {
  errors_.add();
  const std::string why = "cannot write to " + shown_ + ": " + std::strerror(reason);
  if (reason == EPIPE && wait_on_error_) {
    const auto lost = std::to_string(held_) + " messages were not written";
    drop_buffer();
    watch_.end();
    host_.failed("FileError", why + " (its reader has gone; " + lost + ")");
    return;
  }
  if (!failing_) {
    host_.log(Severity::failure, why + (wait_on_error_ ? "; messages wait" : "; messages are dropped") +
                                     " until it works again");
  }
  failing_ = true;
  if (!wait_on_error_) drop_buffer();
  timer_ = host_.after(retry_, [this] {
    if (buffer_.empty()) failing_ = false;  // the next message tries
    flush();
  });
}

void FileWriter::drop_buffer() {
  lost_.add(static_cast<std::int64_t>(held_));
  buffer_.clear();
  written_ = 0;
  held_ = 0;
  host_.holding(0);
  take_messages_again();
}

void FileWriter::take_messages_again() {
  if (std::exchange(refusing_, false)) host_.resume();
}

void FileWriter::drain() {
  draining_ = true;
  if (!failing_) flush();
}

void FileWriter::stop() {
  refusing_ = false;
  flush();
  timer_.end();
  watch_.end();
  if (held_ > 0) {
    lost_.add(static_cast<std::int64_t>(held_));
    host_.warn(std::to_string(held_) + " messages were not written to " + shown_);
  }
  file_.close();
}

}  // namespace backplane::basic
