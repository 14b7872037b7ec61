#include "answering.hpp"

#include "verbs.hpp"

namespace backplane::zmq {
namespace {

// A rep or router with as many askers as a test needs.
template <typename T>
class Service {
 public:
  Service(std::initializer_list<OptionText> options = {}) : host_(with_bind(options)) { host_.start(); }

  FakeComponent<T>& host() { return host_; }
  Peer& asker(int type = ZMQ_REQ) {
    auto& peer = *askers_.emplace_back(std::make_unique<Peer>(type));
    peer.set(ZMQ_LINGER, 0).connect(endpoint_of(host_));
    return peer;
  }
  // The request that comes next, with its envelope.
  Message request() { return sends(host_, 1) ? host_.take_sent() : host_.message({"nothing"}); }

 private:
  static OptionTexts with_bind(OptionTexts options) {
    options.all.emplace_back("bind", any_port);
    return options;
  }

  FakeComponent<T> host_;
  std::vector<std::unique_ptr<Peer>> askers_;
};

TEST(Rep, AnswersWithTheOutcome) {
  Service<Rep> rep;
  auto& asker = rep.asker();
  asker.send({"what", "now"});
  const auto request = rep.request();
  EXPECT_EQ(frames(request), (Frames{"what", "now"}));
  EXPECT_TRUE(request.has(BP_REQUEST));
  rep.host().answer(request.envelope(), {"this", ""});
  EXPECT_EQ(receives(rep.host(), asker), (Frames{"this", ""}));
}

TEST(Rep, AnswersWhenItConnects) {
  Peer asker(ZMQ_REQ);
  FakeComponent<Rep> rep({{"connect", asker.bind()}});
  rep.start();
  asker.send({"hello"});
  ASSERT_TRUE(sends(rep, 1));
  rep.answer(rep.take_sent().envelope(), {"world"});
  EXPECT_EQ(receives(rep, asker), Frames{"world"});
}

TEST(Rep, AnswersManyAskersOutOfOrderEachItsOwn) {
  Service<Rep> rep;
  std::vector<Peer*> askers;
  for (int i = 0; i < 50; ++i) {
    askers.push_back(&rep.asker());
    askers.back()->send({std::to_string(i)});
  }
  ASSERT_TRUE(sends(rep.host(), 50));
  auto& requests = rep.host().sent();
  for (auto request = requests.rbegin(); request != requests.rend(); ++request)
    rep.host().answer(request->message.envelope(), {request->message[0]});
  for (int i = 0; i < 50; ++i) EXPECT_EQ(receives(rep.host(), *askers[i]), Frames{std::to_string(i)});
}

TEST(Rep, AnAnswerWithoutFramesIsOneEmptyFrame) {
  Service<Rep> rep;
  auto& asker = rep.asker();
  asker.send({"x"});
  rep.host().answer(rep.request().envelope(), {});
  EXPECT_EQ(receives(rep.host(), asker), Frames{""});
}

TEST(Rep, AFailedRequestIsAnsweredWithTheErrorReply) {
  Service<Rep> rep;
  auto& asker = rep.asker();
  asker.send({"x"});
  rep.host().answer_error(rep.request().envelope(), "ValueError", "no");
  EXPECT_EQ(receives(rep.host(), asker), Frames{"0"});
}

TEST(Rep, TheErrorReplyIsAnOptionAndMayHaveDetail) {
  Service<Rep> rep({{"error_reply", "failed"}, {"error_detail", "true"}});
  auto& asker = rep.asker();
  asker.send({"x"});
  rep.host().answer_error(rep.request().envelope(), "ValueError", "no");
  EXPECT_EQ(receives(rep.host(), asker), (Frames{"failed", "ValueError", "no"}));
}

TEST(Rep, ARequestThatNothingTakesIsAnsweredWithTheErrorReply) {
  Service<Rep> rep({{"error_detail", "true"}});
  auto& asker = rep.asker();
  rep.host().answer_sends(BP_NO_ROUTE);
  asker.send({"x"});
  EXPECT_EQ(receives(rep.host(), asker), (Frames{"0", "Refused", "nothing takes this request"}));
  rep.host().answer_sends(BP_REJECTED);
  asker.send({"x"});
  EXPECT_EQ(receives(rep.host(), asker), (Frames{"0", "Refused", "too many requests"}));
}

TEST(Rep, TheSecondOutcomeOfARequestIsIgnored) {
  Service<Rep> rep;
  auto& asker = rep.asker();
  asker.send({"x"});
  const auto request = rep.request();
  rep.host().answer(request.envelope(), {"first"});
  rep.host().answer(request.envelope(), {"second"});
  EXPECT_EQ(receives(rep.host(), asker), Frames{"first"});
  asker.send({"y"});
  rep.host().answer(rep.request().envelope(), {"third"});
  EXPECT_EQ(receives(rep.host(), asker), Frames{"third"});
}

TEST(Rep, WithoutBlockItAnswersOneAsSoonAsTheRequestIsTaken) {
  Service<Rep> rep({{"block", "false"}});
  auto& asker = rep.asker();
  asker.send({"x"});
  EXPECT_EQ(receives(rep.host(), asker), Frames{"1"});
  const auto message = rep.request();
  EXPECT_EQ(frames(message), Frames{"x"});
  EXPECT_FALSE(message.has(BP_REQUEST));
}

TEST(Rep, WithoutBlockARejectedRequestIsNotCalledAccepted) {
  Service<Rep> rep({{"block", "false"}});
  rep.host().answer_sends(BP_REJECTED);
  auto& asker = rep.asker();
  asker.send({"x"});
  EXPECT_EQ(receives(rep.host(), asker), Frames{"0"});
}

TEST(Rep, AProxyBetweenIsPartOfTheWayBack) {
  Service<Rep> rep;
  auto& proxy = rep.asker(ZMQ_DEALER);
  proxy.send({"client", "hop", "", "question"});
  const auto request = rep.request();
  EXPECT_EQ(frames(request), Frames{"question"});
  rep.host().answer(request.envelope(), {"answer"});
  EXPECT_EQ(receives(rep.host(), proxy), (Frames{"client", "hop", "", "answer"}));
}

TEST(Rep, ARequestWithoutADelimiterIsCountedAndTheNextOneAnswered) {
  Service<Rep> rep;
  auto& bad = rep.asker(ZMQ_DEALER);
  bad.send({"no delimiter"});
  bad.send({"no", "delimiter", "here"});
  bad.send({"nothing behind it", ""});
  bad.send({"", "good"});
  const auto request = rep.request();
  EXPECT_EQ(frames(request), Frames{"good"});
  EXPECT_EQ(rep.host().metric("malformed"), 3);
  rep.host().answer(request.envelope(), {"answer"});
  EXPECT_EQ(receives(rep.host(), bad), (Frames{"", "answer"}));
}

TEST(Rep, APeerThatHasGoneIsCountedAndOthersAreAnswered) {
  Service<Rep> rep({{"monitor", "true"}});
  Message lost;
  {
    Peer gone(ZMQ_REQ);
    gone.connect(endpoint_of(rep.host())).send({"x"});
    lost = rep.request();
  }
  ASSERT_TRUE(rep.host().run_until([&] { return rep.host().metric("disconnected") == 1; }, kPatience));
  auto& asker = rep.asker();
  asker.send({"y"});
  const auto request = rep.request();
  rep.host().answer(lost.envelope(), {"late"});
  rep.host().answer(request.envelope(), {"answer"});
  EXPECT_EQ(receives(rep.host(), asker), Frames{"answer"});
  EXPECT_EQ(rep.host().metric("unreachable"), 1);
}

TEST(Rep, APeerThatNeverReadsIsBoundedAndOthersAreAnswered) {
  Service<Rep> rep({{"send_hwm", "10"}, {"send_buffer", "4KiB"}});
  auto& deaf = rep.asker(ZMQ_DEALER);
  auto& asker = rep.asker();
  const std::string big(50'000, 'x');
  for (int i = 0; i < 500; ++i) {
    deaf.send({"", "more"});
    rep.host().answer(rep.request().envelope(), {big});
  }
  // What libzmq and the kernel hold for the deaf peer is bounded by its own default limit of 1000 and this
  // one.
  asker.send({"x"});
  rep.host().answer(rep.request().envelope(), {"answer"});
  EXPECT_EQ(receives(rep.host(), asker), Frames{"answer"});
}

TEST(Rep, AnswersBeyondTheLimitOfAPeerAreCounted) {
  Service<Rep> rep({{"send_hwm", "10"}, {"send_buffer", "4KiB"}});
  Peer deaf(ZMQ_DEALER);
  deaf.set(ZMQ_RCVHWM, 1).set(ZMQ_RCVBUF, 4096).set(ZMQ_LINGER, 0).connect(endpoint_of(rep.host()));
  const std::string big(50'000, 'x');
  for (int i = 0; i < 300; ++i) {
    deaf.send({"", "more"});
    rep.host().answer(rep.request().envelope(), {big});
  }
  EXPECT_GT(rep.host().metric("undelivered"), 0);
  EXPECT_TRUE(rep.host().logged("does not read them"));
  int got = 0;
  while (deaf.receive(200ms)) ++got;
  EXPECT_EQ(got + rep.host().metric("undelivered"), 300);
}

TEST(Rep, PeersThatWaitWhenItStopsGetTheErrorReply) {
  Service<Rep> rep;
  auto& asker = rep.asker();
  asker.send({"x"});
  rep.request();
  rep.host().stop();
  EXPECT_EQ(asker.receive(), Frames{"0"});
}

TEST(Rep, AnswersWhileItIsPaused) {
  Service<Rep> rep;
  auto& asker = rep.asker();
  asker.send({"x"});
  const auto request = rep.request();
  rep.host().drain();
  rep.host().answer(request.envelope(), {"answer"});
  EXPECT_EQ(receives(rep.host(), asker), Frames{"answer"});
}

TEST(Rep, APeerThatComesBackUnderItsIdentityTakesOver) {
  Service<Rep> rep;
  Peer old(ZMQ_REQ);
  old.set(ZMQ_ROUTING_ID, "client").set(ZMQ_LINGER, 0).connect(endpoint_of(rep.host())).send({"one"});
  rep.request();
  Peer fresh(ZMQ_REQ);
  fresh.set(ZMQ_ROUTING_ID, "client").set(ZMQ_LINGER, 0).connect(endpoint_of(rep.host())).send({"two"});
  rep.host().answer(rep.request().envelope(), {"for the new one"});
  EXPECT_EQ(receives(rep.host(), fresh), Frames{"for the new one"});
}

TEST(Router, KeepsTheRoutingIdOutOfTheMessage) {
  Service<Router> router;
  auto& dealer = router.asker(ZMQ_DEALER);
  dealer.set(ZMQ_ROUTING_ID, "secret");
  dealer.send({"question", "", "more"});
  const auto request = router.request();
  EXPECT_EQ(frames(request), (Frames{"question", "", "more"}));
  router.host().answer(request.envelope(), {"answer"});
  EXPECT_EQ(receives(router.host(), dealer), Frames{"answer"});
}

TEST(Router, AnswersManyRequestsOfOnePeerInTheOrderOfTheAnswers) {
  Service<Router> router;
  auto& dealer = router.asker(ZMQ_DEALER);
  for (int i = 0; i < 100; ++i) dealer.send({std::to_string(i)});
  ASSERT_TRUE(sends(router.host(), 100));
  auto& requests = router.host().sent();
  for (auto request = requests.rbegin(); request != requests.rend(); ++request)
    router.host().answer(request->message.envelope(), {request->message[0]});
  for (int i = 100; i-- > 0;) EXPECT_EQ(receives(router.host(), dealer), Frames{std::to_string(i)});
}

TEST(Router, AnswersManyPeersEachItsOwn) {
  Service<Router> router;
  std::vector<Peer*> dealers;
  for (int i = 0; i < 20; ++i) dealers.push_back(&router.asker(ZMQ_DEALER));
  for (int round = 0; round < 5; ++round)
    for (int i = 0; i < 20; ++i) dealers[i]->send({std::to_string(i) + "/" + std::to_string(round)});
  ASSERT_TRUE(sends(router.host(), 100));
  auto& requests = router.host().sent();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto& message = requests[i * 37 % requests.size()].message;
    router.host().answer(message.envelope(), {message[0]});
  }
  for (int i = 0; i < 20; ++i)
    for (int round = 0; round < 5; ++round)
      EXPECT_TRUE(receives(router.host(), *dealers[i]).front().starts_with(std::to_string(i) + "/"));
}

TEST(Router, AnswersARequestOfAReqToo) {
  Service<Router> router;
  auto& req = router.asker(ZMQ_REQ);
  req.send({"question"});
  const auto request = router.request();
  EXPECT_EQ(frames(request), Frames{"question"});
  router.host().answer(request.envelope(), {"answer"});
  EXPECT_EQ(receives(router.host(), req), Frames{"answer"});
}

TEST(Router, WithADelimitedEnvelopePeersKeepTheirOwnNumbers) {
  Service<Router> router({{"envelope", "delimited"}});
  auto& dealer = router.asker(ZMQ_DEALER);
  dealer.send({"number 7", "", "question"});
  const auto request = router.request();
  EXPECT_EQ(frames(request), Frames{"question"});
  router.host().answer(request.envelope(), {"answer"});
  EXPECT_EQ(receives(router.host(), dealer), (Frames{"number 7", "", "answer"}));
}

TEST(Router, WithAnIdentityEnvelopeEverythingElseIsTheMessage) {
  Service<Router> router({{"envelope", "identity"}});
  auto& dealer = router.asker(ZMQ_DEALER);
  dealer.send({"", "question"});
  EXPECT_EQ(frames(router.request()), (Frames{"", "question"}));
}

TEST(Router, OneWayPeersGetNothingBack) {
  Service<Router> router({{"one_way", "true"}});
  auto& dealer = router.asker(ZMQ_DEALER);
  dealer.send({"event"});
  const auto message = router.request();
  EXPECT_EQ(frames(message), Frames{"event"});
  EXPECT_FALSE(message.has(BP_REQUEST));
  EXPECT_TRUE(silent(router.host(), dealer));
}

TEST(Router, EmptyMessagesAreMessages) {
  Service<Router> router;
  auto& dealer = router.asker(ZMQ_DEALER);
  dealer.send({""});
  EXPECT_EQ(frames(router.request()), Frames{""});
}

}  // namespace
}  // namespace backplane::zmq
