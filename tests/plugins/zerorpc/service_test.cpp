// zerorpc.service towards clients of ZeroRPC: what becomes of a request, and everything that can be wrong
// with one.
#include "plugins/zerorpc/verbs.hpp"

namespace backplane::zerorpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class ServiceTest : public ServiceFixture {
 protected:
  std::string refusal(std::vector<OptionText> options) {
    options.emplace_back("bind", zmq::any_port);
    return zmq::start_refusal<Service>(options);
  }
};

// ---- a call -----------------------------------------------------------------------------------------

TEST_F(ServiceTest, ACallReachesItsFunctionAsItCame) {
  start();
  client().request("add", Array{1, Bytes{"2"}});
  const auto call = take_call();
  EXPECT_EQ(call.target, "math.add");
  EXPECT_EQ(zmq::frames(call.message), zmq::Frames{encode(Value(Array{1, Bytes{"2"}}))});
  const auto& envelope = call.message.envelope();
  EXPECT_EQ(envelope.encoding, BP_MSGPACK);
  EXPECT_TRUE(call.message.has(BP_REQUEST));
  EXPECT_TRUE(call.message.has(BP_STREAM)) << "it may answer with a stream";
  EXPECT_EQ(envelope.credit, 1u);
  EXPECT_EQ(envelope.deadline, 0);
  result(call, nullptr);
}

TEST_F(ServiceTest, TheResultGoesBack) {
  start();
  const auto channel = client().request("add", Array{1, 2});
  result(take_call(), 3);
  EXPECT_EQ(answer(channel), "OK [3]");
  EXPECT_TRUE(silent());
}

TEST_F(ServiceTest, NoResultIsNil) {
  start();
  const auto channel = client().request("add");
  host().answer(take_call().message.envelope(), {}, BP_MSGPACK);
  EXPECT_EQ(answer(channel), "OK [null]");
}

TEST_F(ServiceTest, AResultOfPlainBytesIsBinary) {
  start();
  const auto channel = client().request("add");
  host().answer(take_call().message.envelope(), {"\xff\x00"s}, BP_RAW);
  const auto event = next_of(channel);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->args, Value(Array{Bytes{"\xff\x00"s}}));
}

TEST_F(ServiceTest, EachAnswerFindsItsCaller) {
  start();
  std::vector<std::pair<std::size_t, std::string>> channels;
  for (int i = 0; i < 20; ++i)
    channels.emplace_back(i % 3, client(static_cast<std::size_t>(i % 3)).request("add", Array{i}));
  std::vector<FakeSent> calls;
  for (int i = 0; i < 20; ++i) calls.push_back(take_call());
  for (auto call = calls.rbegin(); call != calls.rend(); ++call)
    result(*call, decode(call->message[0]).get_if<Array>()->front());
  for (int i = 0; i < 20; ++i) {
    const auto& [which, channel] = channels[static_cast<std::size_t>(i)];
    EXPECT_EQ(answer(channel, which), "OK [" + std::to_string(i) + "]");
  }
}

TEST_F(ServiceTest, AnIdComesBackAsItCame) {
  start();
  for (const auto& id :
       {Value("text"), Value(Bytes{"bytes"}), Value(5), Value(-1), Value(1.5), Value(true)}) {
    client().send(Map{{"message_id", id}, {"v", 3}}, "add", Array{});
    result(take_call(), nullptr);
    std::optional<ServerEvent> event;
    ASSERT_TRUE(host().run_until([&] { return (event = client().next(0ns)).has_value(); }, kPatience));
    EXPECT_EQ(*event->header.find("response_to"), id);
  }
}

TEST_F(ServiceTest, EqualIdsOfTwoClientsDoNotMix) {
  start();
  const Map header = {{"message_id", "id"}, {"v", 3}};
  client(0).send(header, "add", Array{0});
  const auto first = take_call();
  client(1).send(header, "add", Array{1});
  const auto second = take_call();
  result(second, "second");
  EXPECT_TRUE(silent(0));
  std::optional<ServerEvent> event;
  ASSERT_TRUE(host().run_until([&] { return (event = client(1).next(0ns)).has_value(); }, kPatience));
  EXPECT_EQ(event->text(), R"(OK ["second"])");
  result(first, "first");
  ASSERT_TRUE(host().run_until([&] { return (event = client(0).next(0ns)).has_value(); }, kPatience));
  EXPECT_EQ(event->text(), R"(OK ["first"])");
}

TEST_F(ServiceTest, ASecondRequestOfTheSameIdIsDropped) {
  start();
  const Map header = {{"message_id", Bytes{"id"}}, {"v", 3}};
  client().send(header, "add", Array{1});
  const auto call = take_call();
  client().send(header, "add", Array{2});
  ASSERT_TRUE(host().run_until([&] { return host().metric("duplicates") == 1; }, kPatience));
  EXPECT_THAT(host().calls(), IsEmpty());
  result(call, 1);
  EXPECT_EQ(answer("id"), "OK [1]");
  EXPECT_TRUE(silent());
}

TEST_F(ServiceTest, ItMayConnectToClientsThatBind) {
  test::Peer asker(ZMQ_DEALER);
  FakeComponent<Service> host({{"connect", asker.bind()}});
  host.offer_functions({});
  host.start();
  asker.send({"", encode(Value(Array{Map{{"message_id", 1}, {"v", 3}}, "_zerorpc_name", Array{}}))});
  const auto frames = zmq::receives(host, asker);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(test::read_server_event(frames[1]).text(), R"(OK ["fake"])");
}

// ---- frames -----------------------------------------------------------------------------------------

TEST_F(ServiceTest, TheFramesOfProxiesAreKeptAndTheEmptyOneAlwaysSent) {
  start();
  const auto payload = encode(Value(Array{Map{{"message_id", 1}, {"v", 3}}, "_zerorpc_name", Array{}}));
  auto& peer = client().peer();
  for (const auto& [sent, front] : std::vector<std::pair<zmq::Frames, zmq::Frames>>{
           {{"", payload}, {""}},
           {{payload}, {""}},
           {{"hop 1", "hop 2", "", payload}, {"hop 1", "hop 2", ""}}}) {
    ASSERT_TRUE(peer.send(sent));
    auto got = zmq::receives(host(), peer);
    ASSERT_FALSE(got.empty());
    EXPECT_EQ(test::read_server_event(got.back()).text(), R"(OK ["rpc"])");
    got.pop_back();
    EXPECT_EQ(got, front);
  }
}

TEST_F(ServiceTest, RoutingFramesWithoutAnEmptyOneAreDropped) {
  start();
  const auto payload = encode(Value(Array{Map{{"message_id", 1}, {"v", 3}}, "_zerorpc_name", Array{}}));
  ASSERT_TRUE(client().peer().send({"hop", payload}));
  EXPECT_TRUE(silent());
  EXPECT_EQ(host().metric("malformed"), 1);
  EXPECT_EQ(ask("_zerorpc_name"), R"(OK ["rpc"])");
}

TEST_F(ServiceTest, WhatIsNoEventIsDroppedAndToldOnceASecond) {
  start();
  for (int i = 0; i < 1000; ++i) client().send_payload("\xc1");
  EXPECT_EQ(ask("_zerorpc_name"), R"(OK ["rpc"])");
  EXPECT_EQ(host().metric("unreadable"), 1000);
  const auto lines = std::count_if(
      host().log_lines().begin(), host().log_lines().end(),
      [](const auto& entry) { return entry.line.find("an event is dropped: ") != std::string::npos; });
  EXPECT_GE(lines, 1);
  EXPECT_LE(lines, 5);
}

TEST_F(ServiceTest, AnIdOfMoreThan256BytesIsDropped) {
  start();
  const auto send = [&](std::size_t bytes) {
    client().send(Map{{"message_id", Bytes{std::string(bytes - 2, 'i')}}, {"v", 3}}, "_zerorpc_name",
                  Array{});
  };
  send(256);
  ASSERT_TRUE(host().run_until([&] { return client().next(0ns).has_value(); }, kPatience));
  send(257);
  EXPECT_TRUE(silent());
  EXPECT_EQ(host().metric("unreadable"), 1);
  EXPECT_TRUE(host().logged("the id of its channel is longer than 256 bytes"));
  EXPECT_EQ(host().metric("channels"), 0);
}

TEST_F(ServiceTest, RoutingFramesLongerThanRoutingIdsAreDropped) {
  start();
  const auto payload = encode(Value(Array{Map{{"message_id", 1}, {"v", 3}}, "_zerorpc_name", Array{}}));
  ASSERT_TRUE(client().peer().send({std::string(256, 'h'), "", payload}));
  EXPECT_TRUE(silent());
  EXPECT_EQ(host().metric("malformed"), 1);
  ASSERT_TRUE(client().peer().send({std::string(255, 'h'), "", payload}));
  EXPECT_EQ(zmq::receives(host(), client().peer()).size(), 3u);
}

TEST_F(ServiceTest, EventsOfNoOpenChannelAreDropped) {
  start();
  client().heartbeat("nothing");
  client().more("nothing", 5);
  client().send_on("nothing", "add", Array{1});
  EXPECT_EQ(ask("_zerorpc_name"), R"(OK ["rpc"])");
  EXPECT_THAT(host().calls(), IsEmpty());
}

// ---- streams ----------------------------------------------------------------------------------------

TEST_F(ServiceTest, ItemsGoOutUnderTheClientsCredit) {
  start();
  const auto channel = client().request("count");
  const auto call = take_call();
  item(call, 0);
  EXPECT_EQ(answer(channel), "STREAM 0");
  client().more(channel, 2);
  ASSERT_TRUE(host().run_until([&] { return !host().granted().empty(); }, kPatience));
  EXPECT_THAT(host().granted(), ElementsAre(std::pair(call.message.envelope().correlation, 2u)));
  item(call, 1);
  item(call, Array{2});
  end_stream(call);
  EXPECT_EQ(answer(channel), "STREAM 1");
  EXPECT_EQ(answer(channel), "STREAM [2]");
  EXPECT_TRUE(silent()) << "the end needs credit";
  client().more(channel, 1);
  EXPECT_EQ(answer(channel), "STREAM_DONE null");
}

TEST_F(ServiceTest, AStreamMayBeEmptyOrFail) {
  start();
  auto channel = client().request("count");
  end_stream(take_call());
  EXPECT_EQ(answer(channel), "STREAM_DONE null");
  channel = client().request("count");
  fail(take_call(), "DemoError", "at once");
  EXPECT_EQ(answer(channel), "ERR DemoError: at once");
  channel = client().request("count");
  const auto call = take_call();
  item(call, 0);
  fail(call, "DemoError", "broken");
  EXPECT_EQ(answer(channel), "STREAM 0");
  client().more(channel, 1);
  EXPECT_EQ(answer(channel), "ERR DemoError: broken");
}

TEST_F(ServiceTest, AnItemThatClientsCannotReadEndsTheStream) {
  start();
  const auto channel = client().request("count");
  const auto call = take_call();
  item(call, Value("\xff"));
  EXPECT_EQ(answer(channel), "ERR TypeError: an item cannot be sent: text that is not UTF-8");
  EXPECT_TRUE(cancelled(call));
}

// ---- errors -----------------------------------------------------------------------------------------

TEST_F(ServiceTest, ErrorsOfFunctionsKeepTheirNames) {
  start();
  auto channel = client().request("add");
  fail(take_call(), "DemoError", "why");
  EXPECT_EQ(answer(channel), "ERR DemoError: why");
  channel = client().request("add");
  fail(take_call(), "InvalidCallArguments", "add: takes 2 arguments");
  EXPECT_EQ(answer(channel), "ERR TypeError: add: takes 2 arguments");
  EXPECT_EQ(host().metric("failed_calls"), 2);
}

TEST_F(ServiceTest, AnErrorHasThreePartsAndTheVersion) {
  start();
  const auto event = next_of(client().request("none"));
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->text(), R"(ERR ["NameError","none",null])");
  EXPECT_EQ(*event->header.find("v"), Value(3));
}

TEST_F(ServiceTest, VersionOneKnowsOneText) {
  start();
  const auto event = next_of(client().speak(1).request("none"));
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->text(), R"x(ERR ["NameError('none')"])x");
}

TEST_F(ServiceTest, WhatIsNotOfferedIsANameError) {
  start({{"functions", "math"}});
  EXPECT_EQ(ask("none"), "ERR NameError: none");
  EXPECT_EQ(ask("_private"), "ERR NameError: _private");
  EXPECT_EQ(ask("_zerorpc_none"), "ERR NameError: _zerorpc_none");
  EXPECT_EQ(ask("math2.hang"), "ERR NameError: math2.hang");
  EXPECT_EQ(ask(""), "ERR NameError: ");
  EXPECT_THAT(host().calls(), IsEmpty());
}

TEST_F(ServiceTest, ArgumentsThatAreNoListAreATypeError) {
  start();
  for (const auto& args : {Value(), Value(1), Value("x"), Value(Map{{"a", 1}})})
    EXPECT_THAT(ask("add", args), StartsWith("ERR TypeError: ")) << to_json(args);
  EXPECT_THAT(ask("_zerorpc_ping", Map{}), StartsWith("ERR TypeError: "));
}

TEST_F(ServiceTest, ANameThatIsNoTextIsANameError) {
  start();
  client().send(Map{{"message_id", Bytes{"id"}}, {"v", 3}}, 5, Array{});
  EXPECT_THAT(answer("id"), StartsWith("ERR NameError: "));
}

TEST_F(ServiceTest, ANameMayBeBinary) {
  start();
  client().send(Map{{Bytes{"message_id"}, Bytes{"id"}}, {Bytes{"v"}, 3}}, Bytes{"_zerorpc_name"}, Array{});
  EXPECT_EQ(answer("id"), R"(OK ["rpc"])");
}

TEST_F(ServiceTest, AResultThatClientsCannotReadIsATypeError) {
  start({{"max_payload", "1KiB"}});
  for (const auto& [value, why] : std::vector<std::pair<Value, std::string>>{
           {Value("\xff"), "text that is not UTF-8"},
           {Value(Map{{1, 2}}), "a key of a map is neither text nor bytes"},
           {Value(std::string(2000, 'x')), "it is longer than clients take (option max_payload)"}}) {
    const auto channel = client().request("add");
    result(take_call(), value);
    EXPECT_EQ(answer(channel), "ERR TypeError: the result cannot be sent: " + why);
  }
}

TEST_F(ServiceTest, WhatIsCarriedCountsAsPartOfAnAnswer) {
  start({{"max_payload", "2KiB"}});
  const Value value(std::string(1200, 'x'));
  auto channel = client().request("add");
  result(take_call(), value);
  EXPECT_THAT(answer(channel), StartsWith("OK "));
  channel = client().request("add", Array{}, {{"trace_id", std::string(1000, 't')}});
  result(take_call(), value);
  EXPECT_THAT(answer(channel), StartsWith("ERR TypeError: the result cannot be sent: it is longer"));
}

TEST_F(ServiceTest, ARequestThatIsTooLongIsAnsweredSo) {
  start({{"max_payload", "1KiB"}});
  EXPECT_THAT(ask("add", Array{std::string(2000, 'x')}), StartsWith("ERR RuntimeError: a request of 20"));
  EXPECT_THAT(host().calls(), IsEmpty());
}

TEST_F(ServiceTest, ARequestThatIsNestedTooDeeplyIsDropped) {
  start({{"max_depth", "8"}});
  Value deep = Array{};
  for (int i = 0; i < 8; ++i) deep = Array{deep};
  client().request("add", deep);
  EXPECT_EQ(ask("_zerorpc_name"), R"(OK ["rpc"])");
  EXPECT_EQ(host().metric("unreadable"), 1);
}

TEST_F(ServiceTest, AFunctionThatNothingTakesIsAnError) {
  start();
  host().answer_sends(BP_REJECTED);
  const auto channel = client().request("add");
  ASSERT_TRUE(host().run_until([&] { return host().metric("calls_under_way") == 1; }, kPatience));
  EXPECT_TRUE(silent()) << "the host's own error follows as an outcome";
}

// ---- introspection ----------------------------------------------------------------------------------

TEST_F(ServiceTest, IsAnsweredAboutItselfWhateverItsFunctionsDo) {
  start({{"name", "calculator"}, {"functions", "math"}});
  client().request("hang");
  EXPECT_EQ(ask("_zerorpc_ping"), R"(OK [["pong","calculator"]])");
  EXPECT_EQ(ask("_zerorpc_name"), R"(OK ["calculator"])");
  EXPECT_EQ(ask("_zerorpc_list"), R"(OK [["add","count","hang"]])");
  EXPECT_EQ(ask("_zerorpc_args", Array{"add"}), R"(OK [[["a","b"],null,null,[1]]])");
  EXPECT_EQ(ask("_zerorpc_help", Array{"add"}), R"(OK [null])");
  EXPECT_THAT(ask("_zerorpc_inspect"), StartsWith(R"(OK [{"name":"calculator","methods":{"add":{"args")"));
}

TEST_F(ServiceTest, OfWhatItHasNotItSaysSo) {
  start();
  EXPECT_EQ(ask("_zerorpc_help", Array{"none"}), "ERR KeyError: none");
  EXPECT_EQ(ask("_zerorpc_args", Array{"none"}), "ERR KeyError: none");
  EXPECT_THAT(ask("_zerorpc_help"), StartsWith("ERR TypeError: "));
  EXPECT_THAT(ask("_zerorpc_list", Array{1}), StartsWith("ERR TypeError: "));
}

TEST_F(ServiceTest, FunctionsThatComeLaterAreFoundLater) {
  start();
  host().stop_clock();
  offer("math", "late");
  EXPECT_EQ(ask("late"), "ERR NameError: late");
  host().advance(1s);
  client().request("late");
  EXPECT_EQ(take_call().target, "math.late");
  offer("math", "later");
  EXPECT_THAT(ask("_zerorpc_list"), Not(HasSubstr("later"))) << "it was looked up a moment ago";
  host().advance(100ms);
  EXPECT_THAT(ask("_zerorpc_ping"), HasSubstr("pong"));
  EXPECT_THAT(ask("_zerorpc_list"), HasSubstr("later"));
}

TEST_F(ServiceTest, ToldOfFunctionsAreThoseOfAMomentAgo) {
  start();
  host().stop_clock();
  for (const auto& [method, args] : std::vector<std::pair<std::string, Array>>{
           {"_zerorpc_list", {}}, {"_zerorpc_inspect", {}}, {"_zerorpc_help", {"late"}}}) {
    const auto name = "late_" + method;
    offer("math", name);
    host().advance(100ms);
    const auto arguments = args.empty() ? Array() : Array{name};
    EXPECT_THAT(ask(method, arguments), StartsWith("OK ")) << method;
    EXPECT_THAT(ask("_zerorpc_list"), HasSubstr(name)) << method;
  }
}

TEST_F(ServiceTest, AComponentWithoutFunctionsIsWarnedAbout) {
  start({{"functions", "[math, silent]"}});
  EXPECT_TRUE(host().logged("component silent publishes no function"));
  EXPECT_FALSE(host().logged("component math publishes no function"));
}

// ---- what travels in the header ---------------------------------------------------------------------

TEST_F(ServiceTest, TheTraceIdGoesToTheFunctionAndBackWithTheAnswer) {
  start();
  const auto channel = client().request("add", Array{}, {{"trace_id", "t 1"}, {"other", "x"}});
  const auto call = take_call();
  EXPECT_EQ(baggage_in(call.message.headers(), "trace_id"), "t 1");
  EXPECT_EQ(baggage_in(call.message.headers(), "other"), "");
  result(call, 1);
  const auto event = next_of(channel);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(*event->header.find("trace_id"), Value("t 1"));
  EXPECT_EQ(event->header.find("other"), nullptr);
}

TEST_F(ServiceTest, OtherKeysAreCarriedWhenTheManifestSaysSo) {
  start({{"carry", "[tenant, number]"}});
  const auto channel =
      client().request("add", Array{}, {{"trace_id", "t"}, {"tenant", Bytes{"b"}}, {"number", 5}});
  const auto call = take_call();
  EXPECT_EQ(baggage_in(call.message.headers(), "tenant"), "b");
  EXPECT_EQ(baggage_in(call.message.headers(), "trace_id"), "");
  result(call, 1);
  const auto event = next_of(channel);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(*event->header.find("tenant"), Value(Bytes{"b"}));
  EXPECT_EQ(*event->header.find("number"), Value(5)) << "as it came";
  EXPECT_EQ(event->header.find("trace_id"), nullptr);
}

TEST_F(ServiceTest, ValuesOfMoreThanAKibibyteAreNotCarried) {
  start({{"carry", "[trace_id, tenant]"}});
  const auto channel = client().request(
      "add", Array{}, {{"trace_id", std::string(1022, 't')}, {"tenant", std::string(1021, 't')}});
  const auto call = take_call();
  EXPECT_EQ(baggage_in(call.message.headers(), "trace_id"), "");
  EXPECT_EQ(baggage_in(call.message.headers(), "tenant"), std::string(1021, 't'));
  result(call, 1);
  const auto event = next_of(channel);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->header.find("trace_id"), nullptr);
  EXPECT_NE(event->header.find("tenant"), nullptr);
}

TEST_F(ServiceTest, AHeaderWithoutAVersionMaySayMore) {
  start();
  client().send(Map{{"message_id", "id"}, {"trace_id", "t 1"}}, "add", Array{});
  const auto call = take_call();
  EXPECT_EQ(baggage_in(call.message.headers(), "trace_id"), "t 1");
  result(call, 1);
  std::optional<ServerEvent> event;
  ASSERT_TRUE(host().run_until([&] { return (event = client().next(0ns)).has_value(); }, kPatience));
  EXPECT_EQ(*event->header.find("trace_id"), Value("t 1"));
  client().send(Map{{"message_id", "id"}, {"timeout_ms", 500}}, "add", Array{});
  EXPECT_NE(take_call().message.envelope().deadline, 0);
}

TEST_F(ServiceTest, AFunctionMayTakeAsLongAsTheOptionAndTheCallerSay) {
  start({{"timeout", "2s"}});
  host().stop_clock();
  const auto deadline_of = [&](const Map& header) {
    client().request("add", Array{}, header);
    const auto call = take_call();
    const auto left = call.message.envelope().deadline - host().now();
    result(call, nullptr);
    return std::chrono::nanoseconds(left);
  };
  EXPECT_EQ(deadline_of({}), 2s);
  EXPECT_EQ(deadline_of({{"timeout_ms", 500}}), 500ms);
  EXPECT_EQ(deadline_of({{"timeout_ms", 5000}}), 2s) << "the shorter one";
  EXPECT_EQ(deadline_of({{"timeout_ms", 0}}), 1ns) << "nobody waits for it: it expires at once";
  for (const auto& odd : {Value(-1), Value("500"), Value(1.5), Value(), Value(UINT64_MAX)})
    EXPECT_EQ(deadline_of({{"timeout_ms", odd}}), 2s) << to_json(odd);
}

// ---- limits -----------------------------------------------------------------------------------------

TEST_F(ServiceTest, CallsBeyondInFlightWaitAndThenThoseBeyondAreRefused) {
  start({{"in_flight", "1"}, {"max_waiting", "1"}});
  const auto one = client().request("add", Array{1});
  const auto call = take_call();
  const auto two = client().request("add", Array{2});
  EXPECT_EQ(ask("add", Array{3}), "ERR RuntimeError: too many requests");
  EXPECT_THAT(host().calls(), IsEmpty());
  result(call, 1);
  EXPECT_EQ(answer(one), "OK [1]");
  result(take_call(), 2);
  EXPECT_EQ(answer(two), "OK [2]");
}

TEST_F(ServiceTest, ACallThatWaitsIsAnsweredWhenItsTimeIsOver) {
  start({{"in_flight", "1"}, {"timeout", "10s"}, {"heartbeat", "0s"}});
  host().stop_clock();
  client().request("add", Array{1});
  const auto call = take_call();
  const auto other = client().request("add", Array{2}, {{"timeout_ms", 2000}});
  const auto same = client().request("add", Array{3});
  ASSERT_TRUE(host().run_until([&] { return host().metric("calls_waiting") == 2; }, kPatience));
  host().advance(2s);
  EXPECT_EQ(answer(other), "ERR TimeoutExpired: the time for the call was over before others had ended");
  host().advance(8s);
  EXPECT_EQ(answer(same), "ERR TimeoutExpired: the time for the call was over before others had ended");
  result(call, 1);
  EXPECT_THAT(host().calls(), IsEmpty());
  EXPECT_EQ(host().metric("calls_waiting"), 0);
}

TEST_F(ServiceTest, CallsOfClientsThatAreLostLeaveTheirPlaceInTheQueue) {
  start({{"in_flight", "1"}, {"max_waiting", "1"}, {"heartbeat", "1s"}});
  host().stop_clock();
  const auto running = client().request("math.hang");
  take_call();
  client(1).request("add");
  ASSERT_TRUE(host().run_until([&] { return host().metric("calls_waiting") == 1; }, kPatience));
  EXPECT_EQ(ask("add"), "ERR RuntimeError: too many requests");
  for (int i = 0; i < 3; ++i) {
    host().advance(1s);
    client().heartbeat(running);
    EXPECT_EQ(ask("_zerorpc_name"), R"(OK ["rpc"])");
  }
  EXPECT_EQ(host().metric("clients_lost"), 1);
  EXPECT_EQ(host().metric("calls_waiting"), 0);
  client().request("add");
  EXPECT_TRUE(host().run_until([&] { return host().metric("calls_waiting") == 1; }, kPatience));
}

TEST_F(ServiceTest, WhoWaitsGetsHeartbeatsToo) {
  start({{"in_flight", "1"}, {"heartbeat", "1s"}});
  host().stop_clock();
  client().request("add", Array{1});
  take_call();
  const auto waiting = client().request("add", Array{2});
  EXPECT_EQ(ask("_zerorpc_name"), R"(OK ["rpc"])");
  host().advance(1s);
  EXPECT_EQ(answer(waiting), "_zpc_hb [0]");
}

TEST_F(ServiceTest, ConversationsBeyondTheMostAreRefused) {
  start({{"max_channels", "2"}});
  client().request("math.hang");
  client().request("add");
  const auto one = take_call();
  EXPECT_EQ(ask("add"), "ERR RuntimeError: too many conversations are open");
  result(one, nullptr);
  result(take_call(), nullptr);
  const auto channel = client().request("add");
  result(take_call(), 3);
  EXPECT_EQ(answer(channel), "OK [3]");
}

TEST_F(ServiceTest, OfConversationsBeyondTheMostNothingIsKeptWhenTheirClientDoesNotRead) {
  start({{"max_channels", "10"}, {"send_hwm", "1"}, {"heartbeat", "0s"}});
  test::Peer peer(ZMQ_DEALER);
  peer.set(ZMQ_RCVHWM, 1).connect(zmq::endpoint_of(host()));
  const std::string unknown(100'000, 'x');  // goes back with the error
  constexpr int requests = 500;
  for (int i = 0; i < requests; ++i) {
    ASSERT_TRUE(peer.send({"", encode(Value(Array{Map{{"message_id", i}, {"v", 3}}, unknown, Array{}}))}));
    host().run_ready();
  }
  ASSERT_TRUE(host().run_until([&] { return host().metric("requests") == requests; }, kPatience));
  EXPECT_EQ(host().metric("channels"), 10);
  EXPECT_EQ(host().metric("failed_calls"), requests);
}

// ---- clients that go --------------------------------------------------------------------------------

TEST_F(ServiceTest, AClientThatIsLostCancelsItsCallAndHearsNothing) {
  start({{"heartbeat", "1s"}, {"in_flight", "1"}});
  host().stop_clock();
  const auto channel = client().request("math.hang");
  const auto call = take_call();
  const auto waiting = client(1).request("add", Array{1});
  // Events of a client are read in order: with the answer to this one all before it were.
  const auto read = [&] { EXPECT_EQ(answer(client(1).request("_zerorpc_name"), 1), R"(OK ["rpc"])"); };
  read();
  host().advance(1s);
  EXPECT_EQ(answer(waiting, 1), "_zpc_hb [0]");
  host().advance(1s);
  EXPECT_FALSE(cancelled(call));
  EXPECT_EQ(answer(waiting, 1), "_zpc_hb [0]");
  client(1).heartbeat(waiting);
  read();
  host().advance(1s);
  EXPECT_TRUE(cancelled(call));
  EXPECT_EQ(host().metric("clients_lost"), 1);
  EXPECT_EQ(take_call().target, "math.add") << "its place is free";
  result(call, "late");
  EXPECT_EQ(answer(channel), "_zpc_hb [0]");
  EXPECT_EQ(answer(channel), "_zpc_hb [0]");
  EXPECT_TRUE(silent());
}

TEST_F(ServiceTest, AClientWhoseConnectionHasGoneIsLostAtTheNextHeartbeat) {
  start({{"heartbeat", "1s"}});
  host().stop_clock();
  client().request("add");
  const auto call = take_call();
  lose_clients();
  // libzmq tells of a connection that has gone a moment later.
  ASSERT_TRUE(host().run_until(
      [&] {
        host().advance(1s);
        return cancelled(call);
      },
      kPatience));
  EXPECT_EQ(host().metric("channels"), 0);
}

TEST_F(ServiceTest, WhatAFunctionSaysAfterItsCallWasGivenUpIsNothing) {
  start({{"heartbeat", "1s"}});
  host().stop_clock();
  client().request("count");
  const auto call = take_call();
  host().advance(3s);
  ASSERT_TRUE(cancelled(call));
  item(call, 1);
  end_stream(call);
  result(call, 1);
  fail(call, "E", "late");
  EXPECT_EQ(host().metric("calls_under_way"), 0);
}

// ---- layers -----------------------------------------------------------------------------------------

TEST_F(ServiceTest, LayerZeroRpcKnowsNoOnCall) {
  start({{"layer", "zerorpc"}});
  EXPECT_EQ(ask("on_call", Array{Array{}}), "ERR NameError: on_call");
}

TEST_F(ServiceTest, LayerInfiKnowsNothingElse) {
  start({{"layer", "infi"}});
  EXPECT_THAT(ask("add", Array{1, 2}), HasSubstr(R"(infi.rpc.errors.InvalidRPCMethod\"}","message":"add")"));
  EXPECT_EQ(ask("_zerorpc_list"), R"(OK [["on_call"]])");
  EXPECT_EQ(ask("_zerorpc_name"), R"(OK ["dict"])");
  EXPECT_THAT(host().calls(), IsEmpty());
}

// ---- middleware -------------------------------------------------------------------------------------

class ServiceWithMiddleware : public ServiceTest {
 protected:
  void start_with(const std::vector<std::string>& hooks) {
    for (const auto& hook : hooks) offer("ware", hook);
    start({{"functions", "math"}, {"middleware", "ware"}});
  }
  // The argument of the hook that is called next.
  Value hook(const std::string& name, const Value& answer = {}) {
    const auto call = take_call();
    EXPECT_EQ(call.target, "ware." + name);
    const auto event = decode(call.message[0]).get_if<Array>()->at(0);
    result(call, answer);
    return event;
  }
};

TEST_F(ServiceWithMiddleware, HooksAreNotOfferedToClientsAsOtherFunctionsAre) {
  offer("ware", "server_after_exec");
  offer("ware", "served");
  offer("other", "server_after_exec");
  start({{"middleware", "ware"}});
  EXPECT_EQ(ask("_zerorpc_list"),
            R"(OK [["add","count","math.hang","math2.hang","served","server_after_exec"]])");
  client().request("server_after_exec");
  EXPECT_EQ(take_call().target, "other.server_after_exec");
}

TEST_F(ServiceWithMiddleware, HooksSeeTheCallFromItsBeginningToItsEnd) {
  start_with({"load_task_context", "get_task_context", "server_before_exec", "server_after_exec"});
  const auto channel = client().request("add", Array{1, 2}, {{"user", "u"}});
  EXPECT_EQ(*hook("load_task_context").find("header")->find("user"), Value("u"));
  const auto before = hook("server_before_exec");
  EXPECT_EQ(*before.find("method"), Value("add"));
  EXPECT_EQ(*before.find("args"), Value(Array{1, 2}));
  EXPECT_EQ(to_json(hook("get_task_context", Map{{"server", "s"}})), R"({"method":"add"})");
  const auto call = take_call();
  EXPECT_EQ(call.target, "math.add");
  EXPECT_EQ(decode(call.message[0]), Value(Array{1, 2}));
  result(call, 3);
  EXPECT_EQ(to_json(hook("server_after_exec")), R"({"method":"add","result":3})");
  const auto event = next_of(channel);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->text(), "OK [3]");
  EXPECT_EQ(*event->header.find("server"), Value("s"));
}

TEST_F(ServiceWithMiddleware, ArgumentsThatAHookCannotBeToldOfAreRefused) {
  start_with({"server_before_exec"});
  Value deep = Array{};
  for (int i = 1; i < 511; ++i) {
    Array around;
    around.push_back(std::move(deep));
    deep = std::move(around);
  }
  EXPECT_THAT(ask("add", deep), StartsWith("ERR TypeError: a middleware cannot be told of the call: "));
  EXPECT_THAT(host().calls(), IsEmpty());
  EXPECT_EQ(host().metric("channels"), 0);
}

TEST_F(ServiceWithMiddleware, AHeaderOfTooManyKeysIsRefused) {
  start_with({"load_task_context"});
  const auto header = [](int keys) {
    Map pairs;
    for (int i = 0; i < keys; ++i) pairs.push_back({"key " + std::to_string(i), i});
    return pairs;
  };
  EXPECT_EQ(ask("add", Array{}, header(255)),
            "ERR RuntimeError: a header of 257 keys; a middleware is told of at most 256");
  EXPECT_THAT(host().calls(), IsEmpty());
  client().request("add", Array{}, header(254));
  EXPECT_EQ(hook("load_task_context").find("header")->get_if<Map>()->size(), 256u);
}

TEST_F(ServiceWithMiddleware, TheKeysOfAnAnswerAreBoundedAndNoneIsZeroRpcsOwn) {
  start_with({"get_task_context"});
  Map keys{{"v", 1}, {"message_id", "m"}, {"response_to", "r"}, {"mine", 1}};
  for (int i = 0; i < 300; ++i) keys.push_back({"key " + std::to_string(i), i});
  const auto channel = client().request("add");
  hook("get_task_context", keys);
  result(take_call(), 3);
  const auto event = next_of(channel);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(*event->header.find("v"), Value(3));
  EXPECT_NE(*event->header.find("message_id"), Value("m"));
  EXPECT_EQ(*event->header.find("mine"), Value(1));
  EXPECT_EQ(event->header.get_if<Map>()->size(), 256u + 3u);
}

TEST_F(ServiceWithMiddleware, AHookMayRefuseACall) {
  start_with({"server_before_exec"});
  const auto channel = client().request("add");
  fail(take_call(), "Forbidden", "not you");
  EXPECT_EQ(answer(channel), "ERR Forbidden: not you");
  EXPECT_THAT(host().calls(), IsEmpty());
}

TEST_F(ServiceWithMiddleware, AHookMayRefuseAResult) {
  start_with({"server_after_exec"});
  const auto channel = client().request("add");
  result(take_call(), 3);
  fail(take_call(), "Forbidden", "secret");
  EXPECT_EQ(answer(channel), "ERR Forbidden: secret");
}

TEST_F(ServiceWithMiddleware, ErrorsAreSeenAndChangedByNobody) {
  start_with({"server_inspect_exception"});
  const auto channel = client().request("add");
  fail(take_call(), "DemoError", "why");
  EXPECT_EQ(to_json(hook("server_inspect_exception")),
            R"({"method":"add","error":{"name":"DemoError","message":"why"}})");
  EXPECT_EQ(answer(channel), "ERR DemoError: why");
}

TEST_F(ServiceWithMiddleware, ARequestThatIsRefusedAtOnceHasItsOwnName) {
  for (const auto* hook : {"load_task_context", "server_inspect_exception"}) offer("ware", hook);
  start({{"functions", "math"}, {"middleware", "ware"}, {"max_payload", "1KiB"}});
  auto channel = client().request("add");
  hook("load_task_context");
  result(take_call(), 1);
  EXPECT_EQ(answer(channel), "OK [1]");
  channel = client().request("count", Array{std::string(2000, 'x')});
  EXPECT_EQ(*hook("server_inspect_exception").find("method"), Value("count"));
  EXPECT_THAT(answer(channel), StartsWith("ERR RuntimeError: a request of "));
}

TEST_F(ServiceWithMiddleware, TheEndOfAStreamIsSeenWithoutAResult) {
  start_with({"server_after_exec"});
  const auto channel = client().request("count");
  const auto call = take_call();
  item(call, 0);
  EXPECT_EQ(answer(channel), "STREAM 0");
  client().more(channel, 5);
  end_stream(call);
  EXPECT_EQ(to_json(hook("server_after_exec")), R"({"method":"count"})");
  EXPECT_EQ(answer(channel), "STREAM_DONE null");
}

TEST_F(ServiceWithMiddleware, AClientThatGoesWhileAHookRunsIsForgotten) {
  offer("ware", "server_before_exec");
  start({{"functions", "math"}, {"middleware", "ware"}, {"heartbeat", "1s"}});
  host().stop_clock();
  client().request("add");
  const auto call = take_call();
  host().advance(3s);
  result(call, nullptr);
  host().run_ready();
  EXPECT_THAT(host().calls(), IsEmpty());
}

// ---- the end ----------------------------------------------------------------------------------------

TEST_F(ServiceTest, WhileItEndsNewCallsAreRefusedAndOldOnesAnswered) {
  start({{"shutdown.strategy", "drain"}});
  const auto channel = client().request("add");
  const auto call = take_call();
  host().drain();
  EXPECT_GT(host().holding(), 0u);
  EXPECT_EQ(ask("add"), "ERR ShuttingDown: the service rpc is shutting down");
  EXPECT_EQ(ask("_zerorpc_name"), R"(OK ["rpc"])");
  result(call, 3);
  EXPECT_EQ(answer(channel), "OK [3]");
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(ServiceTest, WhatCameJustBeforeTheEndIsRefusedToo) {
  start({{"bind", "inproc://service"}, {"shutdown.strategy", "drain"}});
  host().drain();
  EXPECT_EQ(host().holding(), 0u);
  // Within a program what was sent is there at once.
  const std::unique_ptr<void, int (*)(void*)> socket(zmq_socket(host().zmq_context(), ZMQ_DEALER), zmq_close);
  ASSERT_EQ(zmq_connect(socket.get(), "inproc://service"), 0);
  const auto payload = encode(Value(Array{Map{{"message_id", 1}, {"v", 3}}, "add", Array{}}));
  ASSERT_EQ(zmq_send(socket.get(), payload.data(), payload.size(), 0), static_cast<int>(payload.size()));
  host().stop();
  zmq::Frame frame;
  ASSERT_EQ(zmq_msg_recv(frame.raw(), socket.get(), 0), 0);
  ASSERT_GT(zmq_msg_recv(frame.raw(), socket.get(), 0), 0);
  EXPECT_EQ(RpcError(test::read_server_event(std::string(frame.view()))).name, "ShuttingDown");
}

TEST_F(ServiceTest, WhoIsStillWaitingWhenItStopsIsToldSo) {
  start();
  const auto channel = client().request("add");
  take_call();
  host().stop();
  EXPECT_EQ(RpcError(client().answer(channel)).name, "ShuttingDown");
}

TEST_F(ServiceWithMiddleware, WhoIsStillWaitingWhenItStopsIsToldSoWhateverHooksThereAre) {
  start_with({"server_inspect_exception"});
  const auto channel = client().request("add");
  take_call();
  host().stop();
  EXPECT_EQ(RpcError(client().answer(channel)).name, "ShuttingDown");
  EXPECT_THAT(host().calls(), IsEmpty()) << "a hook could not answer any more";
}

TEST_F(ServiceTest, ComponentsOfTheHostMayEndIt) {
  start({{"shutdown.control", "true"}, {"shutdown.strategy", "drain"}});
  const auto control = [&](const char* function, const Array& arguments = {}) {
    host().deliver(host().request(function, {encode(Value(arguments))}, BP_MSGPACK));
    host().run_ready();
    const auto reply = host().replies().empty() ? FakeReply{} : host().take_reply();
    return reply.is_error() ? reply.error_type : to_json(decode(reply.message[0]));
  };
  client().request("add");
  take_call();
  EXPECT_EQ(control("is_shutdown_requested"), "false");
  EXPECT_EQ(control("has_deferred_requests"), "false");
  EXPECT_EQ(control("deferred_requests_count"), "0");
  EXPECT_EQ(control("wait_for_empty_deferred_requests", {1}), "true");
  EXPECT_EQ(control("no_such_function"), "NameError");
  EXPECT_EQ(control("unbind", {1}), "InvalidCallArguments");
  EXPECT_EQ(control("request_shutdown"), "null");
  EXPECT_EQ(control("is_shutdown_requested"), "true");
  EXPECT_EQ(ask("add"), "ERR ShuttingDown: the service rpc is shutting down");
  EXPECT_EQ(control("abort_requests"), "null");
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(ServiceTest, FunctionsThatEndItAreToldApartFromThoseForClients) {
  start({{"shutdown.control", "true"}});
  ASSERT_EQ(host().published().size(), 7u);
  for (const auto& function : host().published()) EXPECT_TRUE(is_control(function)) << function.name;
}

TEST_F(ServiceTest, FunctionsThatEndAnotherServiceAreNotOffered) {
  PublishedFunction unbind{.component = "other", .name = "unbind", .group = control_group};
  offer(unbind);
  start();
  EXPECT_EQ(ask("unbind"), "ERR NameError: unbind");
  EXPECT_EQ(ask("other.unbind"), "ERR NameError: other.unbind");
  EXPECT_EQ(ask("_zerorpc_list"), R"(OK [["add","count","math.hang","math2.hang"]])");
}

TEST_F(ServiceTest, OptionsThatDoNotFitTogetherAreRefused) {
  EXPECT_THAT(refusal({{"shutdown.strategy", "custom"}}), HasSubstr("shutdown.function"));
  EXPECT_THAT(refusal({{"shutdown.function", "a.b"}}), HasSubstr("shutdown.function"));
  EXPECT_THAT(refusal({{"results.store", "sqlite"}}), HasSubstr("results.path"));
  EXPECT_THAT(refusal({{"results.path", "/tmp/x"}}), HasSubstr("results.path"));
  EXPECT_THAT(refusal({{"error_classes", "[Busy]"}}), HasSubstr("error_classes"));
}

}  // namespace
}  // namespace backplane::zerorpc
