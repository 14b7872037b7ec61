#include "file_lines.hpp"

#include <algorithm>

namespace backplane::basic {

namespace {

LineCutter::Limits limits_of(const Host& host) {
  LineCutter::Limits limits;
  limits.max_line = host.option("max_line");
  limits.max_word = host.option("max_word");
  limits.too_long =
      host.option("too_long") == "refuse" ? LineCutter::TooLong::refuse : LineCutter::TooLong::split;
  limits.strip_carriage_return = host.option("crlf");
  return limits;
}

}  // namespace

FileLines::FileLines(Host host)
    : host_(host),
      path_(host.option("path")),
      shown_(path_ == "-" ? "standard input" : '"' + path_ + '"'),
      follow_(host.option("follow")),
      follow_every_(host.option("follow_every")),
      finish_at_end_(host.option("at_end") == "finish"),
      cutter_(limits_of(host)) {
  if (follow_ && path_ == "-")
    throw Error("OptionError", "follow needs the path of a file; standard input is read to its end");
}

void FileLines::start() {
  lines_ = host_.counter("lines", "lines sent");
  split_ = host_.counter("lines_split", "cuts in lines that were longer than max_line");
  refused_ = host_.counter("lines_refused", "lines left out because they were longer than max_line");
  bytes_read_ = host_.gauge("bytes_read", "bytes read of the file so far");
  bytes_total_ = host_.gauge("bytes_total", "size of the file; 0 when it is not known");
  open_path();
  if (host_.option("from") == "end" && !watched_) {
    position_ = std::max<off_t>(0, ::lseek(file_.number(), 0, SEEK_END));
    bytes_read_.set(position_);
  }
  if (watched_) {
    try {
      wait_for_input();
      return;
    } catch (const Error&) {
      watched_ = false;  // a device that cannot be watched, such as /dev/null: it never makes a reader wait
    }
  }
  continue_soon();
}

void FileLines::open_path() {
  if (path_ == "-") {
    file_ = Descriptor::borrowed(STDIN_FILENO);
  } else {
    // O_NONBLOCK: opening a pipe must not wait for its writer. A followed pipe is opened for writing too,
    // so that it does not end when its last writer goes.
    struct stat found {};
    const bool pipe = ::stat(path_.c_str(), &found) == 0 && S_ISFIFO(found.st_mode);
    file_ = Descriptor::open(path_, (pipe && follow_ ? O_RDWR : O_RDONLY) | O_NONBLOCK, "reading");
  }
  const auto status = file_.status();
  if (status.st_mode == 0) throw Error("FileError", "cannot read lines from " + shown_ + ": it is not open");
  if (S_ISDIR(status.st_mode))
    throw Error("FileError",
                "cannot read lines from " + shown_ + ": it is a folder; give the path of a file");
  watched_ = !is_regular(status);
  position_ = 0;
  bytes_read_.set(0);
  bytes_total_.set(S_ISREG(status.st_mode) ? status.st_size : 0);
}

// From now on something calls when there is input.
void FileLines::wait_for_input() {
  if (watch_.active()) return;
  watch_ = host_.watch_descriptor(file_.number(), BP_READABLE, [this](std::uint32_t) {
    switch (read_more()) {
      case Input::data:
        turn();
        break;
      case Input::end:
        at_end_of_input();
        break;
      case Input::nothing_now:
        break;
    }
  });
}

// Sends lines until there is reason to stop, and sees to it that something calls again.
void FileLines::turn() {
  if (paused_ || done_) return;
  for (int budget = kLinesPerTurn; budget > 0;) {
    if (const auto line = cutter_.next()) {
      deliver(*line);
      if (paused_) {
        watch_.end();
        return;
      }
      --budget;
      continue;
    }
    split_.set(static_cast<std::int64_t>(cutter_.split()));
    refused_.set(static_cast<std::int64_t>(cutter_.refused()));
    if (watched_) {
      wait_for_input();
      return;
    }
    budget -= kLinesPerTurn / 8;  // a read costs about as much as that many lines
    if (read_more() != Input::data) {
      if (!done_) at_end_of_input();
      return;
    }
  }
  watch_.end();
  continue_soon();
}

void FileLines::continue_soon() {
  turn_timer_ = host_.after(std::chrono::nanoseconds(0), [this] { turn(); });
}

FileLines::Input FileLines::read_more() {
  const auto room = cutter_.room(kReadSize);
  const auto count = ::read(file_.number(), room.data(), room.size());
  if (count < 0) {
    if (errno == EINTR || errno == EAGAIN) return watched_ ? Input::nothing_now : Input::data;
    const std::string why = "cannot read " + shown_ + ": " + std::strerror(errno);
    done_ = true;
    watch_.end();
    host_.failed("FileError", why);
    return Input::nothing_now;
  }
  if (count == 0) return Input::end;
  cutter_.filled(static_cast<std::size_t>(count));
  position_ += count;
  bytes_read_.set(position_);
  return Input::data;
}

void FileLines::at_end_of_input() {
  if (follow_) {
    follow_timer_ = host_.after(follow_every_, [this] { look_again(); });
    return;
  }
  if (const auto rest = cutter_.rest()) deliver(*rest);
  finish();
}

// A followed file had come to its end: is there more, or another file under its name?
void FileLines::look_again() {
  if (done_) return;
  const auto size = file_.status().st_size;
  if (size < position_) {
    host_.info(shown_ + " was cut short; reading it from its start");
    cutter_.reset();
    ::lseek(file_.number(), 0, SEEK_SET);
    position_ = 0;
  } else if (size == position_ && replaced()) {
    if (const auto rest = cutter_.rest()) deliver(*rest);
    host_.info(shown_ + " was replaced; reading the new file");
    open_path();
  }
  bytes_total_.set(file_.status().st_size);
  turn();
}

bool FileLines::replaced() const {
  struct stat named {};
  if (::stat(path_.c_str(), &named) != 0) return false;  // gone for the moment: the new one will come
  const auto ours = file_.status();
  return named.st_ino != ours.st_ino || named.st_dev != ours.st_dev;
}

void FileLines::deliver(std::string_view line) {
  lines_.add();
  if (host_.send(host_.message({line})) == Sent::pause) paused_ = true;
}

void FileLines::finish() {
  done_ = true;
  watch_.end();
  split_.set(static_cast<std::int64_t>(cutter_.split()));
  refused_.set(static_cast<std::int64_t>(cutter_.refused()));
  if (finish_at_end_) host_.finished();
}

void FileLines::on_resume() {
  paused_ = false;
  if (!done_) continue_soon();
}

void FileLines::drain() {
  done_ = true;
  watch_.end();
  turn_timer_.end();
  follow_timer_.end();
}

void FileLines::stop() {
  drain();
  file_.close();
}

}  // namespace backplane::basic
