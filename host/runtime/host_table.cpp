// The host's side of the boundary: the functions of bp_host, for one component each. What belongs to the
// loop's thread is done there; send, call, reply and post from other threads are queued for it.
#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "runtime/clock.hpp"
#include "runtime/component.hpp"
#include "runtime/loop.hpp"
#include "runtime/shared.hpp"

namespace backplane::host {

namespace {

Component& of(const bp_host* host) { return *static_cast<Component*>(host->context); }
std::string_view view(bp_text text) { return {text.data, text.size}; }

HostMessage* error_reply(bp_text type, bp_text text, bp_text traceback) {
  HostMessage* message = new_message(3);
  message->envelope.flags = BP_ERROR;
  for (const auto part : {type, text, traceback}) {
    zmq_msg_t& frame = message->frames[message->frame_count++];
    if (zmq_msg_init_size(&frame, part.size) != 0) {
      zmq_msg_init(&frame);
    } else if (part.size > 0) {
      std::memcpy(zmq_msg_data(&frame), part.data, part.size);
    }
  }
  return message;
}

std::int32_t option(const bp_host* host, const char* name, bp_value* value) {
  return of(host).option(name, *value) ? 0 : -1;
}

bp_message* message_new(const bp_host*, std::uint32_t frames) { return new_message(frames); }

std::int32_t message_reserve(const bp_host*, bp_message* message, std::uint32_t frames) {
  return reserve_frames(message, frames) ? 0 : -1;
}

bp_message* message_copy(const bp_host*, const bp_message* message) { return copy_message(message); }

void message_free(const bp_host*, bp_message* message) { free_message(message); }

// A thread that is not the loop's may go on until too much is queued, or a destination is full.
std::int32_t answer_other_thread(Component& component, bool queued) {
  if (!queued) return BP_REJECTED;
  if (component.foreign.load(std::memory_order_relaxed) >= Component::most_foreign) {
    component.foreign_paused.store(true);
    return BP_PAUSED;
  }
  return component.paused_for_others() ? BP_PAUSED : BP_SENT;
}

std::int32_t send(const bp_host* host, bp_message* message) {
  Component& component = of(host);
  if (component.loop().on_thread()) return component.send(as_host(message));
  return answer_other_thread(component, component.loop().post_send(component, as_host(message)));
}

std::int32_t call(const bp_host* host, bp_text target, bp_message* message) {
  Component& component = of(host);
  if (component.loop().on_thread()) return component.call(view(target), as_host(message));
  return answer_other_thread(
      component, component.loop().post_call(component, std::string(view(target)), as_host(message)));
}

void reply(const bp_host* host, const bp_envelope* request, bp_message* message) {
  Component& component = of(host);
  if (component.loop().on_thread()) {
    component.reply(*request, as_host(message));
    return;
  }
  auto& envelope = message->envelope;
  envelope.reply_to = request->reply_to;
  envelope.correlation = request->correlation;
  std::memcpy(envelope.trace_id, request->trace_id, sizeof envelope.trace_id);
  std::memcpy(envelope.span_id, request->span_id, sizeof envelope.span_id);
  component.loop().post_reply(component, as_host(message));
}

void reply_error(const bp_host* host, const bp_envelope* request, bp_text type, bp_text text,
                 bp_text traceback) {
  reply(host, request, error_reply(type, text, traceback));
}

void cancel(const bp_host* host, std::uint64_t correlation) {
  assert(of(host).loop().on_thread());
  of(host).cancel(correlation);
}

void grant(const bp_host* host, std::uint64_t correlation, std::uint32_t items) {
  assert(of(host).loop().on_thread());
  of(host).grant(correlation, items);
}

void resume(const bp_host* host) {
  assert(of(host).loop().on_thread());
  of(host).resume();
}

std::int32_t post(const bp_host* host, bp_callback run, void* data) {
  return of(host).loop().post_callback(of(host), run, data) ? 0 : -1;
}

std::uint64_t as_number(const Watched* watched) { return reinterpret_cast<std::uint64_t>(watched); }
Watched& watched_of(std::uint64_t number) { return *reinterpret_cast<Watched*>(number); }

std::uint64_t watch_socket(const bp_host* host, void* socket, std::uint32_t events, bp_watch_callback run,
                           void* data) {
  return as_number(of(host).loop().watch(of(host), socket, -1, events, run, data));
}

std::uint64_t watch_descriptor(const bp_host* host, int descriptor, std::uint32_t events,
                               bp_watch_callback run, void* data) {
  return as_number(of(host).loop().watch(of(host), nullptr, descriptor, events, run, data));
}

void watch_events(const bp_host* host, std::uint64_t watch, std::uint32_t events) {
  assert(of(host).loop().on_thread());
  of(host).loop().change_watch(watched_of(watch), events);
}

void unwatch(const bp_host* host, std::uint64_t watch) {
  assert(of(host).loop().on_thread());
  of(host).loop().unwatch(watched_of(watch));
}

std::uint64_t timer_start(const bp_host* host, std::int64_t delay, std::int64_t period, bp_callback run,
                          void* data) {
  return of(host).start_timer(delay, period, run, data);
}

void timer_stop(const bp_host* host, std::uint64_t timer) { of(host).stop_timer(timer); }

std::int64_t now(const bp_host*) { return now_nanoseconds(); }

void log(const bp_host* host, std::uint32_t severity, bp_text text) {
  constexpr std::array levels = {LogLevel::trace, LogLevel::debug, LogLevel::info, LogLevel::warning,
                                 LogLevel::error};
  of(host).log(levels[std::min<std::size_t>(severity, levels.size() - 1)], view(text));
}

std::int64_t* counter(const bp_host* host, const char* name, const char* help) {
  return of(host).metric(name, help, false);
}

std::int64_t* gauge(const bp_host* host, const char* name, const char* help) {
  return of(host).metric(name, help, true);
}

std::int32_t publish(const bp_host* host, const bp_function* function) {
  if (function == nullptr || function->name == nullptr || *function->name == '\0') return -1;
  of(host).shared().functions.publish(of(host).settings().name, *function);
  return 0;
}

void holding(const bp_host* host, std::uint64_t count) { of(host).set_holding(count); }
void finished(const bp_host* host) { of(host).mark_finished(); }

void drain_time(const bp_host* host, std::int64_t span) {
  assert(of(host).loop().on_thread());
  of(host).set_drain_time(std::chrono::nanoseconds(span));
}

void failed(const bp_host* host, const bp_error* error) {
  std::string text = error->type[0] == '\0' ? "" : std::string(error->type) + ": ";
  text += error->message[0] == '\0' ? "no reason given" : error->message;
  of(host).shared().on_failed(of(host), text);
}

std::uint64_t last_request(const bp_host* host) {
  assert(of(host).loop().on_thread());
  return of(host).last_request();
}

void list_functions(const bp_host* host,
                    void (*tell)(void* context, bp_text component, const bp_function* function),
                    void* context) {
  for (const auto& [component, function] : of(host).shared().functions.all())
    tell(context, {component.data(), component.size()}, &function->view());
}

const void* extension(const bp_host*, const char* name) {
  static constexpr bp_functions_1 functions{sizeof(bp_functions_1), list_functions};
  return std::string_view(name) == BP_FUNCTIONS_1 ? &functions : nullptr;
}

}  // namespace

void Component::fill_table() {
  table_.size = sizeof table_;
  table_.abi_minor = BP_ABI_MINOR;
  table_.context = this;
  table_.zmq_context = shared_.zmq_context;
  table_.component_name = name_.c_str();
  table_.kind_name = settings_.kind.c_str();
  table_.host_name = shared_.manifest.host.name.c_str();
  table_.component = id_;
  table_.instances = settings_.instances;
  table_.routed = shared_.routes->from(settings_.name).empty() ? 0 : 1;
  table_.option = host::option;
  table_.message_new = message_new;
  table_.message_reserve = message_reserve;
  table_.message_copy = message_copy;
  table_.message_free = message_free;
  table_.send = host::send;
  table_.reply = host::reply;
  table_.reply_error = reply_error;
  table_.call = host::call;
  table_.cancel = host::cancel;
  table_.grant = host::grant;
  table_.resume = host::resume;
  table_.post = post;
  table_.watch_socket = watch_socket;
  table_.watch_descriptor = watch_descriptor;
  table_.watch_events = watch_events;
  table_.unwatch = unwatch;
  table_.timer_start = timer_start;
  table_.timer_stop = timer_stop;
  table_.now = now;
  table_.log = host::log;
  table_.counter = counter;
  table_.gauge = gauge;
  table_.publish = publish;
  table_.holding = holding;
  table_.finished = finished;
  table_.failed = failed;
  table_.extension = extension;
  table_.last_request = host::last_request;
  table_.drain_time = host::drain_time;
}

bool Component::option(const char* name, bp_value& value) const {
  const auto found = settings_.options.find(std::string_view(name));
  if (found == settings_.options.end()) return false;
  const OptionSetting& setting = found->second;
  const auto& list = option_lists_.at(found->first);
  value = {static_cast<std::uint32_t>(setting.type),
           setting.given ? 1u : 0u,
           {setting.text.data(), setting.text.size()},
           setting.integer,
           setting.number,
           list.data(),
           list.size()};
  return true;
}

std::uint64_t Component::start_timer(std::int64_t delay, std::int64_t period, bp_callback run, void* data) {
  assert(loop_.on_thread());
  auto number = std::make_shared<std::uint64_t>(0);
  *number = loop_.timers().start(now_nanoseconds() + std::max<std::int64_t>(delay, 0), period,
                                 [this, number, once = period <= 0, run, data] {
                                   if (once) timers.erase(*number);
                                   const Running running(loop_, *this);
                                   run(data);
                                 });
  timers.insert(*number);
  return *number;
}

void Component::stop_timer(std::uint64_t timer) {
  assert(loop_.on_thread());
  if (timers.erase(timer) > 0) loop_.timers().stop(timer);
}

}  // namespace backplane::host
