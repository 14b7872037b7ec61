#include "infi.hpp"

#include <backplane/baggage.hpp>
#include <backplane/binding.hpp>
#include <backplane/rpc/event.hpp>
#include <backplane/uuid.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>

namespace backplane::zerorpc {

namespace {

constexpr std::string_view empty_map = "\x80";

std::string encoded(const Value& value) { return success_result(encode(value)); }

// What a call says about itself, encoded; empty: nothing.
struct Meta {
  std::string_view method;
  std::string_view uuid;
  std::string_view tag;
};

Meta meta_of(std::string_view encoded) {
  Meta meta;
  rpc::for_each_in_map(encoded, [&](std::string_view key, std::string_view value) {
    const auto told = value == rpc::encoded::nil ? std::string_view() : value;
    if (key == "method") meta.method = told;
    if (key == "uuid") meta.uuid = told;
    if (key == "request_id_tag") meta.tag = told;
    return true;
  });
  return meta;
}

bool is_uuid(std::string_view encoded) {
  const auto content = rpc::text_of(encoded);
  return content && content->size() <= Requests::kLongestUuid;
}

// The parts of the only argument of on_call, encoded; nothing when it is no list of three.
std::optional<std::array<std::string_view, 3>> three_parts(std::string_view args) {
  rpc::Scanner scanner(args);
  rpc::Token token;
  for (const std::uint64_t length : {1U, 3U})
    if (!scanner.next(token) || token.kind != rpc::Token::Kind::list || token.number != length)
      return std::nullopt;
  std::array<std::string_view, 3> parts;
  for (auto& part : parts) {
    const auto* const at = scanner.position();
    scanner.skip();
    part = {at, static_cast<std::size_t>(scanner.position() - at)};
  }
  return parts;
}

rpc::Token::Kind kind_of(std::string_view encoded) {
  rpc::Token token;
  rpc::Scanner(encoded).next(token);
  return token.kind;
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

Infi::Asked Infi::read(std::string_view args) {
  Asked asked;
  const auto parts = three_parts(args);
  if (!parts) {
    asked.wrong = "on_call takes one list of three: what is called, its arguments, its named arguments";
    return asked;
  }
  const auto& [meta, positional, named] = *parts;
  const auto about = meta_of(meta);
  const auto method = rpc::text_of(about.method);
  if (!method) {
    asked.wrong = "the call names no method";
  } else if (kind_of(positional) != rpc::Token::Kind::list) {
    asked.wrong = "the arguments are no list";
  } else if (kind_of(named) != rpc::Token::Kind::map) {
    asked.wrong = "the named arguments are no map";
  } else if (!about.uuid.empty() && !is_uuid(about.uuid)) {
    asked.wrong = "the uuid is no text of at most 256 bytes";
  }
  if (!asked.wrong.empty()) return asked;
  asked.method = *method;
  asked.uuid = rpc::text_of(about.uuid).value_or("");
  if (asked.uuid.empty()) asked.uuid = new_uuid();
  asked.tag = rpc::text_of(about.tag).value_or("");
  if (asked.tag.empty()) asked.tag = tags_.next().substr(0, 8);
  asked.args = positional;
  asked.kwargs = named;
  return asked;
}

// False: the client has gone.
bool Infi::answer(std::uint64_t channel, const std::string& result) {
  return channels_.find(channel) != nullptr &&
         channels_.end(channel, {rpc::event_name::ok, rpc::encoded::list_of_one, result});
}

void Infi::serve(std::uint64_t channel, std::string_view args, zmq_msg_t* payload) {
  Asked asked;
  try {
    asked = read(args);
  } catch (const Malformed& failure) {
    asked.wrong = failure.what();
  }
  if (!asked.wrong.empty()) {
    answer(channel, error_result(infi_error::arguments, asked.wrong));
    return;
  }
  if (const auto* method = built_in(asked.method)) {
    serve_built_in(channel, *method, asked);
  } else if (service_.shutting_down() && requests_->find(asked.uuid) == nullptr) {
    answer(channel, error_result(infi_error::framework, "server is shutting down"));
  } else if (const auto* function = service_.find(asked.method)) {
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
  if (settings_.timeout.count() > 0) request.envelope().deadline = host_.now() + settings_.timeout.count();
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

// Answers all who wait. Who got a token, or did not get this answer, finds the result kept.
void Infi::end(std::uint64_t cookie, std::string result) {
  const auto number = cookie & ~cookie_mark;
  auto& ended = *active_.find(number);
  if (!ended.uuid.empty()) by_uuid_.erase(ended.uuid);
  const Active active = std::move(ended);
  active_.release(number);
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
  service_.changed();
}

// ---- waiting and deferring ----------------------------------------------------------------------------

void Infi::wait(std::uint64_t cookie, std::uint64_t channel, const Method& method) {
  active_.find(cookie & ~cookie_mark)->waiting.push_back(channel);
  const auto own = method.function.max_response_time;
  const auto span = (own.count() > 0 ? own : settings_.max_response_time).count();
  const auto when = host_.now() + span;
  auto& line = due_[span];
  while (!line.empty() && !wanted(line.front().cookie)) line.pop_front();  // they have ended
  line.push_back({when, cookie, channel});
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
    while (!line.empty() && line.front().when <= now) {
      const auto due = line.front();
      line.pop_front();
      defer(due.cookie, due.channel);
    }
    if (!line.empty()) wake_up_at(line.front().when);
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
