#include "command_line/check_in_child.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

#include "command_line/console.hpp"

namespace backplane::host {

namespace {

std::vector<std::string> command_line(const RunArguments& arguments) {
  std::vector<std::string> words{"backplane", "check"};
  for (const auto& folder : arguments.plugin_path)
    words.insert(words.end(), {"--plugin-path", folder.string()});
  for (const auto& [name, value] : arguments.values) words.insert(words.end(), {"--set", name + "=" + value});
  words.insert(words.end(), {"--", arguments.manifest.string()});
  return words;
}

// What a child needs to start: its standard error goes to `errors`, its signals are as in a new program.
class Start {
 public:
  explicit Start(int errors) {
    ::posix_spawn_file_actions_init(&files_);
    ::posix_spawn_file_actions_addopen(&files_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&files_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_adddup2(&files_, errors, STDERR_FILENO);
    ::posix_spawnattr_init(&signals_);
    sigset_t set;
    sigemptyset(&set);
    ::posix_spawnattr_setsigmask(&signals_, &set);
    for (const int signal : {SIGPIPE, SIGXFSZ}) sigaddset(&set, signal);
    ::posix_spawnattr_setsigdefault(&signals_, &set);
    ::posix_spawnattr_setflags(&signals_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~Start() {
    ::posix_spawn_file_actions_destroy(&files_);
    ::posix_spawnattr_destroy(&signals_);
  }
  Start(const Start&) = delete;
  Start& operator=(const Start&) = delete;

  // The child, or -1 with the reason in errno.
  pid_t operator()(std::vector<std::string> words) const {
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_t child = -1;
    errno = ::posix_spawn(&child, "/proc/self/exe", &files_, &signals_, argv.data(), environ);
    return errno == 0 ? child : -1;
  }

 private:
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t signals_{};
};

std::string all_of(int file) {
  std::string text;
  char part[4096];
  ssize_t count = 0;
  for (off_t at = 0; (count = ::pread(file, part, sizeof part, at)) > 0; at += count)
    text.append(part, static_cast<std::size_t>(count));
  return text;
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

std::optional<std::string> check_in_child(const RunArguments& arguments) {
  const int errors = ::memfd_create("backplane-check", MFD_CLOEXEC);
  if (errors < 0) return std::string("it cannot be checked: ") + std::strerror(errno);
  std::optional<std::string> mistakes;
  if (const pid_t child = Start(errors)(command_line(arguments)); child < 0) {
    mistakes = std::string("it cannot be checked: ") + std::strerror(errno);
  } else if (const int status = wait_for(child); !WIFEXITED(status) || WEXITSTATUS(status) != kDone) {
    mistakes = all_of(errors);
    if (mistakes->empty()) mistakes = "its check ended without a word";
  }
  ::close(errors);
  return mistakes;
}

}  // namespace backplane::host
