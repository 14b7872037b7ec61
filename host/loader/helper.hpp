// A child process that does something dangerous and tells the outcome as bytes.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace backplane::host {

// What the child uses to tell. In the child alone.
class HelperReport {
 public:
  explicit HelperReport(int pipe) : pipe_(pipe) {}
  // What begins now, as part of "crashed while ...".
  void stage(std::string_view doing);
  // The outcome; nothing after it counts.
  void result(std::string_view bytes);

 private:
  void write(char type, std::string_view bytes);

  int pipe_;
};

struct HelperOutcome {
  std::string result;
  std::string failure;  // how the child ended without a result, "crashed while ..."; empty: `result` holds
};

// Runs `work` in a forked child with the limits of describe_in_helper (describe.hpp) and waits for its
// result, its end, or `limit`. What it writes to standard error becomes part of the failure.
// REQUIRES: this process has one thread.
HelperOutcome run_helper(const std::function<void(HelperReport&)>& work, std::chrono::milliseconds limit);

}  // namespace backplane::host
