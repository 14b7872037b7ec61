// A PALM server made of raw sockets, on a thread of its own: answers what a test tells it to.
#pragma once

#include <backplane/palm/message.hpp>

#include <zmq.h>

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/peer.hpp"

namespace backplane::test {

using palm::PalmMessage;

class PalmServer {
 public:
  using Replies = std::vector<PalmMessage>;
  // Called on the server's thread with every message; the replies go to the message's client.
  using Function = std::function<Replies(PalmMessage)>;

  explicit PalmServer(Function function, std::map<std::string, std::string> keys = {{"name", "server"}})
      : function_(std::move(function)), keys_(std::move(keys)) {
    db_address_ = db_.bind();
    keys_.emplace("pull_address", pull_.bind());
    publisher_.set(ZMQ_XPUB_VERBOSE, 1).set(ZMQ_SNDHWM, 0);
    keys_.emplace("pub_address", publisher_.bind());
    thread_ = std::thread([this] { run(); });
  }
  ~PalmServer() {
    stopping_ = true;
    thread_.join();
  }
  PalmServer(const PalmServer&) = delete;
  PalmServer& operator=(const PalmServer&) = delete;

  const std::string& db_address() const { return db_address_; }
  // Takes no messages while it is so.
  void hold(bool held) { held_ = held; }

  static PalmMessage with(PalmMessage message, std::string payload) {
    return change_payload(std::move(message), std::move(payload));
  }
  static PalmMessage failing(PalmMessage message, std::string mark) {
    message.error = std::move(mark);
    return change_payload(std::move(message), "0");
  }
  // One reply: "you sent me " and the payload.
  static Replies foo(PalmMessage message) {
    auto payload = "you sent me " + message.payload;
    return {with(std::move(message), std::move(payload))};
  }

 private:
  void run() {
    while (!stopping_) {
      zmq_pollitem_t items[] = {{db_.socket(), 0, ZMQ_POLLIN, 0},
                                {publisher_.socket(), 0, ZMQ_POLLIN, 0},
                                {pull_.socket(), 0, static_cast<short>(held_ ? 0 : ZMQ_POLLIN), 0}};
      zmq_poll(items, 3, 5);
      while (publisher_.receive_now()) {
      }
      if (items[0].revents != 0) answer();
      if (items[2].revents == 0) continue;
      for (int i = 0; i < 100; ++i) {
        const auto frames = pull_.receive_now();
        if (!frames) break;
        const PalmMessage message(palm::read(frames->at(0)));
        for (const auto& reply : function_(message))
          publisher_.send({message.client, encode(reply.fields())});
      }
    }
  }

  void answer() {
    const auto frames = db_.receive();
    if (!frames) return;
    const auto request = palm::read(frames->at(0));
    const auto selected = palm::select(request.function, 0);
    const std::string key(selected.function == "set" ? request.cache : request.payload);
    std::string reply;
    if (selected.function == "get") reply = keys_.contains(key) ? keys_[key] : "";
    if (selected.function == "set") {
      reply = key.empty() ? "made-up-key" : key;
      keys_[reply] = request.payload;
    }
    if (selected.function == "delete") reply = keys_.erase(key) > 0 ? key : "";
    db_.send({reply});
  }

  Function function_;
  std::map<std::string, std::string> keys_;
  Peer db_{ZMQ_REP};
  Peer pull_{ZMQ_PULL};
  Peer publisher_{ZMQ_XPUB};
  std::string db_address_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> held_ = false;
  std::thread thread_;
};

}  // namespace backplane::test
