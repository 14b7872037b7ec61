// A PALM client made of raw sockets that does as Python's does: it asks for the addresses, and opens a new
// PUSH and a new SUB socket for every call.
#pragma once

#include <backplane/palm/message.hpp>

#include <zmq.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/peer.hpp"

namespace backplane::test {

class PalmClient {
 public:
  // Asks the server's db address for what it needs; `sub_address`: that of the last server, when it is
  // another one. Throws std::runtime_error when it does not answer.
  explicit PalmClient(const std::string& db, std::string sub_address = {}, std::string uuid = new_uuid())
      : uuid_(std::move(uuid)), db_(ZMQ_REQ), sub_address_(std::move(sub_address)) {
    db_.set(ZMQ_ROUTING_ID, uuid_).connect(db);
    name_ = get("name");
    const auto published = get("pub_address");
    if (sub_address_.empty()) sub_address_ = published;
    push_address_ = get("pull_address");
  }

  const std::string& uuid() const { return uuid_; }
  const std::string& name() const { return name_; }

  std::string get(std::string_view key) { return ask("get", {}, key); }
  std::string set(std::string_view value, std::string_view key = {}) { return ask("set", key, value); }
  std::string remove(std::string_view key) { return ask("delete", {}, key); }

  // Sends the payloads as messages and returns what is published for this client: `replies` messages, fewer
  // when they do not come within the limit.
  std::vector<palm::PalmMessage> job(std::string_view function, const std::vector<std::string>& payloads,
                                     std::size_t replies, std::chrono::nanoseconds limit = kPatience) {
    std::vector<std::string> messages;
    for (const auto& payload : payloads) messages.push_back(message(function, payload));
    std::vector<palm::PalmMessage> received;
    for (const auto& frames : exchange(messages, replies, limit))
      received.emplace_back(palm::read(frames.at(1)));
    return received;
  }
  // Sends the payloads as messages whose results go to somebody else.
  void push(std::string_view function, const std::vector<std::string>& payloads) {
    push_.connect(push_address_);
    for (const auto& payload : payloads)
      if (!push_.send({message(function, payload)})) throw std::runtime_error("the server takes no message");
  }
  // The payload of the one reply.
  std::string eval(std::string_view function, const std::string& payload) {
    const auto replies = job(function, {payload}, 1);
    return replies.empty() ? "no reply" : replies.front().payload;
  }
  // The same with messages as bytes; the replies as [topic, message].
  std::vector<Frames> exchange(const std::vector<std::string>& messages, std::size_t replies,
                               std::chrono::nanoseconds limit = kPatience) {
    Peer push(ZMQ_PUSH);
    push.connect(push_address_);
    Peer sub(ZMQ_SUB);
    sub.set(ZMQ_RCVHWM, 0).subscribe(uuid_).connect(sub_address_);
    for (const auto& message : messages)
      if (!push.send({message})) throw std::runtime_error("the server takes no message");
    return sub.receive_many(replies, limit);
  }

 private:
  std::string message(std::string_view function, std::string_view payload) const {
    palm::Fields fields;
    fields.pipeline = "a pipeline";
    fields.client = uuid_;
    fields.function = function;
    fields.payload = payload;
    return palm::encode(fields);
  }
  std::string ask(std::string_view instruction, std::string_view key, std::string_view payload) {
    const std::string function = (name_.empty() ? "server" : name_) + "." + std::string(instruction);
    palm::Fields fields;
    fields.client = uuid_;
    fields.function = function;
    fields.cache = key;
    fields.payload = payload;
    db_.send({palm::encode(fields)});
    const auto reply = db_.receive();
    if (!reply) throw std::runtime_error("the cache service does not answer");
    return reply->front();
  }

  std::string uuid_;
  Peer db_;
  std::string name_;
  std::string push_address_;
  std::string sub_address_;
  Peer push_{ZMQ_PUSH};  // for push(): open as long as this
};

}  // namespace backplane::test
