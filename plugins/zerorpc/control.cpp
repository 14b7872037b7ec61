#include "control.hpp"

#include <backplane/published.hpp>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string_view>
#include <utility>

namespace backplane::zerorpc {

namespace {

constexpr auto look_every = std::chrono::milliseconds(100);  // results expire without a word

constexpr std::string_view request_shutdown = "request_shutdown";
constexpr std::string_view is_shutdown_requested = "is_shutdown_requested";
constexpr std::string_view deferred_requests_count = "deferred_requests_count";
constexpr std::string_view has_deferred_requests = "has_deferred_requests";
constexpr std::string_view wait_for_empty = "wait_for_empty_deferred_requests";
constexpr std::string_view abort_requests = "abort_requests";
constexpr std::string_view unbind = "unbind";

struct Line {
  std::string_view name;
  const char* help;
  const char* result;
};

constexpr Line functions[] = {
    {request_shutdown, "Ends the service by its strategy: new calls are refused from now on.", ""},
    {is_shutdown_requested, "Whether the service is ending.", "bool"},
    {deferred_requests_count, "How many calls of infi.rpc run, and results wait to be fetched.", "int"},
    {has_deferred_requests, "Whether there are any.", "bool"},
    {wait_for_empty, "Waits until there are none: true, or false after timeout seconds.", "bool"},
    {abort_requests, "Ends every call that runs with an error.", ""},
    {unbind, "Closes the socket; what runs goes on.", ""},
};

// Nanoseconds of a timeout in seconds; 0: for ever.
std::int64_t span_of(const Array& arguments) {
  if (arguments.empty() || arguments[0].is_nil()) return 0;
  const auto* real = arguments[0].get_if<double>();
  const auto* whole = arguments[0].get_if<std::int64_t>();
  const double seconds = real != nullptr ? *real : whole != nullptr ? static_cast<double>(*whole) : -1;
  if (!(seconds >= 0 && seconds <= 1e9))
    throw Error("InvalidCallArguments", "parameter \"timeout\": expected seconds from 0 to 1e9 or nil, got " +
                                            describe(arguments[0]));
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(seconds * 1e9));
}

}  // namespace

void Control::publish() {
  for (const auto& line : functions) {
    PublishedFunction function{.component = {},
                               .name = std::string(line.name),
                               .help = line.help,
                               .result = line.result,
                               .group = control_group};
    if (line.name == wait_for_empty) function.parameters.push_back({"timeout", "double", "null"});
    detail::with_descriptor(function,
                            [&](const bp_function& told) { host_.abi()->publish(host_.abi(), &told); });
  }
}

void Control::serve(const Message& call) {
  const auto name = call.function();
  const auto known = std::any_of(std::begin(functions), std::end(functions),
                                 [&](const Line& line) { return line.name == name; });
  if (!known) throw Error("NameError", std::string(name));
  const auto arguments =
      call.empty() || call.envelope().encoding != BP_MSGPACK ? Array() : decode_arguments(call[0]);
  if (arguments.size() > (name == wait_for_empty ? 1U : 0U))
    throw Error("InvalidCallArguments", std::string(name) + " got " + std::to_string(arguments.size()) +
                                            " arguments, more than it takes");
  if (name == wait_for_empty) return wait(call, arguments);
  Value result;
  if (name == request_shutdown) service_.request_shutdown();
  if (name == abort_requests) service_.abort();
  if (name == unbind) service_.unbind();
  if (name == is_shutdown_requested) result = service_.is_shutdown_requested();
  if (name == deferred_requests_count) result = service_.deferred_requests();
  if (name == has_deferred_requests) result = service_.deferred_requests() > 0;
  answer(call.envelope(), result);
}

void Control::wait(const Message& call, const Array& arguments) {
  const auto span = span_of(arguments);
  waiting_.push_back({call.envelope(), span == 0 ? 0 : host_.now() + span});
  if (!timer_.active()) timer_ = host_.every(look_every, [this] { look(); });
  look();
}

void Control::look() {
  if (waiting_.empty()) return;
  const bool empty = service_.deferred_requests() == 0;
  const auto now = host_.now();
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const bool late = at->until != 0 && at->until <= now;
    if (empty || late) answer(at->call, empty);
    at = empty || late ? waiting_.erase(at) : std::next(at);
  }
  if (waiting_.empty()) timer_.end();
}

void Control::stop() {
  timer_.end();
  for (const auto& one : std::exchange(waiting_, {})) answer(one.call, false);
}

void Control::answer(const bp_envelope& call, const Value& result) const {
  if (call.reply_to == 0) return;
  Message reply = host_.message({encode(result)});
  reply.envelope().encoding = BP_MSGPACK;
  host_.reply(call, std::move(reply));
}

}  // namespace backplane::zerorpc
