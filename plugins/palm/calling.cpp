#include "calling.hpp"

#include <backplane/palm/context.hpp>
#include <backplane/published.hpp>
#include <backplane/value.hpp>

#include <algorithm>
#include <utility>

namespace backplane::palm {

namespace {

constexpr std::uint32_t stream_credit = 1000;

std::string_view part(const Message& outcome, std::size_t index) {
  return index < outcome.size() ? outcome[index] : std::string_view{};
}

}  // namespace

Calling::Calling(Host host)
    : host_(host),
      components_(host.option("functions").list()),
      server_(host.option("server").view()),
      any_server_(!host.option("server").present()),
      echo_(host.option("echo")),
      silent_(host.option("silent")),
      many_(host.option("many")),
      ordered_(host.option("ordered")),
      max_calls_(host.option("max_calls")),
      timeout_(std::chrono::nanoseconds(host.option("call_timeout")).count()),
      cache_(host.option("cache").view()),
      error_payload_(host.option("error_payload")),
      errors_(host.counter("errors", "messages that were answered with an error")) {
  if (components_.empty())
    throw Error("BadOption", "option \"functions\": names no component whose functions may be called");
}

void Calling::start() {
  const auto all = published_functions(host_);
  for (const auto& component : components_)
    if (std::none_of(all.begin(), all.end(),
                     [&](const auto& function) { return function.component == component; }))
      host_.warn("option \"functions\": component " + component + " publishes no function");
  look_up_functions();
}

void Calling::look_up_functions() {
  looked_up_ = host_.now();
  const auto all = published_functions(host_);
  targets_.clear();
  for (const auto& component : components_)
    for (const auto& function : all)
      if (function.component == component) targets_.emplace(function.name, component + "." + function.name);
}

// nullptr: no component has it. One that begins to publish later is found later.
const std::string* Calling::target_of(std::string_view function) {
  constexpr std::int64_t second = 1'000'000'000;
  auto found = targets_.find(function);
  if (found == targets_.end() && host_.now() - looked_up_ > second) {
    look_up_functions();
    found = targets_.find(function);
  }
  return found == targets_.end() ? nullptr : &found->second;
}

Taken Calling::on_message(Message& message) {
  if (paused_ || full()) {
    busy_ = true;
    return Taken::busy;
  }
  auto fields = read_message(message);  // Malformed: the host keeps it
  if (message.size() > 1) {
    keep_last_frame(message);
    fields = read_message(message);  // a small frame has moved
  }
  begin(std::move(message), fields);
  return Taken::yes;
}

void Calling::begin(Message message, const Fields& fields) {
  calls_.emplace_back();
  ++under_way_;
  auto& call = calls_.back();
  const auto number = first_ + calls_.size() - 1;
  call.message = std::move(message);
  call.fields = fields;
  if (fields.failed()) {
    call.results.push_back(std::move(call.message));
    return end(number);
  }
  const auto selected = select(fields.function, fields.stage);
  if (!selected.ok()) {
    add_error(call, selected.code, selected.why);
    return end(number);
  }
  if (!any_server_ && selected.server != server_) {
    add_error(call, wrong_server,
              "this is server " + server_ + ", the call is for " + std::string(selected.server));
    return end(number);
  }
  if (const auto* target = target_of(selected.function)) return ask(number, selected, *target);
  if (echo_ && selected.function == "echo") {
    call.results.push_back(std::move(call.message));
  } else {
    add_error(call, unknown_function, std::string(selected.function) + " is no function of this server");
  }
  end(number);
}

void Calling::ask(std::uint64_t number, const Selected& selected, const std::string& target) {
  auto& call = *find(number);
  const auto& fields = call.fields;
  Message request = host_.message();
  request.append_part(call.message.raw(0), fields.payload);
  request.set_headers(headers_of(fields, any_server_ ? selected.server : server_));
  auto& envelope = request.envelope();
  const auto& origin = call.message.envelope();
  envelope.flags = BP_REQUEST | (many_ ? BP_STREAM : 0U);
  envelope.encoding = BP_RAW;
  envelope.credit = many_ ? stream_credit : 0;
  envelope.cookie = number;
  envelope.stage = fields.stage;
  std::copy(std::begin(origin.trace_id), std::end(origin.trace_id), std::begin(envelope.trace_id));
  std::copy(std::begin(origin.span_id), std::end(origin.span_id), std::begin(envelope.span_id));
  if (timeout_ > 0) envelope.deadline = host_.now() + timeout_;
  const auto sent = host_.call(target, std::move(request));
  if (sent == Sent::pause) paused_ = true;
  if (sent == Sent::yes || sent == Sent::pause) return;
  // No outcome will come.
  if (auto* refused = find(number)) {
    add_error(*refused, function_failed,
              std::string(selected.function) +
                  (sent == Sent::no_route ? ": nothing takes this call" : ": too many calls wait for it"));
    end(number);
  }
}

// Valid until the next call.
std::string_view Calling::headers_of(const Fields& fields, std::string_view server) {
  auto& known = headers_;
  if (known.kept == 0 || known.server != server || known.pipeline != fields.pipeline ||
      known.client != fields.client || known.stage != fields.stage || known.function != fields.function) {
    known.server = server;
    known.pipeline = fields.pipeline;
    known.client = fields.client;
    known.stage = fields.stage;
    known.function = fields.function;
    auto others = fields;
    others.cache = {};
    known.lines = detail::call_headers(others, server, cache_);
    known.kept = known.lines.size();
  }
  known.lines.resize(known.kept);
  if (std::all_of(fields.cache.begin(), fields.cache.end(), backplane::detail::is_plain) &&
      !fields.cache.empty()) {
    known.lines.append(detail::cache_header).append(": ").append(fields.cache).append("\n");
  } else {
    detail::append_header(known.lines, detail::cache_header, fields.cache);
  }
  return known.lines;
}

void Calling::on_reply(Message outcome) {
  const auto number = outcome.envelope().cookie;
  if (find(number) != nullptr) take_outcome(number, std::move(outcome));
}

void Calling::take_outcome(std::uint64_t number, Message outcome) {
  if (outcome.is_error()) return take_error(number, outcome);
  auto& call = *find(number);
  const bool item = outcome.has(BP_STREAM);
  if (outcome.has(BP_STREAM_END)) return end(number);
  take_result(call, outcome);
  if (!item) return end(number);
  host_.grant(outcome.envelope().correlation, 1);
  if (ordered_ && number != first_) return;
  for (auto& result : std::exchange(call.results, {})) send(std::move(result));
}

void Calling::take_error(std::uint64_t number, const Message& outcome) {
  auto& call = *find(number);
  const auto& fields = call.fields;
  const auto traceback = part(outcome, 2);
  if (!traceback.empty()) host_.log(Severity::debug, traceback);
  add_error(call, function_failed,
            std::string(select(fields.function, fields.stage).function) + ": " +
                std::string(part(outcome, 0)) + ": " + std::string(part(outcome, 1)));
  end(number);
}

void Calling::take_result(Call& call, const Message& outcome) {
  if (outcome.envelope().encoding == BP_RAW) return add_result(call, part(outcome, 0));
  take_value(call, part(outcome, 0));
}

void Calling::take_value(Call& call, std::string_view encoded) {
  Value value;
  try {
    value = decode(encoded);
  } catch (const Malformed& error) {
    return add_error(call, function_failed, std::string("the result cannot be read: ") + error.what());
  }
  if (const auto content = content_of(value)) return add_result(call, *content);
  if (value.is_nil()) {
    if (!silent_ && !many_) add_error(call, function_failed, "the function returned nothing");
    return;
  }
  const auto* items = value.get_if<Array>();
  if (!many_ || items == nullptr)
    return add_error(call, function_failed,
                     "the function returned " + describe(value) + ", expected bytes or text");
  for (const auto& item : *items) {
    const auto content = content_of(item);
    if (!content)
      return add_error(call, function_failed,
                       "the function returned a list with " + describe(item) + ", expected bytes or text");
    add_result(call, *content);
  }
}

void Calling::add_result(Call& call, std::string_view payload) {
  auto fields = call.fields;
  fields.payload = payload;
  Message result = host_.message_after(call.message);
  write_frame(fields, *result.add_empty());
  call.results.push_back(std::move(result));
}

void Calling::add_error(Call& call, std::string_view code, std::string_view why) {
  errors_.add();
  auto fields = call.fields;
  host_.warn("client " + std::string(fields.client) + " gets an error: " + std::string(code) + ": " +
             std::string(why));
  const auto text = error_text(code, why);
  fields.payload = error_payload_;
  fields.error = text;
  Message result = host_.message_after(call.message);
  write_frame(fields, *result.add_empty());
  call.results.push_back(std::move(result));
}

void Calling::end(std::uint64_t number) {
  auto& call = *find(number);
  call.done = true;
  call.message = Message();
  --under_way_;
  if (!ordered_)
    for (auto& result : std::exchange(call.results, {})) send(std::move(result));
  send_finished();
  host_.holding(calls_.size() - under_way_);
  if (busy_ && !paused_ && !full()) {
    busy_ = false;
    host_.resume();
  }
}

// Sends from the front what is done, and what the first that is not has already.
void Calling::send_finished() {
  while (!calls_.empty() && (calls_.front().done || !calls_.front().results.empty())) {
    for (auto& result : std::exchange(calls_.front().results, {})) send(std::move(result));
    if (!calls_.front().done) return;
    calls_.pop_front();
    ++first_;
  }
}

void Calling::send(Message message) {
  if (pass_on(host_, std::move(message)) == Sent::pause) paused_ = true;
}

void Calling::on_resume() {
  paused_ = false;
  if (busy_) {
    busy_ = false;
    host_.resume();
  }
}

// nullptr: it has ended.
Calling::Call* Calling::find(std::uint64_t number) {
  if (number < first_ || number - first_ >= calls_.size()) return nullptr;
  auto& call = calls_[number - first_];
  return call.done ? nullptr : &call;
}

}  // namespace backplane::palm
