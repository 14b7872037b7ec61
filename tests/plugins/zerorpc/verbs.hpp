// A zerorpc.service in a fake host, raw clients on one side, the test as its functions on the other.
#pragma once

#include "zerorpc/service.hpp"

#include <backplane/baggage.hpp>
#include <backplane/testing/fake_host.hpp>

#include <gmock/gmock.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugins/zmq/verbs.hpp"
#include "support/rpc_client.hpp"

namespace backplane::zerorpc {

using namespace std::chrono_literals;
using namespace std::string_literals;
using test::kPatience;
using test::RpcClient;
using test::RpcError;
using test::ServerEvent;

class ServiceFixture : public testing::Test {
 protected:
  // Component math publishes add, count and hang; math2 publishes hang, too.
  void start(std::vector<OptionText> options = {}) {
    options.emplace_back("bind", zmq::any_port);
    host_.emplace(options, FakeSettings{.component = "rpc"});
    host_->offer_functions(offered_);
    host_->start();
  }
  void offer(std::string component, std::string name, std::uint32_t manner = BP_ORDINARY,
             std::chrono::nanoseconds max_response_time = {}) {
    PublishedFunction function;
    function.component = std::move(component);
    function.name = std::move(name);
    function.manner = manner;
    function.max_response_time = max_response_time;
    offer(std::move(function));
  }
  void offer(PublishedFunction function) {
    offered_.push_back(std::move(function));
    if (host_) host_->offer_functions(offered_);
  }
  FakeComponent<Service>& host() { return *host_; }

  // ---- clients ----

  RpcClient& client(std::size_t which = 0) {
    while (clients_.size() <= which)
      clients_.push_back(std::make_unique<RpcClient>(zmq::endpoint_of(*host_)));
    return *clients_[which];
  }
  void lose_clients() { clients_.clear(); }
  // The next event of a channel, while the service runs.
  std::optional<ServerEvent> next_of(const std::string& channel, std::size_t which = 0) {
    std::optional<ServerEvent> event;
    host_->run_until([&] { return (event = client(which).next_of(channel, 0ns)).has_value(); }, kPatience);
    return event;
  }
  // ... as text: "OK [3]"; of an error without its traceback: "ERR Name: message".
  std::string answer(const std::string& channel, std::size_t which = 0) {
    const auto event = next_of(channel, which);
    if (!event) return "nothing";
    if (event->name != rpc::event_name::error) return event->text();
    const RpcError error(*event);
    return "ERR " + error.name + ": " + error.message;
  }
  std::string ask(std::string_view method, const Value& args = Array(), const Map& header = {}) {
    return answer(client().request(method, args, header));
  }
  bool silent(std::size_t which = 0) {
    return !host_->run_until([&] { return client(which).next(0ns).has_value(); }, 50ms);
  }

  // ---- functions ----

  // True when so many calls have come that nobody has taken yet.
  bool called(std::size_t count = 1) {
    return host_->run_until([&] { return host_->calls().size() >= count; }, kPatience);
  }
  // The next call.
  FakeSent take_call() {
    if (!called()) throw std::runtime_error("no function was called");
    auto call = std::move(host_->calls().front());
    host_->calls().erase(host_->calls().begin());
    return call;
  }
  void result(const FakeSent& call, const Value& value) {
    host_->answer(call.message.envelope(), {encode(value)}, BP_MSGPACK);
  }
  void item(const FakeSent& call, const Value& value) {
    host_->answer(call.message.envelope(), {encode(value)}, BP_MSGPACK, BP_STREAM);
  }
  void end_stream(const FakeSent& call) {
    host_->answer(call.message.envelope(), {}, BP_RAW, BP_STREAM | BP_STREAM_END);
  }
  void fail(const FakeSent& call, std::string_view type, std::string_view message) {
    host_->answer_error(call.message.envelope(), type, message);
  }
  bool cancelled(const FakeSent& call) {
    const auto& all = host_->cancelled();
    return std::count(all.begin(), all.end(), call.message.envelope().correlation) == 1;
  }

 private:
  std::vector<PublishedFunction> offered_ = standard();
  std::optional<FakeComponent<Service>> host_;
  std::vector<std::unique_ptr<RpcClient>> clients_;

  static std::vector<PublishedFunction> standard() {
    std::vector<PublishedFunction> all(4);
    all[0].component = all[1].component = all[2].component = "math";
    all[3].component = "math2";
    all[0].name = "add";
    all[0].parameters = {{"a", "int"}, {"b", "int", "1"}};
    all[1].name = "count";
    all[2].name = all[3].name = "hang";
    return all;
  }
};

}  // namespace backplane::zerorpc
