// zerorpc.client and its servers: heartbeats, who is there, who gets the next call, what becomes of the calls
// of a server that is lost, and what middleware has to say.
#include "plugins/zerorpc/client_fixture.hpp"

namespace backplane::zerorpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

// ---- heartbeats, by a clock that the test moves ---------------------------------------------------------

class HeartbeatsOfAClient : public ClientOfServers {
 protected:
  void start_still(std::vector<OptionText> options = {}) {
    start(std::move(options));
    host_->stop_clock();
  }
  // Lets one period pass after another; the server gets the heartbeats that are due, and answers.
  void beat(const RpcEvent& call, int times, std::chrono::nanoseconds period = 5s) {
    for (int i = 0; i < times; ++i) {
      const auto before = server().beats_of(call);
      host_->advance(period);
      ASSERT_TRUE(until([&] { return server().beats_of(call) == before + 1; }));
      settle();
    }
  }
  // A server is lost at the first heartbeat that is due later than two periods after its last sign of life;
  // one that never gave any at the third.
  void pass_silent_periods() {
    for (int i = 0; i < 3; ++i) host_->advance(5s);
  }
};

TEST_F(HeartbeatsOfAClient, GoOnAsLongAsACallIsUnderWay) {
  start_still({{"timeout", "0"}});
  ask("slow");
  const auto got = call();
  beat(got, 10);
  server().ok(got, 1);
  EXPECT_EQ(result(), 1);
  const auto beats = server().heartbeats.size();
  pass(20s);
  EXPECT_THAT(server().heartbeats, SizeIs(beats));
}

TEST_F(HeartbeatsOfAClient, HaveThePeriodOfTheOption) {
  start_still({{"heartbeat", "250ms"}});
  ask("slow");
  beat(call(), 3, 250ms);
}

TEST_F(HeartbeatsOfAClient, AreNotSentWithAPeriodOfNothing) {
  start_still({{"heartbeat", "0"}, {"timeout", "0"}});
  ask("slow");
  const auto got = call();
  pass(1h);
  EXPECT_THAT(server().heartbeats, IsEmpty());
  server().ok(got, 1);
  EXPECT_EQ(result(), 1);
}

TEST_F(HeartbeatsOfAClient, BeginWithTheServersFirstWhenPassive) {
  start_still({{"passive_heartbeat", "true"}, {"timeout", "0"}});
  ask("slow");
  const auto got = call();
  pass(1h);
  EXPECT_THAT(server().heartbeats, IsEmpty());
  server().socket().beat(got);
  settle();
  beat(got, 3);
}

TEST_F(HeartbeatsOfAClient, AServerThatSendsNoneIsLostWithAllItsCalls) {
  start_still();
  server().beats = false;
  server().pongs = false;
  ask("slow");
  ask("slow");
  call();
  host_->advance(14s);
  EXPECT_TRUE(host_->replies().empty());
  EXPECT_TRUE(there(1));
  host_->advance(1s);
  EXPECT_EQ(result(), "LostRemote: Lost remote after 10s heartbeat");
  EXPECT_EQ(result(), "LostRemote: Lost remote after 10s heartbeat");
  EXPECT_TRUE(there(0));
  EXPECT_EQ(host_->holding(), 0u);
}

TEST_F(HeartbeatsOfAClient, ALostServerIsAvoidedUntilItAnswersAPing) {
  start_still({{"timeout", "0"}});
  server().beats = false;
  server().pongs = false;
  ask("slow");
  call();
  pass_silent_periods();
  EXPECT_EQ(result(), "LostRemote: Lost remote after 10s heartbeat");
  ASSERT_TRUE(until([&] { return server().pings == 1; }));
  ask("next");
  pass(15s);
  ASSERT_TRUE(until([&] { return server().pings == 2; })) << "it is asked again and again";
  EXPECT_THAT(server().calls, IsEmpty());
  EXPECT_EQ(host_->metric("calls_waiting"), 1);
  server().pongs = true;
  pass(15s);
  EXPECT_EQ(call().name, "next");
  EXPECT_TRUE(there(1));
}

TEST_F(HeartbeatsOfAClient, AServerThatForgetsOneCallLosesOnlyThat) {
  start_still();
  server().beats = false;
  ask("forgotten");
  ask("slow");
  const auto forgotten = call();
  const auto slow = call();
  for (int i = 0; i < 4; ++i) {
    server().socket().beat(slow);
    pass(5s);
  }
  EXPECT_EQ(result(), "LostRemote: Lost remote after 10s heartbeat");
  EXPECT_TRUE(there(1));
  server().ok(slow, 1);
  EXPECT_EQ(result(), 1);
}

TEST_F(HeartbeatsOfAClient, AStreamWithoutHeartbeatsIsLostUnlessItsItemsCome) {
  start_still();
  server().beats = false;
  ask("count", {}, {}, BP_STREAM, 100);
  const auto got = call();
  for (int i = 0; i < 5; ++i) {
    server().item(got, i);
    ASSERT_TRUE(until([&] { return static_cast<int>(host_->replies().size()) == i + 1; }));
    pass(5s);
  }
  EXPECT_FALSE(host_->replies().back().is_error());
  for (int i = 0; i < 3; ++i) pass(5s);
  EXPECT_EQ(host_->replies().back().error_type, "LostRemote");
}

// ---- which server ---------------------------------------------------------------------------------------

class ServersOfAClient : public ClientOfServers {
 protected:
  // Lets each of them answer every call with its number.
  void let_them_answer() {
    for (std::size_t i = 0; i < servers_.size(); ++i)
      server(i).answer = [i](ScriptedServer& self, const RpcEvent& event) {
        if (event.name.starts_with('_')) return false;
        self.ok(event, i);
        return true;
      };
  }
  std::string who(int calls) {
    std::string all;
    for (int i = 0; i < calls; ++i) {
      ask("who");
      const auto answer = result();
      all += answer.kind() == ValueKind::whole ? to_json(answer) : "?";
    }
    return all;
  }
};

TEST_F(ServersOfAClient, HaveTheirTurnsOneAfterTheOther) {
  have_servers(3);
  let_them_answer();
  start();
  const auto order = who(9);
  EXPECT_EQ(order.substr(0, 3), order.substr(3, 3));
  EXPECT_EQ(order.substr(3, 3), order.substr(6, 3));
  EXPECT_EQ(std::set<char>(order.begin(), order.end()).size(), 3u);
}

TEST_F(ServersOfAClient, TheOneWithTheFewestCallsGetsTheNextOfThem) {
  have_servers(2);
  start({{"balance", "least_loaded"}});
  for (int i = 0; i < 4; ++i) ask("slow", {i});
  ASSERT_TRUE(until([&] { return server(0).calls.size() == 2 && server(1).calls.size() == 2; }));
  for (int i = 0; i < 2; ++i) server(1).ok(call(1), i);
  result();
  result();
  for (int i = 0; i < 2; ++i) ask("next");
  EXPECT_EQ(call(1).name, "next");
  EXPECT_EQ(call(1).name, "next");
  EXPECT_THAT(server(0).calls, SizeIs(2));
}

TEST_F(ServersOfAClient, OneThatIsKilledGetsNoCalls) {
  have_servers(2);
  let_them_answer();
  start();
  EXPECT_THAT(who(4), testing::AnyOf("0101", "1010"));
  server(0).kill();
  ASSERT_TRUE(until([&] { return there(1); }));
  EXPECT_EQ(who(4), "1111");
}

TEST_F(ServersOfAClient, OneThatComesBackGetsCallsAgain) {
  have_servers(2);
  let_them_answer();
  start();
  server(0).kill();
  ASSERT_TRUE(until([&] { return there(1); }));
  server(0).restart();
  ASSERT_TRUE(until([&] { return there(2); }));
  EXPECT_THAT(who(4), testing::AnyOf("0101", "1010"));
}

TEST_F(ServersOfAClient, ThatComeBackTellTheirFunctionsAnew) {
  have_servers(1);
  start();
  server().kill();
  ASSERT_TRUE(until([&] { return there(0); }));
  server().methods = {{"new", Map{{"args", nullptr}, {"doc", "New."}}}};
  server().restart();
  ASSERT_TRUE(until([&] { return host_->published().size() == 1; }));
  EXPECT_EQ(host_->published()[0].help, "New.");
}

TEST_F(ServersOfAClient, ACallWaitsForOneThatIsThere) {
  have_servers(1);
  server().kill();
  start_alone();
  ask("early");
  settle();
  EXPECT_TRUE(host_->replies().empty());
  server().restart();
  server().ok(call(), 1);
  EXPECT_EQ(result(), 1);
}

TEST_F(ServersOfAClient, ACallWaitsNoLongerThanItsTimeout) {
  have_servers(1);
  server().kill();
  start_alone({{"timeout", "2s"}});
  host_->stop_clock();
  ask("early");
  pass(2s);
  EXPECT_EQ(result(), "TimeoutExpired: timeout after 2s, when calling remote method early");
}

TEST_F(ServersOfAClient, MayAskForCurve) {
  const zmq::Curve keys;
  test::Peer router(ZMQ_ROUTER);
  router.set(ZMQ_CURVE_SERVER, 1).set(ZMQ_CURVE_SECRETKEY, keys.secret_key);
  FakeComponent<Client> host({{"connect", router.bind()}, {"server_key", keys.public_key}});
  host.start();
  EXPECT_TRUE(host.run_until([&] { return host.metric("servers") == 1; }, kPatience));
}

// ---- calls of a server that is lost ---------------------------------------------------------------------

TEST_F(ServersOfAClient, TheCallsOfOneThatIsKilledAreLost) {
  have_servers(2);
  start();
  for (int i = 0; i < 4; ++i) ask("slow", {i});
  ASSERT_TRUE(until([&] { return server(0).calls.size() == 2 && server(1).calls.size() == 2; }));
  server(0).kill();
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(result(), "LostRemote: the connection to " + server(0).endpoint() + " broke");
  server(1).ok(call(1), 1);
  EXPECT_EQ(result(), 1) << "the others go on";
}

TEST_F(ServersOfAClient, WhatTheyHadAnsweredBeforeIsNotLost) {
  have_servers(1);
  start();
  for (int i = 0; i < 100; ++i) ask("add", {i});
  ASSERT_TRUE(until([&] { return server().calls.size() == 100; }));
  for (int i = 0; i < 100; ++i) server().ok(server().calls[i], i);
  ASSERT_TRUE(until([&] { return !host_->replies().empty(); })) << "they are on their way";
  server().kill();
  for (int i = 0; i < 100; ++i) {
    const auto answer = result();
    if (answer.kind() != ValueKind::whole) {
      EXPECT_THAT(*answer.get_if<std::string>(), HasSubstr("LostRemote"));
    }
  }
  EXPECT_EQ(host_->holding(), 0u);
}

TEST_F(ServersOfAClient, CallsThatAreRetriedGoToAnotherOneInTheirOrder) {
  have_servers(2);
  start({{"retry_lost", "true"}});
  for (int i = 0; i < 6; ++i) ask("slow", {i});
  ASSERT_TRUE(until([&] { return server(0).calls.size() == 3 && server(1).calls.size() == 3; }));
  const auto lost = server(0).calls;
  for (int i = 0; i < 3; ++i) call(1);
  server(0).kill();
  for (const auto& before : lost) {
    const auto again = call(1);
    EXPECT_EQ(again.args, before.args);
    EXPECT_NE(again.id, before.id);
    server(1).ok(again, again.args);
    EXPECT_EQ(result(), before.args);
  }
  EXPECT_EQ(host_->metric("retried"), 3);
}

TEST_F(ServersOfAClient, CallsThatAreRetriedWaitForTheOnlyOneToComeBack) {
  have_servers(1);
  start({{"retry_lost", "true"}});
  ask("slow", {1});
  call();
  server().kill();
  ASSERT_TRUE(until([&] { return there(0); }));
  server().restart();
  const auto again = call();
  EXPECT_EQ(again.args, Array{1});
  server().ok(again, 2);
  EXPECT_EQ(result(), 2);
}

TEST_F(ServersOfAClient, AStreamThatHasBegunIsNotRetried) {
  have_servers(2);
  start({{"retry_lost", "true"}});
  ask("count", {}, {}, BP_STREAM, 10);
  ASSERT_TRUE(until([&] { return server(0).calls.size() + server(1).calls.size() == 1; }));
  const std::size_t its = server(0).calls.empty() ? 1 : 0;
  server(its).item(call(its), 0);
  ASSERT_TRUE(until([&] { return host_->replies().size() == 1; }));
  server(its).kill();
  ASSERT_TRUE(until([&] { return host_->replies().size() == 2; }));
  EXPECT_EQ(host_->replies()[1].error_type, "LostRemote");
  EXPECT_THAT(server(1 - its).calls, IsEmpty());
}

TEST_F(HeartbeatsOfAClient, ACallThatWasLostToSilenceIsRetriedAtAnotherServer) {
  have_servers(2);
  start_still({{"retry_lost", "true"}});
  ask("slow");
  ASSERT_TRUE(until([&] { return server(0).calls.size() + server(1).calls.size() == 1; }));
  const std::size_t its = server(0).calls.empty() ? 1 : 0;
  server(its).beats = false;
  server(its).pongs = false;
  pass_silent_periods();
  server(1 - its).ok(call(1 - its), 1);
  EXPECT_EQ(result(), 1);
}

// ---- servers that do not read ---------------------------------------------------------------------------

class ServersThatHang : public ClientOfServers {
 protected:
  // The first server takes little more than what it reads, and reads nothing.
  void start_with_hanging_one() {
    servers_.insert(servers_.begin(), std::make_unique<ScriptedServer>(/*receive_hwm=*/1));
    start({{"send_hwm", "4"}, {"send_buffer", "256KiB"}, {"timeout", "0"}, {"heartbeat", "0"}});
  }
  void ask_for_much(int calls) {
    for (int i = 0; i < calls; ++i) ask("much", {Bytes{std::string(1 << 20, 'x')}});
  }
  // Waits while all servers but the first run.
  template <typename Condition>
  bool until_others(Condition condition) {
    return host_->run_until(
        [&] {
          for (std::size_t i = 1; i < servers_.size(); ++i) server(i).serve();
          return condition();
        },
        kPatience);
  }
  bool first_is_avoided() {
    return host_->logged("server " + server().endpoint() +
                         " is not asked for now: as many events wait until it reads them as may");
  }
};

TEST_F(ServersThatHang, AreGivenNoMoreThanTheSocketHolds) {
  start_with_hanging_one();
  ask_for_much(20);
  EXPECT_TRUE(first_is_avoided());
  EXPECT_GT(host_->metric("calls_waiting"), 0);
  EXPECT_TRUE(host_->replies().empty()) << "they wait for a server";
  ASSERT_TRUE(until([&] { return server().calls.size() == 20u; })) << "it reads again";
  EXPECT_TRUE(until([&] { return there(1); }));
  EXPECT_EQ(host_->metric("calls_waiting"), 0);
}

TEST_F(ServersThatHang, LeaveTheirCallsToOthers) {
  have_servers(1);
  start_with_hanging_one();
  ask_for_much(30);
  ASSERT_TRUE(until_others([&] { return first_is_avoided() && host_->metric("calls_waiting") == 0; }));
  ask("next");
  EXPECT_TRUE(
      until_others([&] { return !server(1).calls.empty() && server(1).calls.back().name == "next"; }));
}

// ---- middleware -----------------------------------------------------------------------------------------

class ClientWithMiddleware : public ClientOfServers {
 protected:
  void start_with(const std::vector<std::string>& hooks, std::vector<OptionText> options = {}) {
    for (const auto& hook : hooks) offered_.push_back({.component = "watcher", .name = hook});
    options.emplace_back("middleware", "[watcher]");
    start(std::move(options));
  }
  // What the middleware is asked next, and by what name.
  FakeSent asked(const std::string& hook) {
    if (!until([&] { return !host_->calls().empty(); })) throw std::runtime_error("nothing was asked");
    auto first = std::move(host_->calls().front());
    host_->calls().erase(host_->calls().begin());
    EXPECT_EQ(first.target, "watcher." + hook);
    return first;
  }
  static Value about(const FakeSent& sent) { return decode(sent.message[0]).get_if<Array>()->at(0); }
  void give(const FakeSent& sent, const Value& result = nullptr) {
    host_->answer(sent.message.envelope(), {encode(result)}, BP_MSGPACK);
  }
};

TEST_F(ClientWithMiddleware, AddsToTheHeaderAndSeesTheRequestAndItsResult) {
  start_with({"get_task_context", "client_before_request", "client_after_request"});
  ask("add", {1, 2});
  const auto context = asked("get_task_context");
  EXPECT_EQ(about(context), (Map{{"method", "add"}}));
  give(context, Map{{"tenant", "blue"}, {"v", 9}, {"count", 3}});
  const auto before = asked("client_before_request");
  EXPECT_EQ(about(before), (Map{{"method", "add"}, {"args", Array{1, 2}}}));
  EXPECT_THAT(server().calls, IsEmpty());
  give(before);
  const auto got = call();
  EXPECT_EQ(header_of(got, "tenant"), "blue");
  EXPECT_EQ(header_of(got, "count"), 3);
  EXPECT_EQ(header_of(got, "v"), 3) << "ZeroRPC's own keys stay what they are";
  server().ok(got, 3);
  const auto after = asked("client_after_request");
  EXPECT_EQ(about(after), (Map{{"method", "add"}, {"result", 3}}));
  EXPECT_TRUE(host_->replies().empty());
  give(after);
  EXPECT_EQ(result(), 3);
}

TEST_F(ClientWithMiddleware, MayRefuseARequest) {
  start_with({"client_before_request"});
  ask("drop_all");
  host_->answer_error(asked("client_before_request").message.envelope(), "Forbidden", "not you");
  EXPECT_EQ(result(), "Forbidden: not you");
  EXPECT_THAT(server().calls, IsEmpty());
  EXPECT_EQ(host_->holding(), 0u);
}

TEST_F(ClientWithMiddleware, MayReplaceTheServersError) {
  start_with({"client_handle_remote_error", "client_after_request"});
  ask("fail");
  server().fail(call(), "DemoError", "m");
  const auto error = asked("client_handle_remote_error");
  EXPECT_EQ(about(error), (Map{{"method", "fail"}, {"error", Map{{"name", "DemoError"}, {"message", "m"}}}}));
  host_->answer_error(error.message.envelope(), "BetterError", "n");
  const auto after = asked("client_after_request");
  EXPECT_EQ(*about(after).find("error"), (Map{{"name", "BetterError"}, {"message", "n"}}));
  give(after);
  EXPECT_EQ(result(), "BetterError: n");
}

TEST_F(ClientWithMiddleware, ThatReturnsLeavesTheServersErrorAsItIs) {
  start_with({"client_handle_remote_error"});
  ask("fail");
  server().fail(call(), "DemoError", "m");
  give(asked("client_handle_remote_error"));
  EXPECT_EQ(result(), "DemoError: m");
}

TEST_F(ClientWithMiddleware, ThatCannotBeToldOfAResultIsAnError) {
  start_with({"client_after_request"});
  ask("deep");
  Value deep = Array{};
  for (int i = 1; i < 511; ++i) deep = RpcServer::list(std::move(deep));
  server().ok(call(), deep);
  EXPECT_THAT(*result().get_if<std::string>(),
              StartsWith("TypeError: a middleware cannot be told of the call"));
  EXPECT_EQ(host_->holding(), 0u);
}

TEST_F(ClientWithMiddleware, SeesThatACallWasNotAnswered) {
  start_with({"client_handle_remote_error", "client_after_request"}, {{"timeout", "1s"}});
  host_->stop_clock();
  ask("slow");
  call();
  host_->advance(1s);
  const auto after = asked("client_after_request");
  EXPECT_EQ(*about(after).find("error")->find("name"), "TimeoutExpired") << "which is no server's error";
  give(after);
  EXPECT_EQ(reply().error_type, "TimeoutExpired");
}

TEST_F(ClientWithMiddleware, SeesTheEndOfAStreamButNotItsItems) {
  start_with({"client_after_request"});
  ask("count", {}, {}, BP_STREAM, 10);
  const auto got = call();
  server().item(got, 0);
  EXPECT_EQ(result(), 0);
  server().end(got);
  const auto after = asked("client_after_request");
  EXPECT_EQ(about(after), (Map{{"method", "count"}}));
  give(after);
  EXPECT_EQ(result(), "end");
}

TEST_F(ClientWithMiddleware, ThatDoesNotAnswerHoldsNobodyBeyondTheDeadline) {
  start_with({"client_after_request"});
  host_->stop_clock();
  auto message = host_->request("add", {}, BP_MSGPACK);
  message.envelope().deadline = host_->now() + 1s / 1ns;
  deliver(std::move(message));
  server().ok(call(), 3);
  const auto after = asked("client_after_request");
  host_->advance(1s);
  EXPECT_EQ(reply().error_type, "DeadlineExceeded");
  give(after);
  EXPECT_EQ(host_->holding(), 0u);
}

class ClientByName : public ClientWithMiddleware {
 protected:
  void start_by_name() {
    have_servers(2);
    offered_ = {{.component = "watcher", .name = "resolve_endpoint"}};
    host_ = std::make_unique<FakeComponent<Client>>(OptionTexts(
        {{"connect_name", "maths"}, {"middleware", "[watcher]"}, {"reconnect_interval", "10ms"}}));
    host_->offer_functions(offered_);
    host_->start();
  }
};

TEST_F(ClientByName, ConnectsToTheAddressesThatTheMiddlewareKnows) {
  start_by_name();
  const auto question = asked("resolve_endpoint");
  EXPECT_EQ(about(question), (Map{{"name", "maths"}}));
  give(question, Array{server(0).endpoint(), server(1).endpoint()});
  EXPECT_TRUE(until([&] { return there(2); }));
}

TEST_F(ClientByName, AsksAgainUntilTheNameIsKnown) {
  start_by_name();
  host_->stop_clock();
  host_->advance(0ns);
  give(asked("resolve_endpoint"), nullptr);
  EXPECT_TRUE(host_->logged("knows an address of \"maths\""));
  host_->advance(1s);
  host_->answer_error(asked("resolve_endpoint").message.envelope(), "Down", "no directory");
  EXPECT_TRUE(host_->logged("the addresses of \"maths\" are not known: Down: no directory"));
  host_->advance(1s);
  give(asked("resolve_endpoint"), "no address");
  host_->advance(1s);
  give(asked("resolve_endpoint"), server(0).endpoint());
  EXPECT_TRUE(until([&] { return there(1); }));
}

TEST_F(ClientByName, GoesWhereTheServerHasMoved) {
  start_by_name();
  give(asked("resolve_endpoint"), server(0).endpoint());
  ASSERT_TRUE(until([&] { return there(1); }));
  server(0).kill();
  give(asked("resolve_endpoint"), server(1).endpoint());
  ASSERT_TRUE(until([&] { return there(1); }));
  ask("add");
  server(1).ok(call(1), 1);
  EXPECT_EQ(result(), 1);
}

}  // namespace
}  // namespace backplane::zerorpc
