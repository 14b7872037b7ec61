// rpc::InfiClient against a raw socket that plays the server, and how its errors are read.
#include <backplane/rpc/infi_client.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <string>
#include <vector>

#include "sdk/rpc_verbs.hpp"
#include "support/rpc_server.hpp"
#include "support/rpc_vectors.hpp"

namespace backplane::rpc {
namespace {

using test::RpcEvent;
using test::RpcServer;
using test::ServingRpcServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

// ---- errors ----

Value exception(const std::string& pickled) {
  return Map{{"pickled", pickled}, {"message", "what"}, {"args", Array{"what", 2}}, {"extra", 7}};
}

TEST(InfiErrors, AreNamedByWhateverFormThePickledClassHas) {
  const std::string forms[] = {
      R"({"py/object": "infi.rpc.errors.InvalidRPCMethod"})",
      R"({"py/reduce": [{"py/type": "infi.rpc.errors.InvalidRPCMethod"}, {"py/tuple": ["x"]}, {}]})",
      R"({"py/reduce": [{"py/type": "infi.rpc.errors.InvalidRPCMethod"}, {"py/tuple": []}]})",
      R"( { "py/reduce" : [ {"py/type":"infi.rpc.errors.InvalidRPCMethod"},{"a":[1,{"b":null}]},-1.5e3,true,"\"]"] } )",
  };
  for (const auto& form : forms) {
    const auto error = infi_error(exception(form));
    EXPECT_EQ(error.type(), "InvalidRPCMethod") << form;
    EXPECT_EQ(error.class_path(), "infi.rpc.errors.InvalidRPCMethod") << form;
    EXPECT_STREQ(error.what(), "what");
    EXPECT_EQ(error.args(), (Array{"what", 2}));
    EXPECT_EQ(error.attributes(), (Map{{"extra", 7}}));
  }
}

TEST(InfiErrors, AreGenericWhenTheClassCannotBeRead) {
  const std::string forms[] = {
      "",
      "5",
      "\"infi.rpc.errors.TimeoutExpired\"",
      "{",
      R"({"py/object": 5})",
      R"({"py/object": "a.b\u0041"})",
      R"({"py/object": "a.b c"})",
      R"({"py/object": "a."})",
      R"({"py/object": "a.1b"})",
      R"({"py/object": "a.B")",
      R"({"py/reduce": [5, {"py/type": "a.B"}]})",
      R"({"other": "a.B"})",
      R"({"py/state": {"py/object": "a.B"}})",
      std::string(100000, '['),
      "{\"a\":" + std::string(100000, '[') + "}",
  };
  for (const auto& form : forms) {
    const auto error = infi_error(exception(form));
    EXPECT_EQ(error.type(), "RPCException") << form.substr(0, 60);
    EXPECT_STREQ(error.what(), "what");
  }
}

TEST(InfiErrors, MayBeOfAnyShape) {
  EXPECT_EQ(infi_error(Value(5)).type(), "RPCException");
  EXPECT_EQ(infi_error(Map{{"message", Array{1}}, {"args", 5}, {"pickled", Bytes{"{}"}}}).type(),
            "RPCException");
  EXPECT_STREQ(infi_error(Map{{"message", Map{{"k", 1}}}}).what(), R"({"k":1})");
}

TEST(InfiErrors, KnowTheirBaseClasses) {
  const InfiError timeout("TimeoutExpired", "");
  EXPECT_TRUE(timeout.is_a("TimeoutExpired"));
  EXPECT_TRUE(timeout.is_a("RPCTransportException"));
  EXPECT_TRUE(timeout.is_a("RPCFrameworkException"));
  EXPECT_TRUE(timeout.is_a("RPCException"));
  EXPECT_FALSE(timeout.is_a("RPCUserException"));
  const InfiError own("OutOfPaper", "");
  EXPECT_TRUE(own.is_a("OutOfPaper"));
  EXPECT_TRUE(own.is_a("RPCException"));
  EXPECT_FALSE(own.is_a("RPCFrameworkException"));
}

// ---- the server ----

Value success(Value result) { return Map{{"code", "success"}, {"result", std::move(result)}}; }
Value deferred(const std::string& token) { return Map{{"code", "deferred"}, {"result", token}}; }
Value failure(const std::string& name, const std::string& message) {
  return Map{{"code", "error"},
             {"exception", Map{{"pickled", R"({"py/object": "infi.rpc.errors.)" + name + "\"}"},
                               {"message", message},
                               {"args", RpcServer::list(message)}}}};
}

// What a call says.
struct Call {
  explicit Call(const RpcEvent& request) : name(request.name) {
    const auto& parts = *(*request.args.get_if<Array>())[0].get_if<Array>();
    meta = parts[0];
    args = *parts[1].get_if<Array>();
    named = parts[2];
    method = *meta.find("method")->get_if<std::string>();
    uuid = *meta.find("uuid")->get_if<std::string>();
  }
  std::string name;
  Value meta;
  std::string method;
  std::string uuid;
  Array args;
  Value named;
};

// Answers add, slow (deferred, until it was polled so often), fail; keeps what was called.
class InfiServer {
 public:
  explicit InfiServer(int polls_until_done = 2)
      : polls_(polls_until_done),
        server_([this](RpcServer& self, const RpcEvent& event) { answer(self, event); }) {}

  const std::string& endpoint() const { return server_.endpoint(); }
  std::vector<std::string> methods() {
    const std::lock_guard lock(mutex_);
    return methods_;
  }
  int beats() const { return server_.beats(); }

 private:
  void answer(RpcServer& self, const RpcEvent& event) {
    const Call call(event);
    {
      const std::lock_guard lock(mutex_);
      methods_.push_back(call.method);
    }
    if (call.method == "add") {
      const auto* b = call.named.find("b");
      const auto second = b != nullptr ? *b->get_if<std::int64_t>() : *call.args[1].get_if<std::int64_t>();
      return self.ok(event, success(*call.args[0].get_if<std::int64_t>() + second));
    }
    if (call.method == "slow") {
      tokens_.push_back(call.uuid);
      return self.ok(event, deferred(call.uuid));
    }
    if (call.method == "fail") return self.ok(event, failure("RPCUserException", "no"));
    if (call.method == "strange") return self.ok(event, call.args[0]);
    if (call.method == "query_async_request")
      return self.ok(event, state_of(*call.args[0].get_if<std::string>()));
    if (call.method == "get_rpc_method_names") return self.ok(event, success(Array{"add", "ping"}));
    if (call.method == "get_rpc_ipython_argspec")
      return self.ok(event, success(Array{Array{"self", "a", "b"}, nullptr, nullptr, RpcServer::list(1),
                                          Array{}, nullptr, Map{}}));
    self.ok(event, failure("InvalidRPCMethod", call.method));
  }
  Value state_of(const std::string& token) {
    if (std::find(tokens_.begin(), tokens_.end(), token) == tokens_.end())
      return failure("InvalidAsyncToken", token);
    if (polls_-- > 0) return success(deferred(token));
    return success(success("done"));
  }

  int polls_;
  std::vector<std::string> tokens_;
  std::mutex mutex_;
  std::vector<std::string> methods_;
  ServingRpcServer server_;
};

// ---- calls ----

TEST(InfiClientCalls, AreSentAsRealClientsSendThem) {
  RpcServer server;
  InfiClient client(server.endpoint());
  int played = 0;
  for (const auto& recording : test::recordings("infi"))
    for (const auto& frame : recording.frames) {
      if (!frame.sent || frame.name() != Value("on_call")) continue;
      const auto& parts = *(*frame.args().get_if<Array>())[0].get_if<Array>();
      const auto* uuid = parts[0].find("uuid");
      if (uuid == nullptr) continue;
      SCOPED_TRACE(recording.name);
      const auto call = client.begin({.uuid = *uuid->get_if<std::string>()},
                                     *parts[0].find("method")->get_if<std::string>(),
                                     *parts[1].get_if<Array>(), *parts[2].get_if<Map>());
      const auto request = server.request();
      EXPECT_EQ(request.payload, with_id_of(request.payload, frame.payload()));
      ++played;
    }
  EXPECT_GT(played, 20);
}

TEST(InfiClientCalls, HaveARandomIdentityOfTheirOwn) {
  RpcServer server;
  InfiClient client(server.endpoint());
  const auto one = client.start("add", 1);
  const auto other = client.start("add", 1);
  const auto uuid = Call(server.request()).uuid;
  EXPECT_EQ(uuid.size(), 36u);
  EXPECT_EQ(uuid[14], '4');
  EXPECT_NE(uuid, Call(server.request()).uuid);
}

TEST(InfiClientCalls, ReturnAResultAtOnce) {
  InfiServer server;
  InfiClient client(server.endpoint());
  EXPECT_EQ(client.call<int>("add", 1, 2), 3);
  const Named b{{"b", 3}};
  EXPECT_EQ(client.call<int>("add", 2, b), 5);
  EXPECT_EQ(client.call("add", 2, 3), Value(5));
  client.call<void>("add", 2, 3);
}

TEST(InfiClientCalls, PollUntilTheWorkHasEnded) {
  InfiServer server(2);
  InfiClient client(server.endpoint(), {.poll_interval = 1ms});
  EXPECT_EQ(client.call<std::string>("slow"), "done");
  EXPECT_THAT(server.methods(),
              ElementsAre("slow", "query_async_request", "query_async_request", "query_async_request"));
}

TEST(InfiClientCalls, ThrowTheErrorByItsClass) {
  InfiServer server;
  InfiClient client(server.endpoint());
  try {
    client.call("fail");
    FAIL();
  } catch (const InfiError& error) {
    EXPECT_EQ(error.type(), "RPCUserException");
    EXPECT_STREQ(error.what(), "no");
    EXPECT_EQ(error.args(), Array{"no"});
  }
  try {
    client.call("nothing");
    FAIL();
  } catch (const InfiError& error) {
    EXPECT_TRUE(error.is_a("RPCFrameworkException"));
  }
}

TEST(InfiClientCalls, AnAnswerOfAnotherShapeIsAnInvalidReturnValue) {
  InfiServer server;
  InfiClient client(server.endpoint());
  for (const Value& strange :
       {Value(5), Value(Map{{"code", "what"}}), Value(Map{{"code", "success"}}),
        Value(Map{{"code", "deferred"}, {"result", 5}}), Value(Map{{"code", "error"}})})
    EXPECT_THROW(
        {
          try {
            client.call("strange", strange);
          } catch (const InfiError& error) {
            EXPECT_EQ(error.type(), "InvalidReturnValue");
            throw;
          }
        },
        InfiError);
}

TEST(InfiClientCalls, KeysAndTextsMayBeBytes) {
  InfiServer server;
  InfiClient client(server.endpoint());
  EXPECT_EQ(client.call<int>("strange", Map{{Bytes{"code"}, Bytes{"success"}}, {Bytes{"result"}, 5}}), 5);
}

TEST(InfiClientCalls, WhatAPeerCouldNotReadIsNotSent) {
  InfiServer server;
  InfiClient client(server.endpoint());
  try {
    client.call("add", "\xff");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.type(), "TypeError");
  }
  EXPECT_EQ(client.call<int>("add", 1, 2), 3);
}

TEST(InfiClientCalls, CarryTheTagOfTheClient) {
  RpcServer server;
  InfiClient client(server.endpoint(), {.request_id_tag = "0011aabb"});
  auto pending = client.start("add", 1);
  EXPECT_EQ(*Call(server.request()).meta.find("request_id_tag"), Value("0011aabb"));
}

TEST(InfiClientCalls, MayBeGivenTheirIdentity) {
  RpcServer server;
  InfiClient client(server.endpoint());
  auto pending = client.start({.uuid = "mine"}, "add", 1);
  EXPECT_EQ(Call(server.request()).uuid, "mine");
}

TEST(InfiClientCalls, SendNoHeartbeats) {
  RpcServer server;
  InfiClient client(server.endpoint());
  auto pending = client.start("hold");
  const auto request = server.request();
  server.beat(request);
  EXPECT_FALSE(server.receive(50ms));
  server.ok(request, success(1));
  EXPECT_EQ(pending.get(), Value(1));
}

// ---- deferred results ----

TEST(InfiDeferred, CanBePolledAndTaken) {
  InfiServer server(1);
  InfiClient client(server.endpoint());
  auto slow = client.start<std::string>("slow");
  EXPECT_FALSE(slow.is_done());
  EXPECT_FALSE(slow.poll());  // the answer to the call itself
  EXPECT_FALSE(slow.poll());
  EXPECT_TRUE(slow.poll());
  EXPECT_TRUE(slow.is_done());
  EXPECT_TRUE(slow.active());
  EXPECT_EQ(slow.get(), "done");
  EXPECT_FALSE(slow.active());
}

TEST(InfiDeferred, IsDoneWhenTheCallEndedAtOnce) {
  InfiServer server;
  InfiClient client(server.endpoint());
  auto sum = client.deferred<int>("add", 1, 2);
  EXPECT_TRUE(sum.is_done());
  EXPECT_EQ(sum.token(), "");
  EXPECT_EQ(sum.get(), 3);
  EXPECT_THAT(server.methods(), ElementsAre("add"));
}

TEST(InfiDeferred, WaitsNoLongerThanItIsTold) {
  RpcServer server;
  InfiClient client(server.endpoint());
  auto pending = client.start<int>("add", 1, 2);
  const auto request = server.request();
  EXPECT_FALSE(pending.wait_for(5ms));
  server.ok(request, success(3));
  EXPECT_TRUE(pending.wait_for(test::kPatience));
  EXPECT_EQ(pending.get(), 3);

  InfiServer busy(1000000);
  InfiClient other(busy.endpoint(), {.poll_interval = 1ms});
  auto slow = other.start("slow");
  EXPECT_FALSE(slow.wait_for(20ms));
  EXPECT_FALSE(slow.is_done());
}

TEST(InfiDeferred, IsFoundByItsTokenFromAnywhere) {
  InfiServer server(0);
  std::string token;
  {
    InfiClient client(server.endpoint());
    auto slow = client.deferred("slow");
    token = slow.token();
    EXPECT_EQ(token.size(), 36u);
  }
  InfiClient client(server.endpoint());
  EXPECT_EQ(client.adopt<std::string>(token).get(), "done");
  try {
    client.adopt("unknown").get();
    FAIL();
  } catch (const InfiError& error) {
    EXPECT_EQ(error.type(), "InvalidAsyncToken");
    EXPECT_STREQ(error.what(), "unknown");
  }
}

TEST(InfiDeferred, MayBeForgotten) {
  InfiServer server;
  InfiClient client(server.endpoint());
  auto slow = client.start("slow");
  slow.cancel();
  EXPECT_FALSE(slow.active());
  EXPECT_EQ(client.call<int>("add", 1, 2), 3);
}

TEST(InfiDeferred, OutlivesItsClient) {
  InfiServer server;
  auto client = std::make_unique<InfiClient>(server.endpoint(), InfiOptions{.poll_interval = 1ms});
  auto slow = client->start<std::string>("slow");
  client.reset();
  EXPECT_EQ(slow.get(), "done");
}

// ---- silence ----

TEST(InfiClientTimeouts, ASilentServerIsATimeoutAndTheNextCallHasANewConnection) {
  RpcServer server;
  InfiClient client(server.endpoint());
  try {
    client.call_within(20ms, "add", 1, 2);
    FAIL();
  } catch (const InfiError& error) {
    EXPECT_EQ(error.type(), "TimeoutExpired");
    EXPECT_STREQ(error.what(), "timeout after 0.02s, when calling remote method add");
    EXPECT_TRUE(error.is_a("RPCTransportException"));
  }
  const auto first = server.request();
  auto pending = client.start<int>("add", 1, 2);
  const auto second = server.request();
  EXPECT_NE(first.way, second.way);
  server.ok(second, success(3));
  EXPECT_EQ(pending.get(), 3);
}

TEST(InfiClientTimeouts, OthersWhoWaitKeepTheirConnection) {
  RpcServer server;
  InfiClient client(server.endpoint());
  auto kept = client.start<int>("hold");
  const auto holding = server.request();
  EXPECT_THROW(client.call_within(10ms, "add"), InfiError);
  const auto lost = server.request();
  EXPECT_EQ(lost.way, holding.way);
  auto next = client.start<int>("add");
  server.ok(server.request(), success(1));
  EXPECT_EQ(next.get(), 1);
  server.ok(holding, success(2));
  EXPECT_EQ(kept.get(), 2);
}

// A server that loses some polls.
TEST(InfiClientTimeouts, ALostPollIsRepeated) {
  std::atomic<int> polls = 0;
  ServingRpcServer server([&](RpcServer& self, const RpcEvent& event) {
    const Call call(event);
    if (call.method == "slow") return self.ok(event, deferred(call.uuid));
    if (++polls > 2) self.ok(event, success(success("done")));
  });
  InfiClient client(server.endpoint(), {.timeout = 500ms});
  EXPECT_EQ(client.call<std::string>("slow"), "done");
  EXPECT_EQ(polls, 3);
}

TEST(InfiClientTimeouts, ButNotForEver) {
  std::atomic<int> polls = 0;
  ServingRpcServer server([&](RpcServer& self, const RpcEvent& event) {
    const Call call(event);
    if (call.method == "slow") return self.ok(event, deferred(call.uuid));
    ++polls;
  });
  InfiClient client(server.endpoint(), {.timeout = 300ms, .poll_again = 1});
  EXPECT_THROW(client.call("slow"), InfiError);
  EXPECT_TRUE(test::eventually([&] { return polls == 2; }));
}

TEST(InfiClientTimeouts, WhenTheAnswerIsLostTheResultIsFoundByTheIdentityOfTheCall) {
  ServingRpcServer server([](RpcServer& self, const RpcEvent& event) {
    const Call call(event);
    if (call.method == "query_async_request")
      self.ok(event,
              success(call.args[0] == Value("mine") ? success("done") : failure("InvalidAsyncToken", "?")));
  });
  InfiClient client(server.endpoint(), {.timeout = 500ms});
  auto call = client.start<std::string>({.timeout = 20ms, .uuid = "mine"}, "work");
  EXPECT_THROW(call.wait(), InfiError);
  EXPECT_EQ(call.get(), "done");
}

// ---- how long to wait ----

// Answers what it is asked about its response time, and says how often.
struct Negotiator {
  Value answer;
  std::atomic<int> asked = 0;
  void operator()(RpcServer& self, const RpcEvent& event) {
    if (Call(event).method == "get_rpc_max_response_time") {
      ++asked;
      self.ok(event, answer);
    } else if (Call(event).method == "fine") {
      self.ok(event, success(1));
    }
  }
};

TEST(InfiAutoTimeout, AsksOnceAndWaitsTwiceAsLong) {
  Negotiator negotiator{success(0.01)};
  ServingRpcServer server(std::ref(negotiator));
  InfiOptions options{.auto_timeout = true};
  EXPECT_EQ(options.rule(0.1), 1s);
  EXPECT_EQ(options.rule(3), 6s);
  options.rule = [](double seconds) { return std::chrono::nanoseconds(std::int64_t(seconds * 3e9)); };
  InfiClient client(server.endpoint(), options);
  EXPECT_EQ(negotiator.asked, 0);
  try {
    client.call("stuck");
    FAIL();
  } catch (const InfiError& error) {
    EXPECT_STREQ(error.what(), "timeout after 0.03s, when calling remote method stuck");
  }
  EXPECT_THROW(client.call("stuck"), InfiError);
  EXPECT_EQ(negotiator.asked, 1);
}

TEST(InfiAutoTimeout, KeepsTheDefaultWhenTheServerDoesNotKnow) {
  for (const auto& answer : {failure("InvalidRPCMethod", "get_rpc_max_response_time"), success(Value())}) {
    Negotiator negotiator{answer};
    ServingRpcServer server(std::ref(negotiator));
    InfiClient client(server.endpoint(), {.auto_timeout = true});
    EXPECT_EQ(client.call<int>("fine"), 1);
    EXPECT_EQ(client.call<int>("fine"), 1);
    EXPECT_EQ(negotiator.asked, 1);
  }
}

TEST(InfiAutoTimeout, AsksAgainWhenAskingFailed) {
  Negotiator negotiator{failure("InternalServerError", "oops")};
  ServingRpcServer server(std::ref(negotiator));
  InfiClient client(server.endpoint(), {.auto_timeout = true});
  EXPECT_THROW(client.call("fine"), InfiError);
  EXPECT_THROW(client.call("fine"), InfiError);
  EXPECT_EQ(negotiator.asked, 2);
}

TEST(InfiAutoTimeout, TakesSecondsAndNothingElse) {
  const auto nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& odd : {Value(nan), Value(-1.0), Value("soon")}) {
    Negotiator negotiator{success(odd)};
    ServingRpcServer server(std::ref(negotiator));
    InfiClient client(server.endpoint(), {.auto_timeout = true});
    EXPECT_THROW(client.call("fine"), Error) << describe(odd);
  }
  Negotiator negotiator{success(std::numeric_limits<double>::infinity())};
  ServingRpcServer server(std::ref(negotiator));
  InfiClient client(server.endpoint(), {.auto_timeout = true});
  EXPECT_EQ(client.call<int>("fine"), 1);
}

// ---- introspection ----

TEST(InfiIntrospection, TellsNamesAndParameters) {
  InfiServer server;
  InfiClient client(server.endpoint());
  const auto functions = client.functions();
  ASSERT_EQ(functions.size(), 2u);
  EXPECT_EQ(functions[0].name, "add");
  ASSERT_EQ(functions[0].parameters->size(), 2u);
  EXPECT_EQ(functions[0].parameters->at(0).name, "a");
  EXPECT_EQ(functions[0].parameters->at(1).name, "b");
  EXPECT_EQ(functions[0].parameters->at(1).default_value, Value(1));
}

}  // namespace
}  // namespace backplane::rpc
