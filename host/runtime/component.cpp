#include "runtime/component.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/clock.hpp"
#include "runtime/loop.hpp"
#include "runtime/shared.hpp"

namespace backplane::host {

namespace {

constexpr std::uint32_t lines_per_second = 200;   // of one component's log
constexpr std::size_t most_dead_letters = 10000;  // waiting at the component for dead letters
constexpr std::uint32_t notices = BP_CANCEL | BP_CREDIT;

void put_frame(HostMessage& message, std::string_view bytes) {
  zmq_msg_t& frame = message.frames[message.frame_count];
  if (zmq_msg_init_size(&frame, bytes.size()) != 0) throw std::bad_alloc();
  if (!bytes.empty()) std::memcpy(zmq_msg_data(&frame), bytes.data(), bytes.size());
  ++message.frame_count;
}

HostMessage* error_message(std::string_view type, std::string_view text, std::string_view traceback) {
  HostMessage* message = new_message(3);
  message->envelope.flags = BP_ERROR;
  put_frame(*message, type);
  put_frame(*message, text);
  put_frame(*message, traceback);
  return message;
}

// Adds a "name: value" line to the headers.
void add_header(HostMessage& message, std::string_view name, std::string_view value) {
  std::string all(bytes_of(message.headers));
  all.append(name).append(": ").append(value).append("\n");
  zmq_msg_t frame;
  if (zmq_msg_init_size(&frame, all.size()) != 0) return;
  std::memcpy(zmq_msg_data(&frame), all.data(), all.size());
  zmq_msg_move(&message.headers, &frame);
  zmq_msg_close(&frame);
}

void set_function(HostMessage& message, std::string_view name) {
  zmq_msg_t frame;
  if (zmq_msg_init_size(&frame, name.size()) != 0) throw std::bad_alloc();
  std::memcpy(zmq_msg_data(&frame), name.data(), name.size());
  zmq_msg_move(&message.function, &frame);
  zmq_msg_close(&frame);
}

std::string numbered(const ComponentSettings& settings, std::uint32_t instance) {
  return settings.instances == 1 ? settings.name : settings.name + "#" + std::to_string(instance + 1);
}

}  // namespace

Component::Component(Shared& shared, Loop& loop, ComponentId id, const ComponentSettings& settings,
                     const KindInfo& kind, std::uint32_t instance)
    : shared_(shared),
      loop_(loop),
      id_(id),
      settings_(settings),
      kind_(kind),
      functions_(*kind.table),
      name_(numbered(settings, instance)) {
  fill_table();
  table_.instance = instance;
  for (const auto& [option, setting] : settings.options) {
    auto& list = option_lists_[option];
    for (const auto& item : setting.list) list.push_back({item.data(), item.size()});
  }
}

Component::~Component() = default;

const Place& Component::place_of(ComponentId component) const { return shared_.routes->place(component); }

void Component::make_legs() {
  for (const Route* route : shared_.routes->from(settings_.name)) {
    Legs& legs = routes_.emplace_back(Legs{route, {}});
    for (const auto& target : route->targets)
      legs.legs.push_back(
          std::make_unique<Leg>(loop_, *this, *route, target, shared_.manifest.host.spill_folder));
  }
}

void Component::create() {
  make_legs();
  error_ = {};
  const Running running(loop_, *this);
  self_ = functions_.create(&table_, &error_);
  if (self_ != nullptr) return;
  throw StartError("component \"" + name_ + "\" (" + settings_.kind + ") was refused: " + failure_text(),
                   true);
}

void Component::start() {
  error_ = {};
  const Running running(loop_, *this);
  running_ = true;
  if (functions_.start == nullptr || functions_.start(self_, &error_) == 0) return;
  running_ = false;
  throw StartError("component \"" + name_ + "\" (" + settings_.kind + ") did not start: " + failure_text(),
                   false);
}

std::string Component::failure_text() const {
  std::string text = error_.message[0] == '\0' ? "no reason given" : error_.message;
  if (error_.type[0] != '\0' && std::strcmp(error_.type, "Refused") != 0)
    text = std::string(error_.type) + ": " + text;
  return text;
}

void Component::drain() {
  if (!running_) return;
  draining_ = true;
  pause_when_draining_ = functions_.drain == nullptr && inbound() && (kind_.properties & BP_OUTBOUND) == 0;
  if (functions_.drain != nullptr) {
    const Running running(loop_, *this);
    functions_.drain(self_);
  }
  loop_.review(*this);
}

void Component::stop() {
  if (!running_) return;
  loop_.close_posts(*this);
  {
    const Running running(loop_, *this);
    if (functions_.stop != nullptr) functions_.stop(self_);
  }
  running_ = false;
  resume();  // what still waits is counted as dropped, and its credit goes back
}

void Component::destroy() {
  if (self_ == nullptr) return;
  loop_.close_posts(*this);
  abandon();
  {
    const Running running(loop_, *this);
    functions_.destroy(std::exchange(self_, nullptr));
  }
  for (const auto timer : timers) loop_.timers().stop(timer);
  for (auto* watched : std::vector<Watched*>(watches)) loop_.unwatch(*watched);
  loop_.remove_component(*this);
}

std::int32_t Component::send(HostMessage* message) {
  ++sent_.in;
  message->envelope.id = loop_.next_message_id();
  message->envelope.origin = id_;
  if ((message->envelope.flags & BP_REQUEST) != 0 && message->envelope.reply_to == 0 &&
      !begin_request(message)) {
    ++sent_.refused;
    return BP_REJECTED;
  }
  return forward(message);
}

// Notes the request, so that its outcome finds back. False: too many wait; the outcome is on its way.
bool Component::begin_request(HostMessage* message) {
  auto& envelope = message->envelope;
  envelope.reply_to = id_;
  if (envelope.deadline == 0 && settings_.timeout.count() > 0)
    envelope.deadline = loop_.now() + settings_.timeout.count();
  envelope.correlation = loop_.requests().add(id_, envelope.cookie, envelope.deadline);
  last_request_ = envelope.correlation;
  ++in_flight_;
  if (in_flight_ > settings_.in_flight) {
    last_request_ = 0;
    discard(message, "Overloaded",
            "more than " + std::to_string(settings_.in_flight) + " requests are in flight");
    return false;
  }
  if (in_flight_ == settings_.in_flight && !in_flight_full_) {
    in_flight_full_ = true;
    block();
  }
  return true;
}

void Component::request_done(std::uint64_t correlation) {
  loop_.requests().remove(correlation);
  one_less_in_flight();
}

void Component::request_expired(const Request& request) {
  one_less_in_flight();
  notify_callee(request.callee, request.correlation, BP_CANCEL, 0);
  HostMessage* outcome = error_message("TimeoutExpired", "no answer came before the deadline", {});
  outcome->envelope.flags |= BP_REPLY;
  outcome->envelope.correlation = request.correlation;
  outcome->envelope.cookie = request.cookie;
  outcome->envelope.destination = id_;
  ++received_.in;
  hand_reply(outcome);
}

void Component::one_less_in_flight() {
  --in_flight_;
  if (in_flight_full_ && in_flight_ < settings_.in_flight) {
    in_flight_full_ = false;
    unblock();
  }
}

std::int32_t Component::forward(HostMessage* message) {
  for (const auto& [route, legs] : routes_)
    if (route->takes(*message)) return offer_to(legs, message);
  ++sent_.dropped_for(Dropped::no_route);
  if ((message->envelope.flags & BP_REQUEST) == 0)
    log(LogLevel::warning, routes_.empty() ? "a message was dropped: no route begins here"
                                           : "a message was dropped: no route takes it");
  discard(message, "NoRoute", "no route takes this message");
  return BP_NO_ROUTE;
}

std::int32_t Component::offer_to(const std::vector<std::unique_ptr<Leg>>& legs, HostMessage* message) {
  ++sent_.out;
  std::size_t rejected = 0;
  for (std::size_t i = 0; i < legs.size(); ++i) {
    HostMessage* copy = i + 1 == legs.size() ? message : copy_message(message);
    if (legs[i]->offer(copy) == Offered::rejected) ++rejected;
  }
  if (rejected == legs.size()) return BP_REJECTED;
  return blocked_ > 0 ? BP_PAUSED : BP_SENT;
}

std::int32_t Component::call(std::string_view target, HostMessage* message) {
  ++sent_.in;
  message->envelope.id = loop_.next_message_id();
  message->envelope.origin = id_;
  set_function(*message, target);
  if ((message->envelope.flags & BP_REQUEST) != 0 && message->envelope.reply_to == 0 &&
      !begin_request(message)) {
    ++sent_.refused;
    return BP_REJECTED;
  }
  for (const auto& [route, legs] : routes_)
    if (route->settings.when && route->settings.when->function && route->takes(*message))
      return offer_to(legs, message);
  std::string function;
  std::string why;
  auto component = shared_.functions.find(target, function, why);
  if (component.empty()) component = component_named_in(target, function);
  if (component.empty()) {
    ++sent_.dropped_for(Dropped::no_route);
    discard(message, "UnknownFunction", why);
    return BP_NO_ROUTE;
  }
  set_function(*message, function);
  ++sent_.out;
  if (leg_to(component).offer(message) == Offered::rejected) return BP_REJECTED;
  return blocked_ > 0 ? BP_PAUSED : BP_SENT;
}

std::string Component::component_named_in(std::string_view target, std::string& function) const {
  // Both names may hold dots: the longest component name wins.
  for (auto dot = target.rfind('.'); dot != std::string_view::npos && dot > 0;
       dot = target.rfind('.', dot - 1)) {
    std::string name(target.substr(0, dot));
    const auto& instances = shared_.routes->instances(name);
    if (instances.empty()) continue;
    const auto& named = *shared_.components[instances.front()];
    function = target.substr(dot + 1);
    return named.functions_.on_message != nullptr && !function.empty() ? name : std::string();
  }
  return {};
}

// The way to a function called by name: no route of the manifest, so a full callee rejects.
Leg& Component::leg_to(const std::string& component) {
  Direct& direct = direct_[component];
  if (!direct.leg) {
    direct.route = std::make_unique<Route>();
    direct.route->settings.from = settings_.name;
    direct.route->settings.to = {component};
    direct.route->settings.overflow = Overflow::reject;
    direct.route->settings.window = most_dead_letters;
    direct.route->targets.push_back({component, shared_.routes->instances(component)});
    direct.leg =
        std::make_unique<Leg>(loop_, *this, *direct.route, direct.route->targets.front(), std::string());
  }
  return *direct.leg;
}

void Component::reply(const bp_envelope& request, HostMessage* answer) {
  if (request.reply_to == 0) {
    free_message(answer);
    return;
  }
  ++sent_.in;
  ++sent_.out;
  auto& envelope = answer->envelope;
  envelope.id = loop_.next_message_id();
  envelope.origin = id_;
  envelope.destination = request.reply_to;
  envelope.correlation = request.correlation;
  envelope.reply_to = 0;
  envelope.deadline = 0;
  envelope.expires = 0;
  envelope.flags = (envelope.flags & ~std::uint32_t{BP_REQUEST}) | BP_REPLY;
  std::memcpy(envelope.trace_id, request.trace_id, sizeof envelope.trace_id);
  std::memcpy(envelope.span_id, request.span_id, sizeof envelope.span_id);
  loop_.deliver(answer);
}

void Component::notify_callee(ComponentId callee, std::uint64_t correlation, std::uint32_t flag,
                              std::uint32_t credit) {
  if (callee == 0) return;
  HostMessage* notice = new_message();
  notice->envelope.flags = flag;
  notice->envelope.origin = id_;
  notice->envelope.destination = callee;
  notice->envelope.correlation = correlation;
  notice->envelope.credit = credit;
  ++sent_.in;
  ++sent_.out;
  loop_.deliver(notice);
}

void Component::cancel(std::uint64_t correlation) {
  const Request* request = loop_.requests().find(correlation);
  if (request == nullptr || request->asker != id_) return;
  const auto callee = request->callee;
  request_done(correlation);
  notify_callee(callee, correlation, BP_CANCEL, 0);
}

void Component::grant(std::uint64_t correlation, std::uint32_t items) {
  const Request* request = loop_.requests().find(correlation);
  if (request != nullptr && request->asker == id_)
    notify_callee(request->callee, correlation, BP_CREDIT, items);
}

void Component::arrive(HostMessage* message) {
  ++received_.in;
  if (message->lane == 0 && inbox_.size() >= most_dead_letters) {
    ++received_.dropped_for(Dropped::dead_letters_full);
    free_message(message);
    return;
  }
  inbox_.push(message);
  waiting_known_ = false;
  if (!busy_) loop_.schedule(*this);
}

HostMessage* Component::take_first() {
  waiting_known_ = false;
  return inbox_.pop();
}

// nullptr: it does not wait here.
HostMessage* Component::waiting_request(std::uint64_t correlation) {
  if (inbox_.empty()) return nullptr;
  if (!waiting_known_) {
    waiting_.clear();
    for (auto* message = inbox_.front(); message != nullptr; message = message->next)
      if ((message->envelope.flags & BP_REQUEST) != 0)
        waiting_.emplace(message->envelope.correlation, message);
    waiting_known_ = true;
  }
  const auto found = waiting_.find(correlation);
  return found == waiting_.end() ? nullptr : found->second;
}

// A notice that has overtaken its request.
void Component::heed(HostMessage& request, const bp_envelope& notice) {
  if ((notice.flags & BP_CREDIT) != 0) request.envelope.credit += notice.credit;
  if ((notice.flags & BP_CANCEL) != 0) request.envelope.deadline = 1;  // long past: nobody waits any more
}

void Component::receive_reply(HostMessage* reply) {
  ++received_.in;
  const auto& envelope = reply->envelope;
  if ((envelope.flags & notices) == 0) {
    Request* request = loop_.requests().find(envelope.correlation);
    if (request == nullptr || request->asker != id_) {
      ++received_.dropped_for(Dropped::late);
      free_message(reply);
      return;
    }
    reply->envelope.cookie = request->cookie;
    request->callee = envelope.origin;
    const bool more = (envelope.flags & BP_STREAM) != 0 && (envelope.flags & (BP_STREAM_END | BP_ERROR)) == 0;
    if (!more) request_done(envelope.correlation);
  } else if (HostMessage* request = waiting_request(envelope.correlation)) {
    heed(*request, envelope);
    ++received_.out;
    free_message(reply);
    return;
  }
  hand_reply(reply);
}

void Component::hand_reply(HostMessage* reply) {
  ++received_.out;
  if (functions_.on_reply == nullptr || !running_) {
    free_message(reply);
    return;
  }
  const Running running(loop_, *this);
  functions_.on_reply(self_, reply);
}

bool Component::deliver(int budget) {
  while (!inbox_.empty() && !busy_) {
    if (budget-- == 0) return true;
    HostMessage* message = take_first();
    const auto lane_loop = message->lane_loop;
    const auto lane = message->lane;
    const auto& envelope = message->envelope;
    if ((envelope.expires != 0 && envelope.expires <= loop_.now()) ||
        (envelope.deadline != 0 && envelope.deadline <= loop_.now() && envelope.reply_to != 0)) {
      ++received_.expired;
      loop_.give_back(lane_loop, lane);
      discard(message, "Expired", "expired");
      continue;
    }
    std::int32_t answer = BP_FAILED;
    if (running_ && functions_.on_message != nullptr) {
      const Running running(loop_, *this);
      error_.type[0] = error_.message[0] = error_.traceback[0] = '\0';
      answer = functions_.on_message(self_, message, &error_);
    }
    if (answer == BP_BUSY) {
      inbox_.push_front(message);
      busy_ = true;
      return false;
    }
    if (answer == BP_TAKEN) {
      ++received_.out;
    } else {
      account_untaken(answer, message);
    }
    loop_.give_back(lane_loop, lane);
  }
  return false;
}

void Component::account_untaken(std::int32_t answer, HostMessage* message) {
  const std::string text = failure_text();
  if (answer == BP_MALFORMED) {
    ++received_.refused;
    log(LogLevel::warning, "refused a message: " + text);
    discard(message, error_.type[0] == '\0' ? "Malformed" : error_.type, error_.message);
    return;
  }
  ++received_.dropped_for(running_ ? Dropped::failed : Dropped::stopped);
  if (running_) log(LogLevel::error, "failed on a message: " + text);
  discard(message, error_.type[0] == '\0' ? "Failed" : error_.type, error_.message);
}

void Component::resume() {
  busy_ = false;
  if (!inbox_.empty()) loop_.schedule(*this);
}

void Component::sweep() {
  const auto now = loop_.now();
  while (!inbox_.empty() && inbox_.front()->envelope.expires != 0 &&
         inbox_.front()->envelope.expires <= now) {
    HostMessage* message = take_first();
    ++received_.expired;
    loop_.give_back(message->lane_loop, message->lane);
    discard(message, "Expired", "expired");
  }
  for (const auto& [route, legs] : routes_)
    for (const auto& leg : legs) leg->sweep();
}

void Component::abandon() {
  for (const auto& [route, legs] : routes_)
    for (const auto& leg : legs) leg->abandon();
  for (auto& [name, direct] : direct_) direct.leg->abandon();
  loop_.requests().remove_of(id_);
  in_flight_ = 0;
}

void Component::block() {
  if (blocked_++ > 0) return;
  paused_.store(true, std::memory_order_relaxed);
  loop_.review(*this);
}

void Component::unblock() {
  if (--blocked_ > 0) return;
  paused_.store(false, std::memory_order_relaxed);
  loop_.review(*this);
  loop_.tell_resume(*this);
}

void Component::on_resume() {
  if (!running_ || blocked_ > 0 || functions_.on_resume == nullptr) return;
  const Running running(loop_, *this);
  functions_.on_resume(self_);
}

void Component::discard(HostMessage* message, std::string_view type, std::string_view reason) {
  const auto& envelope = message->envelope;
  if ((envelope.flags & BP_REQUEST) != 0 && envelope.reply_to != 0) {
    HostMessage* answer = error_message(type, reason, {});
    answer->envelope.flags |= BP_REPLY;
    answer->envelope.origin = id_;
    answer->envelope.destination = envelope.reply_to;
    answer->envelope.correlation = envelope.correlation;
    loop_.deliver(answer);
  }
  if (message->dead_letters == 0) {
    free_message(message);
    return;
  }
  message->envelope.destination = std::exchange(message->dead_letters, 0);
  message->envelope.expires = 0;
  message->envelope.deadline = 0;
  message->envelope.reply_to = 0;
  message->envelope.flags &= ~std::uint32_t{BP_REQUEST};
  message->lane = 0;
  add_header(*message, "dead-letter", reason);
  loop_.deliver(message);
}

std::uint64_t Component::held() const {
  std::uint64_t held = inbox_.size();
  for (const auto& [route, legs] : routes_)
    for (const auto& leg : legs) held += leg->held();
  for (const auto& [name, direct] : direct_) held += direct.leg->held();
  return held;
}

bool Component::quiet() const {
  return held() == 0 && holding_ == 0 && in_flight_ == 0 && foreign.load(std::memory_order_relaxed) == 0;
}

void Component::add_to(Ledger& ledger) const {
  if ((kind_.properties & BP_BYPASS) != 0 && sent_.in == 0 && received_.in == 0) return;
  if (sent_.in > 0 || inbound()) ledger.lines.push_back({AccountOf::sent, settings_.name, sent_});
  for (const auto& [route, legs] : routes_)
    for (const auto& leg : legs) ledger.lines.push_back({AccountOf::route, leg->name(), leg->account()});
  for (const auto& [name, direct] : direct_)
    ledger.lines.push_back({AccountOf::route, direct.leg->name() + " (call)", direct.leg->account()});
  if (received_.in == 0 && functions_.on_message == nullptr) return;
  Account received = received_;
  received.held = inbox_.size();
  ledger.lines.push_back({AccountOf::received, settings_.name, received});
}

std::int64_t* Component::metric(std::string_view name, std::string_view help, bool gauge) {
  const std::lock_guard lock(metrics_mutex_);
  for (auto& metric : metrics_)
    if (metric.name == name) return &metric.value;
  return &metrics_.emplace_back(Metric{std::string(name), std::string(help), gauge}).value;
}

std::vector<Metric> Component::metrics() const {
  const std::lock_guard lock(metrics_mutex_);
  std::vector<Metric> copies;
  for (const auto& metric : metrics_)
    copies.push_back({metric.name, metric.help, metric.gauge, metric.read()});
  return copies;
}

void Component::mark_finished() {
  if (std::exchange(finished_, true)) return;
  shared_.on_finished(*this);
}

void Component::log(LogLevel level, std::string_view text) {
  if (!shared_.log.enabled(level)) return;
  std::uint64_t told = 0;
  {
    const std::lock_guard lock(log_mutex_);
    const auto second = now_nanoseconds() / seconds;
    if (second != log_second_) {
      log_second_ = second;
      log_lines_ = 0;
      told = std::exchange(log_suppressed_, 0);
    }
    if (++log_lines_ > lines_per_second) {
      ++log_suppressed_;
      return;
    }
  }
  if (told > 0)
    shared_.log.write(LogLevel::warning, name_,
                      std::to_string(told) + " more lines were not written: at most " +
                          std::to_string(lines_per_second) + " a second are");
  shared_.log.write(level, name_, text);
}

}  // namespace backplane::host
