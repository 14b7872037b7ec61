#include "remote.hpp"

#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "zmq/wire.hpp"

namespace backplane::zerorpc {

namespace {

constexpr auto open_again_after = std::chrono::seconds(1);
constexpr auto ping_again_after = std::chrono::milliseconds(100);  // one for which there was no room
// Of a server without heartbeats: for the answer to a ping, and how long it may be silent before it gets one.
constexpr std::int64_t ping_patience = 5'000'000'000;
constexpr std::int64_t silence_allowed = 1'000'000'000;

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
  socket_.emplace(host_, ZMQ_DEALER, plan_);
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
  ping_timer_.end();
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
  unheard_since_ = 0;
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

// It gets no further requests until it has answered a ping. What it was asked may still be answered.
void Remote::doubt(const std::string& why) {
  if (!there()) return;
  host_.warn("server " + address_ + " is not asked for now: " + why);
  state_ = State::doubtful;
  callbacks_.on_lost(*this, {}, why);
  ping();
}

void Remote::unanswered() {
  const bool silent = unheard_since_ != 0 && host_.now() - unheard_since_ >= silence_allowed;
  if (silent && settings_.channels.heartbeat == 0) doubt("it leaves requests unanswered");
}

void Remote::ping() {
  ping_timer_.end();
  const auto beat = settings_.channels.heartbeat;
  const rpc::ChannelRequest request{.method = "_zerorpc_ping",
                                    .timeout = beat > 0 ? 3 * beat : ping_patience};
  if (!ask(request, ping_ticket)) ping_timer_ = host_.after(ping_again_after, [this] { ping(); });
}

// ---- channels -----------------------------------------------------------------------------------------

std::optional<rpc::ChannelId> Remote::ask(const rpc::ChannelRequest& request, Ticket ticket) {
  const auto now = host_.now();
  const auto opened = channels_.open(request, ticket, now);
  if (!send(opened.event)) {
    channels_.close(opened.channel);
    doubt("as many events wait until it reads them as may (option send_hwm)");
    return std::nullopt;
  }
  if (unheard_since_ == 0) unheard_since_ = now;
  arm();
  return opened.channel;
}

bool Remote::grant(const rpc::ChannelId& channel, std::uint32_t credit) {
  const auto event = channels_.grant(channel, credit);
  return !event || send(*event);
}

void Remote::close(const rpc::ChannelId& channel) { channels_.close(channel); }

// False: too many events wait. When its connection breaks, all channels are told to be lost.
bool Remote::send(const rpc::EventParts& event) {
  zmq::Frame delimiter;
  zmq::Frame payload(rpc::size_of(event));
  rpc::Memory memory{payload.data()};
  rpc::write_event(memory, event);
  const bool sent = zmq_msg_send(delimiter.raw(), socket_->get(), ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0 &&
                    zmq_msg_send(payload.raw(), socket_->get(), ZMQ_DONTWAIT) >= 0;
  return sent || errno != EAGAIN;
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

// False: more may wait; the limit is one for a server that sends faster than we take.
bool Remote::receive_all() {
  constexpr int most_batches = 16;
  for (int i = 0; i < most_batches; ++i)
    if (receive() == 0) return true;
  return false;
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
  unheard_since_ = 0;
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
  const bool all_received = receive_all();
  const auto now = host_.now();
  while (const auto due = channels_.next_due(now, all_received)) {
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
