// palm.functions: what a message calls, what becomes of the outcome, and every row of the error table.
#include "palm/calling.hpp"

#include <backplane/palm/context.hpp>

#include "plugins/palm/verbs.hpp"

namespace backplane::palm {
namespace {

using Payloads = std::vector<std::string>;

// A palm.functions of server "server" whose component "tools" publishes foo, boom and echo-like names; the
// test is what runs these functions.
class CalledFunctions : public testing::Test {
 protected:
  void start(std::vector<OptionText> options = {}, const char* server = "server") {
    options.emplace_back("functions", "[tools, more]");
    if (server != nullptr) options.emplace_back("server", server);
    host_.emplace(options);
    host_->offer_functions(offered_);
    host_->start();
  }
  void offer(std::string component, std::string name) {
    offered_.push_back({.component = std::move(component), .name = std::move(name)});
    if (host_) host_->offer_functions(offered_);
  }
  // Messages with these payloads, in this order, calling server.foo.
  void ask(const Payloads& payloads) {
    for (const auto& payload : payloads) deliver(*host_, request_of("c", payload));
  }
  std::int32_t ask_for(std::string function, std::int64_t stage = 0) {
    auto message = request_of("c", "payload", std::move(function));
    message.stage = stage;
    return deliver(*host_, message);
  }
  // The call under way whose argument this is. REQUIRES: there is one.
  const bp_envelope& call(std::string_view payload) {
    for (auto& each : host_->calls())
      if (each.message[0] == payload) return each.message.envelope();
    ADD_FAILURE() << "no call with " << payload;
    return host_->calls().at(0).message.envelope();
  }
  void answer(std::string_view payload, std::string_view result) { host_->answer(call(payload), {result}); }
  void answer_value(std::string_view payload, const Value& value) {
    host_->answer(call(payload), {backplane::encode(value)}, BP_MSGPACK);
  }
  void item(std::string_view payload, std::string_view result) {
    host_->answer(call(payload), {result}, BP_RAW, BP_STREAM);
  }
  void end_stream(std::string_view payload) {
    host_->answer(call(payload), {}, BP_RAW, BP_STREAM | BP_STREAM_END);
  }
  // Payloads of what has been sent since.
  Payloads sent() {
    Payloads all;
    while (!host_->sent().empty()) {
      last_ = message_in(frames(host_->take_sent()));
      all.push_back(last_.payload);
    }
    return all;
  }
  // The error mark of the only message sent since; its payload must be `payload`.
  std::string error(const std::string& payload = "0") {
    EXPECT_EQ(sent(), Payloads{payload});
    return last_.error.value_or("none");
  }
  FakeHost& host() { return *host_; }
  const PalmMessage& last() const { return last_; }

 private:
  std::vector<PublishedFunction> offered_ = {{.component = "tools", .name = "foo"},
                                             {.component = "tools", .name = "boom"}};
  std::optional<FakeComponent<Calling>> host_;
  PalmMessage last_;
};

// ---- a call -----------------------------------------------------------------------------------------

TEST_F(CalledFunctions, ACallGoesToTheFunctionAndItsResultIsTheNewPayload) {
  start();
  auto message = request_of("c", "a message");
  message.cache = "key";
  message.stage = 3;
  message.unknown = "\x78\x05";
  deliver(host(), message);
  ASSERT_EQ(host().calls().size(), 1u);
  EXPECT_EQ(host().calls()[0].target, "tools.foo");
  EXPECT_EQ(frames(host().calls()[0].message), Frames{"a message"});
  answer("a message", "you sent me a message");
  EXPECT_EQ(sent(), Payloads{"you sent me a message"});
  message.payload = "you sent me a message";
  EXPECT_EQ(last(), message);
}

TEST_F(CalledFunctions, AFunctionSeesTheWholeMessage) {
  start({{"cache", "db"}});
  auto message = request_of("a client\n100%", "x", "server.foo other.bar");
  message.cache = "key";
  deliver(host(), message);
  const auto& call = host().calls()[0].message;
  EXPECT_EQ(call.header("palm-server"), "server");
  EXPECT_EQ(backplane::detail::unescaped(call.header("palm-client")), "a client\n100%");
  EXPECT_EQ(call.header("palm-function"), "server.foo other.bar");
  EXPECT_EQ(call.header("palm-stage"), "0");
  EXPECT_EQ(call.header("palm-pipeline"), "stream");
  EXPECT_EQ(call.header("palm-cache"), "key");
  EXPECT_EQ(call.header("palm-cache-component"), "db");
}

TEST_F(CalledFunctions, ALargePayloadReachesItsFunctionWhole) {
  start();
  const std::string large(1'000'000, 'x');
  ask({large});
  EXPECT_EQ(host().calls()[0].message[0], large);
  answer(large, "done");
  EXPECT_EQ(sent(), Payloads{"done"});
}

TEST_F(CalledFunctions, TextAndBytesAreResults) {
  start();
  ask({"1", "2", "3"});
  answer_value("1", Value("text"));
  answer_value("2", Value(Bytes{"bytes\0!"s}));
  answer_value("3", Value(""));
  EXPECT_EQ(sent(), (Payloads{"text", "bytes\0!"s, ""}));
}

TEST_F(CalledFunctions, OfSeveralWordsTheOneAtTheStageIsCalled) {
  start();
  ask_for("other.f server.boom", 1);
  ASSERT_EQ(host().calls().size(), 1u);
  EXPECT_EQ(host().calls()[0].target, "tools.boom");
}

TEST_F(CalledFunctions, TheFirstComponentThatHasAFunctionWins) {
  offer("more", "foo");
  offer("more", "bar");
  start();
  ask_for("server.foo");
  ask_for("server.bar");
  EXPECT_EQ(host().calls()[0].target, "tools.foo");
  EXPECT_EQ(host().calls()[1].target, "more.bar");
}

TEST_F(CalledFunctions, FunctionsOfOtherComponentsAreNotForCallers) {
  offer("secret", "stop");
  start();
  ask_for("server.stop");
  EXPECT_TRUE(error().starts_with("unknown_function: "));
}

TEST_F(CalledFunctions, AFunctionThatComesLaterIsFoundLater) {
  start();
  host().stop_clock();
  offer("tools", "late");
  ask_for("server.late");
  EXPECT_TRUE(error().starts_with("unknown_function: "));
  host().advance(2s);
  ask_for("server.late");
  EXPECT_EQ(host().calls().size(), 1u);
}

TEST_F(CalledFunctions, AServerOfNoNameTakesCallsForAny) {
  start({}, nullptr);
  ask_for("whatever.foo");
  EXPECT_EQ(host().calls()[0].target, "tools.foo");
  EXPECT_EQ(host().calls()[0].message.header("palm-server"), "whatever");
}

TEST_F(CalledFunctions, AComponentWithoutFunctionsIsWarnedAbout) {
  start();
  EXPECT_TRUE(host().logged("component more publishes no function"));
}

// ---- echo -------------------------------------------------------------------------------------------

TEST_F(CalledFunctions, EchoAnswersWithItsPayload) {
  start();
  ask_for("server.echo");
  EXPECT_EQ(sent(), Payloads{"payload"});
  EXPECT_FALSE(last().error);
}

TEST_F(CalledFunctions, AnEchoOfAComponentIsCalledInstead) {
  offer("tools", "echo");
  start();
  ask_for("server.echo");
  EXPECT_EQ(host().calls()[0].target, "tools.echo");
}

TEST_F(CalledFunctions, WithoutEchoThereIsNone) {
  start({{"echo", "false"}});
  ask_for("server.echo");
  EXPECT_TRUE(error().starts_with("unknown_function: "));
}

// ---- the error table --------------------------------------------------------------------------------

TEST_F(CalledFunctions, ACallForAnotherServerIsAnError) {
  start();
  ask_for("other.foo");
  EXPECT_EQ(error(), "wrong_server: this is server server, the call is for other");
}

TEST_F(CalledFunctions, AServersNameMayHoldDots) {
  start({}, "my.server");
  ask_for("my.server.foo");
  EXPECT_EQ(host().calls().size(), 1u);
}

TEST_F(CalledFunctions, AnUnknownFunctionIsAnError) {
  start();
  ask_for("server.bar");
  EXPECT_EQ(error(), "unknown_function: bar is no function of this server");
}

TEST_F(CalledFunctions, AMalformedFunctionStringIsAnError) {
  start();
  for (const auto* function : {"", "foo", ".foo", "server."}) {
    ask_for(function);
    EXPECT_TRUE(error().starts_with("bad_function: ")) << function;
  }
}

TEST_F(CalledFunctions, AStageThatIsNotThereIsAnError) {
  start();
  for (const std::int64_t stage :
       {std::int64_t{2}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::min()}) {
    ask_for("server.foo server.foo", stage);
    EXPECT_TRUE(error().starts_with("stage_out_of_range: ")) << stage;
  }
}

TEST_F(CalledFunctions, AFunctionThatFailsIsAnError) {
  start();
  ask({"x"});
  host().answer_error(call("x"), "ValueError", "no", "where it happened");
  EXPECT_EQ(error(), "function_failed: foo: ValueError: no");
  EXPECT_TRUE(host().logged("where it happened"));
  EXPECT_EQ(host().metric("errors"), 1);
}

TEST_F(CalledFunctions, AnErrorKeepsTheEnvelopeAndTheUnknown) {
  start({{"error_payload", "failed"}});
  auto message = request_of("c", "x", "server.none");
  message.stage = 2;
  message.cache = "key";
  message.unknown = "\x78\x05";
  deliver(host(), message);
  const auto mark = error("failed");
  message.payload = "failed";
  message.error = mark;
  EXPECT_EQ(last(), message);
}

TEST_F(CalledFunctions, AFunctionThatReturnsNothingIsAnErrorUnlessItMayBeSilent) {
  start();
  ask({"x"});
  answer_value("x", Value());
  EXPECT_EQ(error(), "function_failed: the function returned nothing");
}

TEST_F(CalledFunctions, ASilentFunctionMakesNoMessage) {
  start({{"silent", "true"}});
  ask({"x", "y"});
  answer_value("x", Value());
  answer("y", "result");
  EXPECT_EQ(sent(), Payloads{"result"});
}

TEST_F(CalledFunctions, AResultThatIsNeitherBytesNorTextIsAnError) {
  start();
  for (const Value& value : {Value(5), Value(true), Value(Array{Value("x")})}) {
    ask({"x"});
    answer_value("x", value);
    EXPECT_TRUE(error().starts_with("function_failed: the function returned ")) << describe(value);
    host().calls().clear();
  }
}

TEST_F(CalledFunctions, AResultThatCannotBeReadIsAnError) {
  start();
  ask({"x", "y"});
  host().answer(call("x"), {"\xC1"}, BP_MSGPACK);
  EXPECT_TRUE(error().starts_with("function_failed: "));
  answer("y", "next");
  EXPECT_EQ(sent(), Payloads{"next"});
}

TEST_F(CalledFunctions, ACallThatNothingTakesIsAnError) {
  start();
  for (const auto refusal : {BP_NO_ROUTE, BP_REJECTED}) {
    host().answer_sends([refusal](const FakeSent& item) { return item.target.empty() ? BP_SENT : refusal; });
    ask({"x"});
    EXPECT_TRUE(error().starts_with("function_failed: foo: "));
  }
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(CalledFunctions, AMessageThatSaysAnErrorPassesByAsItIs) {
  start();
  auto failed = request_of("c", "0");
  failed.error = "function_failed: earlier";
  deliver(host(), failed);
  sent();
  EXPECT_EQ(last(), failed);
  EXPECT_TRUE(host().calls().empty());
}

TEST_F(CalledFunctions, WhatIsNoMessageIsMalformed) {
  start();
  EXPECT_EQ(host().deliver(host().message({"garbage"})), BP_MALFORMED);
  EXPECT_EQ(host().deliver(host().message()), BP_MALFORMED);
  ask({"x"});
  EXPECT_EQ(host().calls().size(), 1u);
}

TEST_F(CalledFunctions, ACallThatTakesTooLongHasFailed) {
  start({{"call_timeout", "2s"}});
  host().stop_clock();
  ask({"x"});
  EXPECT_EQ(call("x").deadline, host().now() + 2'000 * ms);
  host().answer_error(call("x"), "TimeoutExpired", "too late");
  EXPECT_EQ(error(), "function_failed: foo: TimeoutExpired: too late");
  answer("x", "later still");
  EXPECT_EQ(sent(), Payloads{});
}

TEST_F(CalledFunctions, NamingNoComponentIsRefused) {
  EXPECT_NE(zmq::start_refusal<Calling>({{"functions", "[]"}}), "");
}

// ---- order ------------------------------------------------------------------------------------------

TEST_F(CalledFunctions, ResultsGoOutInTheOrderOfTheirCalls) {
  start();
  ask({"1", "2", "3"});
  answer("3", "third");
  answer("2", "second");
  EXPECT_EQ(sent(), Payloads{});
  EXPECT_EQ(host().holding(), 2u);
  answer("1", "first");
  EXPECT_EQ(sent(), (Payloads{"first", "second", "third"}));
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(CalledFunctions, ErrorsAndEchoesKeepTheirPlaceToo) {
  start();
  ask({"1"});
  ask_for("server.none");
  ask_for("server.echo");
  EXPECT_EQ(sent(), Payloads{});
  answer("1", "first");
  EXPECT_EQ(sent(), (Payloads{"first", "0", "payload"}));
}

TEST_F(CalledFunctions, UnorderedResultsGoOutAsTheyCome) {
  start({{"ordered", "false"}});
  ask({"1", "2", "3"});
  answer("3", "third");
  EXPECT_EQ(sent(), Payloads{"third"});
  answer("1", "first");
  answer("2", "second");
  EXPECT_EQ(sent(), (Payloads{"first", "second"}));
}

TEST_F(CalledFunctions, ASecondOutcomeOfACallIsIgnored) {
  start();
  ask({"1", "2"});
  answer("1", "first");
  answer("1", "again");
  answer("2", "second");
  answer("2", "again");
  EXPECT_EQ(sent(), (Payloads{"first", "second"}));
}

// ---- several results --------------------------------------------------------------------------------

TEST_F(CalledFunctions, EveryItemOfAStreamIsAMessage) {
  start({{"many", "true"}});
  ask({"x"});
  EXPECT_TRUE(host().calls()[0].message.has(BP_STREAM));
  item("x", "1");
  item("x", "2");
  EXPECT_EQ(sent(), (Payloads{"1", "2"})) << "as they come";
  EXPECT_EQ(host().granted().size(), 2u);
  end_stream("x");
  EXPECT_EQ(sent(), Payloads{});
}

TEST_F(CalledFunctions, StreamsKeepTheOrderOfTheirCalls) {
  start({{"many", "true"}});
  ask({"x", "y"});
  item("y", "y1");
  item("x", "x1");
  EXPECT_EQ(sent(), Payloads{"x1"});
  end_stream("x");
  EXPECT_EQ(sent(), Payloads{"y1"});
  item("y", "y2");
  end_stream("y");
  EXPECT_EQ(sent(), Payloads{"y2"});
}

TEST_F(CalledFunctions, AStreamThatFailsHalfwayKeepsItsItemsAndOneErrorFollows) {
  start({{"many", "true"}});
  ask({"x"});
  item("x", "1");
  host().answer_error(call("x"), "ValueError", "no");
  EXPECT_EQ(sent(), (Payloads{"1", "0"}));
  EXPECT_EQ(last().error, "function_failed: foo: ValueError: no");
}

TEST_F(CalledFunctions, AListIsManyResultsAndAnEmptyOneNone) {
  start({{"many", "true"}});
  ask({"list", "empty", "one", "nothing"});
  answer_value("list", Value(Array{Value("a"), Value(Bytes{"b"})}));
  answer_value("empty", Value(Array{}));
  answer_value("one", Value("single"));
  answer_value("nothing", Value());
  EXPECT_EQ(sent(), (Payloads{"a", "b", "single"}));
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(CalledFunctions, AListWithSomethingElseInItStandsUpToThereAndOneErrorFollows) {
  start({{"many", "true"}});
  ask({"x"});
  answer_value("x", Value(Array{Value("a"), Value(5), Value("b")}));
  EXPECT_EQ(sent(), (Payloads{"a", "0"}));
  EXPECT_TRUE(last().error.value_or("").starts_with("function_failed: "));
}

// ---- back pressure, and whoever asked ---------------------------------------------------------------

TEST_F(CalledFunctions, AtTheMostCallsItIsBusyUntilOneEnds) {
  start({{"max_calls", "2"}, {"ordered", "false"}});
  ask({"1", "2", "3"});
  EXPECT_EQ(host().busy_messages(), 1u);
  EXPECT_EQ(host().calls().size(), 2u);
  answer("2", "second");
  host().run_ready();
  EXPECT_EQ(host().calls().size(), 3u);
  EXPECT_EQ(host().busy_messages(), 0u);
}

TEST_F(CalledFunctions, AResultThatWaitsForTheOneBeforeItCountsAsACall) {
  start({{"max_calls", "2"}});
  ask({"1", "2", "3"});
  answer("2", "second");
  host().run_ready();
  EXPECT_EQ(host().calls().size(), 2u);
  answer("1", "first");
  host().run_ready();
  EXPECT_EQ(host().calls().size(), 3u);
  EXPECT_EQ(sent(), (Payloads{"first", "second"}));
}

TEST_F(CalledFunctions, WhenTheWayOutIsFullItTakesNoMoreAndForgetsNothing) {
  start();
  host().answer_sends(BP_PAUSED);
  ask({"1"});
  host().answer_sends(BP_SENT);
  ask({"2"});
  EXPECT_EQ(host().busy_messages(), 1u);
  answer("1", "first");
  EXPECT_EQ(sent(), Payloads{"first"});
  host().resume();
  host().run_ready();
  answer("2", "second");
  EXPECT_EQ(sent(), Payloads{"second"});
}

TEST_F(CalledFunctions, WhoeverAskedGetsTheResultAndSoDoTheRoutes) {
  start();
  host().deliver(host().request("", {bytes_of(request_of("c", "x"))}));
  answer("x", "result");
  ASSERT_EQ(host().replies().size(), 1u);
  EXPECT_EQ(message_in(frames(host().replies()[0].message)).payload, "result");
  ASSERT_EQ(host().sent().size(), 1u);
  EXPECT_FALSE(host().sent()[0].message.wants_reply());
}

TEST_F(CalledFunctions, AThousandCallsAnsweredInAnyOrderGoOutInOrder) {
  start();
  Payloads payloads;
  Payloads expected;
  for (int i = 0; i < 1000; ++i) {
    payloads.push_back(std::to_string(i));
    expected.push_back("result " + std::to_string(i));
  }
  ask(payloads);
  auto& calls = host().calls();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const auto& message = calls[i * 377 % calls.size()].message;
    host().answer(message.envelope(), {"result " + std::string(message[0])});
  }
  EXPECT_EQ(sent(), expected);
}

}  // namespace
}  // namespace backplane::palm
