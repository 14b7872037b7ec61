#include "remote.hpp"

#include <zmq.h>

#include <algorithm>
#include <utility>

#include "zmq/socket_options.hpp"
#include "zmq/wire.hpp"

namespace backplane::zerorpc {

namespace {

constexpr auto open_again_after = std::chrono::seconds(1);

}  // namespace

Remote::Remote(Host host, std::string address, const Settings& settings, const Callbacks& callbacks,
               bool required)
    : host_(host),
      address_(std::move(address)),
      settings_(settings),
      callbacks_(callbacks),
      plan_(host, std::vector<std::string>()),
      receiver_(host),
      unreadable_(host, "unreadable", "messages of servers that were dropped: no events of ZeroRPC"),
      late_(host.counter("late", "events of servers that came when nobody waited for them any more")),
      channels_(settings.channels) {
  required ? open() : try_open();
}

Remote::~Remote() { close_socket(); }

// ---- the connection -----------------------------------------------------------------------------------

void Remote::open() {
  // The calls that may be open are the limit of what waits in the socket.
  socket_.emplace(host_, ZMQ_DEALER, plan_,
                  [](void* socket) { zmq::set_option(socket, "in_flight", ZMQ_SNDHWM, 0); });
  events_.emplace(host_, socket_->get(), ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);
  event_watch_ = host_.watch_socket(events_->socket(), BP_READABLE | BP_ALWAYS | BP_ALONE,
                                    [this](std::uint32_t) { look_at_connection(); });
  watch_ = host_.watch_socket(socket_->get(), BP_READABLE | BP_ALWAYS, [this](std::uint32_t) { receive(); });
  socket_->connect(address_, plan_.quiet());
  plan_.be_quiet();  // from now on it is told when a connection stands, and when it breaks
  const bool tells_nothing = address_.starts_with("inproc:");
  if (tells_nothing) reopen_timer_ = host_.after({}, [this] { arrive(); });
}

void Remote::try_open() {
  try {
    open();
  } catch (const Error& error) {
    close_socket();
    host_.warn(std::string(error.what()) + "; trying again");
    reopen_timer_ = host_.after(open_again_after, [this] { try_open(); });
  }
}

// What has not yet left for a server that is not there is worth nothing later.
void Remote::close_socket() {
  watch_.end();
  event_watch_.end();
  events_.reset();
  const int at_once = 0;
  if (socket_ && !there()) zmq_setsockopt(socket_->get(), ZMQ_LINGER, &at_once, sizeof at_once);
  socket_.reset();
}

void Remote::look_at_connection() {
  while (events_) {
    const auto event = events_->next();
    if (!event) return;
    if (event->what == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
      arrive();
    } else if (connected()) {
      break_off();
    }
  }
}

void Remote::arrive() {
  host_.info("server " + address_ + " is there");
  state_ = State::there;
  last_heard_ = host_.now();
  callbacks_.on_there(*this);
}

// The server does not know our channels when it comes back, and with the socket goes what it has not got.
void Remote::break_off() {
  state_ = State::away;
  receive_all();
  close_socket();
  reopen_timer_ = host_.after(settings_.reconnect, [this] { try_open(); });
  lose("the connection to " + address_ + " broke");
}

void Remote::lose(const std::string& why) {
  host_.warn("server " + address_ + " is lost: " + why);
  std::vector<Ticket> lost;
  channels_.close_all([&](Ticket ticket) {
    if (ticket != ping_ticket) lost.push_back(ticket);
  });
  callbacks_.on_lost(*this, lost, why);
}

void Remote::ping() {
  ask({.method = "_zerorpc_ping", .timeout = 3 * settings_.channels.heartbeat}, ping_ticket);
}

// ---- channels -----------------------------------------------------------------------------------------

rpc::ChannelId Remote::ask(const rpc::ChannelRequest& request, Ticket ticket) {
  const auto opened = channels_.open(request, ticket, host_.now());
  send(opened.event);
  arm();
  return opened.channel;
}

void Remote::grant(const rpc::ChannelId& channel, std::uint32_t credit) {
  if (const auto event = channels_.grant(channel, credit)) send(*event);
}

void Remote::close(const rpc::ChannelId& channel) { channels_.close(channel); }

// A socket without a limit takes everything; when its connection breaks, all channels are told to be lost.
void Remote::send(const rpc::EventParts& event) {
  zmq::Frame delimiter;
  zmq::Frame payload(rpc::size_of(event));
  rpc::Memory memory{payload.data()};
  rpc::write_event(memory, event);
  if (zmq_msg_send(delimiter.raw(), socket_->get(), ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0)
    zmq_msg_send(payload.raw(), socket_->get(), ZMQ_DONTWAIT);
}

// Takes a batch of what waits in the socket; returns how many messages that were.
std::size_t Remote::receive() {
  std::size_t count = 0;
  receiver_.run(socket_->get(), [&](Message message) {
    ++count;
    take(std::move(message));
    return true;
  });
  return count;
}

// The limit is one for a server that sends faster than we take.
void Remote::receive_all() {
  constexpr int most_batches = 16;
  for (int i = 0; i < most_batches && receive() > 0; ++i) {
  }
}

void Remote::take(Message message) {
  const auto count = message.size();
  if (count > 2 || (count == 2 && !message[0].empty()))
    return receiver_.malformed("a message that is not one frame behind an empty one");
  const auto now = host_.now();
  const auto news = channels_.receive(message[count - 1], now);
  const bool late = news.dropped == rpc::not_open;
  if (news.dropped != nullptr && !late)
    return unreadable_.happened(std::string("an event is dropped: ") + news.dropped);
  last_heard_ = now;
  arm();
  if (late) return late_.add();
  if (news.kind == News::Kind::none) return;
  if (*news.owner != ping_ticket) return callbacks_.on_news(*this, news, message.raw(count - 1));
  channels_.close(news.channel);
  arrive();
}

// ---- time ---------------------------------------------------------------------------------------------

void Remote::arm() {
  const auto next = channels_.next_tick();
  if (next >= armed_) return;
  armed_ = next;
  tick_timer_ = host_.after(std::chrono::nanoseconds(next - host_.now()), [this] {
    armed_ = never;
    tick();
  });
}

// Our own lateness must not be taken for the server's silence: what waits is received first.
void Remote::tick() {
  if (!socket_) return;
  receive_all();
  const auto now = host_.now();
  while (const auto due = channels_.next_due(now)) {
    if (due->heartbeat) {
      send(*due->heartbeat);
    } else {
      fail(due->failure, now);
    }
  }
  arm();
}

// One channel may be lost alone: the server has forgotten it. A server that is silent altogether is avoided.
void Remote::fail(const News& failure, std::int64_t now) {
  const auto ticket = *failure.owner;
  if (ticket == ping_ticket) return ping();
  if (failure.error->type() != "LostRemote") return callbacks_.on_news(*this, failure, nullptr);
  const std::string why = failure.error->what();
  const bool silent = now - last_heard_ > 2 * settings_.channels.heartbeat;
  if (silent) state_ = State::doubtful;
  callbacks_.on_lost(*this, {ticket}, why);
  if (!silent) return;
  lose(why);
  ping();
}

}  // namespace backplane::zerorpc
