#include "infi.hpp"

#include <backplane/baggage.hpp>
#include <backplane/binding.hpp>
#include <backplane/rpc/event.hpp>
#include <backplane/uuid.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace backplane::zerorpc {

namespace {

constexpr std::string_view empty_map = "\x80";

std::string encoded(const Value& value) { return success_result(encode(value)); }

// What an event has besides its result, the id of its channel and what is carried.
constexpr std::size_t around_result = 128;
// The longest of these and of what a poll puts around a result, unless the client is an odd one.
constexpr std::size_t around_kept_result = 256;
// Channels that wait for one call.
constexpr std::size_t most_joined = 1000;
// Entries of a line before those of calls that have ended are looked for.
constexpr std::size_t sweep_from = 1000;

std::string too_long() {
  return error_result(infi_error::return_value,
                      "the result cannot be sent: it is longer than clients take (option max_payload)");
}

std::string expect_text(const Value& argument, std::string_view what) {
  if (const auto* words = argument.get_if<std::string>()) return *words;
  if (const auto* bytes = argument.get_if<Bytes>()) return bytes->content;
  throw Error(infi_error::arguments, "expected " + std::string(what) + ", got " + describe(argument));
}

}  // namespace

Infi::Infi(Host host, InfiSettings settings, Service service, Channels& channels, Calls& calls,
           std::unique_ptr<Requests> requests)
    : host_(host),
      settings_(std::move(settings)),
      service_(std::move(service)),
      channels_(channels),
      calls_(calls),
      requests_(std::move(requests)) {}

Infi::~Infi() = default;

// ---- what is asked ------------------------------------------------------------------------------------

Infi::Asked Infi::asked_by(const InfiCall& call, std::int64_t deadline) {
  Asked asked;
  asked.method = call.method;
  asked.uuid = call.uuid.empty() ? new_uuid() : std::string(call.uuid);
  asked.tag = call.tag.empty() ? tags_.next().substr(0, 8) : call.tag;
  asked.args = call.args;
  asked.kwargs = call.kwargs;
  asked.deadline = deadline;
  return asked;
}

// False: it is not known to reach the client, which has gone or does not read.
bool Infi::answer(std::uint64_t channel, const std::string& result) {
  const auto* open = channels_.find(channel);
  if (open == nullptr) return false;
  const auto around = around_result + open->id().size() + open->context.size();
  const auto instead = result.size() + around > settings_.max_payload ? too_long() : std::string();
  const std::string_view told = instead.empty() ? result : instead;
  return channels_.end(channel, {rpc::event_name::ok, rpc::encoded::list_of_one, told}) &&
         channels_.find(channel) == nullptr;
}

void Infi::serve(std::uint64_t channel, std::string_view args, zmq_msg_t* payload, std::int64_t deadline) {
  const auto call = read_infi_call(args);
  if (call.wrong != nullptr) {
    answer(channel, error_result(infi_error::arguments, call.wrong));
    return;
  }
  const auto asked = asked_by(call, deadline);
  if (const auto* method = built_in(asked.method)) return serve_built_in(channel, *method, asked);
  const auto* function = service_.find(asked.method);
  if (service_.shutting_down() && !(function != nullptr && joins(asked, *function))) {
    answer(channel, error_result(infi_error::framework, "server is shutting down"));
  } else if (function != nullptr) {
    serve_function(channel, asked, *function, payload);
  } else {
    answer(channel, error_result(infi_error::method, asked.method));
  }
}

// ---- methods that every service has -------------------------------------------------------------------

const Infi::BuiltIn* Infi::built_in(std::string_view method) {
  static constexpr std::array<BuiltIn, 5> table = {{
      {"ping", &Infi::ping, nullptr},
      {"get_rpc_method_names", &Infi::method_names, nullptr},
      {"get_rpc_ipython_argspec", &Infi::argument_specification, "name"},
      {"query_async_request", &Infi::query, "uuid"},
      {"get_rpc_max_response_time", &Infi::max_response_time, nullptr},
  }};
  const auto* found =
      std::find_if(table.begin(), table.end(), [&](const BuiltIn& line) { return line.name == method; });
  return found == table.end() ? nullptr : found;
}

// Throws Error of class InvalidCallArguments.
Array Infi::arguments_of(const BuiltIn& method, const Asked& asked) {
  auto arguments = decode_arguments(asked.args);
  auto named = asked.kwargs == empty_map ? Map() : decode_named_arguments(asked.kwargs);
  for (auto& [name, value] : named) {
    if (method.parameter == nullptr || *name.get_if<std::string>() != method.parameter)
      throw Error(infi_error::arguments, asked.method + " has no argument " + describe(name));
    arguments.push_back(std::move(value));
  }
  const std::size_t expected = method.parameter == nullptr ? 0 : 1;
  if (arguments.size() != expected)
    throw Error(infi_error::arguments, asked.method + " takes " + std::to_string(expected) +
                                           " arguments, got " + std::to_string(arguments.size()));
  return arguments;
}

void Infi::serve_built_in(std::uint64_t channel, const BuiltIn& method, const Asked& asked) {
  std::string result;
  try {
    result = (this->*method.serve)(arguments_of(method, asked));
  } catch (const Malformed& failure) {
    result = error_result(infi_error::arguments, failure.what());
  } catch (const Error& failure) {
    result = error_result(Failure{failure.type(), failure.what()});
  }
  answer(channel, result);
}

std::string Infi::ping(const Array&) { return encoded({}); }

std::string Infi::method_names(const Array&) {
  auto names = service_.offered().names();
  for (const auto* name : {"ping", "get_rpc_method_names", "get_rpc_ipython_argspec"})
    names.emplace_back(name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return encoded(to_value(std::move(names)));
}

std::string Infi::argument_specification(const Array& arguments) {
  const auto name = expect_text(arguments[0], "the name of a method");
  PublishedFunction function{.component = {}, .name = name};
  if (const auto* known = built_in(name)) {
    if (known->parameter != nullptr) function.parameters.push_back({known->parameter, "text"});
    return encoded(Offered::argument_specification({function, {}}));
  }
  const auto* method = service_.offered().find(name);
  if (method == nullptr) throw Error(infi_error::method, name);
  return encoded(Offered::argument_specification(*method));
}

std::string Infi::query(const Array& arguments) {
  const auto uuid = expect_text(arguments[0], "the token of a deferred result");
  const auto* entry = requests_->find(uuid);
  if (entry == nullptr) throw Error(infi_error::token, uuid);
  if (entry->state == Requests::State::running) return success_result(deferred_result(uuid));
  const auto* result = requests_->fetch(uuid);
  if (result == nullptr) throw Error(infi_error::token, uuid);
  auto answer = success_result(*result);
  service_.changed();
  return answer;
}

std::string Infi::max_response_time(const Array&) {
  if (settings_.mode != InfiSettings::Mode::server || settings_.max_response_time.count() == 0)
    throw Error(infi_error::method, "get_rpc_max_response_time");
  return encoded(std::chrono::duration<double>(settings_.max_response_time).count());
}

// ---- functions ----------------------------------------------------------------------------------------

bool Infi::is_immediate(const Method& method) const {
  return settings_.mode == InfiSettings::Mode::all_immediate || method.function.manner == BP_IMMEDIATE ||
         (method.function.manner != BP_DEFERRED_MANNER && settings_.mode == InfiSettings::Mode::server &&
          settings_.max_response_time.count() == 0);
}

// Whether it gets the answer of a call that was made before.
bool Infi::joins(const Asked& asked, const Method& method) {
  return !is_immediate(method) && requests_->find(asked.uuid) != nullptr;
}

bool Infi::is_deferred(const Method& method) const {
  return settings_.mode == InfiSettings::Mode::all_deferred || method.function.manner == BP_DEFERRED_MANNER;
}

void Infi::serve_function(std::uint64_t channel, const Asked& asked, const Method& method,
                          zmq_msg_t* payload) {
  if (is_immediate(method)) {
    const auto cookie = add(asked, true);
    active_.find(cookie & ~cookie_mark)->waiting.push_back(channel);
    return call(cookie, method, request_of(channel, asked, payload));
  }
  const auto begun = requests_->begin(asked.uuid, asked.method, asked.tag);
  if (begun == Requests::Begun::full) {
    answer(channel, error_result(infi_error::framework, "too many results are kept"));
    return;
  }
  if (begun == Requests::Begun::done) {
    const auto* result = requests_->fetch(asked.uuid);
    answer(channel, result != nullptr ? *result : error_result(infi_error::token, asked.uuid));
    return;
  }
  if (begun == Requests::Begun::running && !by_uuid_.contains(asked.uuid))
    return promise(asked.uuid, channel);  // it has ended, and its result is on its way to the disk
  const bool fresh = begun == Requests::Begun::created;
  const auto cookie = fresh ? add(asked, false) : by_uuid_.at(asked.uuid);
  if (!is_deferred(method) && active_.find(cookie & ~cookie_mark)->waiting.size() >= most_joined) {
    answer(channel, error_result(infi_error::framework, "too many wait for this request"));
    return;
  }
  Message request = fresh ? request_of(channel, asked, payload) : Message();  // a promise closes the channel
  if (is_deferred(method)) {
    active_.find(cookie & ~cookie_mark)->promised = true;
    promise(asked.uuid, channel);
  } else {
    wait(cookie, channel, method);
  }
  if (fresh) call(cookie, method, std::move(request));
}

// A new function under way; its cookie.
std::uint64_t Infi::add(const Asked& asked, bool immediate) {
  const auto number = active_.take();
  auto& active = *active_.find(number);
  active = {};
  active.uuid = immediate ? std::string() : asked.uuid;
  active.tag = asked.tag;
  active.method = asked.method;
  if (!immediate) by_uuid_.emplace(active.uuid, number | cookie_mark);
  return number | cookie_mark;
}

Message Infi::request_of(std::uint64_t channel, const Asked& asked, zmq_msg_t* payload) const {
  Message request = host_.message();
  request.append_part(payload, asked.args);
  if (asked.kwargs != empty_map) request.append_part(payload, asked.kwargs);
  request.envelope().encoding = BP_MSGPACK;
  request.set(BP_REQUEST);
  request.envelope().deadline = asked.deadline;
  service_.carry(channel, request);
  add_baggage(request, "log_tag", asked.tag);
  return request;
}

void Infi::call(std::uint64_t cookie, const Method& method, Message request) {
  if (!calls_.begin(method.target, std::move(request), cookie))
    end(cookie, error_result(infi_error::framework, "too many requests"));
}

bool Infi::wanted(std::uint64_t cookie) { return active_.find(cookie & ~cookie_mark) != nullptr; }

void Infi::begun(std::uint64_t cookie, std::uint64_t correlation) {
  auto* active = active_.find(cookie & ~cookie_mark);
  if (active == nullptr) return;
  active->begun = true;
  active->correlation = correlation;
}

void Infi::fail(std::uint64_t cookie, const Failure& failure) {
  end(cookie, error_result(failure, settings_.classes));
}

void Infi::take_outcome(const Message& outcome) {
  const auto cookie = outcome.envelope().cookie;
  auto* active = active_.find(cookie & ~cookie_mark);
  if (active == nullptr) return;
  active->begun = false;
  std::string result;
  if (outcome.is_error()) {
    const auto failure = failure_of(outcome);
    host_.log(Severity::debug, "[" + active->tag + "] " + active->method + " failed: " + failure.type + ": " +
                                   failure.message);
    result = error_result(failure, settings_.classes);
  } else if (outcome.envelope().encoding == BP_RAW) {
    result = encoded(Bytes{outcome.empty() ? std::string() : std::string(outcome[0])});
  } else {
    result = success_result(outcome.empty() ? rpc::encoded::nil : outcome[0]);
  }
  calls_.ended();
  end(cookie, std::move(result));
}

// Answers all who wait. Who got a token, or did not get this answer, finds the result kept. The call counts
// as running until that is settled: each answer closes a channel, at which a shutdown looks whether it is
// over.
void Infi::end(std::uint64_t cookie, std::string result) {
  const auto number = cookie & ~cookie_mark;
  auto& active = *active_.find(number);
  if (!active.uuid.empty()) by_uuid_.erase(active.uuid);
  if (result.size() + around_kept_result > settings_.max_payload) result = too_long();
  bool kept = active.promised;
  for (const auto channel : active.waiting)
    if (!answer(channel, result)) kept = true;
  if (!active.uuid.empty()) {
    if (kept) {
      if (!active.promised) requests_->promise(active.uuid, [](bool) {});
      requests_->finish(active.uuid, std::move(result));
    } else {
      requests_->forget(active.uuid);
    }
  }
  active = {};
  active_.release(number);
  service_.changed();
}

// ---- waiting and deferring ----------------------------------------------------------------------------

void Infi::wait(std::uint64_t cookie, std::uint64_t channel, const Method& method) {
  active_.find(cookie & ~cookie_mark)->waiting.push_back(channel);
  const auto own = method.function.max_response_time;
  const auto span = (own.count() > 0 ? own : settings_.max_response_time).count();
  const auto when = host_.now() + span;
  auto& line = due_[span];
  if (line.waiting.size() >= line.sweep_at) {
    const auto ended = [&](const Due& due) { return active_.find(due.cookie & ~cookie_mark) == nullptr; };
    std::erase_if(line.waiting, ended);
    line.sweep_at = std::max(sweep_from, 2 * line.waiting.size());
  }
  line.waiting.push_back({when, cookie, channel});
  wake_up_at(when);
}

// ... at the latest.
void Infi::wake_up_at(std::int64_t when) {
  if (due_timer_.active() && due_timer_at_ <= when) return;
  due_timer_at_ = when;
  const auto left = std::max<std::int64_t>(0, when - host_.now());
  due_timer_ = host_.after(std::chrono::nanoseconds(left), [this] {
    due_timer_.end();
    pass_due();
  });
}

void Infi::pass_due() {
  const auto now = host_.now();
  for (auto& [span, line] : due_) {
    while (!line.waiting.empty() && line.waiting.front().when <= now) {
      const auto due = line.waiting.front();
      line.waiting.pop_front();
      defer(due.cookie, due.channel);
    }
    if (!line.waiting.empty()) wake_up_at(line.waiting.front().when);
  }
}

void Infi::defer(std::uint64_t cookie, std::uint64_t channel) {
  auto* active = active_.find(cookie & ~cookie_mark);
  if (active == nullptr || std::erase(active->waiting, channel) == 0) return;
  active->promised = true;
  promise(active->uuid, channel);
}

// Tells the channel the token, once the result is sure to be kept.
void Infi::promise(const std::string& uuid, std::uint64_t channel) {
  requests_->promise(uuid, [this, uuid, channel](bool durable) {
    if (!durable)
      host_.warn("the result of " + uuid + " will not survive a restart: it could not be written");
    answer(channel, deferred_result(uuid));
  });
}

// ---- the end ------------------------------------------------------------------------------------------

std::size_t Infi::abort() {
  const auto running = active_.numbers([](const Active&) { return true; });
  for (const auto number : running) {
    const auto& active = *active_.find(number);
    const bool begun = active.begun;
    if (begun && active.correlation != 0) host_.cancel(active.correlation);
    end(number | cookie_mark, error_result(infi_error::aborted, "request aborted while being processed"));
    if (begun) calls_.ended();
  }
  return running.size();
}

void Infi::stop() {
  due_timer_.end();
  requests_.reset();
}

}  // namespace backplane::zerorpc
