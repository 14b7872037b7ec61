#include "gateway.hpp"

#include <zmq.h>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace backplane::palm {

namespace {

constexpr std::string_view dealer_name = "dealer";
constexpr std::string_view no_payload = "No Payload";

// Frames of a request of a REQ peer, and of a result that a dealer brings.
constexpr std::size_t request_frames = 3;  // routing id, empty, message
constexpr std::size_t dealt_frames = 4;    // dealer, target, empty, message

// It is nobody's request any more, and worthless when its asker has stopped waiting.
void forget_asker(bp_envelope& envelope, std::int64_t due) {
  envelope.expires = envelope.deadline == 0 ? due : std::min(due, envelope.deadline);
  envelope.reply_to = 0;
  envelope.correlation = 0;
  envelope.cookie = 0;
  envelope.deadline = 0;
  envelope.flags &= ~std::uint32_t{BP_REQUEST};
}

}  // namespace

// ---- who asks -----------------------------------------------------------------------------------------

void Askers::add(Asker asker) {
  const auto place = all_.insert(all_.end(), std::move(asker));
  by_key_.emplace(place->key, place);
  if (place->is_component()) by_correlation_.emplace(place->request.correlation, place);
}

const Askers::Asker* Askers::find(std::string_view key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &*found->second;
}

std::optional<Askers::Asker> Askers::take(std::string_view key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::nullopt;
  return remove(found->second);
}

std::optional<Askers::Asker> Askers::take_request(std::uint64_t correlation) {
  const auto found = by_correlation_.find(correlation);
  if (found == by_correlation_.end()) return std::nullopt;
  return remove(found->second);
}

std::optional<Askers::Asker> Askers::take_due(std::int64_t now) {
  if (all_.empty() || all_.front().due > now) return std::nullopt;
  return remove(all_.begin());
}

Askers::Asker Askers::remove(All::iterator asker) {
  by_key_.erase(asker->key);
  if (asker->is_component()) by_correlation_.erase(asker->request.correlation);
  Asker taken = std::move(*asker);
  all_.erase(asker);
  return taken;
}

// ---- the router ---------------------------------------------------------------------------------------

GatewayRouter::GatewayRouter(Host host)
    : host_(host),
      dealer_(host.option("dealer")),
      timeout_(host.option("timeout")),
      max_waiting_(host.option("max_waiting")),
      error_payload_(host.option("error_payload")),
      receiver_(host),
      unclaimed_(host, "unclaimed", "results that nobody waits for: late ones, and all but the first"),
      undelivered_(host, "undelivered", "answers for peers that have gone or do not read"),
      expired_(host.counter("expired", "askers that got no result in time")),
      waiting_(host.gauge("waiting", "askers that wait for a result")) {
  if (host.option("bind").given()) plan_.emplace(host, "bind");
}

void GatewayRouter::start() {
  if (!plan_) return;
  socket_.emplace(host_, ZMQ_ROUTER, *plan_, zmq::make_mandatory);
  watch_ = host_.watch_socket(socket_->get(), BP_READABLE, [this](std::uint32_t) {
    receiver_.run(socket_->get(),
                  [this](Message message) { return read(std::move(message)) != Sent::pause; });
    tell();
  });
}

void GatewayRouter::stop() {
  watch_.end();
  expiry_.end();
  while (auto asker = askers_.take_any()) fail(std::move(*asker), "Stopped", "the gateway has stopped");
  socket_.reset();
}

Sent GatewayRouter::read(Message message) {
  if (message.size() == request_frames && message[1].empty()) return take_request(std::move(message));
  if (dealer_ && message.size() == dealt_frames && message[0] == dealer_name && message[2].empty()) {
    take_dealt(std::move(message));
  } else {
    receiver_.malformed("a message of other frames than [id, empty, message]");
  }
  return Sent::yes;
}

Sent GatewayRouter::take_request(Message message) {
  Asker asker;
  asker.target = message[0];
  zmq::take_way(message, request_frames - 1, asker.way);
  try {
    read_message(message);
  } catch (const Malformed& error) {
    receiver_.malformed(error.what());
    make_error(message, {}, error_payload_, bad_function, error.what());
    reply(asker.way, std::move(message));
    return Sent::yes;
  }
  if (draining_ || askers_.size() >= max_waiting_) {
    asker.message = std::move(message);
    fail(std::move(asker), "Overloaded",
         draining_ ? "the gateway is about to stop" : "too many requests are waiting");
    return Sent::yes;
  }
  return ask(std::move(asker), std::move(message));
}

// A result for an asker that the dealer names; it must be the one whose message this is.
void GatewayRouter::take_dealt(Message message) {
  try {
    const auto fields = read_message(message);
    const auto* asker = askers_.find(fields.cache);
    if (asker == nullptr || asker->target != message[1])
      return unclaimed_.happened("a result for a client that does not wait for it");
    auto taken = askers_.take(fields.cache);
    message.remove_front(dealt_frames - 1);
    answer(std::move(*taken), std::move(message));
  } catch (const Malformed& error) {
    receiver_.malformed(error.what());
  }
}

void GatewayRouter::on_message(Message message) {
  const auto fields = read_message(message);
  if (message.wants_reply()) {
    if (askers_.size() >= max_waiting_) throw Error("Overloaded", "too many requests are waiting");
    Asker asker;
    asker.request = message.envelope();
    asker.target = fields.client;
    keep_last_frame(message);
    ask(std::move(asker), std::move(message));
  } else if (auto asker = askers_.take(fields.cache)) {
    keep_last_frame(message);
    answer(std::move(*asker), std::move(message));
  } else {
    unclaimed_.happened("a result that nobody waits for");
  }
  tell();
}

void GatewayRouter::on_reply(Message notice) {
  if (notice.has(BP_CANCEL)) askers_.take_request(notice.envelope().correlation);
  tell();
}

// The result may come before `send` returns.
Sent GatewayRouter::ask(Asker asker, Message message) {
  const auto key = new_uuid();
  auto fields = read_message(message);
  fields.cache = key;
  rewrite(message, fields);
  asker.key = key;
  asker.due = host_.now() + timeout_.count();
  forget_asker(message.envelope(), asker.due);
  if (!asker.is_component()) asker.message = message.copy();
  askers_.add(std::move(asker));
  watch_first();
  const auto sent = host_.send(std::move(message));
  if (sent != Sent::rejected && sent != Sent::no_route) return sent;
  if (auto unsent = askers_.take(key)) {
    const bool full = sent == Sent::rejected;
    fail(std::move(*unsent), full ? "Overloaded" : "NoRoute",
         full ? "too many messages are waiting" : "nothing takes this message");
  }
  return sent;
}

void GatewayRouter::answer(Asker asker, Message result) {
  if (asker.is_component()) return host_.reply(asker.request, std::move(result));
  reply(asker.way, std::move(result));
}

void GatewayRouter::fail(Asker asker, std::string_view type, std::string_view why) {
  if (asker.is_component()) return host_.reply_error(asker.request, type, why);
  make_error(asker.message, read_message(asker.message), error_payload_, function_failed, why);
  reply(asker.way, std::move(asker.message));
}

void GatewayRouter::reply(zmq::Way& way, Message answer) {
  switch (zmq::send_answer(socket_->get(), way, answer)) {
    case zmq::Delivered::yes:
      return;
    case zmq::Delivered::peer_gone:
      return undelivered_.happened("the peer that asked has gone before its answer came");
    case zmq::Delivered::peer_full:
      return undelivered_.happened(
          "an answer was dropped: its peer has send_hwm answers waiting and does not read them");
  }
}

void GatewayRouter::watch_first() {
  if (expiry_.active() || askers_.next_due() == 0) return;
  const auto left = std::max<std::int64_t>(askers_.next_due() - host_.now(), 0);
  expiry_ = host_.after(std::chrono::nanoseconds(left), [this] { expire(); });
}

void GatewayRouter::expire() {
  expiry_.end();
  const auto now = host_.now();
  while (auto asker = askers_.take_due(now)) {
    expired_.add();
    fail(std::move(*asker), "TimeoutExpired", "no result came in time");
  }
  watch_first();
  tell();
}

void GatewayRouter::tell() {
  waiting_.set(static_cast<std::int64_t>(askers_.size()));
  host_.holding(askers_.size());
}

// ---- the dealer ---------------------------------------------------------------------------------------

GatewayDealer::GatewayDealer(Host host) : host_(host), outlet_(host, ZMQ_DEALER) {}

void GatewayDealer::start() {
  const bool named = host_.option("identity").given();
  outlet_.start({}, [named](void* socket) {
    if (!named) zmq_setsockopt(socket, ZMQ_ROUTING_ID, dealer_name.data(), dealer_name.size());
  });
}

Taken GatewayDealer::on_message(Message& message) {
  keep_last_frame(message);
  const auto fields = read_message(message);
  if (fields.client.empty()) throw Error("Unanswerable", "a result names no client");
  const bp_envelope request = message.envelope();
  std::array<zmq::Frame, 2> way{zmq::Frame(fields.client), zmq::Frame()};
  if (outlet_.send(way, message) == Taken::busy) return Taken::busy;
  acknowledge(host_, request);
  return Taken::yes;
}

// ---- HTTP ---------------------------------------------------------------------------------------------

namespace {

http::Response render(const HttpOutcome& outcome) {
  if (outcome.failed()) return http_text(http_status_of(outcome.error_type), std::string(outcome.error_text));
  try {
    const auto fields = read(outcome.answer);
    return fields.failed() ? http_text(500, std::string(*fields.error))
                           : http_text(200, std::string(fields.payload));
  } catch (const Malformed& error) {
    return http_text(500, error.what());
  }
}

bool has_body(const http::Request& request) {
  return request.has_content_length || request.header("Transfer-Encoding").has_value();
}

}  // namespace

// The segment ends at a slash as it was sent: one that is percent-encoded is part of the name.
std::optional<std::string> function_of_path(const http::Request& request) {
  std::string_view path = request.target;
  if (!path.starts_with('/')) path = request.path;
  path = path.substr(0, path.find('?'));
  if (path.starts_with('/')) path.remove_prefix(1);
  auto function = http::percent_decode(path.substr(0, path.find('/')));
  if (!function || !detail::is_utf8(*function)) return std::nullopt;
  if (!function->empty() && function->find('.') == std::string::npos) function->insert(0, "_.");
  return function;
}

HttpGateway::HttpGateway(Host host)
    : host_(host),
      asking_(host, render),
      server_(host, http::read_server_settings(host), [this](http::Request request, http::Reply reply) {
        handle(std::move(request), std::move(reply));
      }) {}

void HttpGateway::handle(http::Request request, http::Reply reply) {
  if (request.head || (request.method != "GET" && request.method != "POST"))
    return reply.send(http_text(501, "only GET and POST are taken here"));
  const auto function = function_of_path(request);
  if (!function) return reply.send(http_text(400, "the name of the function is not UTF-8"));
  if (function->empty()) return reply.send(http_text(404, "Not found"));
  const auto pipeline = new_uuid();
  const auto client = new_uuid();
  Fields fields;
  fields.pipeline = pipeline;
  fields.client = client;
  fields.function = *function;
  fields.payload = has_body(request) ? std::string_view(request.body) : no_payload;
  Message message = host_.message();
  write_frame(fields, *message.add_empty());
  asking_.ask(std::move(message), std::move(reply));
}

void HttpGateway::stop() {
  server_.stop();
  asking_.stop();
}

}  // namespace backplane::palm
