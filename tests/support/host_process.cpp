#include "support/host_process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <sstream>
#include <stdexcept>

namespace backplane::test {

namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (auto& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

std::vector<std::string> merged(const Environment& added) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text(*entry);
    if (!added.contains(text.substr(0, text.find('=')))) all.push_back(text);
  }
  for (const auto& [name, value] : added) all.push_back(name + "=" + value);
  return all;
}

int open_or_throw(const std::filesystem::path& file, int flags) {
  const int opened = ::open(file.c_str(), flags | O_CLOEXEC, 0600);
  if (opened < 0) throw std::runtime_error("cannot open " + file.string() + ": " + std::strerror(errno));
  return opened;
}

}  // namespace

std::filesystem::path backplane_program() {
  return std::filesystem::path(BACKPLANE_BUILD_DIR) / "bin/backplane";
}
std::filesystem::path plugin_folder() { return std::filesystem::path(BACKPLANE_BUILD_DIR) / "plugins"; }

Child::Child(std::vector<std::string> arguments, const Environment& environment,
             const std::filesystem::path& input) {
  auto variables = merged(environment);
  const auto argument_list = pointers(arguments);
  const auto variable_list = pointers(variables);
  const int streams[] = {open_or_throw(input.empty() ? "/dev/null" : input, O_RDONLY),
                         open_or_throw(folder_.file("output"), O_WRONLY | O_CREAT | O_APPEND),
                         open_or_throw(folder_.file("errors"), O_WRONLY | O_CREAT | O_APPEND)};
  process_ = ::fork();
  if (process_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < 3; ++i) ::dup2(streams[i], i);
    ::execvpe(argument_list[0], argument_list.data(), variable_list.data());
    ::_exit(127);
  }
  for (const int stream : streams) ::close(stream);
  if (process_ < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
}

Child::~Child() {
  if (exit_code()) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

void Child::signal(int number) {
  if (!exit_code()) ::kill(process_, number);
}

std::optional<int> Child::exit_code() {
  int status = 0;
  if (!exit_code_ && ::waitpid(process_, &status, WNOHANG) == process_)
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return exit_code_;
}

std::optional<int> Child::wait(std::chrono::nanoseconds limit) {
  eventually(limit, [this] { return exit_code().has_value(); });
  return exit_code();
}

Outcome run_backplane(const std::vector<std::string>& arguments, const Environment& environment,
                      std::chrono::nanoseconds limit) {
  std::vector<std::string> all{backplane_program().string()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  Child child(all, environment);
  const auto code = child.wait(limit);
  if (!code) throw std::runtime_error("backplane " + arguments.front() + " did not end:\n" + child.errors());
  return {*code, child.output(), child.errors()};
}

HostProcess::HostProcess(const std::filesystem::path& manifest, const Environment& environment,
                         const std::filesystem::path& input, const std::vector<std::string>& more_arguments) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto name = folder_.file("notify").string();
  if (name.size() >= sizeof address.sun_path)
    throw std::runtime_error("the temporary folder's name is too long");
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  notify_socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (::bind(notify_socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("cannot bind " + name + ": " + std::strerror(errno));

  std::vector<std::string> arguments{backplane_program().string(), "run", manifest.string()};
  arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
  auto variables = environment;
  variables["NOTIFY_SOCKET"] = name;
  child_.emplace(std::move(arguments), variables, input);
}

HostProcess::~HostProcess() {
  child_.reset();
  ::close(notify_socket_);
}

void HostProcess::wait_until_ready(std::chrono::nanoseconds limit) {
  bool ready = false;
  eventually(limit, [&] {
    char told[4096];
    const auto size = ::recv(notify_socket_, told, sizeof told, 0);
    ready = ready || (size > 0 &&
                      std::string(told, static_cast<std::size_t>(size)).find("READY=1") != std::string::npos);
    return ready || (size <= 0 && !running());
  });
  if (!ready) throw std::runtime_error("the host did not become ready; it said:\n" + errors());
}

std::optional<int> HostProcess::stop(std::chrono::nanoseconds limit) {
  terminate();
  return wait(limit);
}

bool HostProcess::says(const std::string& text, std::chrono::nanoseconds limit) const {
  return eventually(limit, [&] { return errors().find(text) != std::string::npos; });
}

std::vector<std::string> HostProcess::lines_with(const std::string& text) const {
  std::istringstream all(errors());
  std::vector<std::string> found;
  for (std::string line; std::getline(all, line);)
    if (line.find(text) != std::string::npos) found.push_back(line);
  return found;
}

std::optional<std::uint64_t> HostProcess::ledger_count(const std::string& account,
                                                       const std::string& column) const {
  const auto lines = lines_with("ledger " + account + ":");
  if (lines.empty()) return std::nullopt;
  const auto numbers = lines.back().substr(lines.back().find("ledger " + account + ":"));
  const auto place = numbers.find(" " + column + " ", account.size());
  if (place == std::string::npos) return std::nullopt;
  return std::stoull(numbers.substr(place + column.size() + 2));
}

}  // namespace backplane::test
