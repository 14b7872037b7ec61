#include "errors.hpp"

#include <backplane/host.hpp>
#include <backplane/rpc/event.hpp>

#include <algorithm>
#include <array>
#include <cctype>

namespace backplane::zerorpc {

namespace {

constexpr std::string_view infi_module = "infi.rpc.errors.";

constexpr std::array<std::string_view, 11> infi_classes = {
    "RPCException",         "RPCUserException",    "RPCFrameworkException", "RPCTransportException",
    "TimeoutExpired",       "InternalServerError", "InvalidReturnValue",    "InvalidRPCMethod",
    "InvalidCallArguments", "InvalidAsyncToken",   "RequestAbortedError"};

struct Translation {
  std::string_view type;
  std::string_view name;
};

// The host's own errors for clients of ZeroRPC, who know Python's.
constexpr std::array<Translation, 11> python_names = {{
    {"InvalidCallArguments", "TypeError"},
    {"UnknownFunction", "NameError"},
    {"Malformed", "TypeError"},
    {"Overloaded", "RuntimeError"},
    {"NoRoute", "RuntimeError"},
    {"Expired", "RuntimeError"},
    {"Failed", "RuntimeError"},
    {"Stopped", "ShuttingDown"},
    {"DeadlineExceeded", "TimeoutExpired"},
    {"Unanswered", "RuntimeError"},
    {"unknown", "RuntimeError"},
}};

// The same for clients of infi.rpc.
constexpr std::array<Translation, 9> infi_names = {{
    {"NameError", "InvalidRPCMethod"},
    {"UnknownFunction", "InvalidRPCMethod"},
    {"Malformed", "InvalidCallArguments"},
    {"Overloaded", "RPCFrameworkException"},
    {"NoRoute", "RPCFrameworkException"},
    {"Expired", "RPCFrameworkException"},
    {"Stopped", "RPCFrameworkException"},
    {"ShuttingDown", "RPCFrameworkException"},
    {"DeadlineExceeded", "TimeoutExpired"},
}};

template <std::size_t Size>
std::string_view translated(const std::array<Translation, Size>& table, std::string_view type) {
  const auto* found =
      std::find_if(table.begin(), table.end(), [&](const Translation& line) { return line.type == type; });
  return found == table.end() ? std::string_view() : found->name;
}

// A C++ type's name ("std::out_of_range") is no name that a client has a class for.
bool is_plain_name(std::string_view type) {
  return !type.empty() && std::all_of(type.begin(), type.end(), [](unsigned char letter) {
    return std::isalnum(letter) != 0 || letter == '_' || letter == '.';
  });
}

std::string part(const Message& outcome, std::size_t index) {
  return index < outcome.size() ? std::string(outcome[index]) : std::string();
}

void append_key(std::string& out, std::string_view key) { rpc::append_content(out, key, true); }

void append_map_size(std::string& out, std::size_t count) {
  if (count < 16) {
    out += static_cast<char>(0x80U | count);
    return;
  }
  const bool wide = count > 0xffff;
  out += wide ? '\xdf' : '\xde';
  for (int shift = wide ? 24 : 8; shift >= 0; shift -= 8) out += static_cast<char>(count >> shift & 0xffU);
}

// The attributes that may stand beside what the map says itself.
Map other_attributes(const Map& attributes) {
  Map others;
  for (const auto& [key, value] : attributes) {
    const auto* name = key.get_if<std::string>();
    if (name == nullptr || *name == "pickled" || *name == "message" || *name == "args") continue;
    if (rpc::why_unreadable(encode(Value(Map{{key, value}}))) == nullptr) others.push_back({key, value});
  }
  return others;
}

std::string python_text(std::string_view plain) {
  std::string quoted = "'";
  for (const char letter : plain) {
    if (letter == '\'' || letter == '\\') quoted += '\\';
    quoted += letter;
  }
  return quoted + '\'';
}

// An error that is not one of the service's own: what Python's servers say of it.
std::string internal_text(const Failure& failure) {
  const auto name = is_plain_name(failure.type) ? failure.type : std::string("RuntimeError");
  return "type=<class '" + name + "'>, value=" + name + '(' + python_text(failure.message) + ')';
}

std::string error_map(std::string_view class_path, std::string_view message, const Map& attributes) {
  std::string out = "\x82";
  append_key(out, "code");
  append_key(out, "error");
  append_key(out, "exception");
  const auto others = other_attributes(attributes);
  std::string text;
  rpc::append_text(text, message);
  const auto count = 3 + others.size();
  append_map_size(out, count);
  append_key(out, "pickled");
  rpc::append_text(out, "{\"py/object\": \"" + std::string(class_path) + "\"}");
  append_key(out, "message");
  out += text;
  append_key(out, "args");
  out += rpc::encoded::list_of_one;
  out += text;
  for (const auto& [key, value] : others) {
    encode(key, out);
    encode(value, out);
  }
  return out;
}

}  // namespace

Failure failure_of(const Message& outcome) {
  Failure failure{part(outcome, 0), part(outcome, 1)};
  if (failure.type.empty()) failure.type = "RuntimeError";
  if (outcome.size() < 4) return failure;
  try {
    auto attributes = decode(outcome[3]);
    if (auto* map = attributes.get_if<Map>()) failure.attributes = std::move(*map);
  } catch (const Malformed&) {
    // Attributes are an extra; the error is told without them.
  }
  return failure;
}

RemoteError remote_error(const Failure& failure) {
  if (const auto name = translated(python_names, failure.type); !name.empty())
    return {std::string(name), failure.message};
  return {is_plain_name(failure.type) ? failure.type : "RuntimeError", failure.message};
}

ErrorClasses::ErrorClasses(const std::vector<std::string>& lines) {
  for (const auto& line : lines) {
    const auto equals = line.find('=');
    const auto path = equals == std::string::npos ? std::string() : line.substr(equals + 1);
    if (equals == 0 || !is_plain_name(path) || path.find('.') == std::string::npos)
      throw Error("BadOption", "option \"error_classes\": \"" + line +
                                   "\" is not TYPE=PACKAGE.CLASS, e.g. Busy=mypackage.errors.Busy");
    classes_.insert_or_assign(line.substr(0, equals), path);
  }
}

std::string ErrorClasses::find(std::string_view type) const {
  if (const auto found = classes_.find(type); found != classes_.end()) return found->second;
  if (std::find(infi_classes.begin(), infi_classes.end(), type) != infi_classes.end())
    return std::string(infi_module) + std::string(type);
  return {};
}

std::string error_result(const Failure& failure, const ErrorClasses& classes) {
  if (const auto path = classes.find(failure.type); !path.empty())
    return error_map(path, failure.message, failure.attributes);
  if (const auto name = translated(infi_names, failure.type); !name.empty())
    return error_map(std::string(infi_module) + std::string(name), failure.message, failure.attributes);
  return error_map(std::string(infi_module) + infi_error::internal, internal_text(failure),
                   failure.attributes);
}

std::string success_result(std::string_view encoded_value) {
  if (const auto* why = rpc::why_unreadable(encoded_value))
    return error_result(infi_error::return_value, "the result cannot be sent: " + std::string(why));
  std::string out;
  out.reserve(32 + encoded_value.size());
  out += '\x82';
  append_key(out, "code");
  append_key(out, "success");
  append_key(out, "result");
  out += encoded_value;
  return out;
}

std::string deferred_result(std::string_view token) {
  std::string out = "\x82";
  append_key(out, "code");
  append_key(out, "deferred");
  append_key(out, "result");
  rpc::append_text(out, token);
  return out;
}

}  // namespace backplane::zerorpc
