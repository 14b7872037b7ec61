// The other side of `call` and `job`: a client that some plugin offers, found, given its options, opened.
#pragma once

#include <backplane/abi.h>

#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "command_line/arguments.hpp"
#include "command_line/console.hpp"
#include "loader/loader.hpp"
#include "manifest/manifest.hpp"

namespace backplane::host {

// An error of the other side, or of the way there. Its text is for people: type, message and, on lines of its
// own, where it happened.
class RemoteError : public std::runtime_error {
 public:
  explicit RemoteError(const bp_error& error);
  const std::string& type() const { return type_; }
  const std::string& message() const { return message_; }

 private:
  std::string type_;
  std::string message_;
};

// One thread. What fails on the other side, or on the way there, throws RemoteError.
class Remote {
 public:
  // Takes a result; false: no more are wanted. What it throws comes out of call() and job().
  using Take = std::function<bool(const bp_result&)>;
  // True when a job should end; called ten times a second during one.
  using Interrupted = std::function<bool()>;

  // Throws UsageError: no plugin has the scheme, an option is wrong.
  // REQUIRES: this process has one thread.
  Remote(const ReachArguments& arguments, Console& console, Interrupted interrupted = {});
  ~Remote();
  Remote(const Remote&) = delete;
  Remote& operator=(const Remote&) = delete;

  void call(const bp_client_call& call, const Take& take);
  // Throws UsageError when the client runs no jobs.
  void job(const bp_client_job& job, const Take& take);
  // What the other side offers. Throws UsageError when the client cannot tell.
  std::vector<FunctionInfo> functions();

 private:
  void set_options(const std::vector<std::pair<std::string, std::string>>& given);
  void give_option(const OptionInfo& info, const std::vector<std::string>& texts);
  void open(std::string_view endpoint);

  Console& console_;
  Interrupted interrupted_;
  Loader loader_;
  const ClientInfo* info_ = nullptr;
  std::map<std::string, OptionSetting, std::less<>> options_;
  std::map<std::string, std::vector<bp_text>, std::less<>> option_lists_;
  bp_caller caller_{};
  void* client_ = nullptr;
};

}  // namespace backplane::host
