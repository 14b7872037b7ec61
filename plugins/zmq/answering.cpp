#include "answering.hpp"

#include <zmq.h>

#include <cerrno>

namespace backplane::zmq {

namespace {

using Manner = Answerer::Manner;

Manner manner_of(const Host& host) {
  if (host.option("one_way")) return Manner::one_way;
  return host.option("block") ? Manner::wait : Manner::accept;
}

Envelope envelope_of(const Host& host) {
  const auto written = host.option("envelope");
  if (written == "identity") return Envelope::identity;
  return written == "delimited" ? Envelope::delimited : Envelope::automatic;
}

// The frame of an error outcome with this number, or nothing.
std::string_view part(const Message& outcome, std::size_t index) {
  return index < outcome.size() ? outcome[index] : std::string_view{};
}

}  // namespace

void take_way(Message& request, std::size_t count, Way& way) {
  way.resize(count);
  for (std::size_t i = 0; i < count; ++i) zmq_msg_move(way[i].raw(), request.raw(i));
  request.remove_front(count);
}

void make_mandatory(void* socket) { set_option(socket, "handover", ZMQ_ROUTER_MANDATORY, 1); }

// The peer is known to be there, with room, once the first frame was taken.
Delivered send_answer(void* socket, Way& way, Message& answer) {
  if (answer.empty()) answer.add_empty();
  for (auto& frame : way)
    if (zmq_msg_send(frame.raw(), socket, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
      return errno == EAGAIN ? Delivered::peer_full : Delivered::peer_gone;
  for (std::size_t i = 0; i < answer.size(); ++i)
    if (zmq_msg_send(answer.raw(i), socket, ZMQ_DONTWAIT | (i + 1 < answer.size() ? ZMQ_SNDMORE : 0)) < 0)
      return Delivered::peer_gone;
  return Delivered::yes;
}

Answerer::Answerer(Host host, Envelope envelope, Manner manner)
    : host_(host),
      plan_(host),
      envelope_(envelope),
      manner_(manner),
      accepted_reply_(host.option("accepted_reply")),
      error_reply_(host.option("error_reply")),
      error_detail_(host.option("error_detail")),
      receiver_(host),
      unreachable_(host, "unreachable", "answers for peers that had gone"),
      undelivered_(host, "undelivered", "answers dropped because their peer does not read") {}

void Answerer::start() {
  socket_.emplace(host_, ZMQ_ROUTER, plan_, make_mandatory);
  watch_ = host_.watch_socket(socket_->get(), BP_READABLE, [this](std::uint32_t) {
    receiver_.run(socket_->get(), [this](Message message) { return take(std::move(message)); });
  });
}

void Answerer::stop() {
  watch_.end();
  for (const auto number : waiting_.numbers([](const Way&) { return true; })) {
    fail(*waiting_.find(number), "Stopped", "the service has stopped");
    waiting_.release(number);
  }
  socket_.reset();
}

// False: bring no more for now.
bool Answerer::take(Message message) {
  const auto envelope = envelope_frames(frames_of(message), envelope_);
  if (!envelope) {
    receiver_.malformed("a request without a delimiter, or with nothing behind it");
    return true;
  }
  return pass_on(std::move(message), *envelope) != Sent::pause;
}

Sent Answerer::pass_on(Message message, std::size_t envelope) {
  const bool unrouted = accepts_unrouted_ && !host_.routed();
  if (manner_ == Manner::wait && !unrouted) return ask(std::move(message), envelope);
  if (manner_ == Manner::accept || unrouted) return accept(std::move(message), envelope);
  message.remove_front(envelope);
  return host_.send(std::move(message));
}

// The outcome comes to on_outcome, perhaps before `request` returns.
Sent Answerer::ask(Message message, std::size_t envelope) {
  const auto number = waiting_.take();
  auto& way = *waiting_.find(number);
  take_way(message, envelope, way);
  if (!passes(message, way)) {
    waiting_.release(number);
    return Sent::yes;
  }
  const auto sent = host_.request(std::move(message), number);
  if (sent == Sent::yes || sent == Sent::pause) return sent;
  if (auto* unanswered = waiting_.find(number)) {
    fail(*unanswered, "Refused", sent == Sent::no_route ? "nothing takes this request" : "too many requests");
    waiting_.release(number);
  }
  return sent;
}

Sent Answerer::accept(Message message, std::size_t envelope) {
  Way way;
  take_way(message, envelope, way);
  if (!passes(message, way)) return Sent::yes;
  const bool unrouted = accepts_unrouted_ && !host_.routed();
  const auto sent = unrouted ? Sent::yes : host_.send(std::move(message));
  if (sent == Sent::yes || sent == Sent::pause) {
    reply(way, host_.message({accepted_reply_}));
  } else {
    fail(way, "Refused", sent == Sent::no_route ? "nothing takes this request" : "too many requests");
  }
  return sent;
}

// False: the check refuses the request, and it is answered.
bool Answerer::passes(Message& message, Way& way) {
  if (!check_) return true;
  try {
    check_(message);
    return true;
  } catch (const Malformed& error) {
    receiver_.malformed(error.what());
    fail(way, error.type(), error.what());
    return false;
  }
}

void Answerer::on_outcome(Message outcome) {
  const auto number = outcome.envelope().cookie;
  auto* way = outcome.has(BP_REPLY) ? waiting_.find(number) : nullptr;
  if (way == nullptr) return;
  if (outcome.is_error()) {
    fail(*way, part(outcome, 0), part(outcome, 1));
  } else {
    reply(*way, std::move(outcome));
  }
  waiting_.release(number);
}

void Answerer::fail(Way& way, std::string_view type, std::string_view text) {
  Message answer = host_.message({error_reply_});
  if (error_detail_) answer.append(type).append(text);
  reply(way, std::move(answer));
}

void Answerer::reply(Way& way, Message answer) {
  switch (send_answer(socket_->get(), way, answer)) {
    case Delivered::yes:
      break;
    case Delivered::peer_gone:
      unreachable_.happened("the peer that asked has gone before its answer came");
      break;
    case Delivered::peer_full:
      undelivered_.happened(
          "an answer was dropped: its peer has send_hwm answers waiting and does not read them");
      break;
  }
}

Rep::Rep(Host host) : answerer_(host, Envelope::delimited, manner_of(host)) {}

Router::Router(Host host) : answerer_(host, envelope_of(host), manner_of(host)) {}

}  // namespace backplane::zmq
