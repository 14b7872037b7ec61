// A zerorpc.client in a fake host, and servers of raw sockets that do what a test says.
#pragma once

#include "zerorpc/client.hpp"

#include <backplane/baggage.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugins/zmq/verbs.hpp"
#include "support/rpc_server.hpp"

namespace backplane::zerorpc {

using namespace std::chrono_literals;
using namespace std::string_literals;
using test::kPatience;
using test::RpcEvent;
using test::RpcServer;

// Tells what functions it has, answers pings and heartbeats unless it should not, and keeps all calls for the
// test.
class ScriptedServer {
 public:
  ScriptedServer() { open("tcp://127.0.0.1:*"); }
  // So many events wait in its socket until they are read.
  explicit ScriptedServer(int receive_hwm) : receive_hwm_(receive_hwm) { open("tcp://127.0.0.1:*"); }

  const std::string& endpoint() const { return endpoint_; }
  // The program is killed, and perhaps started anew.
  void kill() {
    socket_.reset();
    client_.reset();
  }
  void restart() { open(endpoint_); }

  // Takes what has come.
  void serve() {
    while (socket_)
      if (auto event = socket_->receive(0ns)) {
        take(std::move(*event));
      } else {
        return;
      }
  }

  RpcServer& socket() { return *socket_; }
  void ok(const RpcEvent& call, const Value& result) { socket_->ok(call, result); }
  void fail(const RpcEvent& call, const char* name, const char* message) {
    socket_->fail(call, name, message);
  }
  void item(const RpcEvent& call, const Value& value) { socket_->send(call, "STREAM", value); }
  void end(const RpcEvent& call) { socket_->send(call, "STREAM_DONE", nullptr); }

  // Sends an event that belongs to nothing; false: nobody is connected.
  bool send_stray() {
    if (!client_) return false;
    socket_->ok({client_->way, {}, std::string("\xc4\x20") + std::string(32, '0'), {}, {}, {}, {}}, nullptr);
    return true;
  }

  // How many heartbeats came for a call, and what credit.
  int beats_of(const RpcEvent& call) const {
    return static_cast<int>(std::count_if(heartbeats.begin(), heartbeats.end(), [&](const RpcEvent& event) {
      return event.response_to == call.id;
    }));
  }
  std::vector<std::int64_t> credits_of(const RpcEvent& call) const {
    std::vector<std::int64_t> all;
    for (const auto& event : credits)
      if (event.response_to == call.id)
        all.push_back(*event.args.get_if<Array>()->at(0).get_if<std::int64_t>());
    return all;
  }

  Map methods;                                                   // as _zerorpc_inspect tells them
  bool beats = true;                                             // answers heartbeats
  bool pongs = true;                                             // answers pings
  std::function<bool(ScriptedServer&, const RpcEvent&)> answer;  // true: it has been answered
  std::deque<RpcEvent> calls;
  std::vector<RpcEvent> heartbeats;
  std::vector<RpcEvent> credits;
  int inspections = 0;
  int pings = 0;

 private:
  void open(const std::string& endpoint) {
    socket_.emplace(endpoint, RpcServer::Side::binds, receive_hwm_);
    endpoint_ = socket_->endpoint();
  }

  void take(RpcEvent event) {
    client_ = event;
    if (event.name == "_zpc_hb") {
      if (beats) socket_->beat(event);
      heartbeats.push_back(std::move(event));
    } else if (event.name == "_zpc_more") {
      credits.push_back(std::move(event));
    } else if (answer && answer(*this, event)) {
      return;
    } else if (event.name == "_zerorpc_inspect") {
      ++inspections;
      ok(event, Map{{"name", "scripted"}, {"methods", methods}});
    } else if (event.name == "_zerorpc_ping") {
      ++pings;
      if (pongs) ok(event, Array{"pong", "scripted"});
    } else {
      calls.push_back(std::move(event));
    }
  }

  int receive_hwm_ = 1000;
  std::optional<RpcServer> socket_;
  std::string endpoint_;
  std::optional<RpcEvent> client_;  // what it sent last
};

class ClientOfServers : public testing::Test {
 protected:
  // The servers of the next start(), one unless told.
  void have_servers(int count) {
    while (static_cast<int>(servers_.size()) < count) servers_.push_back(std::make_unique<ScriptedServer>());
  }
  ScriptedServer& server(std::size_t which = 0) { return *servers_.at(which); }

  // Starts the component; returns when all servers are there and have told their functions.
  void start(std::vector<OptionText> options = {}) {
    start_alone(std::move(options));
    ASSERT_TRUE(until([&] { return there(static_cast<int>(servers_.size())); }));
    ASSERT_TRUE(until([&] {
      return std::all_of(servers_.begin(), servers_.end(),
                         [](const auto& one) { return one->inspections > 0; });
    }));
  }
  void start_alone(std::vector<OptionText> options = {}) {
    have_servers(1);
    std::string all;
    for (const auto& one : servers_) all += (all.empty() ? "[" : ", ") + one->endpoint();
    options.emplace_back("connect", all + "]");
    options.emplace_back("reconnect_interval", "10ms");
    host_ = std::make_unique<FakeComponent<Client>>(options);
    host_->offer_functions(offered_);
    host_->start();
  }
  // Runs host and servers until then; false: it does not come.
  template <typename Condition>
  bool until(Condition condition, std::chrono::nanoseconds limit = kPatience) {
    return host_->run_until(
        [&] {
          for (auto& one : servers_) one->serve();
          return condition();
        },
        limit);
  }
  // Lets a stopped clock run; what servers had sent has come before.
  void pass(std::chrono::nanoseconds span) {
    settle();
    host_->advance(span);
  }
  // All that servers have sent has come: events that belong to nothing came behind it.
  void settle() {
    for (const auto& one : servers_) strays_ += one->send_stray() ? 1 : 0;
    EXPECT_TRUE(until([&] { return host_->metric("late") >= strays_; }));
  }
  // Events that came when nobody waited for them any more.
  int late() const { return static_cast<int>(host_->metric("late")) - strays_; }
  bool there(int count) { return host_->metric("servers") == count; }

  // A call as another component makes it. Returns its envelope.
  bp_envelope ask(const char* function, const Array& arguments = {}, const Map& named = {},
                  std::uint32_t flags = 0, std::uint32_t credit = 0) {
    auto message = host_->request(function, {encode(arguments)}, BP_MSGPACK);
    if (!named.empty()) message.append(encode(named));
    message.set(flags);
    message.envelope().credit = credit;
    return deliver(std::move(message));
  }
  bp_envelope deliver(Message message) {
    const bp_envelope envelope = message.envelope();
    taken_ = host_->deliver(std::move(message));
    return envelope;
  }
  // The next call that a server got.
  RpcEvent call(std::size_t which = 0) {
    auto& calls = server(which).calls;
    if (!until([&] { return !calls.empty(); })) throw std::runtime_error("the server got no call");
    auto first = std::move(calls.front());
    calls.pop_front();
    return first;
  }
  // The next answer to an asker.
  FakeReply reply() {
    if (!until([&] { return !host_->replies().empty(); })) throw std::runtime_error("there was no answer");
    return host_->take_reply();
  }
  // Its result; an error as text.
  Value result() {
    const auto answer = reply();
    if (answer.is_error()) return answer.error_type + ": " + answer.error_message;
    if (answer.message.has(BP_STREAM_END)) return "end";
    return decode(answer.message[0]);
  }

  std::vector<PublishedFunction> offered_;  // functions of other components
  std::vector<std::unique_ptr<ScriptedServer>> servers_;
  std::unique_ptr<FakeComponent<Client>> host_;
  std::int32_t taken_ = BP_TAKEN;

 private:
  int strays_ = 0;
};

// A value of the header of an event, nil when there is none.
inline Value header_of(const RpcEvent& call, std::string_view key) {
  rpc::Event event;
  rpc::read_event(call.payload, event);
  const auto value = rpc::header_value(event, key);
  return value.empty() ? Value() : decode(value);
}

}  // namespace backplane::zerorpc
