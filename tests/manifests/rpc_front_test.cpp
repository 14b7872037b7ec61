// manifests/rpc/front.yaml: two demo hosts behind a front, clients of raw sockets before it.
#include <map>
#include <string>
#include <vector>

#include "manifests/rpc_demo.hpp"

namespace backplane::test {
namespace {

using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

class RpcFront : public ManifestTest {
 protected:
  // A demo host behind the front.
  struct Server {
    HostProcess* host;
    std::string zerorpc;
    std::string infi;
    std::string pull;
    std::string sub;
  };

  Server start_server(const std::string& heartbeat = "5s") {
    const auto name = std::to_string(servers_.size());
    auto& host = run_with_free_ports("rpc/demo.yaml", [&] {
      return Environment{{"ZERORPC", at("ZERORPC" + name)},
                         {"PULL", at("PULL" + name)},
                         {"SUB", at("SUB" + name)},
                         {"INFI", at("INFI" + name)},
                         {"HEARTBEAT", heartbeat}};
    });
    return {&host, at("ZERORPC" + name), at("INFI" + name), at("PULL" + name), at("SUB" + name)};
  }
  // The same program at the same place, after it was killed.
  void restart(Server& server) {
    server.host = &run(
        "rpc/demo.yaml",
        Environment{
            {"ZERORPC", server.zerorpc}, {"PULL", server.pull}, {"SUB", server.sub}, {"INFI", server.infi}});
  }
  // Runs two servers and the front; returns when clients find the servers' functions.
  HostProcess& play(Environment environment = {}, const std::string& heartbeat = "5s") {
    for (int i = 0; i < 2; ++i) servers_.push_back(start_server(heartbeat));
    const bool infi = environment.contains("LAYER");
    environment["FIRST"] = infi ? servers_[0].infi : servers_[0].zerorpc;
    environment["SECOND"] = infi ? servers_[1].infi : servers_[1].zerorpc;
    environment["HEARTBEAT"] = heartbeat;
    auto& host = run_with_free_ports("rpc/front.yaml", [&] {
      environment["ZERORPC"] = front_ = at("FRONT");
      return environment;
    });
    for (const auto& server : servers_)
      EXPECT_TRUE(host.says("server " + (infi ? server.infi : server.zerorpc) + " is there"));
    // They become known one by one.
    RpcClient client(front_);
    EXPECT_TRUE(eventually([&] {
      const auto told = client.call("_zerorpc_list");
      const auto& names = *told.get_if<Array>();
      const auto has = [&](const char* name) {
        return std::find(names.begin(), names.end(), Value(name)) != names.end();
      };
      return has("add") && has("echo") && has("fail") && has("slow");
    }));
    return host;
  }
  // How many calls of slow a server has now.
  static std::int64_t active(const Server& server) {
    RpcClient client(server.zerorpc);
    return *client.call("active").get_if<std::int64_t>();
  }
  // Has so many calls of slow under way, half of them at each server. Returns their channels. The client is
  // not given up meanwhile, and no call has ended.
  std::vector<std::string> be_slow(RpcClient& client, int calls, double seconds) {
    std::vector<std::string> channels;
    for (int i = 0; i < calls; ++i) channels.push_back(client.request("slow", Array{seconds}));
    for (const auto& server : servers_)
      EXPECT_TRUE(eventually([&] {
        beat(client);
        return active(server) == calls / 2;
      }));
    return channels;
  }
  // Answers the heartbeats that have come. REQUIRES: nothing else has.
  static void beat(RpcClient& client) {
    while (const auto event = client.next(milliseconds(0))) {
      EXPECT_TRUE(event->heartbeat()) << event->text();
      client.heartbeat(event->channel());
    }
  }
  // The next event that is no heartbeat, of whatever call.
  static ServerEvent next_end(RpcClient& client) {
    while (auto event = client.next()) {
      if (!event->heartbeat()) return std::move(*event);
      client.heartbeat(event->channel());
    }
    throw std::runtime_error("no call has ended");
  }
  // How calls end: their results, or the names of their errors, and how often.
  static std::map<std::string, int> ends_of(RpcClient& client, const std::vector<std::string>& channels) {
    std::map<std::string, int> all;
    for (const auto& channel : channels) {
      const auto event = client.answer(channel);
      ++all[event.name == "OK" ? to_json(event.args) : RpcError(event).name];
    }
    return all;
  }

  std::string front_;
  std::vector<Server> servers_;
};

TEST_F(RpcFront, CallsGoToTheServersInTurn) {
  auto& host = play();
  RpcClient client(front_);
  EXPECT_EQ(client.call("add", Array{1, 2}), 3);
  for (int i = 0; i < 10; ++i) client.call("note", Array{i});
  for (const auto& server : servers_) {
    RpcClient direct(server.zerorpc);
    EXPECT_THAT(*direct.call("notes").get_if<Array>(), SizeIs(5));
  }
  expect_clean_stop(host);
}

TEST_F(RpcFront, ValuesAndErrorsComeAsTheServersSayThem) {
  auto& host = play();
  RpcClient client(front_);
  const Value value = Array{Bytes{"\x00\xff"}, "text", 1.0, std::uint64_t{18446744073709551615U}, nullptr};
  EXPECT_EQ(client.call("echo", Array{value}), value);
  const auto big = client.call("big", Array{1 << 20});
  EXPECT_EQ(big.get_if<Bytes>()->content.size(), std::size_t{1} << 20);
  for (const auto* method : {"fail", "count_fail"}) {
    try {
      client.stream(method, Array{std::string(method) == "fail" ? Value("m") : Value(0)});
      ADD_FAILURE() << method;
    } catch (const RpcError& error) {
      EXPECT_EQ(error.name, "DemoError");
    }
  }
  expect_clean_stop(host);
}

TEST_F(RpcFront, TheServersFunctionsAreToldAsItsOwn) {
  auto& host = play();
  RpcClient client(front_);
  RpcClient direct(servers_[0].zerorpc);
  const auto told = client.call("_zerorpc_inspect");
  const auto own = direct.call("_zerorpc_inspect");
  EXPECT_EQ(*told.find("methods"), *own.find("methods"));
  expect_clean_stop(host);
}

TEST_F(RpcFront, AClientOfInfiRpcReachesServersOfZeroRpc) {
  auto& host = play();
  RpcClient client(front_);
  EXPECT_EQ(client.infi("add", Array{1}, Map{{"b", 2}}), (Map{{"code", "success"}, {"result", 3}}))
      << "names become places";
  expect_clean_stop(host);
}

TEST_F(RpcFront, ServersOfInfiRpcAreReachedByClientsOfZeroRpc) {
  auto& host = play({{"LAYER", "infi"}});
  RpcClient client(front_);
  EXPECT_EQ(client.call("add", Array{1}), 2) << "the server's own default";
  EXPECT_EQ(client.call("later", Array{"x"}), "x") << "its token was polled";
  EXPECT_EQ(client.call("slow", Array{0.8}), 0.8);
  try {
    client.call("later_fail", Array{"m"});
    ADD_FAILURE();
  } catch (const RpcError& error) {
    EXPECT_EQ(error.name, "RPCUserException");
    EXPECT_EQ(error.message, "m");
  }
  expect_clean_stop(host);
}

TEST_F(RpcFront, StreamsFlowAsTheClientGivesCredit) {
  auto& host = play();
  RpcClient client(front_);
  const auto items = client.stream("count", Array{1000});
  ASSERT_THAT(items, SizeIs(1000));
  EXPECT_EQ(items.back(), 999);

  const auto channel = client.request("count", Array{458});
  std::int64_t next = 0;
  for (const int credit : {1, 7, 100, 350}) {
    if (next > 0) client.more(channel, credit);
    for (int i = 0; i < credit; ++i) {
      const auto item = client.answer(channel);
      ASSERT_EQ(item.name, "STREAM");
      ASSERT_EQ(item.args, next++);
    }
    EXPECT_FALSE(client.next_of(channel, milliseconds(50))) << "no more than there was credit for";
  }
  client.more(channel, 1);
  EXPECT_EQ(client.answer(channel).name, "STREAM_DONE");
  expect_clean_stop(host);
}

TEST_F(RpcFront, AClientThatIsLostEndsTheWorkAtTheServer) {
  auto& host = play({}, "500ms");
  {
    RpcClient client(front_);
    be_slow(client, 2, 1000);
  }
  for (const auto& server : servers_) EXPECT_TRUE(eventually([&] { return active(server) == 0; }));
  expect_clean_stop(host);
}

TEST_F(RpcFront, TheTimeThatAClientHasIsKnownAtTheServer) {
  auto& host = play({}, "60s");  // so nobody finds out by heartbeats that stop
  RpcClient client(front_);
  const auto channel = client.request("slow", Array{1000}, {{"timeout_ms", 3000}});
  ASSERT_TRUE(eventually([&] { return active(servers_[0]) + active(servers_[1]) == 1; }));
  EXPECT_EQ(RpcError(client.answer(channel)).name, "TimeoutExpired");
  for (const auto& server : servers_) EXPECT_TRUE(eventually([&] { return active(server) == 0; }));
  expect_clean_stop(host);
}

TEST_F(RpcFront, WhenAServerIsKilledItsCallsAreLostAndNewOnesGoToTheOther) {
  auto& host = play();
  RpcClient client(front_);
  const auto channels = be_slow(client, 20, 4.0);
  servers_[0].host->signal(SIGKILL);
  EXPECT_EQ(ends_of(client, channels), (std::map<std::string, int>{{"LostRemote", 10}, {"[4.0]", 10}}));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(client.call("add", Array{i, 1}), i + 1);

  restart(servers_[0]);
  EXPECT_TRUE(eventually([&] {
    client.call("note", Array{"back"});
    RpcClient direct(servers_[0].zerorpc);
    return !direct.call("notes").get_if<Array>()->empty();
  }));
  expect_clean_stop(host);
}

TEST_F(RpcFront, WhenAServerIsKilledItsCallsGoToTheOtherIfTheyMayRunTwice) {
  auto& host = play({{"RETRY_LOST", "true"}});
  RpcClient client(front_);
  const auto channels = be_slow(client, 20, 4.0);
  servers_[0].host->signal(SIGKILL);
  EXPECT_EQ(ends_of(client, channels), (std::map<std::string, int>{{"[4.0]", 20}}));
  expect_clean_stop(host);
}

TEST_F(RpcFront, AServerThatStandsStillIsAvoidedUntilItMoves) {
  auto& host = play({}, "1s");
  RpcClient client(front_);
  be_slow(client, 2, 1000);
  servers_[0].host->signal(SIGSTOP);
  EXPECT_EQ(RpcError(next_end(client)).name, "LostRemote");
  EXPECT_TRUE(host.says("server " + servers_[0].zerorpc + " is lost: Lost remote after 2s heartbeat"));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(client.call("add", Array{i, 1}), i + 1);
  servers_[0].host->signal(SIGCONT);
  EXPECT_TRUE(eventually([&] {
    client.call("note", Array{"moves"});
    RpcClient direct(servers_[0].zerorpc);
    return !direct.call("notes").get_if<Array>()->empty();
  }));
  host.stop();
}

TEST_F(RpcFront, WithoutAServerCallsWaitForOneToComeBack) {
  auto& host = play();
  RpcClient client(front_);
  for (auto& server : servers_) {
    server.host->signal(SIGKILL);
    server.host->wait();
    EXPECT_TRUE(host.says("server " + server.zerorpc + " is lost"));
  }
  const auto channel = client.request("add", Array{1, 2});
  EXPECT_FALSE(client.next_of(channel, milliseconds(200)));
  restart(servers_[1]);
  EXPECT_EQ(client.answer(channel).args, Array{3});
  expect_clean_stop(host);
}

TEST_F(RpcFront, WhatItHasTakenItAnswersBeforeItStops) {
  auto& host = play();
  RpcClient client(front_);
  const auto channels = be_slow(client, 20, 3.0);
  host.terminate();
  EXPECT_EQ(ends_of(client, channels), (std::map<std::string, int>{{"[3.0]", 20}}));
  EXPECT_EQ(host.wait(), 0) << host.errors();
  expect_balance(host);
}

}  // namespace
}  // namespace backplane::test
