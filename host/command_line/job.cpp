// `job`: one function, once for every line.
#include <backplane/abi.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "command_line/call_json.hpp"
#include "command_line/commands.hpp"
#include "command_line/frames.hpp"
#include "command_line/interrupt.hpp"
#include "command_line/remote.hpp"

namespace backplane::host {

namespace {

using Clock = std::chrono::steady_clock;

// The lines of several files, one after the other, without waiting for those that are not there yet. "-" is
// standard input.
class Lines {
 public:
  Lines(std::vector<std::filesystem::path> files, Console& console)
      : files_(std::move(files)), console_(console) {
    for (const auto& file : files_) open(file);
  }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  ~Lines() {
    for (const auto descriptor : open_)
      if (descriptor > STDIN_FILENO) ::close(descriptor);
  }

  // BP_ITEM, BP_LATER or BP_END. `line` is valid until the next call.
  std::int32_t next(std::string_view& line) {
    for (;;) {
      if (take_line(line)) return BP_ITEM;
      if (at_ == open_.size()) return BP_END;
      if (!ready()) return BP_LATER;
      read_some();
    }
  }
  // Readable when there may be more after BP_LATER; -1: there is no such one.
  int descriptor() const { return open_.size() == 1 ? open_.front() : -1; }

 private:
  static constexpr int from_stream = -1;  // standard input that is not the process's own

  void open(const std::filesystem::path& file) {
    std::error_code ignored;
    if (file == "-") {
      open_.push_back(&console_.in == &std::cin ? STDIN_FILENO : from_stream);
      return;
    }
    if (std::filesystem::is_directory(file, ignored))
      throw UsageError(file.string() + " is a folder, not a file");
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) throw UsageError("cannot open " + file.string() + ": " + std::strerror(errno));
    open_.push_back(descriptor);
  }

  bool take_line(std::string_view& line) {
    const auto end = buffer_.find('\n', std::max(begin_, searched_));
    if (end == std::string::npos) {
      searched_ = buffer_.size();
      // The last line of a file needs no end.
      if (!file_ended_ || begin_ == buffer_.size()) return false;
    }
    line = std::string_view(buffer_).substr(begin_, end == std::string::npos ? end : end - begin_);
    begin_ = end == std::string::npos ? buffer_.size() : end + 1;
    return true;
  }

  bool ready() const {
    if (open_[at_] == from_stream) return true;
    pollfd polled{open_[at_], POLLIN, 0};
    return ::poll(&polled, 1, 0) != 0;
  }

  void read_some() {
    if (file_ended_) {
      file_ended_ = false;
      ++at_;
      return;
    }
    buffer_.erase(0, std::exchange(begin_, 0));
    searched_ = buffer_.size();
    char bytes[64 * 1024];
    const auto count = read(bytes, sizeof bytes);
    if (count < 0 && errno != EINTR)
      throw std::runtime_error("cannot read " + files_[at_].string() + ": " + std::strerror(errno));
    if (count > 0) buffer_.append(bytes, static_cast<std::size_t>(count));
    file_ended_ = count == 0;
  }

  ssize_t read(char* bytes, std::size_t room) const {
    if (open_[at_] != from_stream) return ::read(open_[at_], bytes, room);
    console_.in.read(bytes, static_cast<std::streamsize>(room));
    return static_cast<ssize_t>(console_.in.gcount());
  }

  std::vector<std::filesystem::path> files_;
  Console& console_;
  std::vector<int> open_;
  std::size_t at_ = 0;  // of open_
  bool file_ended_ = false;
  std::string buffer_;
  std::size_t begin_ = 0;     // of the next line
  std::size_t searched_ = 0;  // no line ends before it
};

class JobRun {
 public:
  JobRun(const JobArguments& arguments, Console& console)
      : arguments_(arguments),
        console_(console),
        lines_(arguments.files, console),
        progress_(console, "done", 0, Progress::Unit::messages),
        remote_(arguments.reach, console, [this] { return look_around(); }) {}

  int run() {
    bp_client_job wanted{};
    wanted.size = sizeof wanted;
    wanted.encoding = BP_RAW;
    wanted.ordered = arguments_.ordered ? 1 : 0;
    wanted.window = arguments_.window;
    wanted.function = {arguments_.reach.function.data(), arguments_.reach.function.size()};
    wanted.context = this;
    wanted.next = &JobRun::next;
    wanted.descriptor = lines_.descriptor();
    remote_.job(wanted, [this](const bp_result& result) { return take(result); });
    console_.out.flush();
    if (failure_) std::rethrow_exception(failure_);
    if (interrupted_)
      throw std::runtime_error("interrupted; " + quantity(items_, "item") + " read, " +
                               quantity(results_, "result") + ", " + std::to_string(failed_) + " failed");
    if (failed_ > 0)
      throw std::runtime_error(std::to_string(failed_) + " of " + quantity(items_, "item") + " failed");
    return kDone;
  }

 private:
  static std::int32_t next(void* context, bp_text* item) noexcept {
    auto& run = *static_cast<JobRun*>(context);
    try {
      std::string_view line;
      const auto answer = run.lines_.next(line);
      run.items_ += answer == BP_ITEM ? 1 : 0;
      *item = {line.data(), line.size()};
      return answer;
    } catch (...) {
      run.failure_ = std::current_exception();
      return BP_END;
    }
  }

  bool take(const bp_result& result) {
    if ((result.flags & BP_STREAM_END) != 0) return true;
    if ((result.flags & BP_ERROR) != 0 && result.error != nullptr) {
      tell_failure(result.index, *result.error);
    } else {
      ++results_;
      print(result);
    }
    return static_cast<bool>(console_.out);
  }

  void tell_failure(std::uint64_t index, const bp_error& error) {
    ++failed_;
    console_.err << "item " << index << ": " << RemoteError(error).what() << '\n';
    if (!arguments_.json) return;
    const nlohmann::ordered_json entry{{"index", index},
                                       {"error", {{"type", error.type}, {"message", error.message}}}};
    console_.out << to_line(entry) << '\n';
  }

  void print(const bp_result& result) {
    const std::string_view content(result.content.data, result.content.size);
    if (arguments_.json) {
      const nlohmann::ordered_json entry{{"index", result.index},
                                         {"result", result_json(result.encoding, content)}};
      console_.out << to_line(entry) << '\n';
    } else {
      console_.out << frames_to_text({result_bytes(result.encoding, content)}, console_.out_is_terminal)
                   << '\n';
    }
    progress_.add(content.size());
    if (console_.out_is_terminal) console_.out.flush();
  }

  // Ten times a second. A reader of the results need not wait for a buffer to be full.
  bool look_around() {
    if (Clock::now() - flushed_ > std::chrono::milliseconds(50)) {
      console_.out.flush();
      flushed_ = Clock::now();
    }
    interrupted_ = interrupted_ || interrupt_.arrived();
    return interrupted_;
  }

  const JobArguments& arguments_;
  Console& console_;
  Lines lines_;  // before signals are held back: opening a named pipe waits for its writer
  Interrupt interrupt_;
  Progress progress_;
  std::uint64_t items_ = 0;
  std::uint64_t results_ = 0;
  std::uint64_t failed_ = 0;
  bool interrupted_ = false;
  Clock::time_point flushed_{};
  std::exception_ptr failure_;
  Remote remote_;
};

}  // namespace

int job(const JobArguments& arguments, Console& console) { return JobRun(arguments, console).run(); }

}  // namespace backplane::host
