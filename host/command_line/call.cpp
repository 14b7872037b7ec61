// `call`: one function, once.
#include <backplane/abi.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <istream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <ostream>

#include "command_line/call_json.hpp"
#include "command_line/commands.hpp"
#include "command_line/installed.hpp"
#include "command_line/remote.hpp"
#include "manifest/suggest.hpp"
#include "manifest/units.hpp"

namespace backplane::host {

namespace {

std::string whole_file(const std::filesystem::path& path, Console& console) {
  if (path == "-") return {std::istreambuf_iterator<char>(console.in), {}};
  std::ifstream in(path, std::ios::binary);
  if (!in) throw UsageError("cannot open " + path.string() + ": " + std::strerror(errno));
  std::string all(std::istreambuf_iterator<char>(in), {});
  if (in.bad()) throw UsageError("cannot read " + path.string() + ": " + std::strerror(errno));
  return all;
}

// Prints results as they come, or, as one document of JSON, at the end.
class ResultPrinter {
 public:
  ResultPrinter(CallOutput output, Console& console) : output_(output), console_(console) {}

  void take(const bp_result& result) {
    list_ = list_ || (result.flags & (BP_STREAM | BP_STREAM_END)) != 0;
    if ((result.flags & BP_ERROR) != 0 && result.error != nullptr) throw RemoteError(*result.error);
    if ((result.flags & BP_STREAM_END) != 0) return;
    const std::string_view content(result.content.data, result.content.size);
    if (output_ == CallOutput::raw) {
      console_.out << result_bytes(result.encoding, content) << std::flush;
      return;
    }
    auto json = result_json(result.encoding, content);
    if ((result.flags & BP_DEFERRED) != 0) json = {{"$deferred", std::move(json)}};
    if (output_ == CallOutput::lines) {
      console_.out << to_line(json) << '\n' << std::flush;
    } else {
      results_.push_back(std::move(json));
    }
  }

  // A call that was answered with nothing has the result null.
  void finish(bool answered) {
    if (output_ != CallOutput::json || !answered) return;
    const bool as_list = list_ || results_.size() > 1;
    const nlohmann::ordered_json nothing;
    console_.out << to_line(as_list ? results_ : results_.empty() ? nothing : results_[0]) << '\n';
  }

 private:
  CallOutput output_;
  Console& console_;
  bool list_ = false;
  nlohmann::ordered_json results_ = nlohmann::ordered_json::array();
};

std::vector<std::string> frames_of(const CallArguments& arguments, Console& console) {
  if (arguments.file.empty()) return call_frames(arguments.arguments, arguments.named);
  return {whole_file(arguments.file, console)};
}

std::uint32_t flags_of(const CallArguments& arguments) {
  std::uint32_t flags = BP_STREAM;
  if (arguments.signal) flags |= BP_SIGNAL;
  if (arguments.deferred) flags |= BP_DEFERRED;
  return flags;
}

void print_functions(const std::vector<FunctionInfo>& functions, CallOutput output, Console& console) {
  if (output == CallOutput::json) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& function : functions) list.push_back(to_json(function));
    return print(console, list);
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& function : functions)
    rows.push_back({signature(function), manner_text(function.manner), function.help});
  console.out << aligned(rows);
}

// All of them, or the one that is named.
int list(const CallArguments& arguments, Console& console) {
  Remote remote(arguments.reach, console);
  auto functions = remote.functions();
  if (const auto& name = arguments.reach.function; !name.empty()) {
    std::vector<std::string> names;
    for (const auto& function : functions) names.push_back(function.name);
    std::erase_if(functions, [&](const FunctionInfo& function) { return function.name != name; });
    if (functions.empty())
      throw std::runtime_error("there is no function " + in_quotes(name) + name_hint(name, names));
  }
  print_functions(functions, arguments.output, console);
  return kDone;
}

// What a program that reads the result gets instead of one.
void print_error(const std::string& name, const std::string& message, Console& console) {
  const nlohmann::ordered_json error{{"name", name}, {"message", message}};
  console.out << to_line({{"error", error}}) << '\n';
}

int call_once(const CallArguments& arguments, Console& console) {
  const auto frames = frames_of(arguments, console);
  std::vector<bp_text> texts;
  for (const auto& frame : frames) texts.push_back({frame.data(), frame.size()});
  bp_client_call wanted{};
  wanted.size = sizeof wanted;
  wanted.encoding = arguments.file.empty() ? BP_MSGPACK : BP_RAW;
  wanted.flags = flags_of(arguments);
  wanted.frame_count = static_cast<std::uint32_t>(texts.size());
  wanted.function = {arguments.reach.function.data(), arguments.reach.function.size()};
  wanted.frames = texts.data();
  Remote remote(arguments.reach, console);
  ResultPrinter printer(arguments.output, console);
  remote.call(wanted, [&](const bp_result& result) {
    printer.take(result);
    return static_cast<bool>(console.out);
  });
  printer.finish(!arguments.signal);
  return kDone;
}

}  // namespace

int call(const CallArguments& arguments, Console& console) {
  const bool as_document = arguments.output == CallOutput::json;
  try {
    return arguments.list ? list(arguments, console) : call_once(arguments, console);
  } catch (const UsageError&) {
    throw;
  } catch (const RemoteError& failure) {
    if (as_document) print_error(failure.type(), failure.message(), console);
    throw;
  } catch (const std::exception& failure) {
    if (as_document) print_error("Error", failure.what(), console);
    throw;
  }
}

}  // namespace backplane::host
