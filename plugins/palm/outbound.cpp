#include "outbound.hpp"

#include <zmq.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace backplane::palm {

namespace {

// A publisher cannot be watched for room: libzmq calls it writable at all times. It is asked again instead.
constexpr auto try_again_after = std::chrono::milliseconds(1);
constexpr char subscribe_mark = '\x01';

PublicationLimits publication_limits(const Host& host) {
  PublicationLimits limits;
  limits.grace = std::chrono::nanoseconds(host.option("grace")).count();
  limits.hold = std::chrono::nanoseconds(host.option("hold")).count();
  limits.most_held = host.option("max_held");
  limits.most_bytes = host.option("max_held_bytes");
  return limits;
}

bool is_pipelined(const Host& host) {
  if (const auto to_client = host.option("to_client"); to_client.given())
    return !static_cast<bool>(to_client);
  return static_cast<bool>(host.option("pipelined"));
}

std::string server_name(const Host& host) {
  const auto given = host.option("server");
  return given.present() ? std::string(given) : std::string(host.host_name());
}

}  // namespace

Taken Push::on_message(Message& message) {
  keep_last_frame(message);
  const bp_envelope request = message.envelope();
  if (outlet_.send(message) == Taken::busy) return Taken::busy;
  acknowledge(host_, request);
  return Taken::yes;
}

// ---- what workers must not get ------------------------------------------------------------------------

bool WorkerGuard::turns_back(Message& message) {
  const auto fields = read_message(message);
  if (fields.failed()) {
    host_.send(std::move(message));
    return true;
  }
  const auto selected = select(fields.function, fields.stage);
  if (selected.ok()) return false;
  if (fields.client.empty() && fields.function.empty())
    throw Error("Unanswerable", "a message names neither a function nor a client");
  host_.warn("no worker gets a message of client " + std::string(fields.client) + ": " + selected.why);
  make_error(message, fields, error_payload_, selected.code, selected.why);
  host_.send(std::move(message));
  return true;
}

// ---- the publisher ------------------------------------------------------------------------------------

Pub::Pub(Host host)
    : host_(host),
      pipelined_(is_pipelined(host)),
      server_(server_name(host)),
      outlet_(host, ZMQ_XPUB),
      publication_(
          publication_limits(host), [this](Message message) { send_now(std::move(message)); },
          [this](Message message, Publication::Fate fate) { drop(std::move(message), fate); }),
      published_(host.counter("published", "messages given to the socket")),
      held_(host.gauge("held", "messages that wait for a subscription")),
      subscribers_(host.gauge("topics", "topics subscribed to now")),
      unwanted_(host, "unwanted", "messages that nobody subscribed to in time") {}

void Pub::start() {
  arrivals_ = LoopArrivals::of_this_loop(host_);
  outlet_.start([this] { take_subscriptions(); },
                [](void* socket) {
                  zmq::set_option(socket, "send_hwm", ZMQ_XPUB_VERBOSE, 1);
                  zmq::set_option(socket, "send_hwm", ZMQ_XPUB_NODROP, 1);
                });
}

void Pub::stop() {
  retry_.end();
  expiry_.end();
  outlet_.stop();
  arrivals_.reset();
}

// A subscription is one frame: 01 and the topic; 00 and the topic when the last one has ended. All are read
// before the look: a connection that came before one of them must not seem to be the later one.
void Pub::take_subscriptions() {
  std::vector<std::string> events;
  zmq::Frame event;
  while (zmq_msg_recv(event.raw(), outlet_.socket(), ZMQ_DONTWAIT) >= 0)
    if (!event.view().empty() && zmq_msg_more(event.raw()) == 0) events.emplace_back(event.view());
  const auto look = arrivals_->look();
  for (const std::string_view bytes : events) {
    if (bytes[0] == subscribe_mark) {
      publication_.subscribed(bytes.substr(1), look, host_.now(),
                              [this](std::string_view client) { return accepted(client); });
    } else {
      publication_.unsubscribed(bytes.substr(1));
    }
  }
  tell();
}

Look Pub::accepted(std::string_view client) const {
  return arrivals_->empty() ? 0 : arrivals_->latest().accepted(client);
}

// What is known of the subscriptions decides when it says yes; before a no, or a wait, they are looked at.
Taken Pub::on_message(Message& message) {
  if (!unsent_.empty()) return wait();
  if (message.size() > 2)
    throw Malformed("a message of " + std::to_string(message.size()) + " frames; expected a topic and one");
  const auto fields = read_message(message);
  const bp_envelope request = message.envelope();
  const bool to_client = message.size() > 1 ? message[0] == fields.client : !pipelined_;
  add_topic(message, fields);
  const auto topic = message[0];
  Look look = to_client ? accepted(topic) : 0;
  if (!publication_.sends_now(topic, to_client, look)) {
    take_subscriptions();
    look = to_client ? accepted(topic) : 0;
  }
  publication_.publish(std::move(message), to_client, look, host_.now());
  acknowledge(host_, request);
  if (publication_.held() > 0) tell();
  return Taken::yes;
}

// What has no topic yet gets the one of the default rule; the stage counts the servers it has passed.
void Pub::add_topic(Message& message, const Fields& fields) {
  if (message.size() > 1) return;
  zmq::Frame topic(pipelined_ ? std::string_view(server_) : fields.client);
  if (pipelined_) {
    auto next = fields;
    next.stage = static_cast<std::int64_t>(static_cast<std::uint64_t>(next.stage) + 1);
    rewrite(message, next);
  }
  message.add_empty();
  zmq_msg_move(message.raw(1), message.raw(0));
  zmq_msg_move(message.raw(0), topic.raw());
}

void Pub::send_now(Message message) {
  if (unsent_.empty() && try_send(message)) return;
  unsent_.push_back(std::move(message));
  wait();
}

bool Pub::try_send(Message& message) {
  if (!zmq::send_message(outlet_.socket(), message)) return false;
  published_.add();
  return true;
}

// The socket has no room: a subscriber reads too slowly. Nothing is dropped for it.
Taken Pub::wait() {
  if (retry_.active()) return Taken::busy;
  retry_ = host_.after(try_again_after, [this] {
    retry_.end();
    take_subscriptions();
    while (!unsent_.empty() && try_send(unsent_.front())) unsent_.pop_front();
    tell();
    if (!unsent_.empty()) {
      wait();
    } else {
      host_.resume();
    }
  });
  return Taken::busy;
}

void Pub::drop(Message message, Publication::Fate fate) {
  unwanted_.happened(fate == Publication::Fate::expired
                         ? "nobody subscribed to topic \"" + std::string(message[0]) +
                               "\" in time: the message is given up"
                         : "too many messages wait for a subscription: the oldest is given up");
  if (!host_.routed()) return;
  forget_asker(message);
  host_.send(std::move(message));
}

void Pub::expire() {
  take_subscriptions();
  publication_.expire(host_.now(), [this](std::string_view client) { arrivals_->latest().settle(client); });
  tell();
}

// Shows what is held, and wakes up when some of it has waited long enough.
void Pub::tell() {
  held_.set(static_cast<std::int64_t>(publication_.held() + unsent_.size()));
  subscribers_.set(static_cast<std::int64_t>(publication_.subscriptions().size()));
  host_.holding(publication_.held() + unsent_.size());
  const auto due = publication_.next_expiry();
  if (due == 0 || (expiry_.active() && expiry_due_ <= due)) return;
  expiry_due_ = due;
  const auto delay = std::max<std::int64_t>(0, due - host_.now());
  expiry_ = host_.after(std::chrono::nanoseconds(delay), [this] {
    expiry_.end();
    expire();
  });
}

}  // namespace backplane::palm
