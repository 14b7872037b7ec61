// zerorpc.client with servers of infi.rpc: calls in maps, tokens, polls, errors by class.
#include "plugins/zerorpc/client_fixture.hpp"

namespace backplane::zerorpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// What on_call says.
struct InfiCall {
  RpcEvent event;
  std::string method;
  Value uuid;
  Value tag;
  Array args;
  Map kwargs;
};

class InfiClientOfServers : public ClientOfServers {
 protected:
  // A server that tells its functions: none, unless the test has an answer of its own.
  void start_infi(std::vector<OptionText> options = {}) {
    have_servers(1);
    for (auto& one : servers_)
      if (!one->answer)
        one->answer = [](ScriptedServer& self, const RpcEvent& event) {
          if (event.name == "_zerorpc_ping") return false;
          const auto call = read(event);
          if (call.method != "get_rpc_method_names") return false;
          ++self.inspections;
          self.ok(event, success(Array()));
          return true;
        };
    options.emplace_back("layer", "infi");
    start(std::move(options));
  }
  static InfiCall read(const RpcEvent& event) {
    EXPECT_EQ(event.name, "on_call");
    const auto& parts = *event.args.get_if<Array>()->at(0).get_if<Array>();
    EXPECT_EQ(parts.size(), 3u);
    return {event,
            *parts[0].find("method")->get_if<std::string>(),
            *parts[0].find("uuid"),
            *parts[0].find("request_id_tag"),
            *parts[1].get_if<Array>(),
            *parts[2].get_if<Map>()};
  }
  InfiCall infi_call(std::size_t which = 0) { return read(call(which)); }
  // The next poll, which asks for this token.
  InfiCall poll(const std::string& token, std::size_t which = 0) {
    auto asked = infi_call(which);
    EXPECT_EQ(asked.method, "query_async_request");
    EXPECT_EQ(asked.args, Array{token});
    return asked;
  }
  void ok(const InfiCall& call, const Value& result, std::size_t which = 0) {
    server(which).ok(call.event, result);
  }
  static Map success(const Value& result) { return {{"code", "success"}, {"result", result}}; }
  static Map deferred(const char* token) { return {{"code", "deferred"}, {"result", token}}; }
  static Map error(const char* path, const char* message, const Map& more = {}) {
    Map exception{
        {"pickled", "{\"py/object\": \""s + path + "\"}"}, {"message", message}, {"args", Array{message}}};
    exception.insert(exception.end(), more.begin(), more.end());
    return {{"code", "error"}, {"exception", exception}};
  }
};

TEST_F(InfiClientOfServers, ACallIsACallOfOnCall) {
  start_infi();
  ask("add", {1}, {{"b", 2}});
  const auto got = infi_call();
  EXPECT_EQ(got.method, "add");
  EXPECT_EQ(got.uuid.get_if<std::string>()->size(), 36u);
  EXPECT_TRUE(got.tag.is_nil());
  EXPECT_EQ(got.args, Array{1});
  EXPECT_EQ(got.kwargs, (Map{{"b", 2}}));
  ok(got, success(3));
  EXPECT_EQ(result(), 3);
}

TEST_F(InfiClientOfServers, CallsHaveUuidsOfTheirOwn) {
  start_infi();
  ask("add");
  ask("add");
  EXPECT_NE(infi_call().uuid, infi_call().uuid);
}

TEST_F(InfiClientOfServers, TheTagOfTheLogTravels) {
  start_infi();
  auto message = host_->request("add", {}, BP_MSGPACK);
  add_baggage(message, "log_tag", "12ab34cd");
  deliver(std::move(message));
  EXPECT_EQ(infi_call().tag, "12ab34cd");
}

TEST_F(InfiClientOfServers, NoHeartbeatIsSentAndNobodyIsLostByThem) {
  start_infi({{"heartbeat", "1s"}, {"timeout", "0"}});
  host_->stop_clock();
  ask("hold");
  const auto got = infi_call();
  for (int i = 0; i < 10; ++i) pass(10s);
  EXPECT_THAT(server().heartbeats, IsEmpty());
  ok(got, success(1));
  EXPECT_EQ(result(), 1);
}

TEST_F(InfiClientOfServers, AnAnswerIsWaitedForTenSeconds) {
  start_infi();
  host_->stop_clock();
  ask("hold");
  infi_call();
  pass(10s - 1ns);
  EXPECT_TRUE(host_->replies().empty());
  pass(1ns);
  EXPECT_EQ(result(), "TimeoutExpired: timeout after 10s, when calling remote method hold");
}

TEST_F(InfiClientOfServers, AServerThatIsSilentIsAvoidedUntilItAnswersAPing) {
  start_infi();
  settle();
  host_->stop_clock();
  server().pongs = false;
  ask("hold");
  infi_call();
  host_->advance(10s);
  EXPECT_EQ(reply().error_type, "TimeoutExpired");
  EXPECT_TRUE(there(0));
  EXPECT_TRUE(host_->logged("is not asked for now: it leaves requests unanswered"));
  ASSERT_TRUE(until([&] { return server().pings == 1; }));
  ask("next");
  host_->advance(5s);
  ASSERT_TRUE(until([&] { return server().pings == 2; })) << "it is asked again and again";
  EXPECT_THAT(server().calls, IsEmpty());
  server().pongs = true;
  host_->advance(4s);
  EXPECT_TRUE(there(0));
  host_->advance(1s);
  EXPECT_EQ(reply().error_type, "TimeoutExpired") << "no call waits for ever";
  ASSERT_TRUE(until([&] { return there(1); }));
  ask("after");
  EXPECT_EQ(infi_call().method, "after");
}

TEST_F(InfiClientOfServers, AServerThatAnswersOthersIsAskedOn) {
  start_infi();
  host_->stop_clock();
  ask("hold");
  infi_call();
  host_->advance(5s);
  ask("add");
  ok(infi_call(), success(3));
  EXPECT_EQ(result(), 3);
  host_->advance(5s);
  EXPECT_EQ(reply().error_type, "TimeoutExpired");
  EXPECT_TRUE(there(1));
  EXPECT_EQ(server().pings, 0);
}

TEST_F(InfiClientOfServers, AnAskerWhoIsInAHurryDoubtsNoServer) {
  start_infi();
  host_->stop_clock();
  auto message = host_->request("hold", {}, BP_MSGPACK);
  message.envelope().deadline = host_->now() + 500ms / 1ns;
  deliver(std::move(message));
  infi_call();
  host_->advance(500ms);
  EXPECT_EQ(reply().error_type, "DeadlineExceeded");
  EXPECT_TRUE(there(1));
}

TEST_F(InfiClientOfServers, BytesAnswerARawCallAsTheyAre) {
  start_infi();
  deliver(host_->request("echo", {"a"}, BP_RAW));
  const auto got = infi_call();
  EXPECT_EQ(got.args, Array{Bytes{"a"}});
  ok(got, success(Bytes{"plain"}));
  EXPECT_EQ(reply().message[0], "plain");
}

// ---- functions ------------------------------------------------------------------------------------------

TEST_F(InfiClientOfServers, PublishesTheServersFunctionsWithTheirParameters) {
  have_servers(1);
  server().answer = [&](ScriptedServer& self, const RpcEvent& event) {
    const auto call = read(event);
    if (call.method == "get_rpc_method_names") {
      ++self.inspections;
      self.ok(event, success(Array{"add", "get_rpc_ipython_argspec", "get_rpc_method_names", "ping"}));
    } else if (call.method == "get_rpc_ipython_argspec") {
      EXPECT_EQ(call.args, Array{"add"});
      self.ok(event,
              success(Array{Array{"self", "a", "b"}, nullptr, nullptr, Array{1}, Array(), nullptr, Map()}));
    }
    return true;
  };
  start_infi();
  ASSERT_TRUE(
      until([&] { return host_->published().size() == 1 && host_->published()[0].parameters.size() == 2; }));
  using Parameter = PublishedFunction::Parameter;
  EXPECT_EQ(host_->published()[0].name, "add");
  EXPECT_THAT(host_->published()[0].parameters,
              ElementsAre(Parameter{"a", "any"}, Parameter{"b", "any", "1"}));
}

TEST_F(InfiClientOfServers, LearnsFromAServerThatDefersEverything) {
  have_servers(1);
  server().answer = [&](ScriptedServer& self, const RpcEvent& event) {
    const auto call = read(event);
    ++self.inspections;
    if (call.method != "query_async_request") {
      self.ok(event, deferred(call.method.c_str()));
    } else if (call.args == Array{"get_rpc_method_names"}) {
      self.ok(event, success(success(Array{"add"})));
    } else {
      self.ok(event, success(success(Array{Array{"a"}, nullptr, nullptr, nullptr})));
    }
    return true;
  };
  start_infi();
  EXPECT_TRUE(
      until([&] { return !host_->published().empty() && host_->published()[0].parameters[0].name == "a"; }));
}

// ---- errors ---------------------------------------------------------------------------------------------

TEST_F(InfiClientOfServers, AnErrorHasTheLastNameOfItsClassAndItsAttributes) {
  start_infi();
  ask("fail");
  ok(infi_call(), error("mypackage.errors.Busy", "m", {{"left", 5}}));
  const auto answer = reply();
  EXPECT_EQ(answer.error_type, "Busy");
  EXPECT_EQ(answer.error_message, "m");
  EXPECT_EQ(answer.attributes, (Map{{"left", 5}}));
}

TEST_F(InfiClientOfServers, AnErrorAsNewerServersWriteItIsReadTheSameWay) {
  start_infi();
  ask("fail");
  ok(infi_call(),
     Map{{"code", "error"},
         {"exception", Map{{"pickled", R"({"py/reduce": [{"py/type": "infi.rpc.errors.InvalidRPCMethod"}, )"
                                       R"({"py/tuple": ["nothing"]}, {}]})"},
                           {"message", "nothing"},
                           {"args", Array{"nothing"}}}}});
  EXPECT_EQ(result(), "InvalidRPCMethod: nothing");
}

TEST_F(InfiClientOfServers, AnErrorWhoseClassCannotBeReadIsAnRpcException) {
  start_infi();
  ask("fail");
  ok(infi_call(), Map{{"code", "error"}, {"exception", Map{{"pickled", "cos\nsystem\n"}, {"message", "m"}}}});
  EXPECT_EQ(result(), "RPCException: m");
}

TEST_F(InfiClientOfServers, WhatIsNoResultIsAnInvalidReturnValue) {
  start_infi();
  for (const auto& told :
       {Value(5), Value(Map()), Value(Map{{"code", "maybe"}, {"result", 1}}), Value(Map{{"code", "success"}}),
        Value(Map{{"code", "deferred"}, {"result", 5}}), Value(Map{{"code", 7}, {"result", 1}})}) {
    ask("odd");
    ok(infi_call(), told);
    EXPECT_EQ(reply().error_type, "InvalidReturnValue") << to_json(told);
  }
  ask("odd");
  server().item(infi_call().event, 1);
  EXPECT_EQ(reply().error_type, "InvalidReturnValue");
}

// ---- work that takes long -------------------------------------------------------------------------------

TEST_F(InfiClientOfServers, ATokenIsPolledAtOnceAndThenEveryIntervalUntilTheEnd) {
  start_infi({{"poll_interval", "300ms"}});
  host_->stop_clock();
  ask("later", {5});
  const auto got = infi_call();
  ok(got, deferred("token"));
  const auto first = poll("token");
  EXPECT_NE(first.uuid, got.uuid);
  for (int i = 0; i < 3; ++i) {
    ok(i == 0 ? first : poll("token"), success(deferred("token")));
    pass(299ms);
    EXPECT_THAT(server().calls, IsEmpty());
    pass(1ms);
  }
  ok(poll("token"), success(success(5)));
  EXPECT_EQ(result(), 5);
  EXPECT_EQ(host_->holding(), 0u);
}

TEST_F(InfiClientOfServers, WorkMayTakeLongerThanTheTimeoutOfOneAnswer) {
  start_infi({{"poll_interval", "4s"}, {"timeout", "5s"}});
  host_->stop_clock();
  ask("later");
  ok(infi_call(), deferred("token"));
  for (int i = 0; i < 10; ++i) {
    ok(poll("token"), success(deferred("token")));
    pass(4s);
  }
  ok(poll("token"), success(success(1)));
  EXPECT_EQ(result(), 1);
}

TEST_F(InfiClientOfServers, WorkThatFailsIsItsError) {
  start_infi();
  ask("later_fail");
  ok(infi_call(), deferred("token"));
  ok(poll("token"), success(error("infi.rpc.errors.RPCUserException", "m")));
  EXPECT_EQ(result(), "RPCUserException: m");
}

TEST_F(InfiClientOfServers, AResultThatTheServerHasForgottenIsAnInvalidAsyncToken) {
  start_infi();
  ask("later");
  ok(infi_call(), deferred("token"));
  ok(poll("token"), error("infi.rpc.errors.InvalidAsyncToken", "token"));
  EXPECT_EQ(result(), "InvalidAsyncToken: token");
}

TEST_F(InfiClientOfServers, APollThatIsNotAnsweredIsRepeatedThreeTimes) {
  start_infi({{"timeout", "2s"}});
  host_->stop_clock();
  ask("later");
  ok(infi_call(), deferred("token"));
  for (int i = 0; i < 4; ++i) {
    poll("token");
    EXPECT_TRUE(host_->replies().empty());
    pass(2100ms);
  }
  EXPECT_EQ(result(), "TimeoutExpired: the server does not tell any more how later goes on");
}

TEST_F(InfiClientOfServers, APollThatIsAnsweredAtLastMakesUpForThoseThatWereNot) {
  start_infi({{"timeout", "2s"}});
  host_->stop_clock();
  ask("later");
  ok(infi_call(), deferred("token"));
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 3; ++i) {
      poll("token");
      pass(2100ms);
    }
    ok(poll("token"), success(deferred("token")));
    pass(100ms);
  }
  ok(poll("token"), success(success(1)));
  EXPECT_EQ(result(), 1);
}

TEST_F(InfiClientOfServers, WorkIsAskedForAgainWhenItsServerIsBack) {
  have_servers(2);
  start_infi({{"retry_lost", "true"}});
  ask("later");
  ASSERT_TRUE(until([&] { return server(0).calls.size() + server(1).calls.size() == 1; }));
  const std::size_t its = server(0).calls.empty() ? 1 : 0;
  ok(infi_call(its), deferred("token"), its);
  poll("token", its);
  server(its).kill();
  ASSERT_TRUE(until([&] { return there(1); }));
  settle();
  EXPECT_THAT(server(1 - its).calls, IsEmpty()) << "the other does not know the token";
  server(its).restart();
  ok(poll("token", its), success(success(1)), its);
  EXPECT_EQ(result(), 1);
}

TEST_F(InfiClientOfServers, ACallThatIsRetriedIsTheSameRequest) {
  start_infi({{"retry_lost", "true"}});
  ask("add");
  const auto first = infi_call();
  server().kill();
  ASSERT_TRUE(until([&] { return there(0); }));
  server().restart();
  EXPECT_EQ(infi_call().uuid, first.uuid) << "a server that knows it joins them";
}

TEST_F(InfiClientOfServers, WorkIsWaitedForNoLongerThanTheAskersDeadline) {
  start_infi();
  host_->stop_clock();
  auto message = host_->request("later", {}, BP_MSGPACK);
  message.envelope().deadline = host_->now() + 1s / 1ns;
  deliver(std::move(message));
  const auto got = infi_call();
  EXPECT_EQ(header_of(got.event, "timeout_ms"), 1000);
  ok(got, deferred("token"));
  ok(poll("token"), success(deferred("token")));
  pass(1s);
  EXPECT_EQ(reply().error_type, "DeadlineExceeded");
  EXPECT_EQ(host_->holding(), 0u);
}

TEST_F(InfiClientOfServers, AnAskerWhoGivesUpPollsNoMore) {
  start_infi();
  host_->stop_clock();
  const auto asked = ask("later");
  ok(infi_call(), deferred("token"));
  ok(poll("token"), success(deferred("token")));
  settle();
  host_->give_up(asked);
  pass(1s);
  EXPECT_THAT(server().calls, IsEmpty());
  EXPECT_EQ(host_->holding(), 0u);
}

}  // namespace
}  // namespace backplane::zerorpc
