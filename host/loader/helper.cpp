#include "loader/helper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include "log/escape.hpp"

namespace backplane::host {

namespace {

using Clock = std::chrono::steady_clock;

// A record on the pipe: type (1 byte), size of the content (4 bytes, this machine's order), content.
constexpr char stage_record = 'S';
constexpr char result_record = 'R';
constexpr std::size_t record_header = 1 + 4;

constexpr std::size_t largest_report = std::size_t{64} << 20;
constexpr std::size_t longest_last_words = 400;
constexpr rlim_t more_memory = rlim_t{4} << 30;

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Descriptor() { close(); }

  int get() const { return descriptor_; }
  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }

 private:
  int descriptor_ = -1;
};

struct Pipe {
  Descriptor out;
  Descriptor in;
};

std::optional<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

// ---- the child ---------------------------------------------------------------------------------------

// The host's ways with signals are not the plugin's: a crash must end the child.
void reset_signals() {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void limit_memory() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0;
  if (!(statm >> pages)) return;
  const rlim_t bytes = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + more_memory;
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0) return;
  limit.rlim_cur = std::min(bytes, limit.rlim_max);
  ::setrlimit(RLIMIT_AS, &limit);
}

void confine(int standard_error) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  reset_signals();
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  limit_memory();
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(nothing, STDOUT_FILENO);
  ::dup2(standard_error, STDERR_FILENO);
}

[[noreturn]] void be_the_helper(const std::function<void(HelperReport&)>& work, int report_pipe,
                                int standard_error) {
  confine(standard_error);
  HelperReport report(report_pipe);
  work(report);
  ::_exit(0);
}

// ---- the host ----------------------------------------------------------------------------------------

// What was read of the pipe so far.
class Records {
 public:
  // False: these bytes are no records, or too many.
  bool add(std::string_view bytes) {
    if (pending_.size() + bytes.size() > largest_report) return false;
    pending_.append(bytes);
    while (!finished_ && pending_.size() >= record_header) {
      std::uint32_t size = 0;
      std::memcpy(&size, pending_.data() + 1, sizeof size);
      const char type = pending_.front();
      if ((type != stage_record && type != result_record) || size > largest_report) return false;
      if (pending_.size() - record_header < size) return true;
      take(type, pending_.substr(record_header, size));
      pending_.erase(0, record_header + size);
    }
    return true;
  }

  bool finished() const { return finished_; }
  const std::string& stage() const { return stage_; }
  std::string result() { return std::move(result_); }

 private:
  void take(char type, std::string content) {
    if (type == stage_record) {
      stage_ = std::move(content);
    } else {
      result_ = std::move(content);
      finished_ = true;
    }
  }

  std::string pending_;
  std::string stage_ = "loading";
  std::string result_;
  bool finished_ = false;
};

std::string signal_text(int number) {
  const char* name = ::sigdescr_np(number);
  std::string text = name == nullptr ? "a signal" : name;
  if (text.size() > 1 && text[1] >= 'a') text.front() = static_cast<char>(text.front() | 0x20);
  return text + " (signal " + std::to_string(number) + ")";
}

// The child, from the host's side. Ends it, and what it started, when it goes.
class Child {
 public:
  Child(pid_t process, Descriptor report, Descriptor errors)
      : process_(process),
        report_(std::move(report)),
        errors_(std::move(errors)),
        end_(static_cast<int>(::syscall(SYS_pidfd_open, process, 0))) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { reap(); }

  HelperOutcome wait(std::chrono::milliseconds limit) {
    const auto until = Clock::now() + limit;
    bool understood = true, in_time = true;
    while (understood && in_time && !records_.finished() && !gone_) {
      in_time = wait_for_events(until);
      understood = read_report();
      read_errors();
    }
    if (understood && records_.finished()) return {records_.result(), {}};
    return {{}, failure(understood, in_time, limit)};
  }

 private:
  // False when the time is up.
  bool wait_for_events(Clock::time_point until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return false;
    std::array<pollfd, 3> events{
        {{report_.get(), POLLIN, 0}, {errors_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}}};
    if (::poll(events.data(), events.size(), static_cast<int>(left)) < 0) return errno == EINTR;
    // What the child wrote before its end is still in the pipes; nothing else comes.
    if (events[2].revents != 0) gone_ = true;
    return true;
  }

  // Reads what is there. Closes `pipe` at its end.
  template <typename Take>
  static bool read_all(Descriptor& pipe, Take take) {
    std::array<char, 16384> buffer{};
    while (pipe.get() >= 0) {
      const auto got = ::read(pipe.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return true;
      if (got == 0) pipe.close();
      if (got > 0 && !take(std::string_view(buffer.data(), static_cast<std::size_t>(got)))) return false;
    }
    return true;
  }

  bool read_report() {
    const bool understood = read_all(report_, [this](std::string_view bytes) { return records_.add(bytes); });
    if (report_.get() < 0 && end_.get() < 0) gone_ = true;
    return understood;
  }

  void read_errors() {
    read_all(errors_, [this](std::string_view bytes) {
      const auto room = longest_last_words - std::min(longest_last_words, last_words_.size());
      last_words_.append(bytes.substr(0, room));
      return true;
    });
  }

  std::string failure(bool understood, bool in_time, std::chrono::milliseconds limit) {
    const auto status = reap();
    const auto& doing = records_.stage();
    std::string text;
    if (!understood)
      text = "wrote garbage to the loader while " + doing;
    else if (!in_time)
      text = "did not finish " + doing + " within " + std::to_string(limit.count()) + " ms";
    else if (WIFSIGNALED(status))
      text = "crashed while " + doing + ": " + signal_text(WTERMSIG(status));
    else
      text = "ended its process (exit code " + std::to_string(WEXITSTATUS(status)) + ") while " + doing;
    while (!last_words_.empty() && last_words_.back() == '\n') last_words_.pop_back();
    if (!last_words_.empty()) text += "; it said: " + escaped(last_words_);
    return text;
  }

  // Kills the child if it still runs, and what it started. Returns the status it ended with.
  int reap() {
    if (process_ <= 0) return status_;
    // A child that has ended keeps its status; its group takes what else it left running.
    ::kill(process_, SIGKILL);
    ::kill(-process_, SIGKILL);
    while (::waitpid(process_, &status_, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
    return status_;
  }

  pid_t process_;
  Descriptor report_;
  Descriptor errors_;
  Descriptor end_;  // readable when the child has ended
  Records records_;
  std::string last_words_;
  bool gone_ = false;
  int status_ = 0;
};

std::string system_failure(const char* what) {
  return std::string("cannot be examined: ") + what + ": " + std::strerror(errno);
}

}  // namespace

void HelperReport::stage(std::string_view doing) { write(stage_record, doing); }
void HelperReport::result(std::string_view bytes) { write(result_record, bytes); }

void HelperReport::write(char type, std::string_view bytes) {
  const auto size = static_cast<std::uint32_t>(bytes.size());
  std::string record(1, type);
  record.append(reinterpret_cast<const char*>(&size), sizeof size);
  record.append(bytes);
  for (std::string_view rest = record; !rest.empty();) {
    const auto written = ::write(pipe_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

HelperOutcome run_helper(const std::function<void(HelperReport&)>& work, std::chrono::milliseconds limit) {
  auto report = make_pipe();
  auto errors = make_pipe();
  if (!report || !errors) return {{}, system_failure("no pipe")};
  const auto process = ::fork();
  if (process < 0) return {{}, system_failure("no child process")};
  if (process == 0) be_the_helper(work, report->in.get(), errors->in.get());
  report->in.close();
  errors->in.close();
  ::fcntl(report->out.get(), F_SETFL, O_NONBLOCK);
  ::fcntl(errors->out.get(), F_SETFL, O_NONBLOCK);
  Child child(process, std::move(report->out), std::move(errors->out));
  return child.wait(limit);
}

}  // namespace backplane::host
