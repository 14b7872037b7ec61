// What a failed call is in the words of ZeroRPC and of infi.rpc. Pure.
#pragma once

#include <backplane/message.hpp>
#include <backplane/value.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::zerorpc {

// Why a call failed, as the host says it.
struct Failure {
  std::string type;
  std::string message;
  Map attributes = {};
  std::string traceback = {};  // clients are not told
};

// Reads an outcome with BP_ERROR.
Failure failure_of(const Message& outcome);

// The name and text of ERR. Python's clients look for its own names: NameError, TypeError, KeyError,
// RuntimeError.
struct RemoteError {
  std::string name;
  std::string message;
};
RemoteError remote_error(const Failure& failure);

// Names of the classes of infi.rpc.errors that cross the wire.
namespace infi_error {
inline constexpr const char* framework = "RPCFrameworkException";
inline constexpr const char* internal = "InternalServerError";
inline constexpr const char* return_value = "InvalidReturnValue";
inline constexpr const char* method = "InvalidRPCMethod";
inline constexpr const char* arguments = "InvalidCallArguments";
inline constexpr const char* token = "InvalidAsyncToken";
inline constexpr const char* aborted = "RequestAbortedError";
}  // namespace infi_error

// Error types of functions -> the Python class that clients have for them ("mypackage.errors.Busy").
class ErrorClasses {
 public:
  ErrorClasses() = default;
  // Each line "TYPE=CLASS". Throws Error "BadOption".
  explicit ErrorClasses(const std::vector<std::string>& lines);
  // The full name of a type's class, or empty: clients cannot be expected to have one.
  std::string find(std::string_view type) const;

 private:
  std::map<std::string, std::string, std::less<>> classes_;
};

// The result map of a call that failed, encoded: {"code": "error", "exception": {...}}. The exception names
// its class as every release of jsonpickle reads it, and nothing else that could be made of it.
std::string error_result(const Failure& failure, const ErrorClasses& classes = {});
inline std::string error_result(const char* name, std::string message) {
  return error_result(Failure{name, std::move(message)});
}
// {"code": "success", "result": VALUE}; one whose value peers cannot read is an error_result instead.
std::string success_result(std::string_view encoded_value);
// {"code": "deferred", "result": TOKEN}
std::string deferred_result(std::string_view token);

}  // namespace backplane::zerorpc
