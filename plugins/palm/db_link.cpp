#include "db_link.hpp"

#include <zmq.h>

#include <utility>

namespace backplane::palm {

void DbLink::start(std::function<void()> connected, std::function<void()> lost) {
  on_connected_ = std::move(connected);
  on_lost_ = std::move(lost);
  // The monitor must be there before the connection is.
  socket_.emplace(host_, ZMQ_DEALER, plan_, [this](void* socket) {
    zmq::set_option(socket, "connect", ZMQ_SNDHWM, 0);
    zmq::set_option(socket, "linger", ZMQ_LINGER, 0);
    events_.emplace(host_, socket, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);
  });
  event_watch_ = host_.watch_socket(events_->socket(), BP_READABLE | BP_ALWAYS | BP_ALONE,
                                    [this](std::uint32_t) { take_events(); });
  watch_ = host_.watch_socket(socket_->get(), BP_READABLE | BP_ALWAYS, [this](std::uint32_t) {
    receiver_.run(socket_->get(), [this](Message reply) {
      take_reply(std::move(reply));
      return true;
    });
  });
}

void DbLink::stop() {
  watch_.end();
  event_watch_.end();
  events_.reset();
  socket_.reset();
  waiting_.clear();
}

void DbLink::take_events() {
  while (const auto event = events_->next()) {
    const bool now_connected = event->what == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
    if (now_connected == connected_) continue;
    connected_ = now_connected;
    if (!connected_) {
      if (on_lost_) on_lost_();
      continue;
    }
    for (const auto& [number, request] : waiting_) send(number, request);
    if (on_connected_) on_connected_();
  }
}

std::uint64_t DbLink::get(std::string_view key, Done done) { return ask("get", {}, key, std::move(done)); }

std::uint64_t DbLink::set(std::string_view key, std::string_view value, Done done) {
  return ask("set", key, value, std::move(done));
}

std::uint64_t DbLink::remove(std::string_view key, Done done) {
  return ask("delete", {}, key, std::move(done));
}

std::uint64_t DbLink::ask(std::string_view instruction, std::string_view key, std::string_view payload,
                          Done done) {
  const std::string function = server_ + "." + std::string(instruction);
  const std::string pipeline = new_uuid();
  Fields fields;
  fields.pipeline = pipeline;
  fields.client = client_;
  fields.function = function;
  fields.cache = key;
  fields.payload = payload;
  const auto number = ++last_;
  const auto& request = waiting_.emplace(number, Request{encode(fields), std::move(done)}).first->second;
  if (connected_) send(number, request);
  return number;
}

// [number, empty, body]: a REP peer gives back all up to the empty frame.
void DbLink::send(std::uint64_t number, const Request& request) {
  Message message = host_.message({zmq::request_frame(number), {}, request.bytes});
  zmq::send_message(socket_->get(), message);
}

void DbLink::take_reply(Message reply) {
  const auto number = zmq::answered_request(zmq::frames_of(reply));
  if (!number || reply.size() != zmq::answer_envelope_frames + 1)
    return receiver_.malformed("a reply of the cache service without its envelope");
  const auto found = waiting_.find(*number);
  if (found == waiting_.end()) return;  // it was asked twice, or is forgotten
  const auto done = std::move(found->second.done);
  waiting_.erase(found);
  done(reply[zmq::answer_envelope_frames]);
}

// ---- functions ----------------------------------------------------------------------------------------

void cache_get(DbLink& db, const Call<std::optional<Bytes>>& call, const std::string& key) {
  const auto number = db.get(key, [call](std::string_view value) {
    if (value.empty()) return call.answer(std::nullopt);
    call.answer(Bytes{std::string(value)});
  });
  call.context().on_cancel([&db, number] { db.forget(number); });
}

void cache_set(DbLink& db, const Call<std::string>& call, const Value& value, const std::string& key) {
  const auto number = db.set(key, content_of_argument(value), [call](std::string_view kept) {
    if (!kept.empty()) return call.answer(std::string(kept));
    call.fail("CacheFull", "the server's cache does not keep the value");
  });
  call.context().on_cancel([&db, number] { db.forget(number); });
}

void cache_delete(DbLink& db, const Call<bool>& call, const std::string& key) {
  const auto number = db.remove(key, [call](std::string_view removed) { call.answer(!removed.empty()); });
  call.context().on_cancel([&db, number] { db.forget(number); });
}

}  // namespace backplane::palm
