#include "asking.hpp"

#include "verbs.hpp"

namespace backplane::zmq {
namespace {

// A component that asks, and the server it is connected to.
template <typename T>
class Client {
 public:
  explicit Client(int server_type, std::vector<OptionText> options = {}, bool routed = false)
      : server_(server_type), host_(with_connect(std::move(options)), settings(routed)) {
    host_.start();
  }

  FakeComponent<T>& host() { return host_; }
  Peer& server() { return server_; }
  // Delivers a request whose asker waits.
  std::int32_t ask(std::initializer_list<std::string_view> frames) {
    return host_.deliver(host_.request("", frames));
  }
  // What the server gets next.
  Frames asked() { return receives(host_, server_); }
  // The answer of the component to its next asker.
  Frames answered() { return replies(host_, 1) ? frames(host_.take_reply().message) : Frames{"nothing"}; }
  FakeReply failed() {
    EXPECT_TRUE(replies(host_, 1));
    return host_.take_reply();
  }

 private:
  OptionTexts with_connect(std::vector<OptionText> options) {
    server_.set(ZMQ_LINGER, 0);
    options.emplace_back("connect", server_.bind());
    options.emplace_back("linger", "0ms");
    return options;
  }
  static FakeSettings settings(bool routed) {
    FakeSettings made;
    made.routed = routed;
    return made;
  }

  Peer server_;
  FakeComponent<T> host_;
};

TEST(Req, AsksAndAnswersItsAsker) {
  Client<Req> req(ZMQ_REP);
  EXPECT_EQ(req.ask({"what", "now"}), BP_TAKEN);
  EXPECT_EQ(req.asked(), (Frames{"what", "now"}));
  EXPECT_EQ(req.host().holding(), 1u);
  req.server().send({"this", ""});
  EXPECT_EQ(req.answered(), (Frames{"this", ""}));
  EXPECT_EQ(req.host().holding(), 0u);
  EXPECT_TRUE(req.host().sent().empty());
}

TEST(Req, AsksAPeerThatConnects) {
  FakeComponent<Req> req({{"bind", any_port}});
  req.start();
  EXPECT_EQ(req.deliver(req.request("", {"early"})), BP_BUSY);
  Peer server(ZMQ_REP);
  server.connect(endpoint_of(req));
  EXPECT_EQ(receives(req, server), Frames{"early"});
  server.send({"answer"});
  ASSERT_TRUE(replies(req, 1));
  EXPECT_EQ(frames(req.take_reply().message), Frames{"answer"});
}

TEST(Req, HasOneRequestInFlight) {
  Client<Req> req(ZMQ_REP);
  EXPECT_EQ(req.ask({"one"}), BP_TAKEN);
  EXPECT_EQ(req.ask({"two"}), BP_BUSY);
  EXPECT_EQ(req.ask({"three"}), BP_BUSY);
  for (const std::string text : {"one", "two", "three"}) {
    EXPECT_EQ(req.asked(), Frames{text});
    EXPECT_EQ(req.server().receive_now(), std::nullopt);
    req.server().send({text});
    EXPECT_EQ(req.answered(), Frames{text});
  }
}

TEST(Req, AnswersGoAlongItsRoutesToo) {
  Client<Req> req(ZMQ_REP, {}, true);
  req.ask({"question"});
  req.asked();
  req.server().send({"answer"});
  EXPECT_EQ(req.answered(), Frames{"answer"});
  EXPECT_EQ(next_sent(req.host()), Frames{"answer"});
}

TEST(Req, AMessageNobodyWaitsForIsAskedAndItsAnswerRouted) {
  Client<Req> req(ZMQ_REP, {}, true);
  req.host().deliver(req.host().message({"question"}));
  req.asked();
  req.server().send({"answer"});
  EXPECT_EQ(next_sent(req.host()), Frames{"answer"});
  EXPECT_TRUE(req.host().replies().empty());
}

TEST(Req, ALateAnswerIsNotTakenForTheNextOne) {
  Client<Req> req(ZMQ_ROUTER, {{"timeout", "50ms"}});
  req.ask({"one"});
  auto first = req.asked();
  const auto error = req.failed();
  EXPECT_EQ(error.error_type, "Timeout");
  EXPECT_EQ(req.host().metric("unanswered"), 1);
  req.ask({"two"});
  auto second = req.asked();
  first.back() = "late";
  req.server().send(first);
  second.back() = "in time";
  req.server().send(second);
  EXPECT_EQ(req.answered(), Frames{"in time"});
}

TEST(Req, WithoutNumbersItLooksLikeAnOldReqAndALateAnswerIsLost) {
  Client<Req> req(ZMQ_ROUTER, {{"timeout", "50ms"}, {"correlate", "false"}});
  req.ask({"one"});
  auto first = req.asked();
  ASSERT_EQ(first.size(), 3u);
  EXPECT_EQ(first[1], "");
  EXPECT_EQ(req.failed().error_type, "Timeout");
  req.ask({"two"});
  auto second = req.asked();
  first.back() = "late";
  req.server().send(first);
  second.back() = "in time";
  req.server().send(second);
  EXPECT_EQ(req.answered(), Frames{"in time"});
}

TEST(Req, GoesOnAfterATimeoutWithTheNextMessage) {
  Client<Req> req(ZMQ_ROUTER, {{"timeout", "50ms"}});
  req.ask({"one"});
  EXPECT_EQ(req.ask({"two"}), BP_BUSY);
  EXPECT_EQ(req.asked().back(), "one");
  EXPECT_EQ(req.failed().error_type, "Timeout");
  EXPECT_EQ(req.asked().back(), "two");
}

TEST(Req, TheDeadlineOfARequestEndsTheWait) {
  Client<Req> req(ZMQ_REP);
  auto message = req.host().request("", {"x"});
  message.envelope().deadline = req.host().now() + 30'000'000;
  req.host().deliver(std::move(message));
  EXPECT_EQ(req.failed().error_type, "Timeout");
}

TEST(Req, FindsAServerThatComesBack) {
  FakeComponent<Req> req({{"bind", any_port}, {"timeout", "100ms"}, {"linger", "0ms"}});
  req.start();
  {
    Peer server(ZMQ_REP);
    server.connect(endpoint_of(req));
    req.deliver(req.request("", {"one"}));
    EXPECT_EQ(receives(req, server), Frames{"one"});
  }
  ASSERT_TRUE(replies(req, 1));
  EXPECT_EQ(req.take_reply().error_type, "Timeout");
  Peer server(ZMQ_REP);
  server.connect(endpoint_of(req));
  req.deliver(req.request("", {"two"}));
  EXPECT_EQ(receives(req, server), Frames{"two"});
  server.send({"answer"});
  ASSERT_TRUE(replies(req, 1));
  EXPECT_EQ(frames(req.take_reply().message), Frames{"answer"});
}

TEST(Req, ABoundOneWithoutNumbersIsRefused) {
  EXPECT_THAT(start_refusal<Req>({{"bind", any_port}, {"correlate", "false"}}),
              testing::HasSubstr("option \"correlate\": false works with \"connect\" only"));
}

TEST(Req, WhoStillWaitsWhenItStopsGetsAnError) {
  Client<Req> req(ZMQ_REP);
  req.ask({"x"});
  req.host().stop();
  EXPECT_EQ(req.failed().error_type, "Stopped");
}

TEST(Dealer, AsksARepWithManyInFlight) {
  Client<Dealer> dealer(ZMQ_REP);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(dealer.ask({std::to_string(i)}), BP_TAKEN);
  EXPECT_EQ(dealer.host().holding(), 100u);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(dealer.asked(), Frames{std::to_string(i)});
    dealer.server().send({"re " + std::to_string(i)});
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(dealer.answered(), Frames{"re " + std::to_string(i)});
  EXPECT_EQ(dealer.host().holding(), 0u);
}

TEST(Dealer, AnswersOutOfOrderFindTheirAskers) {
  Client<Dealer> dealer(ZMQ_ROUTER);
  std::vector<Frames> requests;
  for (int i = 0; i < 50; ++i) {
    dealer.ask({std::to_string(i)});
    requests.push_back(dealer.asked());
  }
  for (auto request = requests.rbegin(); request != requests.rend(); ++request)
    dealer.server().send(*request);
  ASSERT_TRUE(replies(dealer.host(), 50));
  const auto first = dealer.host().replies().back().request.correlation;  // the request "0"
  for (const auto& reply : dealer.host().replies())
    EXPECT_EQ(reply.message[0], std::to_string(reply.request.correlation - first));
}

TEST(Dealer, AnswersGoAlongItsRoutesToo) {
  Client<Dealer> dealer(ZMQ_REP, {}, true);
  dealer.ask({"asked"});
  dealer.host().deliver(dealer.host().message({"told"}));
  for (int i = 0; i < 2; ++i) dealer.server().send(dealer.asked());
  ASSERT_TRUE(sends(dealer.host(), 2));
  EXPECT_EQ(next_sent(dealer.host()), Frames{"asked"});
  EXPECT_EQ(next_sent(dealer.host()), Frames{"told"});
  EXPECT_EQ(dealer.answered(), Frames{"asked"});
  EXPECT_TRUE(dealer.host().replies().empty());
}

TEST(Dealer, ARoutedAnswerIsNoRequestButKeepsTheTrace) {
  Client<Dealer> dealer(ZMQ_REP, {}, true);
  auto message = dealer.host().request("", {"x"});
  message.envelope().trace_id[3] = 7;
  message.envelope().stage = 2;
  dealer.host().deliver(std::move(message));
  dealer.server().send(dealer.asked());
  ASSERT_TRUE(sends(dealer.host(), 1));
  const auto onward = dealer.host().take_sent();
  EXPECT_EQ(onward.envelope().trace_id[3], 7);
  EXPECT_EQ(onward.envelope().stage, 2);
  EXPECT_FALSE(onward.has(BP_REQUEST));
  EXPECT_FALSE(onward.wants_reply());
}

TEST(Dealer, IsBusyAtItsLimitAndGoesOnAfterAnAnswer) {
  Client<Dealer> dealer(ZMQ_ROUTER, {{"max_pending", "2"}});
  EXPECT_EQ(dealer.ask({"1"}), BP_TAKEN);
  EXPECT_EQ(dealer.ask({"2"}), BP_TAKEN);
  EXPECT_EQ(dealer.ask({"3"}), BP_BUSY);
  dealer.server().send(dealer.asked());
  EXPECT_EQ(dealer.answered(), Frames{"1"});
  EXPECT_EQ(dealer.asked().back(), "2");
  EXPECT_EQ(dealer.asked().back(), "3");
}

TEST(Dealer, ARequestWithoutAnAnswerTimesOutAlone) {
  Client<Dealer> dealer(ZMQ_ROUTER, {{"timeout", "100ms"}});
  dealer.ask({"lost"});
  const auto lost = dealer.asked();
  EXPECT_EQ(dealer.failed().error_type, "Timeout");
  dealer.ask({"found"});
  dealer.server().send(dealer.asked());
  EXPECT_EQ(dealer.answered(), Frames{"found"});
  dealer.server().send(lost);
  EXPECT_TRUE(dealer.host().run_until([&] { return dealer.host().metric("unmatched") == 1; }, kPatience));
  EXPECT_TRUE(dealer.host().replies().empty());
  EXPECT_EQ(dealer.host().holding(), 0u);
}

TEST(Dealer, AnswersOfAnotherFormAreCountedAndStopNothing) {
  Client<Dealer> dealer(ZMQ_ROUTER);
  dealer.ask({"x"});
  const auto request = dealer.asked();
  const auto& peer = request[0];
  const auto& number = request[1];
  dealer.server().send({peer, "no envelope"});
  dealer.server().send({peer, number, "no delimiter"});
  dealer.server().send({peer, number, ""});
  dealer.server().send({peer, std::string(8, '\xff'), "", "forged"});
  dealer.server().send({peer, number, "", "answer"});
  EXPECT_EQ(dealer.answered(), Frames{"answer"});
  EXPECT_EQ(dealer.host().metric("malformed"), 3);
  EXPECT_EQ(dealer.host().metric("unmatched"), 1);
}

TEST(Dealer, SharesRequestsOutBetweenServers) {
  Peer one(ZMQ_REP);
  Peer two(ZMQ_REP);
  FakeComponent<Dealer> dealer({{"connect", "[" + one.bind() + ", " + two.bind() + "]"}});
  dealer.start();
  dealer.deliver(dealer.request("", {"a"}));
  dealer.deliver(dealer.request("", {"b"}));
  EXPECT_NE(receives(dealer, one), receives(dealer, two));
}

TEST(Dealer, IsKnownUnderItsIdentity) {
  Client<Dealer> dealer(ZMQ_ROUTER, {{"identity", "me"}});
  dealer.ask({"x"});
  EXPECT_EQ(dealer.asked().front(), "me");
}

TEST(Dealer, WhoStillWaitsWhenItStopsGetsAnError) {
  Client<Dealer> dealer(ZMQ_REP);
  dealer.ask({"1"});
  dealer.ask({"2"});
  dealer.host().stop();
  ASSERT_EQ(dealer.host().replies().size(), 2u);
  EXPECT_EQ(dealer.failed().error_type, "Stopped");
}

}  // namespace
}  // namespace backplane::zmq
