#include "inbound.hpp"

#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace backplane::palm {

namespace {

void fill_cache(Message& message, Fields fields) {
  const auto fresh = new_uuid();
  fields.cache = fresh;
  rewrite(message, fields);
}

}  // namespace

Intake::Intake(Host host, int type, std::size_t frames, zmq::SocketPlan plan)
    : host_(host),
      type_(type),
      frames_(frames),
      fill_cache_(host.option("fill_cache")),
      left_(std::int64_t{host.option("messages")} > 0 ? std::int64_t{host.option("messages")} : -1),
      max_payload_(host.option("max_payload")),
      error_payload_(host.option("error_payload").view()),
      too_large_(host, "too_large", "messages whose payload was longer than max_payload"),
      plan_(std::move(plan)),
      receiver_(host) {}

void Intake::start(const std::function<void(void*)>& prepare) {
  socket_.emplace(host_, type_, plan_, prepare);
  watch_ = host_.watch_socket(socket_->get(), BP_READABLE, [this](std::uint32_t) { read(); });
}

void Intake::note_arrivals() {
  if (!plan_.binds()) return;
  arrivals_ = LoopArrivals::of_this_loop(host_);
  door_.emplace(arrivals_, host_, socket_->get());
}

void Intake::stop() {
  watch_.end();
  door_.reset();
  arrivals_.reset();
  socket_.reset();
}

// All requests are read before the acceptances, so that every request's connection is known.
void Intake::read() {
  receiver_.run(socket_->get(), [this](Message message) {
    take(std::move(message));
    return left_ != 0;
  });
  if (arrivals_) arrivals_->look();
  for (auto& arrived : batch_) pass_on(std::move(arrived));
  batch_.clear();
  if (left_ == 0) finish();
}

void Intake::finish() {
  watch_.end();
  host_.finished();
}

void Intake::take(Message message) {
  if (message.size() != frames_)
    return receiver_.malformed("a message of " + std::to_string(message.size()) + " frames; expected " +
                               std::to_string(frames_));
  if (!topics_.empty() && std::find(topics_.begin(), topics_.end(), message.topic()) == topics_.end()) return;
  try {
    const auto fields = read_message(message);
    const int descriptor = door_ ? zmq_msg_get(message.raw(0), ZMQ_SRCFD) : -1;
    batch_.push_back({std::move(message), fields, descriptor});
    if (left_ > 0) --left_;
  } catch (const Malformed& error) {
    receiver_.malformed(error.what());
  }
}

void Intake::pass_on(Arrived arrived) {
  auto& [message, fields, descriptor] = arrived;
  if (door_ && !fields.client.empty()) door_->note(fields.client, descriptor);
  if (max_payload_ > 0 && fields.payload.size() > max_payload_) {
    refuse_payload(message, fields);
  } else if (fill_cache_ && fields.cache.empty()) {
    fill_cache(message, fields);
  } else {
    message.remove_front(frames_ - 1);
  }
  host_.send(std::move(message));
}

void Intake::refuse_payload(Message& message, const Fields& fields) {
  const auto why = "the payload has " + std::to_string(fields.payload.size()) + " bytes, the limit is " +
                   std::to_string(max_payload_);
  too_large_.happened("a message of client " + std::string(fields.client) + " is refused: " + why);
  make_error(message, fields, error_payload_, function_failed, why);
}

Sub::Sub(Host host) {
  const auto previous = host.option("previous").list();
  if (!host.option("paired")) {
    add_source(host, previous, zmq::SocketPlan(host));
    return;
  }
  const auto addresses = host.option("connect").list();
  if (addresses.size() != previous.size())
    throw Error("BadOption", "\"connect\" has " + std::to_string(addresses.size()) +
                                 " addresses and \"previous\" " + std::to_string(previous.size()) +
                                 " topics; with paired: true there must be as many");
  for (std::size_t i = 0; i < previous.size(); ++i)
    add_source(host, {previous[i]}, zmq::SocketPlan(host, std::vector<std::string>{addresses[i]}));
}

void Sub::add_source(const Host& host, std::vector<std::string> topics, zmq::SocketPlan plan) {
  auto intake = std::make_unique<Intake>(host, ZMQ_SUB, 2, std::move(plan));
  if (host.option("exact")) intake->take_only(topics);
  sources_.push_back({std::move(topics), std::move(intake)});
}

void Sub::start() {
  for (const auto& [topics, intake] : sources_)
    intake->start([&topics = topics](void* socket) {
      for (const auto& topic : topics)
        if (zmq_setsockopt(socket, ZMQ_SUBSCRIBE, topic.data(), topic.size()) != 0)
          throw Error("BadOption",
                      "option \"previous\": cannot subscribe to \"" + topic + "\": " + zmq_strerror(errno));
    });
}

void Sub::stop() {
  for (const auto& source : sources_) source.intake->stop();
}

Rep::Rep(Host host)
    : answerer_(host, zmq::Envelope::delimited,
                host.option("block") ? zmq::Answerer::Manner::wait : zmq::Answerer::Manner::accept) {
  answerer_.accept_unrouted();
  const bool fills{host.option("fill_cache")};
  answerer_.check_with([fills](Message& message) {
    if (message.size() != 1)
      throw Malformed("a request of " + std::to_string(message.size()) + " frames; expected 1");
    const auto fields = read_message(message);
    if (fills && fields.cache.empty()) fill_cache(message, fields);
  });
}

}  // namespace backplane::palm
