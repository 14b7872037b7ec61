#include "asking.hpp"

#include <zmq.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace backplane::zmq {

namespace {

constexpr std::chrono::nanoseconds shortest_tick = std::chrono::milliseconds(5);
constexpr std::chrono::nanoseconds longest_tick = std::chrono::milliseconds(250);

std::string milliseconds(std::chrono::nanoseconds span) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(span).count()) + " ms";
}

}  // namespace

// ---- answers ------------------------------------------------------------------------------------------

Answers::Answers(Host host)
    : host_(host),
      timeout_(host.option("timeout")),
      answers_(host.counter("answers", "answers that came from outside")),
      unanswered_(host, "unanswered", "requests to outside that got no answer in time"),
      unmatched_(host, "unmatched", "answers from outside that belong to no request") {}

Asked Answers::asked(const Message& message) const {
  Asked made{message.envelope(), message.wants_reply(), message.envelope().deadline};
  if (timeout_.count() > 0) {
    const auto limit = host_.now() + timeout_.count();
    made.deadline = made.deadline == 0 ? limit : std::min(made.deadline, limit);
  }
  return made;
}

bool Answers::deliver(const Asked& asked, Message answer) {
  answers_.add();
  bool go_on = true;
  if (host_.routed()) {
    Message onward = asked.wants_reply ? answer.copy() : std::move(answer);
    auto& envelope = onward.envelope();
    envelope.stage = asked.request.stage;
    std::memcpy(envelope.trace_id, asked.request.trace_id, sizeof envelope.trace_id);
    std::memcpy(envelope.span_id, asked.request.span_id, sizeof envelope.span_id);
    go_on = host_.send(std::move(onward)) != Sent::pause;
  }
  if (asked.wants_reply) host_.reply(asked.request, std::move(answer));
  return go_on;
}

void Answers::fail(const Asked& asked, std::string_view type, std::string_view text) {
  if (asked.wants_reply) host_.reply_error(asked.request, type, text);
}

void Answers::time_out(const Asked& asked) {
  const std::string text = "no answer within " + milliseconds(timeout_) + " or the deadline of the request";
  unanswered_.happened(text);
  fail(asked, "Timeout", text);
}

std::chrono::nanoseconds Answers::tick() const {
  return timeout_.count() == 0 ? longest_tick : std::clamp(timeout_ / 8, shortest_tick, longest_tick);
}

// ---- zmq.req ------------------------------------------------------------------------------------------

Req::Req(Host host)
    : host_(host),
      correlate_(host.option("correlate")),
      answers_(host),
      receiver_(host),
      outlet_(host, ZMQ_REQ) {
  if (!correlate_ && outlet_.plan().binds())
    throw Error("BadOption", "option \"correlate\": false works with \"connect\" only");
}

void Req::start() {
  outlet_.start([this] { receive(); }, [this](void* socket) { prepare(socket, correlate_); });
}

// Relaxed: a request that was given up does not keep the next one from being sent.
void Req::prepare(void* socket, bool correlate) {
  set_option(socket, "correlate", ZMQ_REQ_RELAXED, 1);
  set_option(socket, "correlate", ZMQ_REQ_CORRELATE, correlate ? 1 : 0);
}

Taken Req::on_message(Message& message) {
  if (asked_) {
    refused_ = true;
    return Taken::busy;
  }
  const auto asked = answers_.asked(message);
  const auto taken = outlet_.send(message);
  if (taken == Taken::busy) return taken;
  asked_ = asked;
  host_.holding(1);
  if (asked.deadline != 0 && !clock_.active())
    clock_ = host_.every(answers_.tick(), [this] { look_at_clock(); });
  return taken;
}

void Req::receive() {
  receiver_.run(outlet_.socket(), [this](Message answer) {
    if (!asked_) {
      answers_.unmatched();
      return true;
    }
    const auto asked = *asked_;
    done();
    return answers_.deliver(asked, std::move(answer));
  });
}

void Req::look_at_clock() {
  if (!asked_) {
    clock_.end();
  } else if (asked_->deadline != 0 && asked_->deadline <= host_.now()) {
    const auto late = *asked_;
    done();
    answers_.time_out(late);
    if (!correlate_) outlet_.reopen([](void* socket) { prepare(socket, false); });
  }
}

void Req::done() {
  asked_.reset();
  host_.holding(0);
  if (std::exchange(refused_, false)) host_.resume();
}

void Req::stop() {
  clock_.end();
  if (asked_) answers_.fail(*asked_, "Stopped", "the component stopped before the answer came");
  asked_.reset();
  outlet_.stop();
}

// ---- zmq.dealer ---------------------------------------------------------------------------------------

Dealer::Dealer(Host host)
    : host_(host),
      max_pending_(static_cast<std::size_t>(int{host.option("max_pending")})),
      answers_(host),
      receiver_(host),
      outlet_(host, ZMQ_DEALER) {}

void Dealer::start() {
  outlet_.start([this] { receive(); });
}

Taken Dealer::on_message(Message& message) {
  if (pending_.size() >= max_pending_) {
    refused_ = true;
    return Taken::busy;
  }
  const auto number = pending_.take();
  try {
    *pending_.find(number) = answers_.asked(message);
    std::array<Frame, answer_envelope_frames> envelope = {Frame(request_frame(number)), Frame()};
    if (outlet_.send(envelope, message) == Taken::busy) {
      pending_.release(number);
      return Taken::busy;
    }
  } catch (...) {
    pending_.release(number);
    throw;
  }
  host_.holding(pending_.size());
  if (!clock_.active()) clock_ = host_.every(answers_.tick(), [this] { look_at_clock(); });
  return Taken::yes;
}

void Dealer::receive() {
  receiver_.run(outlet_.socket(), [this](Message answer) { return take_answer(std::move(answer)); });
}

bool Dealer::take_answer(Message answer) {
  const auto number = answered_request(frames_of(answer));
  if (!number) {
    receiver_.malformed("an answer without the envelope of its request");
    return true;
  }
  const auto* pending = pending_.find(*number);
  if (pending == nullptr) {
    answers_.unmatched();
    return true;
  }
  const auto asked = *pending;
  release(*number);
  answer.remove_front(answer_envelope_frames);
  return answers_.deliver(asked, std::move(answer));
}

void Dealer::look_at_clock() {
  const auto now = host_.now();
  for (const auto number :
       pending_.numbers([now](const Asked& asked) { return asked.deadline != 0 && asked.deadline <= now; })) {
    const auto late = *pending_.find(number);
    release(number);
    answers_.time_out(late);
  }
  if (pending_.size() == 0) clock_.end();
}

void Dealer::release(std::uint64_t number) {
  pending_.release(number);
  host_.holding(pending_.size());
  if (std::exchange(refused_, false)) host_.resume();
}

void Dealer::stop() {
  clock_.end();
  for (const auto number : pending_.numbers([](const Asked&) { return true; })) {
    answers_.fail(*pending_.find(number), "Stopped", "the component stopped before the answer came");
    pending_.release(number);
  }
  outlet_.stop();
}

}  // namespace backplane::zmq
