// The gateway: palm.http_gateway, palm.gateway_router, palm.gateway_dealer.
#include "gateway.hpp"

#include <zmq.h>

#include "http_verbs.hpp"
#include "plugins/zmq/verbs.hpp"

namespace backplane::palm {
namespace {

using test::Frames;
using test::Peer;
using testing::HasSubstr;
using testing::StartsWith;
using zmq::endpoint_of;
using zmq::receives;
using zmq::silent;

// A recorded message with other UUIDs in the fields that are new each time.
PalmMessage with_ids_of(PalmMessage recorded, const PalmMessage& actual) {
  recorded.pipeline = actual.pipeline;
  recorded.client = actual.client;
  return recorded;
}

// ---- HTTP ---------------------------------------------------------------------------------------------

class HttpGatewayTest : public HttpServerTest<HttpGateway> {
 protected:
  // The function that a GET of `target` calls.
  std::string function_of(const std::string& target) {
    auto [client, message] = asks(http_request("GET", target));
    const auto function = palm(message[0]).function;
    host().answer(message.envelope(), {message[0]});
    answer_to(client);
    return function;
  }
};

TEST_F(HttpGatewayTest, SpeaksAsRecorded) {
  start();
  const auto golden = vectors("http_gateway");
  for (const auto& exchange : golden["exchanges"]) {
    TcpPeer client = peer();
    client.send(bytes_of(exchange["http_request"]));
    ASSERT_TRUE(until([&] { return !host().sent().empty(); })) << exchange["name"];
    const auto message = host().take_sent();
    const auto actual = palm(message[0]);
    EXPECT_EQ(actual, with_ids_of(palm(bytes_of(exchange["request"])), actual)) << exchange["name"];
    EXPECT_THAT(actual.pipeline, testing::MatchesRegex("[0-9a-f-]{36}"));
    EXPECT_THAT(actual.client, testing::MatchesRegex("[0-9a-f-]{36}"));
    EXPECT_NE(actual.client, actual.pipeline);
    host().answer(message.envelope(), {bytes_of(exchange["result"])});
    const auto body = bytes_of(exchange["http_body"]);
    ASSERT_TRUE(until([&] { return client.has("\r\n\r\n" + body); }));
    EXPECT_EQ(client.received(), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " +
                                     std::to_string(body.size()) + "\r\n\r\n" + body);
  }
}

TEST_F(HttpGatewayTest, TheFirstSegmentOfThePathIsTheFunction) {
  start();
  EXPECT_EQ(function_of("/function"), "_.function");
  EXPECT_EQ(function_of("/srv.f/rest/more"), "srv.f");
  EXPECT_EQ(function_of("/f?x=1"), "_.f");
  EXPECT_EQ(function_of("/f/?x=/y"), "_.f");
  EXPECT_EQ(function_of("/a%2eb"), "a.b");
  EXPECT_EQ(function_of("/a%2Fb/c"), "_.a/b");
  EXPECT_EQ(function_of("/f%3Fx"), "_.f?x");
  EXPECT_EQ(function_of("/gr%C3%BC%C3%9Fe"), "_.grüße");
  EXPECT_EQ(function_of("http://h/srv.f?x"), "srv.f");
}

TEST_F(HttpGatewayTest, ABodyInChunksIsThePayload) {
  start();
  auto [client, message] = asks(
      "POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n");
  EXPECT_EQ(palm(message[0]).payload, "hello");
}

TEST_F(HttpGatewayTest, AGetMayHaveABodyToo) {
  start();
  auto [client, message] = asks(http_request("GET", "/f", "hello"));
  EXPECT_EQ(palm(message[0]).payload, "hello");
}

TEST_F(HttpGatewayTest, APathWithoutAFunctionIs404) {
  start();
  for (const auto* path : {"/", "//f", "/?f", "/?"})
    EXPECT_EQ(refused(http_request("GET", path)), "404 Not found") << path;
}

TEST_F(HttpGatewayTest, OtherMethodsAre501) {
  start();
  for (const auto* method : {"PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"})
    EXPECT_THAT(refused(http_request(method, "/f")), StartsWith("501 ")) << method;
}

TEST_F(HttpGatewayTest, ANameThatIsNotUtf8Is400) {
  start();
  EXPECT_THAT(refused(http_request("GET", "/%ff")), StartsWith("400 "));
  EXPECT_THAT(refused(http_request("GET", "/%zz")), StartsWith("400 "));
}

TEST_F(HttpGatewayTest, AWrongLengthIs400AndALongBody413) {
  start({{"max_body", "3B"}});
  EXPECT_THAT(refused("POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n"), StartsWith("400 "));
  EXPECT_THAT(refused(http_request("POST", "/f", "four")), StartsWith("413 "));
}

TEST_F(HttpGatewayTest, AnAnswerWithTheErrorMarkIs500AndItsText) {
  start();
  auto [client, message] = asks(http_request("GET", "/f"));
  host().answer(message.envelope(), {message_bytes("0", "k1", "function_failed: no luck")});
  EXPECT_EQ(answer_to(client), "500 function_failed: no luck");
}

TEST_F(HttpGatewayTest, AnAnswerThatIsNoMessageIs500) {
  start();
  auto [client, message] = asks(http_request("GET", "/f"));
  host().answer(message.envelope(), {"garbage"});
  EXPECT_THAT(answer_to(client), StartsWith("500 not a PALM message"));
}

TEST_F(HttpGatewayTest, OutcomesHaveTheirStatus) {
  start();
  EXPECT_EQ(failed(http_request("GET", "/f"), "TimeoutExpired"), "504 why");
  EXPECT_EQ(failed(http_request("GET", "/f"), "Expired"), "504 why");
  EXPECT_EQ(failed(http_request("GET", "/f"), "Overloaded"), "503 why");
  EXPECT_EQ(failed(http_request("GET", "/f"), "NoRoute"), "503 why");
  EXPECT_EQ(failed(http_request("GET", "/f"), "ValueError"), "500 why");
  host().answer_sends(BP_NO_ROUTE);
  EXPECT_THAT(refused(http_request("GET", "/f")), StartsWith("503 "));
  host().answer_sends(BP_REJECTED);
  EXPECT_THAT(refused(http_request("GET", "/f")), StartsWith("503 "));
}

TEST_F(HttpGatewayTest, TheAnswerMayTakeAsLongAsTheTimeout) {
  start({{"timeout", "5s"}});
  const auto before = host().now();
  auto [client, message] = asks(http_request("GET", "/f"));
  const auto left = message.envelope().deadline - before;
  EXPECT_GE(left, std::chrono::nanoseconds(5s).count());
  EXPECT_LT(left, std::chrono::nanoseconds(5s + kPatience).count());
}

TEST_F(HttpGatewayTest, AClientThatGoesCancelsItsRequest) {
  start();
  std::uint64_t correlation = 0;
  {
    auto [client, message] = asks(http_request("GET", "/f"));
    correlation = message.envelope().correlation;
  }
  ASSERT_TRUE(until([&] { return !host().cancelled().empty(); }));
  EXPECT_EQ(host().cancelled(), std::vector{correlation});
}

TEST_F(HttpGatewayTest, AThousandClientsKeepTheirConnections) {
  start();
  constexpr std::size_t count = 1000;
  constexpr int rounds = 3;
  std::vector<TcpPeer> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(peer());
    if (i % 50 == 0) host().run_ready();
  }
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto body = std::to_string(round) + '/' + std::to_string(i);
      clients[i].send("POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) +
                      "\r\n\r\n" + body);
    }
    ASSERT_TRUE(until([&] { return host().sent().size() == count; }));
    EXPECT_EQ(host().holding(), count);
    for (auto sent = host().sent().rbegin(); sent != host().sent().rend(); ++sent)
      host().answer(sent->message.envelope(), {sent->message[0]});
    host().sent().clear();
    for (std::size_t i = 0; i < count; ++i) {
      const auto body = "\r\n\r\n" + std::to_string(round) + '/' + std::to_string(i);
      ASSERT_TRUE(until([&] { return clients[i].received().ends_with(body); })) << i;
      clients[i].take();
      EXPECT_FALSE(clients[i].closed());
    }
  }
  EXPECT_EQ(host().holding(), 0u);
}

// ---- the router ---------------------------------------------------------------------------------------

class GatewayRouterTest : public testing::Test {
 protected:
  FakeComponent<GatewayRouter>& start(OptionTexts options = {}, bool binds = true) {
    if (binds) options.all.emplace_back("bind", zmq::any_port);
    options.all.emplace_back("linger", "1s");  // some askers have gone when it stops
    host_ = std::make_unique<FakeComponent<GatewayRouter>>(options);
    host_->start();
    return *host_;
  }
  FakeComponent<GatewayRouter>& host() { return *host_; }
  Peer& asker(const std::string& id = {}, int type = ZMQ_REQ) {
    auto& peer = *askers_.emplace_back(std::make_unique<Peer>(type));
    if (!id.empty()) peer.set(ZMQ_ROUTING_ID, id);
    peer.set(ZMQ_LINGER, 0).connect(endpoint_of(*host_));
    return peer;
  }
  // The message that a request became.
  Message sent() { return zmq::sends(*host_, 1) ? host_->take_sent() : host_->message({"nothing"}); }
  // Brings a result by a route.
  void result(std::string_view bytes) { host_->deliver(host_->message({bytes})); }
  // Brings a component's request by a route.
  bp_envelope ask(std::string_view bytes) {
    auto request = host_->request("", {bytes});
    const auto envelope = request.envelope();
    host_->deliver(std::move(request));
    return envelope;
  }
  static std::string changed(const Message& job, std::string payload) {
    return encode(change_payload(palm(job[0]), std::move(payload)).fields());
  }
  static std::string error_of(const Frames& answer) { return palm(answer[0]).error.value_or("none"); }

 private:
  std::unique_ptr<FakeComponent<GatewayRouter>> host_;
  std::vector<std::unique_ptr<Peer>> askers_;
};

TEST_F(GatewayRouterTest, SpeaksAsRecorded) {
  start();
  const auto golden = vectors("http_gateway");
  for (const auto& exchange : golden["exchanges"]) {
    auto& peer = asker(bytes_of(exchange["client"]));
    peer.send({bytes_of(exchange["request"])});
    const auto job = sent();
    EXPECT_EQ(job.size(), 1u);
    EXPECT_FALSE(job.wants_reply());
    auto recorded = palm(bytes_of(exchange["job"]));
    recorded.cache = palm(job[0]).cache;
    EXPECT_EQ(palm(job[0]), recorded) << exchange["name"];
    EXPECT_THAT(recorded.cache, testing::MatchesRegex("[0-9a-f-]{36}"));
    auto answer = palm(bytes_of(exchange["result"]));
    answer.cache = recorded.cache;
    result(encode(answer.fields()));
    EXPECT_EQ(receives(host(), peer), Frames{encode(answer.fields())});
  }
}

TEST_F(GatewayRouterTest, EveryMessageGetsANewCacheUuid) {
  start();
  auto& peer = asker({}, ZMQ_DEALER);
  peer.send({"", message_bytes("1", "mine")});
  peer.send({"", message_bytes("2", "mine")});
  const auto first = palm(sent()[0]).cache;
  const auto second = palm(sent()[0]).cache;
  EXPECT_EQ(first.size(), 36u);
  EXPECT_NE(first, "mine");
  EXPECT_NE(first, second);
}

TEST_F(GatewayRouterTest, UnknownFieldsStay) {
  start();
  auto& peer = asker();
  peer.send({message_bytes() + test::from_hex("d03e07")});
  EXPECT_EQ(palm(sent()[0]).unknown, test::from_hex("d03e07"));
}

TEST_F(GatewayRouterTest, AnswersManyAskersOutOfOrderEachItsOwn) {
  start();
  std::vector<Peer*> peers;
  for (int i = 0; i < 20; ++i) {
    peers.push_back(&asker());
    peers.back()->send({message_bytes(std::to_string(i))});
  }
  ASSERT_TRUE(zmq::sends(host(), 20));
  EXPECT_EQ(host().holding(), 20u);
  std::vector<std::string> jobs;
  while (!host().sent().empty()) jobs.emplace_back(host().take_sent()[0]);
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) result(*job);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(palm(receives(host(), *peers[i])[0]).payload, std::to_string(i));
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(GatewayRouterTest, ADealerMayHaveManyRequestsUnderWay) {
  start();
  auto& peer = asker("x", ZMQ_DEALER);
  for (const auto* payload : {"1", "2"}) peer.send({"", message_bytes(payload)});
  const auto first = sent();
  const auto second = sent();
  result(second[0]);
  result(first[0]);
  EXPECT_EQ(receives(host(), peer), (Frames{"", std::string(second[0])}));
  EXPECT_EQ(receives(host(), peer), (Frames{"", std::string(first[0])}));
}

TEST_F(GatewayRouterTest, TheFirstOfSeveralResultsAnswers) {
  start();
  auto& peer = asker("x", ZMQ_DEALER);
  peer.send({"", message_bytes()});
  const auto job = sent();
  result(changed(job, "first"));
  result(changed(job, "second"));
  EXPECT_EQ(palm(receives(host(), peer)[1]).payload, "first");
  EXPECT_TRUE(silent(host(), peer));
  EXPECT_EQ(host().metric("unclaimed"), 1);
}

TEST_F(GatewayRouterTest, TheMessagesClientFieldIsNotTrusted) {
  start();
  auto& victim = asker("c1", ZMQ_DEALER);
  victim.send({"", message_bytes("own")});
  sent();
  auto& other = asker("c2", ZMQ_DEALER);
  other.send({"", message_bytes("other")});  // names client c1
  result(sent()[0]);
  EXPECT_EQ(palm(receives(host(), other)[1]).payload, "other");
  EXPECT_TRUE(silent(host(), victim));
}

TEST_F(GatewayRouterTest, AnAskerThatHasGoneIsCounted) {
  start();
  {
    Peer gone(ZMQ_DEALER);
    gone.set(ZMQ_LINGER, 0).connect(endpoint_of(host()));
    for (int i = 0; i < 100; ++i) gone.send({"", message_bytes()});
    ASSERT_TRUE(zmq::sends(host(), 100));
  }
  ASSERT_TRUE(host().run_until(
      [&] {
        if (!host().sent().empty()) result(host().take_sent()[0]);
        return host().metric("undelivered") > 0;
      },
      kPatience));
}

// ---- components that ask ----

TEST_F(GatewayRouterTest, AComponentsRequestIsAnsweredToIt) {
  start({}, false);
  const auto envelope = ask(message_bytes("hi", "mine"));
  const auto job = sent();
  EXPECT_FALSE(job.wants_reply());
  EXPECT_EQ(job.envelope().cookie, 0u);
  EXPECT_NE(palm(job[0]).cache, "mine");
  EXPECT_TRUE(host().replies().empty());
  result(changed(job, "done"));
  ASSERT_EQ(host().replies().size(), 1u);
  const auto reply = host().take_reply();
  EXPECT_EQ(reply.request.correlation, envelope.correlation);
  EXPECT_EQ(palm(reply.message[0]).payload, "done");
}

TEST_F(GatewayRouterTest, ARequestThatWasGivenUpIsForgotten) {
  start({}, false);
  const auto envelope = ask(message_bytes());
  const auto job = sent();
  host().give_up(envelope);
  EXPECT_EQ(host().holding(), 0u);
  result(job[0]);
  EXPECT_TRUE(host().replies().empty());
  EXPECT_EQ(host().metric("unclaimed"), 1);
}

TEST_F(GatewayRouterTest, AMessageIsWorthNothingOnceItsAskerDoesNotWait) {
  start({{"timeout", "60s"}}, false);
  const auto expiry_with = [&](std::int64_t deadline) {
    auto request = host().request("", {message_bytes()});
    request.envelope().deadline = deadline;
    host().deliver(std::move(request));
    return sent().envelope().expires;
  };
  const auto soon = host().now() + std::chrono::nanoseconds(5s).count();
  EXPECT_EQ(expiry_with(soon), soon);
  EXPECT_GT(expiry_with(0), soon);
}

TEST_F(GatewayRouterTest, AResultWithTheErrorMarkAnswersToo) {
  start({}, false);
  ask(message_bytes());
  const auto job = sent();
  auto failed = palm(job[0]);
  failed.error = "function_failed: no";
  result(encode(failed.fields()));
  EXPECT_EQ(palm(host().take_reply().message[0]).error, failed.error);
}

// ---- every error ----

TEST_F(GatewayRouterTest, OtherFramesAreCountedAndDropped) {
  start();
  auto& peer = asker("dealer", ZMQ_DEALER);
  peer.send({message_bytes()});
  peer.send({"x", message_bytes()});
  peer.send({"c1", "", message_bytes()});
  peer.send({"", message_bytes(), "more"});
  ASSERT_TRUE(host().run_until([&] { return host().metric("malformed") == 4; }, kPatience));
  EXPECT_TRUE(host().sent().empty());
}

TEST_F(GatewayRouterTest, ARequestThatIsNoMessageIsAnsweredWithAnError) {
  start({{"error_payload", "broken"}});
  auto& peer = asker();
  peer.send({"garbage"});
  const auto answer = receives(host(), peer);
  EXPECT_EQ(palm(answer[0]).payload, "broken");
  EXPECT_THAT(error_of(answer), StartsWith("bad_function: not a PALM message"));
  EXPECT_EQ(host().metric("malformed"), 1);
}

TEST_F(GatewayRouterTest, AComponentsMessageThatIsNoneIsRefused) {
  start({}, false);
  EXPECT_EQ(host().deliver(host().request("", {"garbage"})), BP_MALFORMED);
  EXPECT_EQ(host().deliver(host().message({"garbage"})), BP_MALFORMED);
}

TEST_F(GatewayRouterTest, AskersThatNobodyAnswersAreToldSo) {
  start({{"timeout", "50ms"}});
  auto& peer = asker();
  peer.send({message_bytes()});
  const auto job = sent();
  EXPECT_GT(job.envelope().expires, 0);
  ask(message_bytes());
  const auto answer = receives(host(), peer);
  EXPECT_EQ(palm(answer[0]).payload, "0");
  EXPECT_EQ(palm(answer[0]).client, "c1");
  EXPECT_EQ(error_of(answer), "function_failed: no result came in time");
  ASSERT_TRUE(zmq::replies(host(), 1));
  EXPECT_EQ(host().take_reply().error_type, "TimeoutExpired");
  EXPECT_EQ(host().metric("expired"), 2);
  EXPECT_EQ(host().holding(), 0u);
  result(job[0]);
  EXPECT_EQ(host().metric("unclaimed"), 1);
}

TEST_F(GatewayRouterTest, BeyondMaxWaitingRequestsAreAnsweredWithAnError) {
  start({{"max_waiting", "1"}});
  auto& first = asker();
  first.send({message_bytes()});
  const auto job = sent();
  auto& second = asker();
  second.send({message_bytes()});
  EXPECT_EQ(error_of(receives(host(), second)), "function_failed: too many requests are waiting");
  ask(message_bytes());
  EXPECT_EQ(host().take_reply().error_type, "Overloaded");
  result(job[0]);
  receives(host(), first);
  second.send({message_bytes()});
  EXPECT_EQ(palm(sent()[0]).client, "c1");
}

TEST_F(GatewayRouterTest, WhatNothingTakesIsAnsweredWithAnError) {
  start();
  auto& peer = asker();
  host().answer_sends(BP_NO_ROUTE);
  peer.send({message_bytes()});
  EXPECT_EQ(error_of(receives(host(), peer)), "function_failed: nothing takes this message");
  ask(message_bytes());
  EXPECT_EQ(host().take_reply().error_type, "NoRoute");
  host().answer_sends(BP_REJECTED);
  peer.send({message_bytes()});
  EXPECT_EQ(error_of(receives(host(), peer)), "function_failed: too many messages are waiting");
  ask(message_bytes());
  EXPECT_EQ(host().take_reply().error_type, "Overloaded");
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(GatewayRouterTest, WhileTheHostWantsNoMorePeersWait) {
  start();
  host().answer_sends(BP_PAUSED);
  auto& peer = asker("x", ZMQ_DEALER);
  peer.send({"", message_bytes("1")});
  const auto job = sent();
  peer.send({"", message_bytes("2")});
  host().run_for(50ms);
  EXPECT_TRUE(host().sent().empty());
  result(job[0]);
  EXPECT_EQ(palm(receives(host(), peer)[1]).payload, "1");
  host().answer_sends(BP_SENT);
  host().resume();
  EXPECT_EQ(palm(sent()[0]).payload, "2");
}

TEST_F(GatewayRouterTest, ADrainRefusesNewRequestsAndAnswersOldOnes) {
  start();
  auto& old = asker();
  old.send({message_bytes()});
  const auto job = sent();
  host().drain();
  auto& late = asker();
  late.send({message_bytes()});
  EXPECT_EQ(error_of(receives(host(), late)), "function_failed: the gateway is about to stop");
  EXPECT_EQ(host().holding(), 1u);
  result(job[0]);
  EXPECT_EQ(receives(host(), old), Frames{std::string(job[0])});
  EXPECT_EQ(host().holding(), 0u);
}

TEST_F(GatewayRouterTest, AStopTellsThoseWhoWait) {
  start();
  auto& peer = asker();
  peer.send({message_bytes()});
  sent();
  ask(message_bytes());
  host().stop();
  EXPECT_EQ(host().take_reply().error_type, "Stopped");
  EXPECT_EQ(error_of(*peer.receive()), "function_failed: the gateway has stopped");
}

// ---- dealers ----

TEST_F(GatewayRouterTest, ADealersResultGoesToTheAskerItNames) {
  start({{"dealer", "true"}});
  auto& peer = asker("c1");
  peer.send({message_bytes()});
  const auto job = sent();
  auto& dealer = asker("dealer", ZMQ_DEALER);
  dealer.send({"c1", "", changed(job, "done")});
  EXPECT_EQ(palm(receives(host(), peer)[0]).payload, "done");
}

TEST_F(GatewayRouterTest, ADealersResultForAComponentNamesItsClient) {
  start({{"dealer", "true"}});
  ask(message_bytes());
  const auto job = sent();
  auto& dealer = asker("dealer", ZMQ_DEALER);
  dealer.send({"c1", "", changed(job, "done")});
  ASSERT_TRUE(zmq::replies(host(), 1));
  EXPECT_EQ(palm(host().take_reply().message[0]).payload, "done");
}

TEST_F(GatewayRouterTest, ADealerReachesNobodyWhoDoesNotWaitForThat) {
  start({{"dealer", "true"}});
  auto& peer = asker("c1", ZMQ_DEALER);
  peer.send({"", message_bytes()});
  const auto job = sent();
  auto& dealer = asker("dealer", ZMQ_DEALER);
  dealer.send({"c1", "", message_bytes()});         // not its message
  dealer.send({"c9", "", changed(job, "forged")});  // not its asker
  dealer.send({"c1", "", "garbage"});
  ASSERT_TRUE(host().run_until([&] { return host().metric("malformed") == 1; }, kPatience));
  EXPECT_EQ(host().metric("unclaimed"), 2);
  EXPECT_TRUE(silent(host(), peer));
  result(changed(job, "true"));
  EXPECT_EQ(palm(receives(host(), peer)[1]).payload, "true");
}

// ---- the dealer of the host ---------------------------------------------------------------------------

TEST(GatewayDealer, SpeaksAsRecorded) {
  Peer router(ZMQ_ROUTER);
  FakeComponent<GatewayDealer> dealer({{"connect", router.bind()}});
  dealer.start();
  const auto golden = vectors("http_gateway");
  for (const auto& exchange : golden["exchanges"]) {
    EXPECT_EQ(dealer.deliver(dealer.message({bytes_of(exchange["result"])})), BP_TAKEN);
    Frames expected;
    for (const auto& frame : exchange["dealt"]) expected.push_back(bytes_of(frame));
    EXPECT_EQ(receives(dealer, router), expected) << exchange["name"];
  }
}

TEST(GatewayDealer, ItsNameIsAnOption) {
  Peer router(ZMQ_ROUTER);
  FakeComponent<GatewayDealer> dealer({{"connect", router.bind()}, {"identity", "other"}});
  dealer.start();
  dealer.deliver(dealer.message({message_bytes()}));
  EXPECT_EQ(receives(dealer, router), (Frames{"other", "c1", "", message_bytes()}));
}

TEST(GatewayDealer, AnswersAnAskerWithAnEmptyFeedback) {
  Peer router(ZMQ_ROUTER);
  FakeComponent<GatewayDealer> dealer({{"connect", router.bind()}});
  dealer.start();
  dealer.deliver(dealer.request("", {message_bytes()}));
  ASSERT_EQ(dealer.replies().size(), 1u);
  EXPECT_EQ(dealer.take_reply().message[0], "");
}

TEST(GatewayDealer, WhatNobodyCanGetIsRefused) {
  FakeComponent<GatewayDealer> dealer({{"connect", test::free_endpoint()}});
  dealer.start();
  EXPECT_EQ(dealer.deliver(dealer.message({"garbage"})), BP_MALFORMED);
  EXPECT_EQ(dealer.deliver(dealer.message({""})), BP_FAILED);
  EXPECT_STREQ(dealer.error().type, "Unanswerable");
}

TEST(GatewayDealer, IsBusyWhileTheRouterHasNoRoom) {
  FakeComponent<GatewayDealer> dealer(
      {{"connect", test::free_endpoint()}, {"send_hwm", "1"}, {"linger", "0s"}});
  dealer.start();
  std::int32_t taken = BP_TAKEN;
  for (int i = 0; i < 10 && taken == BP_TAKEN; ++i) taken = dealer.deliver(dealer.message({message_bytes()}));
  EXPECT_EQ(taken, BP_BUSY);
}

// ---- all three ----------------------------------------------------------------------------------------

TEST(Gateway, TheHostsOwnDealerAnswersTheHostsOwnRouter) {
  FakeComponent<GatewayRouter> router({{"bind", zmq::any_port}, {"dealer", "true"}});
  router.start();
  Peer asker(ZMQ_REQ);
  asker.set(ZMQ_ROUTING_ID, "c1").set(ZMQ_LINGER, 0).connect(endpoint_of(router));
  asker.send({message_bytes()});
  ASSERT_TRUE(zmq::sends(router, 1));
  const std::string job(router.take_sent()[0]);
  FakeComponent<GatewayDealer> dealer({{"connect", endpoint_of(router)}});
  dealer.start();
  dealer.deliver(dealer.message({job}));
  EXPECT_EQ(receives(router, asker), Frames{job});
}

}  // namespace
}  // namespace backplane::palm
