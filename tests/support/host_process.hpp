// The real program as a child process: started, watched, stopped, and asked what it said.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/eventually.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::test {

using Environment = std::map<std::string, std::string>;

// The program that this build made, and the folder of its plugins.
std::filesystem::path backplane_program();
std::filesystem::path plugin_folder();

// What a program that has ended left behind.
struct Outcome {
  int exit_code = -1;  // 128 + number when a signal ended it
  std::string output;
  std::string errors;
};

// A child with its standard streams in files, so that no output can make it wait. Killed when the object
// goes, and when the test program dies.
class Child {
 public:
  // `arguments` begin with the program. `input` becomes standard input; empty: /dev/null.
  Child(std::vector<std::string> arguments, const Environment& environment = {},
        const std::filesystem::path& input = {});
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  void signal(int number);
  // The exit code once the program has ended; 128 + number when a signal ended it.
  std::optional<int> exit_code();
  // Waits for the end. Nothing: it runs on after `limit`.
  std::optional<int> wait(std::chrono::nanoseconds limit = kPatience);
  pid_t process() const { return process_; }
  std::string output() const { return read_file(folder_.file("output")); }
  std::string errors() const { return read_file(folder_.file("errors")); }
  const TemporaryFolder& folder() const { return folder_; }

 private:
  TemporaryFolder folder_;
  pid_t process_ = -1;
  std::optional<int> exit_code_;
};

// Runs `backplane ARGUMENTS` to its end. Throws std::runtime_error when it takes longer than `limit`.
Outcome run_backplane(const std::vector<std::string>& arguments, const Environment& environment = {},
                      std::chrono::nanoseconds limit = kPatience);

// `backplane run MANIFEST`. Ready is what it tells NOTIFY_SOCKET.
class HostProcess {
 public:
  explicit HostProcess(const std::filesystem::path& manifest, const Environment& environment = {},
                       const std::filesystem::path& input = {},
                       const std::vector<std::string>& more_arguments = {});
  ~HostProcess();

  // Throws std::runtime_error with what the program said when it ends first or takes longer.
  void wait_until_ready(std::chrono::nanoseconds limit = kPatience);
  // SIGTERM: drain and stop.
  void terminate() { child_->signal(SIGTERM); }
  void signal(int number) { child_->signal(number); }
  pid_t process() const { return child_->process(); }
  bool running() { return !child_->exit_code().has_value(); }
  std::optional<int> wait(std::chrono::nanoseconds limit = kPatience) { return child_->wait(limit); }
  // terminate() and wait(); nothing: it runs on after `limit`.
  std::optional<int> stop(std::chrono::nanoseconds limit = kPatience);

  std::string output() const { return child_->output(); }
  std::string errors() const { return child_->errors(); }
  // True when a line with `text` was said on standard error within the limit.
  bool says(const std::string& text, std::chrono::nanoseconds limit = kPatience) const;
  // The lines of standard error that hold `text`.
  std::vector<std::string> lines_with(const std::string& text) const;
  std::vector<std::string> ledger() const { return lines_with("ledger "); }
  // A number of the ledger it printed: ledger_count("route jobs -> workers", "out"). Nothing: not there.
  std::optional<std::uint64_t> ledger_count(const std::string& account, const std::string& column) const;

 private:
  TemporaryFolder folder_;
  int notify_socket_ = -1;
  std::optional<Child> child_;
};

}  // namespace backplane::test
