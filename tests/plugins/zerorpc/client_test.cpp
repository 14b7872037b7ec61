// zerorpc.client: calls of components as calls of a server of ZeroRPC, and what comes back.
#include "plugins/zerorpc/client_fixture.hpp"

namespace backplane::zerorpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using ZerorpcClient = ClientOfServers;

Map method(const Value& args, const Value& doc = nullptr) { return Map{{"args", args}, {"doc", doc}}; }

// ---- calls --------------------------------------------------------------------------------------------

TEST_F(ZerorpcClient, ACallOfAComponentIsACallOfTheServerAndItsResultTheAnswer) {
  start();
  ask("add", {1, 2});
  const auto got = call();
  EXPECT_EQ(got.name, "add");
  EXPECT_EQ(got.args, (Array{1, 2}));
  EXPECT_TRUE(got.opens_channel());
  server().ok(got, 3);
  EXPECT_EQ(result(), 3);
  EXPECT_TRUE(until([&] { return host_->holding() == 0; }));
}

TEST_F(ZerorpcClient, ValuesKeepTheirTypesBothWays) {
  start();
  const Value value = Array{Bytes{"\x00\xff"s},
                            "text",
                            1,
                            1.0,
                            -5,
                            nullptr,
                            Map{{"k", Array()}},
                            std::uint64_t{18446744073709551615U}};
  ask("echo", {value});
  const auto got = call();
  EXPECT_EQ(got.args, Array{value});
  server().ok(got, value);
  EXPECT_EQ(result(), value);
}

TEST_F(ZerorpcClient, AnAnswerOfAMegabyteIsGivenOn) {
  start();
  const Bytes big{std::string(1 << 20, 'x')};
  ask("echo", {big});
  const auto got = call();
  server().ok(got, big);
  EXPECT_EQ(result(), big);
}

TEST_F(ZerorpcClient, ACallWithoutFramesHasNoArguments) {
  start();
  deliver(host_->request("ping", {}, BP_MSGPACK));
  EXPECT_EQ(call().args, Array());
}

TEST_F(ZerorpcClient, RawFramesAreArgumentsAsBytesAndBytesAnswerThemAsTheyAre) {
  start();
  deliver(host_->request("echo", {"a", "b"}, BP_RAW));
  const auto got = call();
  EXPECT_EQ(got.args, (Array{Bytes{"a"}, Bytes{"b"}}));
  server().ok(got, Bytes{"\x00plain"s});
  const auto answer = reply();
  EXPECT_EQ(answer.message.envelope().encoding, BP_RAW);
  EXPECT_EQ(answer.message[0], "\x00plain"s);
}

TEST_F(ZerorpcClient, WhatIsNoTextAnswersARawCallAsMsgpack) {
  start();
  deliver(host_->request("length", {"a"}, BP_RAW));
  server().ok(call(), 1);
  const auto answer = reply();
  EXPECT_EQ(answer.message.envelope().encoding, BP_MSGPACK);
  EXPECT_EQ(decode(answer.message[0]), 1);
}

TEST_F(ZerorpcClient, ManyCallsAreUnderWayAtOnceAndAnsweredInAnyOrder) {
  start();
  std::map<std::uint64_t, int> asked;
  for (int i = 0; i < 200; ++i) asked[ask("echo", {i}).correlation] = i;
  ASSERT_TRUE(until([&] { return server().calls.size() == 200; }));
  while (!server().calls.empty()) {
    const auto& last = server().calls.back();
    server().ok(last, last.args.get_if<Array>()->at(0));
    server().calls.pop_back();
  }
  for (int i = 0; i < 200; ++i) {
    const auto answer = reply();
    EXPECT_EQ(decode(answer.message[0]), asked.at(answer.request.correlation));
  }
}

TEST_F(ZerorpcClient, ASignalIsACallWhoseAnswerNobodyGets) {
  start();
  auto message = host_->message({encode(Array{7})});
  message.set_function("note");
  message.set(BP_SIGNAL);
  message.envelope().encoding = BP_MSGPACK;
  deliver(std::move(message));
  EXPECT_EQ(host_->holding(), 1u);
  const auto got = call();
  EXPECT_EQ(got.args, Array{7});
  server().ok(got, nullptr);
  EXPECT_TRUE(until([&] { return host_->holding() == 0; }));
  EXPECT_TRUE(host_->replies().empty());
}

TEST_F(ZerorpcClient, ASignalThatFailsIsToldInTheLog) {
  start();
  auto message = host_->message({encode(Array{7})});
  message.set_function("note");
  message.envelope().encoding = BP_MSGPACK;
  deliver(std::move(message));
  server().fail(call(), "ValueError", "not seven");
  EXPECT_TRUE(until([&] { return host_->logged("function note failed: ValueError: not seven"); }));
}

// ---- errors -------------------------------------------------------------------------------------------

TEST_F(ZerorpcClient, AnErrorComesWithTheServersOwnNameTextAndTraceback) {
  start();
  ask("fail", {"m"});
  server().socket().send(call(), "ERR", Array{"DemoError", "m", "Traceback:\nDemoError: m"});
  const auto answer = reply();
  EXPECT_EQ(answer.error_type, "DemoError");
  EXPECT_EQ(answer.error_message, "m");
  EXPECT_EQ(answer.traceback, "Traceback:\nDemoError: m");
  EXPECT_EQ(host_->metric("failed_calls"), 1);
}

TEST_F(ZerorpcClient, AnErrorOfAnOldServerIsARemoteError) {
  start();
  ask("fail", {"m"});
  server().socket().send(call(), "ERR", Array{"DemoError('m',)"});
  EXPECT_EQ(result(), "RemoteError: DemoError('m',)");
}

TEST_F(ZerorpcClient, AFunctionThatTheServerDoesNotHaveIsItsOwnNameError) {
  start();
  ask("nothing");
  const auto got = call();
  server().fail(got, "NameError", "nothing");
  EXPECT_EQ(result(), "NameError: nothing");
}

TEST_F(ZerorpcClient, AnAnswerThatIsNoneIsAProtocolError) {
  start();
  ask("odd");
  server().socket().send(call(), "WHAT", Array{1});
  EXPECT_THAT(*result().get_if<std::string>(), HasSubstr("ProtocolError: "));
  ask("odd");
  server().socket().send(call(), "OK", Array{1, 2});
  EXPECT_THAT(*result().get_if<std::string>(), HasSubstr("ProtocolError: "));
}

TEST_F(ZerorpcClient, WhatAServerCouldNotReadIsNotSent) {
  start();
  ask("echo", {Map{{1, 2}}});
  EXPECT_EQ(result(), "TypeError: the arguments cannot be sent: a key of a map is neither text nor bytes");
  ask("echo", {"\xff\xfe"});
  EXPECT_EQ(result(), "TypeError: the arguments cannot be sent: text that is not UTF-8");
  ask("echo", {"fine"});
  EXPECT_EQ(call().args, Array{"fine"});
}

TEST_F(ZerorpcClient, ARequestThatIsTooLongIsNotSent) {
  start({{"max_payload", "1KiB"}});
  ask("echo", {Bytes{std::string(2000, 'x')}});
  EXPECT_THAT(*result().get_if<std::string>(), HasSubstr("TypeError: the arguments of echo have 200"));
}

TEST_F(ZerorpcClient, WhatIsNoCallIsRefused) {
  start();
  deliver(host_->message({"no function"}));
  EXPECT_EQ(taken_, BP_MALFORMED);
  deliver(host_->request("f", {encode(Value(5))}, BP_MSGPACK));
  EXPECT_EQ(taken_, BP_MALFORMED);
  deliver(host_->request("f", {encode(Array()) + "more"}, BP_MSGPACK));
  EXPECT_EQ(taken_, BP_MALFORMED);
  deliver(host_->request("f", {encode(Array()), encode(Array())}, BP_MSGPACK));
  EXPECT_EQ(taken_, BP_MALFORMED);
  deliver(host_->request("\xff", {}, BP_MSGPACK));
  EXPECT_EQ(taken_, BP_MALFORMED);
  EXPECT_EQ(host_->holding(), 0u);
}

TEST_F(ZerorpcClient, GarbageOfAServerStopsNothing) {
  start();
  ask("add", {1, 2});
  const auto got = call();
  auto& socket = server().socket();
  for (const auto* payload : {"", "\xc1", "\x93", "\x91\x01", "plain text", "\x93\x80\xa2OK\xc0"})
    socket.send_payload(got, payload);
  socket.send_payload(got, std::string(100000, '\x91'));
  socket.send({got.way, {}, "0123456789abcdef0123456789abcdef", {}, {}, {}, {}}, "OK", Array{1});
  server().ok(got, 3);
  EXPECT_EQ(result(), 3);
  EXPECT_EQ(host_->metric("unreadable"), 7);
  EXPECT_EQ(late(), 1) << "the event of a channel that is not open is none that is wrong";
}

TEST_F(ZerorpcClient, AnAnswerThatComesLateIsCounted) {
  start();
  const auto asked = ask("slow");
  const auto got = call();
  host_->give_up(asked);
  server().ok(got, 3);
  EXPECT_TRUE(until([&] { return late() == 1; }));
  EXPECT_TRUE(host_->replies().empty());
}

TEST_F(ZerorpcClient, AnAnswerWithoutTheEmptyFrameIsTaken) {
  start();
  ask("add", {1, 2});
  auto got = call();
  zmq::Frame way(got.way.at(0));
  zmq::Frame payload(rpc::event({.id = "0123456789abcdef0123456789abcdef",
                                 .response_to = got.channel(),
                                 .name = "OK",
                                 .args = encode(Array{3})}));
  zmq_msg_send(way.raw(), server().socket().socket(), ZMQ_SNDMORE);
  zmq_msg_send(payload.raw(), server().socket().socket(), 0);
  EXPECT_EQ(result(), 3);
}

// ---- named arguments ----------------------------------------------------------------------------------

class ZerorpcClientWithNames : public ClientOfServers {
 protected:
  ZerorpcClientWithNames() {
    have_servers(1);
    server().methods = {
        {"scale", method(Array{Map{{"name", "value"}}, Map{{"name", "factor"}, {"default", 2}},
                               Map{{"name", "offset"}, {"default", 0}}})},
        {"odd", method(nullptr)}};
    start();
    until([&] { return host_->published().size() == 2; });
  }
};

TEST_F(ZerorpcClientWithNames, GetTheirPlacesBecauseTheServerHasToldItsParameters) {
  ask("scale", {5}, {{"offset", 1}});
  EXPECT_EQ(call().args, (Array{5, 2, 1})) << "the default of factor stands between";
  ask("scale", {}, {{"factor", 3}, {"value", 4}});
  EXPECT_EQ(call().args, (Array{4, 3})) << "what follows is the server's own";
}

TEST_F(ZerorpcClientWithNames, ThatDoNotFitAreRefused) {
  ask("scale", {5}, {{"speed", 1}});
  EXPECT_EQ(result(), "InvalidCallArguments: scale: has no parameter \"speed\"");
  ask("scale", {5}, {{"value", 1}});
  EXPECT_EQ(result(), "InvalidCallArguments: scale: parameter \"value\" is given twice");
  ask("scale", {}, {{"factor", 1}});
  EXPECT_EQ(result(), "InvalidCallArguments: scale: parameter \"value\" is missing");
}

TEST_F(ZerorpcClientWithNames, ThatAreTooManyToDecodeAreAnAnswerToo) {
  std::string many("\xdd\x00\x50\x00\x00", 5);
  many.append(0x500000, '\x01');
  auto message = host_->request("scale", {many, encode(Map{{"factor", 1}})}, BP_MSGPACK);
  deliver(std::move(message));
  EXPECT_EQ(reply().error_type, "Malformed");
}

TEST_F(ZerorpcClientWithNames, OfAFunctionWhoseParametersAreNotKnownAreRefused) {
  for (const auto* name : {"odd", "unheard"}) {
    ask(name, {}, {{"a", 1}});
    EXPECT_EQ(result(),
              "InvalidCallArguments: "s + name +
                  ": ZeroRPC has no named arguments, and the server has not told where they belong");
  }
}

// ---- functions ----------------------------------------------------------------------------------------

TEST_F(ZerorpcClient, PublishesWhatTheServerTellsOfItsFunctions) {
  have_servers(1);
  server().methods = {
      {"add", method(Array{Map{{"name", "self"}}, Map{{"name", "a"}}, Map{{"name", "b"}, {"default", 1}}},
                     "Adds two numbers.")},
      {"any", method(nullptr)},
      {"_hidden", method(Array())}};
  start();
  ASSERT_TRUE(until([&] { return host_->published().size() == 2; }));
  const auto& add = host_->published()[0];
  EXPECT_EQ(add.name, "add");
  EXPECT_EQ(add.help, "Adds two numbers.");
  using Parameter = PublishedFunction::Parameter;
  EXPECT_THAT(add.parameters, ElementsAre(Parameter{"a", "any"}, Parameter{"b", "any", "1"}));
  EXPECT_THAT(host_->published()[1].parameters, ElementsAre(Parameter{"arguments", "any"}))
      << "it is not known what it takes";
}

TEST_F(ZerorpcClient, PublishesOnlyTheNamesThatAreGivenAndAtOnce) {
  have_servers(1);
  server().methods = {{"add", method(Array{Map{{"name", "a"}}}, "Adds.")}, {"other", method(nullptr)}};
  FakeComponent<Client> host({{"connect", server().endpoint()}, {"functions", "[add, missing]"}});
  host.create();
  ASSERT_THAT(host.published(), SizeIs(2)) << "others see them in their start()";
  host.start();
  ASSERT_TRUE(host.run_until(
      [&] {
        server().serve();
        return host.published()[0].help == "Adds.";
      },
      kPatience));
  EXPECT_THAT(host.published(), SizeIs(2));
  EXPECT_EQ(host.published()[1].name, "missing");
}

TEST_F(ZerorpcClient, AsksFunctionByFunctionWhenTheServerCannotTellAllAtOnce) {
  have_servers(1);
  server().answer = [](ScriptedServer& self, const RpcEvent& event) {
    if (event.name == "_zerorpc_inspect") {
      ++self.inspections;
      self.fail(event, "NameError", "_zerorpc_inspect");
    } else if (event.name == "_zerorpc_list") {
      self.ok(event, Array{"add"});
    } else if (event.name == "_zerorpc_args") {
      self.ok(event, Array{Array{"self", "a", "b"}, nullptr, nullptr, Array{1}});
    } else if (event.name == "_zerorpc_help") {
      self.ok(event, "Adds.");
    }
    return true;
  };
  start();
  ASSERT_TRUE(until([&] {
    return host_->published().size() == 1 && host_->published()[0].help == "Adds." &&
           host_->published()[0].parameters.size() == 2;
  }));
  EXPECT_EQ(host_->published()[0].parameters[1].default_json, "1");
}

TEST_F(ZerorpcClient, AServerThatTellsNothingCanBeCalledAllTheSame) {
  have_servers(1);
  server().answer = [](ScriptedServer& self, const RpcEvent& event) {
    if (!event.name.starts_with("_zerorpc_")) return false;
    self.inspections += 1;
    self.fail(event, "NameError", event.name.c_str());
    return true;
  };
  start();
  ASSERT_TRUE(until([&] { return host_->logged("does not tell what functions it has"); }));
  ask("add", {1, 2});
  server().ok(call(), 3);
  EXPECT_EQ(result(), 3);
}

TEST_F(ZerorpcClient, ADescriptionThatIsNoneDisturbsNothing) {
  for (const auto& told : {Value(5), Value(Map{{"methods", 5}}), Value(Map{{"methods", Map{{1, 2}}}}),
                           Value(Map{{"methods", Map{{"f", 7}, {std::string(1000, 'n'), 7}, {"", 7}}}})}) {
    servers_.clear();
    have_servers(1);
    server().answer = [&](ScriptedServer& self, const RpcEvent& event) {
      if (event.name != "_zerorpc_inspect") return false;
      ++self.inspections;
      self.ok(event, told);
      return true;
    };
    start();
    ask("add");
    server().ok(call(), 1);
    EXPECT_EQ(result(), 1);
    EXPECT_LE(host_->published().size(), 1u);
  }
}

// ---- streams ------------------------------------------------------------------------------------------

// All items of answers so far, and how they ended.
std::string flow(FakeHost& host) {
  std::string all;
  for (const auto& answer : host.replies()) {
    all += all.empty() ? "" : " ";
    if (answer.is_error()) {
      all += answer.error_type;
    } else if (answer.message.has(BP_STREAM_END)) {
      all += "end";
    } else {
      all += to_json(decode(answer.message[0])) + (answer.message.has(BP_STREAM) ? "" : " whole");
    }
  }
  return all;
}

class ZerorpcClientStream : public ClientOfServers {
 protected:
  // Sends items while the credit lasts that the client has given.
  void send_items(const RpcEvent& to, int count) {
    for (int i = 0; i < count; ++i) server().item(to, next_++);
  }
  bool flows(const std::string& wanted) {
    const bool flowed = until([&] { return flow(*host_) == wanted; }, 5s);
    EXPECT_EQ(flow(*host_), wanted);
    return flowed;
  }
  bool has_credit(const RpcEvent& call, const std::vector<std::int64_t>& wanted) {
    const bool given = until([&] { return server().credits_of(call) == wanted; }, 5s);
    EXPECT_EQ(server().credits_of(call), wanted);
    return given;
  }
  int next_ = 0;
};

TEST_F(ZerorpcClientStream, ItemsComeAsTheyAreSentAndThenTheEnd) {
  start();
  ask("count", {2}, {}, BP_STREAM, 10);
  const auto got = call();
  send_items(got, 1);
  EXPECT_TRUE(has_credit(got, {10})) << "ten items, and the end; the first was free";
  send_items(got, 1);
  server().end(got);
  EXPECT_TRUE(flows("0 1 end"));
  EXPECT_TRUE(until([&] { return host_->holding() == 0; }));
}

TEST_F(ZerorpcClientStream, TheServerGetsTheCreditOfTheAskerAndOneMoreForTheEnd) {
  start();
  const auto asked = ask("count", {3}, {}, BP_STREAM, 1);
  const auto got = call();
  EXPECT_TRUE(has_credit(got, {})) << "an ordinary answer needs none";
  send_items(got, 1);
  EXPECT_TRUE(has_credit(got, {1}));
  send_items(got, 1);
  settle();
  EXPECT_TRUE(flows("0")) << "the second waits for the asker";
  EXPECT_TRUE(has_credit(got, {1}));
  host_->grant_items(asked, 1);
  EXPECT_TRUE(flows("0 1"));
  EXPECT_TRUE(has_credit(got, {1, 1}));
  host_->grant_items(asked, 5);
  EXPECT_TRUE(has_credit(got, {1, 1, 5}));
  send_items(got, 1);
  server().end(got);
  EXPECT_TRUE(flows("0 1 2 end"));
}

TEST_F(ZerorpcClientStream, AnAskerWithoutCreditGetsTheEndAllTheSame) {
  start();
  ask("count", {1}, {}, BP_STREAM, 1);
  const auto got = call();
  send_items(got, 1);
  EXPECT_TRUE(has_credit(got, {1}));
  server().end(got);
  EXPECT_TRUE(flows("0 end"));
}

TEST_F(ZerorpcClientStream, NoMoreThanTheSlotsAreOnTheirWay) {
  start({{"slots", "4"}});
  ask("count", {100}, {}, BP_STREAM, 1000);
  const auto got = call();
  send_items(got, 1);
  EXPECT_TRUE(has_credit(got, {4}));
  send_items(got, 2);
  EXPECT_TRUE(flows("0 1 2"));
  EXPECT_TRUE(has_credit(got, {4})) << "half of them are left";
  send_items(got, 1);
  EXPECT_TRUE(has_credit(got, {4, 3}));
}

TEST_F(ZerorpcClientStream, AnErrorInTheMiddleEndsIt) {
  start();
  ask("count_fail", {1}, {}, BP_STREAM, 10);
  const auto got = call();
  send_items(got, 1);
  server().fail(got, "DemoError", "stream broken");
  EXPECT_TRUE(flows("0 DemoError"));
}

TEST_F(ZerorpcClientStream, AnEmptyOneIsAnEndAlone) {
  start();
  ask("count", {0}, {}, BP_STREAM, 10);
  server().end(call());
  EXPECT_TRUE(flows("end"));
}

TEST_F(ZerorpcClientStream, AFunctionThatStreamsNothingAnswersAsAlways) {
  start();
  ask("add", {1, 2}, {}, BP_STREAM, 10);
  server().ok(call(), 3);
  EXPECT_TRUE(flows("3 whole"));
}

TEST_F(ZerorpcClientStream, WhoTakesOneAnswerGetsTheItemsAsAList) {
  start();
  ask("count", {160});
  const auto got = call();
  send_items(got, 1);
  EXPECT_TRUE(has_credit(got, {100}));
  send_items(got, 50);
  settle();
  EXPECT_TRUE(has_credit(got, {100})) << "half of them are left";
  send_items(got, 1);
  EXPECT_TRUE(has_credit(got, {100, 51}));
  send_items(got, 108);
  server().end(got);
  const auto all = result();
  ASSERT_THAT(*all.get_if<Array>(), SizeIs(160));
  EXPECT_EQ(all.get_if<Array>()->back(), 159);
}

TEST_F(ZerorpcClientStream, AnEmptyOneIsAnEmptyList) {
  start();
  ask("count", {0});
  server().end(call());
  EXPECT_EQ(result(), Array());
}

TEST_F(ZerorpcClientStream, AStreamNobodyWantedRunsToItsEnd) {
  start();
  auto message = host_->message({encode(Array{2})});
  message.set_function("count");
  message.set(BP_SIGNAL);
  message.envelope().encoding = BP_MSGPACK;
  deliver(std::move(message));
  const auto got = call();
  send_items(got, 1);
  EXPECT_TRUE(has_credit(got, {100}));
  send_items(got, 1);
  server().end(got);
  EXPECT_TRUE(until([&] { return host_->holding() == 0; }));
}

TEST_F(ZerorpcClientStream, AnAskerWhoGivesUpIsNotHeardOfAgain) {
  start({{"heartbeat", "1s"}});
  host_->stop_clock();
  const auto asked = ask("count", {1000}, {}, BP_STREAM, 10);
  const auto got = call();
  send_items(got, 1);
  EXPECT_TRUE(flows("0"));
  host_->advance(1s);
  EXPECT_TRUE(until([&] { return server().beats_of(got) == 1; }));
  host_->give_up(asked);
  EXPECT_EQ(host_->holding(), 0u);
  for (int i = 0; i < 3; ++i) pass(1s);
  EXPECT_EQ(server().beats_of(got), 1) << "silence tells the server";
}

TEST_F(ZerorpcClientStream, MoreThanThereWasCreditForIsAProtocolError) {
  start();
  ask("count", {3}, {}, BP_STREAM, 1);
  const auto got = call();
  send_items(got, 1);
  EXPECT_TRUE(has_credit(got, {1}));
  send_items(got, 2);
  EXPECT_TRUE(flows("0 ProtocolError"));
}

// ---- time ---------------------------------------------------------------------------------------------

TEST_F(ZerorpcClient, ACallThatIsNotAnsweredInTimeFails) {
  start({{"timeout", "3s"}, {"heartbeat", "0"}});
  host_->stop_clock();
  ask("slow");
  const auto got = call();
  pass(2999ms);
  EXPECT_TRUE(host_->replies().empty());
  pass(1ms);
  EXPECT_EQ(result(), "TimeoutExpired: timeout after 3s, when calling remote method slow");
  server().ok(got, 1);
  EXPECT_TRUE(until([&] { return late() == 1; }));
  ask("slow");
  server().ok(call(), 2);
  EXPECT_EQ(result(), 2);
}

TEST_F(ZerorpcClient, AStreamThatHasBegunMayTakeAnyTime) {
  start({{"timeout", "3s"}, {"heartbeat", "0"}});
  host_->stop_clock();
  ask("count", {2}, {}, BP_STREAM, 10);
  const auto got = call();
  server().item(got, 0);
  ASSERT_TRUE(until([&] { return host_->replies().size() == 1; }));
  pass(1h);
  server().end(got);
  ASSERT_TRUE(until([&] { return host_->replies().size() == 2; }));
  EXPECT_FALSE(host_->replies()[1].is_error());
}

TEST_F(ZerorpcClient, TheServerIsToldHowMuchTimeTheAskerHas) {
  start();
  host_->stop_clock();
  auto message = host_->request("slow", {}, BP_MSGPACK);
  message.envelope().deadline = host_->now() + (1500ms + 999us) / 1ns;
  deliver(std::move(message));
  const auto got = call();
  EXPECT_EQ(header_of(got, "timeout_ms"), 1500);
  ask("slow");
  EXPECT_EQ(header_of(call(), "timeout_ms"), Value());
}

TEST_F(ZerorpcClient, AtTheAskersDeadlineTheCallIsGivenUp) {
  start({{"heartbeat", "0"}});
  host_->stop_clock();
  auto message = host_->request("count", {}, BP_MSGPACK);
  message.envelope().deadline = host_->now() + 1s / 1ns;
  message.set(BP_STREAM);
  message.envelope().credit = 5;
  deliver(std::move(message));
  const auto got = call();
  server().item(got, 0);
  ASSERT_TRUE(until([&] { return host_->replies().size() == 1; }));
  pass(999ms);
  EXPECT_EQ(host_->replies().size(), 1u);
  pass(1ms);
  ASSERT_EQ(host_->replies().size(), 2u);
  EXPECT_EQ(host_->replies()[1].error_type, "DeadlineExceeded");
  EXPECT_EQ(host_->holding(), 0u);
}

// ---- baggage ------------------------------------------------------------------------------------------

TEST_F(ZerorpcClient, BaggageThatIsCarriedIsInTheHeader) {
  start({{"carry", "[trace_id, tenant]"}});
  auto message = host_->request("add", {}, BP_MSGPACK);
  add_baggage(message, "trace_id", "abc: 1%\n");
  add_baggage(message, "other", "stays here");
  deliver(std::move(message));
  const auto got = call();
  EXPECT_EQ(header_of(got, "trace_id"), "abc: 1%\n");
  EXPECT_EQ(header_of(got, "tenant"), Value());
  EXPECT_EQ(header_of(got, "other"), Value());
}

// ---- bounds -------------------------------------------------------------------------------------------

TEST_F(ZerorpcClient, SoManyCallsAreUnderWaySoManyWaitAndThenItIsBusy) {
  start({{"in_flight", "2"}, {"max_waiting", "3"}});
  for (int i = 0; i < 5; ++i) ask("echo", {i});
  EXPECT_EQ(taken_, BP_TAKEN);
  ask("echo", {5});
  EXPECT_EQ(taken_, BP_BUSY);
  ASSERT_TRUE(until([&] { return server().calls.size() == 2; }));
  settle();
  EXPECT_THAT(server().calls, SizeIs(2));
  EXPECT_EQ(host_->metric("calls_running"), 2);
  EXPECT_EQ(host_->metric("calls_waiting"), 3);
  for (int i = 0; i < 6; ++i) {
    const auto got = call();
    EXPECT_EQ(got.args, Array{i}) << "in the order in which they came";
    server().ok(got, i);
    EXPECT_EQ(result(), i);
  }
  EXPECT_EQ(host_->busy_messages(), 0u);
  EXPECT_EQ(host_->holding(), 0u);
}

TEST_F(ZerorpcClient, ACallThatIsGivenUpWhileItWaitsIsNotSent) {
  start({{"in_flight", "1"}});
  ask("first");
  const auto second = ask("second");
  ask("third");
  const auto got = call();
  host_->give_up(second);
  server().ok(got, nullptr);
  EXPECT_EQ(call().name, "third");
}

TEST_F(ZerorpcClient, ACallWhoseTimeToLiveEndsWhileItWaitsIsNotSent) {
  start({{"in_flight", "1"}, {"heartbeat", "0"}});
  host_->stop_clock();
  ask("first");
  auto message = host_->request("second", {}, BP_MSGPACK);
  message.envelope().expires = host_->now() + 1s / 1ns;
  deliver(std::move(message));
  const auto got = call();
  pass(1s);
  EXPECT_EQ(result(), "Expired: its time to live ended before a server could be asked");
  server().ok(got, 1);
  EXPECT_EQ(result(), 1);
  EXPECT_THAT(server().calls, IsEmpty());
}

// ---- the end ------------------------------------------------------------------------------------------

TEST_F(ZerorpcClient, WhoeverWaitsAtTheStopIsToldSo) {
  start({{"in_flight", "1"}});
  ask("first");
  ask("second");
  call();
  host_->stop();
  ASSERT_EQ(host_->replies().size(), 2u);
  for (const auto& answer : host_->replies()) EXPECT_EQ(answer.error_type, "ShuttingDown");
}

TEST_F(ZerorpcClient, SignalsThatAreGivenUpAtTheStopAreTold) {
  start({{"in_flight", "1"}});
  for (int i = 0; i < 3; ++i) {
    auto message = host_->message({encode(Array{i})});
    message.set_function("note");
    message.set(BP_SIGNAL);
    message.envelope().encoding = BP_MSGPACK;
    deliver(std::move(message));
  }
  host_->stop();
  EXPECT_TRUE(host_->logged("3 calls for which nobody waits are given up"));
}

TEST_F(ZerorpcClient, CallsGoOnWhileTheHostDrains) {
  start();
  ask("first");
  host_->drain();
  ask("second");
  server().ok(call(), 1);
  server().ok(call(), 2);
  EXPECT_EQ(result(), 1);
  EXPECT_EQ(result(), 2);
  EXPECT_EQ(host_->holding(), 0u);
}

TEST_F(ZerorpcClient, RefusesWhatItCannotDo) {
  using zmq::start_refusal;
  EXPECT_THAT(start_refusal<Client>({}), HasSubstr("BadOption: give \"connect: ENDPOINT\""));
  EXPECT_THAT(start_refusal<Client>({{"connect_name", "db"}}),
              HasSubstr("BadOption: option \"connect_name\": no component of \"middleware\" has"));
  EXPECT_THAT(start_refusal<Client>({{"connect", "tcp://127.0.0.1:port"}}), HasSubstr("ConnectFailed: "));
  EXPECT_THAT(start_refusal<Client>({{"connect", "tcp://127.0.0.1:1"}, {"middleware", "[nobody]"}}),
              HasSubstr("BadOption: option \"middleware\": component nobody"));
}

}  // namespace
}  // namespace backplane::zerorpc
