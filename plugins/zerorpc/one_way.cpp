#include "one_way.hpp"

#include <zmq.h>
#include <backplane/baggage.hpp>

#include <algorithm>
#include <utility>

namespace backplane::zerorpc {

namespace {

bool is_list(std::string_view encoded) {
  rpc::Token token;
  return rpc::Scanner(encoded).next(token) && token.kind == rpc::Token::Kind::list;
}

// Whoever waits for an answer has one when the message is on its way.
template <typename Send>
Taken send_on(const Host& host, EventWriter& writer, Message& message, Send&& send) {
  Message event = writer.write(message);
  if (send(event) == Taken::busy) return Taken::busy;
  if (message.wants_reply()) {
    Message nothing = host.message({rpc::encoded::nil});
    nothing.envelope().encoding = BP_MSGPACK;
    host.reply(message.envelope(), std::move(nothing));
  }
  return Taken::yes;
}

}  // namespace

// ---- events as messages -------------------------------------------------------------------------------

EventReader::EventReader(Host host)
    : host_(host),
      carried_(host.option("carry").list()),
      max_depth_(host.option("max_depth")),
      max_payload_(host.option("max_payload")),
      unreadable_(host, "unreadable", "events that were dropped: none of ZeroRPC, or no call") {}

Message EventReader::read(Message message) {
  auto* const payload = message.raw(message.size() - 1);
  const auto bytes = message[message.size() - 1];
  rpc::Event event;
  std::string wrong;
  if (bytes.size() > max_payload_) {
    wrong = "it has " + std::to_string(bytes.size()) + " bytes, more than max_payload";
  } else if (const auto* why = rpc::read_event(bytes, event, max_depth_)) {
    wrong = why;
  } else if (!event.named || event.name.empty() || event.name.starts_with('_')) {
    wrong = "its name is none of a function";
  } else if (!is_list(event.args)) {
    wrong = "the arguments of " + std::string(event.name) + " are no list";
  }
  if (!wrong.empty()) {
    unreadable_.happened("an event is dropped: " + wrong);
    return {};
  }
  Message call = host_.message();
  call.set_function(event.name);
  call.append_part(payload, event.args);
  call.envelope().encoding = BP_MSGPACK;
  call.set(BP_SIGNAL);
  rpc::for_each_header(event, [&](std::string_view key, std::string_view value) {
    if (std::find(carried_.begin(), carried_.end(), key) != carried_.end())
      if (const auto content = rpc::text_of(value)) add_baggage(call, key, *content);
    return true;
  });
  return call;
}

// ---- messages as events -------------------------------------------------------------------------------

EventWriter::EventWriter(Host host)
    : host_(host),
      method_(host.option("method")),
      carried_(host.option("carry").list()),
      max_depth_(host.option("max_depth")),
      max_payload_(host.option("max_payload")) {}

std::string EventWriter::arguments_of(const Message& message) const {
  if (message.envelope().encoding == BP_MSGPACK) {
    if (message.size() > 1 && message[1] != "\x80")
      throw Malformed("ZeroRPC has no named arguments, and the call brings some");
    std::string arguments(message.empty() ? std::string_view("\x90") : message[0]);
    if (const auto* why = rpc::why_unreadable(arguments, max_depth_ - 1))
      throw Malformed(std::string("the arguments cannot be sent: ") + why);
    if (!is_list(arguments)) throw Malformed("the arguments are no list");
    return arguments;
  }
  Array frames;
  for (std::size_t i = 0; i < message.size(); ++i) frames.emplace_back(Bytes{std::string(message[i])});
  return encode(frames);
}

Message EventWriter::write(const Message& message) {
  const auto method = message.function().empty() ? std::string_view(method_) : message.function();
  if (method.empty())
    throw Malformed("a message without a function; give the option \"method\" to say what it calls");
  if (!rpc::is_utf8(method)) throw Malformed("the name of the function is no text");
  const auto arguments = arguments_of(message);
  std::string context;
  std::uint32_t pairs = 0;
  for (const auto& key : carried_) {
    const auto value = baggage_in(message.headers(), key);
    if (value.empty()) continue;
    rpc::append_text(context, key);
    rpc::append_text(context, value);
    ++pairs;
  }
  auto event = rpc::event(
      {.id = ids_.next(), .context = context, .context_pairs = pairs, .name = method, .args = arguments});
  if (event.size() > max_payload_)
    throw Malformed("an event of " + std::to_string(event.size()) + " bytes, more than max_payload");
  Message made = host_.message();
  made.append_moved(std::move(event));
  return made;
}

// ---- the kinds ----------------------------------------------------------------------------------------

namespace {

zmq::Inlet::Take take_events(Host host, EventReader& reader) {
  return [host, &reader](Message message) {
    Message call = reader.read(std::move(message));
    return !call || host.send(std::move(call)) != Sent::pause;
  };
}

}  // namespace

Pull::Pull(Host host) : reader_(host), inlet_(host, ZMQ_PULL, take_events(host, reader_)) {}

Sub::Sub(Host host) : reader_(host), inlet_(host, ZMQ_SUB, take_events(host, reader_)) {}

void Sub::start() {
  inlet_.start([](void* socket) { zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0); });
}

Taken Push::on_message(Message& message) {
  return send_on(host_, writer_, message, [this](Message& event) { return outlet_.send(event); });
}

Taken Pub::on_message(Message& message) {
  return send_on(host_, writer_, message, [this](Message& event) { return publisher_.send(event); });
}

}  // namespace backplane::zerorpc
