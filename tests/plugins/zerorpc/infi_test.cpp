// zerorpc.service towards clients of infi.rpc: calls that wait, calls that are deferred, and the results that
// are kept for them.
#include "plugins/zerorpc/verbs.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::zerorpc {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const std::string no_answer = "nothing";

class InfiTest : public ServiceFixture {
 protected:
  void start(std::vector<OptionText> options = {}) {
    offer("math", "later", BP_DEFERRED_MANNER);
    offer("math", "now", BP_IMMEDIATE);
    offer("math", "slow", BP_ORDINARY, 3s);
    ServiceFixture::start(std::move(options));
    host().stop_clock();
  }

  std::string begin(std::string_view method, const Value& args = Array(), const std::string& uuid = {},
                    const Value& named = Map(), std::size_t which = 0) {
    return client(which).on_call(method, args, named, uuid);
  }
  // What a client makes of the answer on a channel: "= 3", "deferred token", "Class: message"; of a poll
  // "done: " and so on.
  std::string outcome(const std::string& channel, std::size_t which = 0) {
    const auto event = next_of(channel, which);
    if (!event) return no_answer;
    EXPECT_EQ(event->name, "OK") << "infi.rpc knows no ERR";
    return says(event->args.get_if<Array>()->at(0));
  }
  std::string ask(std::string_view method, const Value& args = Array(), const std::string& uuid = {},
                  const Value& named = Map()) {
    return outcome(begin(method, args, uuid, named));
  }
  std::string poll(const std::string& uuid, std::size_t which = 0) {
    return outcome(begin("query_async_request", Array{uuid}, {}, Map(), which), which);
  }
  // on_call with these parts.
  std::string ask_raw(const Value& args) { return outcome(client().request("on_call", args)); }

  // True once what was sent before has been read: the service answers in order.
  void settle(std::size_t which = 0) {
    EXPECT_EQ(outcome(begin("ping", Array(), {}, Map(), which), which), "= null");
  }
  bool is_silent(const std::string& channel) {
    settle();
    return !client().next_of(channel, 0ns).has_value();
  }

 private:
  static std::string says(const Value& result) {
    const auto* code = result.find("code");
    if (code == nullptr) return "no code: " + to_json(result);
    if (*code == Value("deferred")) return "deferred " + *result.find("result")->get_if<std::string>();
    if (*code == Value("success")) {
      const auto& value = *result.find("result");
      return value.find("code") != nullptr ? "done: " + says(value) : "= " + to_json(value);
    }
    const auto& exception = *result.find("exception");
    const auto pickled = *exception.find("pickled")->get_if<std::string>();
    const auto dot = pickled.rfind('.');
    return pickled.substr(dot + 1, pickled.size() - dot - 3) + ": " +
           *exception.find("message")->get_if<std::string>();
  }
};

// ---- calls ------------------------------------------------------------------------------------------

TEST_F(InfiTest, ACallReachesItsFunctionWithBothKindsOfArguments) {
  start();
  const auto channel = begin("add", Array{1}, {}, Map{{"b", 2}});
  const auto call = take_call();
  EXPECT_EQ(call.target, "math.add");
  EXPECT_EQ(zmq::frames(call.message), (zmq::Frames{encode(Value(Array{1})), encode(Value(Map{{"b", 2}}))}));
  EXPECT_FALSE(call.message.has(BP_STREAM));
  result(call, 3);
  EXPECT_EQ(outcome(channel), "= 3");
}

TEST_F(InfiTest, TheTagOfARequestGoesOnAsTheTagOfItsLogLines) {
  start();
  const Value meta = Map{{"method", "add"}, {"uuid", "u"}, {"request_id_tag", "0123abcd"}};
  client().request("on_call", Array{Array{meta, Array{}, Map{}}});
  EXPECT_EQ(baggage_in(take_call().message.headers(), "log_tag"), "0123abcd");
  begin("add");
  EXPECT_EQ(baggage_in(take_call().message.headers(), "log_tag").size(), 8u) << "one is made up";
}

TEST_F(InfiTest, ATagThatIsLongOrUnprintableIsReplaced) {
  start();
  const auto tag_of = [&](const Value& tag) {
    client().request("on_call",
                     Array{Array{Map{{"method", "add"}, {"request_id_tag", tag}}, Array{}, Map{}}});
    return baggage_in(take_call().message.headers(), "log_tag");
  };
  EXPECT_EQ(tag_of(std::string(64, 't')), std::string(64, 't'));
  for (const auto& tag : {Value(std::string(65, 't')), Value("a\nb"), Value("t\u00fcr"), Value(Bytes{"\xff"}),
                          Value(Bytes{std::string(1, '\0')}), Value(""), Value(5)})
    EXPECT_THAT(tag_of(tag), testing::MatchesRegex("[0-9a-f]{8}")) << to_json(tag);
}

TEST_F(InfiTest, AFunctionMayTakeAsLongAsTheOptionAndTheCallerSay) {
  start({{"timeout", "2s"}});
  for (const auto* method : {"add", "later", "now"}) {
    const auto time_of = [&](const Map& header) {
      client().request("on_call", Array{Array{Map{{"method", method}}, Array{}, Map{}}}, header);
      const auto call = take_call();
      const auto left = call.message.envelope().deadline - host().now();
      result(call, nullptr);
      return std::chrono::nanoseconds(left);
    };
    EXPECT_EQ(time_of({}), 2s) << method;
    EXPECT_EQ(time_of({{"timeout_ms", 500}}), 500ms) << method;
    EXPECT_EQ(time_of({{"timeout_ms", 5000}}), 2s) << method << ": the shorter one";
    EXPECT_EQ(time_of({{"timeout_ms", "500"}}), 2s) << method;
  }
}

TEST_F(InfiTest, ACallThatIsJoinedKeepsItsTime) {
  start();
  const auto call = [&](const Map& header) {
    const Value meta = Map{{"method", "add"}, {"uuid", "u"}};
    return client().request("on_call", Array{Array{meta, Array{}, Map{}}}, header);
  };
  const auto one = call({});
  const auto under_way = take_call();
  EXPECT_EQ(under_way.message.envelope().deadline, 0);
  const auto other = call({{"timeout_ms", 1}});
  host().advance(100ms);
  EXPECT_TRUE(is_silent(other));
  result(under_way, 3);
  EXPECT_EQ(outcome(one), "= 3");
  EXPECT_EQ(outcome(other), "= 3");
}

TEST_F(InfiTest, ErrorsAreInTheResult) {
  start({{"error_classes", "[Busy=package.Busy]"}});
  auto channel = begin("add");
  fail(take_call(), "RPCUserException", "why");
  EXPECT_EQ(outcome(channel), "RPCUserException: why");
  channel = begin("add");
  fail(take_call(), "Busy", "why");
  EXPECT_EQ(outcome(channel), "Busy: why");
  channel = begin("add");
  fail(take_call(), "ValueError", "why");
  EXPECT_EQ(outcome(channel), "InternalServerError: type=<class 'ValueError'>, value=ValueError('why')");
  EXPECT_EQ(ask("none"), "InvalidRPCMethod: none");
}

TEST_F(InfiTest, AResultThatClientsCannotReadIsAnError) {
  start();
  const auto channel = begin("add");
  result(take_call(), Value("\xff"));
  EXPECT_THAT(outcome(channel), HasSubstr("InvalidReturnValue: the result cannot be sent: "));
}

TEST_F(InfiTest, AResultThatIsLongerThanClientsTakeIsAnError) {
  start({{"max_payload", "1KiB"}});
  const std::string too_long =
      "InvalidReturnValue: the result cannot be sent: it is longer than clients take (option max_payload)";
  const std::string text(1000, 'x');
  auto channel = begin("add");
  result(take_call(), text);
  EXPECT_EQ(outcome(channel), too_long);
  channel = begin("now");
  host().answer(take_call().message.envelope(), {text}, BP_RAW);
  EXPECT_EQ(outcome(channel), too_long);
  channel = begin("add");
  fail(take_call(), "RPCUserException", text);
  EXPECT_EQ(outcome(channel), too_long);
  EXPECT_EQ(ask("later", Array{}, "u"), "deferred u");
  result(take_call(), text);
  EXPECT_LT(host().metric("results_bytes"), 1000);
  EXPECT_EQ(poll("u"), "done: " + too_long);
}

TEST_F(InfiTest, AResultThatCanBeSentCanBePolled) {
  start({{"max_payload", "1KiB"}});
  std::size_t longest = 0;
  for (std::size_t length = 500; length <= 1000; length += 4) {
    const auto uuid = std::to_string(length);
    EXPECT_EQ(ask("later", Array{}, uuid), "deferred " + uuid);
    result(take_call(), std::string(length, 'x'));
    const auto answer = next_of(begin("query_async_request", Array{uuid}));
    ASSERT_TRUE(answer.has_value());
    EXPECT_LE(encode(Array{answer->header, answer->name, answer->args}).size(), 1024u) << length;
    if (to_json(answer->args).find("InvalidReturnValue") == std::string::npos) longest = length;
  }
  EXPECT_GT(longest, 650u);
}

TEST_F(InfiTest, WhatIsCarriedBackCountsAsPartOfAnAnswer) {
  start({{"max_payload", "1KiB"}});
  EXPECT_EQ(ask("later", Array{}, "u"), "deferred u");
  result(take_call(), std::string(600, 'x'));
  const Value meta = Map{{"method", "query_async_request"}};
  const Map header{{"trace_id", std::string(400, 't')}};
  EXPECT_THAT(outcome(client().request("on_call", Array{Array{meta, Array{"u"}, Map{}}}, header)),
              HasSubstr("InvalidReturnValue: the result cannot be sent: "));
  EXPECT_THAT(poll("u"), HasSubstr("done: = ")) << "by others it can be fetched";
}

TEST_F(InfiTest, PlainBytesAreAResult) {
  start();
  const auto channel = begin("add");
  host().answer(take_call().message.envelope(), {"\xff"}, BP_RAW);
  EXPECT_EQ(outcome(channel), R"(= {"$bin":"/w=="})");
}

TEST_F(InfiTest, NothingIsSentToAClientThatSendsNoHeartbeat) {
  start({{"heartbeat", "1s"}, {"max_response_time", "0s"}});
  const auto channel = begin("add");
  const auto call = take_call();
  host().advance(100s);
  EXPECT_TRUE(is_silent(channel));
  EXPECT_FALSE(cancelled(call));
  result(call, 3);
  EXPECT_EQ(outcome(channel), "= 3");
}

TEST_F(InfiTest, CallsOfTheWrongShapeAreAnswered) {
  start();
  const Value meta = Map{{"method", "add"}};
  for (const auto& args :
       {Value(Array{}), Value(Array{1}), Value(Array{Array{}}), Value(Array{Array{meta, Array{}}}),
        Value(Array{Array{1, Array{}, Map{}}}), Value(Array{Array{Map{}, Array{}, Map{}}}),
        Value(Array{Array{meta, 1, Map{}}}), Value(Array{Array{meta, Array{}, 1}}),
        Value(Array{Array{Map{{"method", 5}}, Array{}, Map{}}}),
        Value(Array{Array{Map{{"method", "add"}, {"uuid", 5}}, Array{}, Map{}}}),
        Value(Array{Array{Map{{"method", "add"}, {"uuid", std::string(300, 'u')}}, Array{}, Map{}}}),
        Value(Array{Array{Map{{"method", "add"}, {"uuid", Bytes{"\xff"}}}, Array{}, Map{}}})})
    EXPECT_THAT(ask_raw(args), HasSubstr("InvalidCallArguments: ")) << to_json(args);
  EXPECT_THAT(host().calls(), IsEmpty());
  EXPECT_EQ(host().metric("channels"), 0);
}

TEST_F(InfiTest, ACallOfTooManyValuesIsAnswered) {
  start();
  rpc::EventIds ids;
  const auto call = [&](const char* method, const std::string& junk, const std::string& args) {
    auto about = encode(Value(Map{{"method", method}, {"junk", nullptr}}));
    about.replace(about.size() - 1, 1, junk);
    const std::string id(ids.next());
    const auto parts = "\x91\x93" + about + args + "\x80";
    client().send_payload(rpc::event({.id = id, .name = infi_method, .args = parts}));
    return id;
  };
  const auto many = "\xdd\x00\x4c\x4b\x40"s + std::string(5'000'000, '\xc0');
  EXPECT_THAT(outcome(call("ping", "\xc0", many)), HasSubstr("InvalidCallArguments: "));
  EXPECT_EQ(host().metric("channels"), 0);
  call("add", many, "\x90");
  EXPECT_EQ(take_call().target, "math.add") << "what a call says besides is passed over";
}

TEST_F(InfiTest, KeysAndNamesMayBeBinary) {
  start();
  const Value meta = Map{{Bytes{"method"}, Bytes{"add"}}, {Bytes{"uuid"}, Bytes{"u"}}};
  const auto channel = client().request("on_call", Array{Array{meta, Array{1}, Map{{Bytes{"b"}, 2}}}});
  EXPECT_EQ(take_call().target, "math.add");
  host().advance(500ms);
  EXPECT_EQ(outcome(channel), "deferred u");
}

TEST_F(InfiTest, ACallWithoutAUuidIsOneOfItsOwn) {
  start();
  const auto call = [&](const Value& meta) {
    return client().request("on_call", Array{Array{meta, Array{}, Map{}}});
  };
  const auto one = call(Map{{"method", "later"}});
  const auto other = call(Map{{"method", "later"}, {"uuid", nullptr}});
  ASSERT_TRUE(called(2));
  const auto first = outcome(one);
  EXPECT_EQ(first.size(), std::string("deferred ").size() + 36);
  EXPECT_NE(first, outcome(other));
}

TEST_F(InfiTest, ACallThatWaitsForAPlaceIsAnsweredWhenItsTimeIsOver) {
  start({{"in_flight", "1"}, {"timeout", "2s"}, {"max_response_time", "0s"}});
  const auto running = begin("add");
  const auto call = take_call();
  const auto waiting = begin("add");
  settle();
  host().advance(2s);
  EXPECT_EQ(outcome(waiting), "TimeoutExpired: the time for the call was over before others had ended");
  EXPECT_TRUE(is_silent(running)) << "the host tells when its time is over";
  result(call, 3);
  EXPECT_EQ(outcome(running), "= 3");
}

TEST_F(InfiTest, WhoIsStillWaitingWhenItStopsIsToldSo) {
  start();
  const auto running = begin("add");
  take_call();
  host().stop();
  const auto event = client().answer(running);
  EXPECT_THAT(event.text(), HasSubstr("RequestAbortedError"));
}

// ---- built-in methods -------------------------------------------------------------------------------

TEST_F(InfiTest, EveryServiceHasSomeMethodsOfItsOwn) {
  start({{"functions", "math"}});
  EXPECT_EQ(ask("ping"), "= null");
  EXPECT_EQ(
      ask("get_rpc_method_names"),
      R"(= ["add","count","get_rpc_ipython_argspec","get_rpc_method_names","hang","later","now","ping","slow"])");
  EXPECT_EQ(ask("get_rpc_ipython_argspec", Array{"add"}), R"(= [["self","a","b"],null,null,[1],[],null,{}])");
  EXPECT_EQ(ask("get_rpc_ipython_argspec", Array{}, {}, Map{{"name", "ping"}}),
            R"(= [["self"],null,null,null,[],null,{}])");
  EXPECT_EQ(ask("get_rpc_ipython_argspec", Array{"none"}), "InvalidRPCMethod: none");
  EXPECT_EQ(ask("get_rpc_max_response_time"), "= 0.5");
}

TEST_F(InfiTest, FunctionsThatComeLaterAreToldAMomentLater) {
  start({{"functions", "math"}});
  offer("math", "learned");
  EXPECT_EQ(ask("get_rpc_ipython_argspec", Array{"learned"}), "InvalidRPCMethod: learned");
  host().advance(100ms);
  EXPECT_THAT(ask("get_rpc_method_names"), HasSubstr("learned"));
  EXPECT_THAT(ask("get_rpc_ipython_argspec", Array{"learned"}), HasSubstr("= [[\"self\"]"));
}

TEST_F(InfiTest, TheirArgumentsAreCheckedToo) {
  start();
  for (const auto* method : {"ping", "get_rpc_method_names", "get_rpc_max_response_time"})
    EXPECT_THAT(ask(method, Array{1}), HasSubstr("InvalidCallArguments: ")) << method;
  for (const auto& args : {Value(Array{}), Value(Array{1, 2}), Value(Array{5})}) {
    EXPECT_THAT(ask("query_async_request", args), HasSubstr("InvalidCallArguments: "));
    EXPECT_THAT(ask("get_rpc_ipython_argspec", args), HasSubstr("InvalidCallArguments: "));
  }
  EXPECT_THAT(ask("ping", Array{}, {}, Map{{"x", 1}}), HasSubstr("InvalidCallArguments: "));
  EXPECT_THAT(ask("ping", Array{}, {}, Map{{5, 1}}), HasSubstr("InvalidCallArguments: "));
}

TEST_F(InfiTest, WithoutALimitThereIsNoNumberToTell) {
  start({{"max_response_time", "0s"}});
  EXPECT_EQ(ask("get_rpc_max_response_time"), "InvalidRPCMethod: get_rpc_max_response_time");
}

// ---- waiting and deferring --------------------------------------------------------------------------

TEST_F(InfiTest, WhatTakesLongIsDeferredAtThatInstant) {
  start();
  const auto channel = begin("add", Array{}, "u");
  const auto call = take_call();
  host().advance(500ms - 1ns);
  EXPECT_TRUE(is_silent(channel));
  host().advance(1ns);
  EXPECT_EQ(outcome(channel), "deferred u");
  EXPECT_EQ(poll("u"), "done: deferred u");
  result(call, 3);
  EXPECT_EQ(poll("u"), "done: = 3");
}

TEST_F(InfiTest, AFunctionMaySayHowLongItMayTake) {
  start();
  const auto channel = begin("slow", Array{}, "u");
  take_call();
  host().advance(2999ms);
  EXPECT_TRUE(is_silent(channel));
  host().advance(1ms);
  EXPECT_EQ(outcome(channel), "deferred u");
}

TEST_F(InfiTest, ADeferredOneIsDeferredAtOnceAndAlways) {
  start();
  const auto channel = begin("later", Array{}, "u");
  EXPECT_EQ(outcome(channel), "deferred u");
  fail(take_call(), "RPCUserException", "why");
  EXPECT_EQ(poll("u"), "done: RPCUserException: why");
}

TEST_F(InfiTest, AnImmediateOneNeverIs) {
  start();
  const auto channel = begin("now", Array{}, "u");
  const auto call = take_call();
  host().advance(1h);
  EXPECT_TRUE(is_silent(channel));
  result(call, 3);
  EXPECT_EQ(outcome(channel), "= 3");
  EXPECT_EQ(poll("u"), "InvalidAsyncToken: u") << "it is in no book";
}

TEST_F(InfiTest, ManyThatWaitAreDeferredEachAtItsTime) {
  start();
  std::vector<std::string> channels;
  for (int i = 0; i < 200; ++i)
    channels.push_back(begin(i % 2 == 0 ? "add" : "slow", Array{}, std::to_string(i)));
  ASSERT_TRUE(called(200));
  host().advance(500ms);
  for (std::size_t i = 0; i < 200; i += 2) EXPECT_EQ(outcome(channels[i]), "deferred " + std::to_string(i));
  EXPECT_TRUE(is_silent(channels[1]));
  host().advance(2500ms);
  for (std::size_t i = 1; i < 200; i += 2) EXPECT_EQ(outcome(channels[i]), "deferred " + std::to_string(i));
}

TEST_F(InfiTest, AmongManyThatHaveEndedTheOthersAreDeferredAtTheirTime) {
  start();
  const auto first = begin("add", Array{}, "first");
  take_call();
  for (int i = 0; i < 1000; ++i) begin("add");
  ASSERT_TRUE(called(1000));
  for (const auto& call : host().calls()) result(call, 1);
  const auto last = begin("add", Array{}, "last");
  settle();
  host().advance(500ms);
  EXPECT_EQ(outcome(first), "deferred first");
  EXPECT_EQ(outcome(last), "deferred last");
}

TEST_F(InfiTest, WaitingForAPlaceCountsAsRunning) {
  start({{"in_flight", "1"}});
  begin("add");
  const auto first = take_call();
  const auto channel = begin("add", Array{}, "u");
  settle();
  host().advance(500ms);
  EXPECT_EQ(outcome(channel), "deferred u");
  EXPECT_THAT(host().calls(), IsEmpty());
  result(first, 1);
  result(take_call(), 2);
  EXPECT_EQ(poll("u"), "done: = 2");
}

TEST_F(InfiTest, ModesMakeAllDeferredOrImmediate) {
  start({{"mode", "all_deferred"}});
  EXPECT_EQ(ask("add", Array{}, "u"), "deferred u");
  const auto channel = begin("now");
  result(take_call(), 1);
  result(take_call(), 2);
  EXPECT_EQ(outcome(channel), "= 2") << "immediate ones stay so";
  EXPECT_EQ(ask("get_rpc_max_response_time"), "InvalidRPCMethod: get_rpc_max_response_time");
}

TEST_F(InfiTest, ModeAllImmediateDefersNone) {
  start({{"mode", "all_immediate"}});
  const auto channel = begin("later");
  const auto call = take_call();
  host().advance(1h);
  EXPECT_TRUE(is_silent(channel));
  result(call, 1);
  EXPECT_EQ(outcome(channel), "= 1");
}

TEST_F(InfiTest, WithoutALimitOrdinaryOnesAreImmediateAndDeferredOnesDeferred) {
  start({{"max_response_time", "0s"}});
  const auto channel = begin("add");
  const auto call = take_call();
  host().advance(1h);
  EXPECT_TRUE(is_silent(channel));
  result(call, 1);
  EXPECT_EQ(outcome(channel), "= 1");
  EXPECT_EQ(ask("later", Array{}, "u"), "deferred u");
}

// ---- one uuid, one request --------------------------------------------------------------------------

TEST_F(InfiTest, CallsOfOneUuidAreOneCallAndAllAreAnswered) {
  start();
  const auto one = begin("add", Array{}, "u");
  const auto call = take_call();
  const auto other = begin("add", Array{}, "u", Map(), 1);
  settle(1);
  EXPECT_THAT(host().calls(), IsEmpty());
  result(call, 3);
  EXPECT_EQ(outcome(one), "= 3");
  EXPECT_EQ(outcome(other, 1), "= 3");
}

TEST_F(InfiTest, EachOfThemWaitsForItsOwnTime) {
  start();
  const auto one = begin("add", Array{}, "u");
  const auto call = take_call();
  host().advance(400ms);
  const auto other = begin("add", Array{}, "u");
  settle();
  host().advance(100ms);
  EXPECT_EQ(outcome(one), "deferred u");
  EXPECT_TRUE(is_silent(other));
  result(call, 3);
  EXPECT_EQ(outcome(other), "= 3");
  EXPECT_EQ(poll("u"), "done: = 3") << "for the one that has the token";
}

TEST_F(InfiTest, AThousandMayWaitForOneCall) {
  start();
  std::vector<std::string> channels;
  for (int i = 0; i < 1000; ++i) channels.push_back(begin("add", Array{}, "u"));
  const auto call = take_call();
  EXPECT_EQ(ask("add", Array{}, "u"), "RPCFrameworkException: too many wait for this request");
  EXPECT_EQ(ask("later", Array{}, "u"), "deferred u") << "who has the token does not wait";
  result(call, 3);
  for (const auto& channel : channels) ASSERT_EQ(outcome(channel), "= 3");
}

TEST_F(InfiTest, ACallOfAUuidWhoseResultIsKeptGetsIt) {
  start();
  EXPECT_EQ(ask("later", Array{}, "u"), "deferred u");
  result(take_call(), 3);
  EXPECT_EQ(ask("later", Array{}, "u"), "= 3");
  EXPECT_THAT(host().calls(), IsEmpty());
}

TEST_F(InfiTest, WhatWasAnsweredDirectlyIsForgotten) {
  start();
  const auto channel = begin("add", Array{}, "u");
  result(take_call(), 3);
  EXPECT_EQ(outcome(channel), "= 3");
  EXPECT_EQ(poll("u"), "InvalidAsyncToken: u");
  begin("add", Array{}, "u");
  EXPECT_TRUE(called()) << "the same uuid is a new call";
}

// ---- results ----------------------------------------------------------------------------------------

TEST_F(InfiTest, AResultCanBePolledByAnyoneAndAgainForAWhile) {
  start();
  EXPECT_EQ(ask("later", Array{}, "u"), "deferred u");
  result(take_call(), 3);
  EXPECT_EQ(poll("u", 1), "done: = 3");
  host().advance(4999ms);
  EXPECT_EQ(poll("u", 2), "done: = 3") << "that answer may have been lost";
  host().advance(1ms);
  EXPECT_EQ(poll("u"), "InvalidAsyncToken: u");
}

TEST_F(InfiTest, AResultThatNobodyFetchesIsForgotten) {
  start({{"results.keep", "2s"}, {"results.collect", "1s"}});
  EXPECT_EQ(ask("later", Array{}, "u"), "deferred u");
  result(take_call(), 3);
  host().advance(2s);
  EXPECT_EQ(host().metric("results_kept"), 1);
  host().advance(2s);
  EXPECT_EQ(host().metric("results_kept"), 0);
  EXPECT_EQ(host().metric("results_expired"), 1);
  EXPECT_EQ(poll("u"), "InvalidAsyncToken: u");
}

TEST_F(InfiTest, ResultsMayBeKeptUntilTheyAreFetched) {
  start({{"results.keep_unfetched", "true"}, {"results.keep", "2s"}, {"results.collect", "1s"}});
  EXPECT_EQ(ask("later", Array{}, "u"), "deferred u");
  result(take_call(), 3);
  host().advance(24h);
  EXPECT_EQ(poll("u"), "done: = 3");
  host().advance(2s);
  EXPECT_EQ(poll("u"), "InvalidAsyncToken: u") << "then it goes as others do";
}

TEST_F(InfiTest, ACallGoesOnWhenItsClientHasGone) {
  start({{"max_response_time", "0s"}, {"mode", "server"}});
  begin("now", Array{}, "u");
  const auto call = take_call();
  lose_clients();
  host().run_for(50ms);
  host().advance(1h);
  EXPECT_FALSE(cancelled(call));
  result(call, 3);
  EXPECT_EQ(host().metric("calls_under_way"), 0);
}

TEST_F(InfiTest, AnAnswerThatReachesNobodyIsKept) {
  start({{"max_response_time", "1h"}});
  begin("add", Array{}, "u");
  const auto call = take_call();
  lose_clients();
  EXPECT_EQ(outcome(begin("ping")), "= null") << "and the connection before has gone, or goes";
  host().run_for(100ms);
  result(call, 3);
  EXPECT_EQ(poll("u"), "done: = 3");
}

TEST_F(InfiTest, AnAnswerThatItsClientDoesNotReadIsKept) {
  start({{"send_hwm", "1"}, {"max_response_time", "1h"}});
  test::Peer slow(ZMQ_DEALER);
  slow.set(ZMQ_RCVHWM, 1).connect(zmq::endpoint_of(host()));
  rpc::EventIds ids;
  std::string uuid;
  for (int i = 0; i < 100 && host().metric("channels") == 0; ++i) {
    uuid = std::to_string(i);
    const Value meta = Map{{"method", "add"}, {"uuid", uuid}};
    const auto args = encode(Array{Array{meta, Array{}, Map{}}});
    ASSERT_TRUE(slow.send({"", rpc::event({.id = ids.next(), .name = infi_method, .args = args})}));
    host().answer(take_call().message.envelope(), {std::string(4 << 20, 'x')}, BP_RAW);
  }
  ASSERT_EQ(host().metric("channels"), 1) << "it waits for the client to read";
  EXPECT_THAT(poll(uuid), HasSubstr("done: = "));
}

TEST_F(InfiTest, BeyondTheLimitsCallsAreRefused) {
  start({{"results.max_count", "2"}});
  ask("later", Array{}, "u");
  ask("later", Array{}, "v");
  EXPECT_EQ(ask("later", Array{}, "w"), "RPCFrameworkException: too many results are kept");
  EXPECT_EQ(ask("add"), "RPCFrameworkException: too many results are kept");
  result(take_call(), 1);
  EXPECT_EQ(poll("u"), "done: = 1");
  EXPECT_EQ(ask("later", Array{}, "w"), "deferred w") << "what was fetched makes room";
}

TEST_F(InfiTest, BeyondTheBytesOfResultsCallsAreRefused) {
  start({{"results.max_bytes", "1KiB"}});
  ask("later", Array{}, "u");
  result(take_call(), std::string(2000, 'x'));
  EXPECT_EQ(ask("later", Array{}, "w"), "RPCFrameworkException: too many results are kept");
  EXPECT_EQ(ask("add"), "RPCFrameworkException: too many results are kept");
  EXPECT_THAT(ask("later", Array{}, "u"), HasSubstr("= \"xxx")) << "what is kept can be asked for";
  EXPECT_EQ(ask("later", Array{}, "w"), "deferred w") << "what was fetched makes room";
}

TEST_F(InfiTest, BeyondMaxWaitingCallsAreRefusedAndForgotten) {
  start({{"in_flight", "1"}, {"max_waiting", "0"}});
  begin("hang");
  begin("add");
  take_call();
  EXPECT_EQ(ask("add", Array{}, "u"), "RPCFrameworkException: too many requests");
  EXPECT_EQ(poll("u"), "InvalidAsyncToken: u");
}

// ---- on disk ----------------------------------------------------------------------------------------

class InfiOnDisk : public InfiTest {
 protected:
  void start_on_disk(std::vector<OptionText> options = {}) {
    options.emplace_back("results.store", "sqlite");
    options.emplace_back("results.path", folder_.file("results.db").string());
    start(std::move(options));
  }
  test::TemporaryFolder folder_;
};

TEST_F(InfiOnDisk, ATokenIsToldOnceTheRequestIsOnDisk) {
  start_on_disk();
  EXPECT_EQ(ask("later", Array{}, "u"), "deferred u");
  EXPECT_TRUE(std::filesystem::exists(folder_.file("results.db")));
  result(take_call(), 3);
  ASSERT_TRUE(host().run_until([&] { return host().metric("results_kept") == 1; }));
  EXPECT_EQ(poll("u"), "done: = 3");
}

TEST_F(InfiOnDisk, ACallWhoseResultIsBeingWrittenIsToldTheToken) {
  start_on_disk();
  for (int i = 0; i < 20; ++i) {
    const auto uuid = std::to_string(i);
    EXPECT_EQ(ask("later", Array{}, uuid), "deferred " + uuid);
    const auto call = take_call();
    const auto again = begin("later", Array{}, uuid);
    host().run_for(1ms);  // it may wait in the socket
    result(call, i);
    EXPECT_THAT(outcome(again), testing::AnyOf("deferred " + uuid, "= " + uuid));
  }
}

TEST_F(InfiOnDisk, TheEndWaitsForAResultThatIsBeingWritten) {
  start_on_disk();
  EXPECT_EQ(ask("later", Array{}, "u"), "deferred u");
  const auto call = take_call();
  host().drain();
  result(call, 3);
  EXPECT_GT(host().holding(), 0u);
  EXPECT_EQ(host().metric("results_unclaimed"), 1);
  ASSERT_TRUE(host().run_until([&] { return host().metric("results_kept") == 1; }));
  EXPECT_EQ(poll("u"), "done: = 3");
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(InfiOnDisk, AbortWaitsForAnErrorThatIsBeingWritten) {
  start_on_disk({{"shutdown.strategy", "abort"}});
  EXPECT_EQ(ask("later", Array{}, "u"), "deferred u");
  take_call();
  host().drain();
  EXPECT_GT(host().holding(), 0u);
  ASSERT_TRUE(host().run_until([&] { return host().metric("results_kept") == 1; }));
  EXPECT_THAT(poll("u"), HasSubstr("done: RequestAbortedError: "));
  EXPECT_EQ(host().holding(), 0u);
}

// ---- the end ----------------------------------------------------------------------------------------

TEST_F(InfiTest, WhileItEndsCallsAreRefusedAndPollsAnswered) {
  start();
  EXPECT_EQ(ask("later", Array{}, "u"), "deferred u");
  host().drain();
  EXPECT_EQ(ask("add"), "RPCFrameworkException: server is shutting down");
  EXPECT_EQ(ask("ping"), "= null");
  EXPECT_EQ(ask("get_rpc_max_response_time"), "= 0.5");
  EXPECT_EQ(ask("later", Array{}, "u"), "deferred u") << "a request of before is joined";
  EXPECT_GT(host().holding(), 0u);
  result(take_call(), 3);
  EXPECT_GT(host().holding(), 0u);
  EXPECT_EQ(poll("u"), "done: = 3");
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(InfiTest, WhileItEndsAnImmediateCallIsNewWhateverItsUuid) {
  start();
  EXPECT_EQ(ask("later", Array{}, "u"), "deferred u");
  take_call();
  host().drain();
  EXPECT_EQ(ask("now", Array{}, "u"), "RPCFrameworkException: server is shutting down");
  EXPECT_THAT(host().calls(), IsEmpty());
}

TEST_F(InfiTest, TheEndWaitsForWhoHasATokenWhenOthersAreAnswered) {
  start();
  const auto one = begin("add", Array{}, "u");
  const auto call = take_call();
  host().advance(400ms);
  const auto other = begin("add", Array{}, "u");
  settle();
  host().advance(100ms);
  EXPECT_EQ(outcome(one), "deferred u");
  host().drain();
  result(call, 3);
  EXPECT_EQ(outcome(other), "= 3");
  EXPECT_GT(host().holding(), 0u);
  EXPECT_EQ(poll("u"), "done: = 3");
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(InfiTest, AbortAnswersWhoWaitsAndKeepsTheErrorForOthers) {
  start({{"shutdown.strategy", "abort"}, {"in_flight", "2"}});
  EXPECT_EQ(ask("later", Array{}, "u"), "deferred u");
  const auto call = take_call();
  const auto waiting = begin("now");
  take_call();
  const auto behind = begin("now");
  settle();
  host().drain();
  const std::string aborted = "RequestAbortedError: request aborted while being processed";
  EXPECT_EQ(outcome(waiting), aborted);
  EXPECT_EQ(outcome(behind), aborted) << "it had no place yet";
  EXPECT_TRUE(cancelled(call));
  EXPECT_THAT(host().calls(), IsEmpty()) << "what waits does not begin";
  EXPECT_EQ(poll("u"), "done: " + aborted);
  EXPECT_EQ(host().holding(), 0u);
}

}  // namespace
}  // namespace backplane::zerorpc
