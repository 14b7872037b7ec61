// palm.pull, palm.worker_pull, palm.sub, palm.rep: what comes from raw sockets, whole or not.
#include "palm/inbound.hpp"

#include "plugins/palm/verbs.hpp"

namespace backplane::palm {
namespace {

// A message without a cache key, and what comes of it when it gets one.
const PalmMessage plain_request = request_of("c", "payload");

bool is_uuid(std::string_view text) { return text.size() == 36 && text[14] == '4'; }

PalmMessage without_cache(PalmMessage message) {
  message.cache.clear();
  return message;
}

// A component of kind T that binds, and a peer that has connected to it.
template <typename T>
class Listening {
 public:
  Listening(int type, OptionTexts options = {}) : peer_(type) {
    options.all.emplace_back("bind", any_port);
    host_.emplace(options);
    host_->start();
    peer_.connect(endpoint_of(*host_));
  }
  FakeHost& host() { return *host_; }
  Peer& peer() { return peer_; }

 private:
  std::optional<FakeComponent<T>> host_;
  Peer peer_;
};

// ---- palm.pull --------------------------------------------------------------------------------------

TEST(PalmPull, TakesInWhatAClientPushesAndFillsAnEmptyCacheField) {
  Listening<Pull> pull(ZMQ_PUSH);
  auto request = plain_request;
  request.unknown = "\x78\x05";
  pull.peer().send({bytes_of(request)});
  const auto got = next_message(pull.host());
  EXPECT_TRUE(is_uuid(got.cache)) << got.cache;
  EXPECT_EQ(without_cache(got), request);
}

TEST(PalmPull, LeavesACacheFieldThatIsSet) {
  Listening<Pull> pull(ZMQ_PUSH);
  auto request = plain_request;
  request.cache = "key";
  const auto bytes = bytes_of(request);
  pull.peer().send({bytes});
  EXPECT_EQ(next_sent(pull.host()), Frames{bytes});
}

TEST(PalmPull, ServersLeaveItEmpty) {
  Listening<Pull> pull(ZMQ_PUSH, {{"fill_cache", "false"}});
  pull.peer().send({bytes_of(plain_request)});
  EXPECT_EQ(next_sent(pull.host()), Frames{bytes_of(plain_request)});
}

TEST(PalmPull, DropsWhatIsNoMessageAndGoesOn) {
  Listening<Pull> pull(ZMQ_PUSH);
  pull.peer().send({"garbage"});
  pull.peer().send({bytes_of(plain_request), "second frame"});
  pull.peer().send({"", bytes_of(plain_request)});
  pull.peer().send({bytes_of(plain_request)});
  EXPECT_EQ(next_message(pull.host()).payload, "payload");
  EXPECT_EQ(pull.host().metric("malformed"), 3);
  EXPECT_TRUE(pull.host().sent().empty());
}

TEST(PalmPull, AnEmptyMessageIsAMessage) {
  Listening<Pull> pull(ZMQ_PUSH, {{"fill_cache", "false"}});
  pull.peer().send({""});
  EXPECT_EQ(next_sent(pull.host()), Frames{""});
}

TEST(PalmPull, KeepsTheOrderOfOneClient) {
  Listening<Pull> pull(ZMQ_PUSH, {{"batch", "7"}});
  for (int i = 0; i < 500; ++i) pull.peer().send({bytes_of(request_of("c", std::to_string(i)))});
  for (int i = 0; i < 500; ++i) ASSERT_EQ(next_message(pull.host()).payload, std::to_string(i));
}

TEST(PalmPull, ConnectsToo) {
  Peer push(ZMQ_PUSH);
  FakeComponent<Pull> pull({{"connect", push.bind()}});
  pull.start();
  push.send({bytes_of(plain_request)});
  EXPECT_EQ(next_message(pull).payload, "payload");
}

TEST(PalmPull, StopsReadingWhenTheHostSaysSo) {
  Listening<Pull> pull(ZMQ_PUSH, {{"batch", "1"}});
  pull.host().answer_sends(BP_PAUSED);
  for (int i = 0; i < 10; ++i) pull.peer().send({bytes_of(plain_request)});
  ASSERT_TRUE(sends(pull.host(), 1));
  pull.host().run_for(50ms);
  EXPECT_EQ(pull.host().sent().size(), 1u);
  pull.host().answer_sends(BP_SENT);
  pull.host().resume();
  EXPECT_TRUE(sends(pull.host(), 10));
}

// ---- palm.worker_pull -------------------------------------------------------------------------------

TEST(PalmWorkerPull, TakesInResultsAsTheyAre) {
  Listening<WorkerPull> pull(ZMQ_PUSH);
  pull.peer().send({"garbage"});
  pull.peer().send({bytes_of(plain_request)});
  EXPECT_EQ(next_sent(pull.host()), Frames{bytes_of(plain_request)});
  EXPECT_EQ(pull.host().metric("malformed"), 1);
}

// ---- palm.sub ---------------------------------------------------------------------------------------

// A publisher, and the palm.sub components that know it.
class Subscribing : public testing::Test {
 protected:
  Subscribing() : address_(publisher_.bind()) {}
  void start(std::vector<OptionText> options) {
    options.emplace_back("connect", address_);
    options.emplace_back("fill_cache", "false");
    host_.emplace(options);
    host_->start();
    // Its subscriptions have come.
    ASSERT_TRUE(host_->run_until([&] { return publisher_.receive_now().has_value(); }, kPatience));
  }
  void publish(const std::string& topic, const std::string& payload) {
    publisher_.send({topic, bytes_of(request_of("c", payload))});
  }
  std::vector<std::string> payloads(std::size_t count) {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(next_message(*host_).payload);
    return all;
  }

  Peer publisher_{ZMQ_XPUB};
  std::string address_;
  std::optional<FakeComponent<Sub>> host_;
};

using Payloads = std::vector<std::string>;

TEST_F(Subscribing, TakesWhatBeginsWithItsTopic) {
  start({{"previous", "even"}});
  publish("odd", "1");
  publish("even", "2");
  publish("evening", "3");
  publish("even", "4");
  EXPECT_EQ(payloads(3), (Payloads{"2", "3", "4"}));
}

TEST_F(Subscribing, ExactlyItsTopicWhenItIsToldSo) {
  start({{"previous", "even"}, {"exact", "true"}});
  publish("evening", "3");
  publish("even", "4");
  EXPECT_EQ(payloads(1), Payloads{"4"});
  EXPECT_EQ(host_->metric("malformed"), 0);
}

TEST_F(Subscribing, PassesOnTheMessageWithoutItsTopic) {
  start({{"previous", "server"}});
  publish("server", "x");
  EXPECT_EQ(next_sent(*host_), Frames{bytes_of(request_of("c", "x"))});
}

TEST_F(Subscribing, DropsWhatHasNotTwoFrames) {
  start({{"previous", "server"}});
  publisher_.send({"server"});
  publisher_.send({"server", bytes_of(plain_request), "more"});
  publisher_.send({"server", "garbage"});
  publish("server", "x");
  EXPECT_EQ(payloads(1), Payloads{"x"});
  EXPECT_EQ(host_->metric("malformed"), 3);
}

TEST(PalmSub, PairedTakesEachTopicFromItsOwnAddress) {
  Peer one(ZMQ_XPUB);
  Peer two(ZMQ_XPUB);
  FakeComponent<Sub> sub(
      {{"connect", "[" + one.bind() + ", " + two.bind() + "]"}, {"previous", "[a, b]"}, {"paired", "true"}});
  sub.start();
  EXPECT_EQ(receives(sub, one), Frames{"\x01"
                                       "a"});
  EXPECT_EQ(receives(sub, two), Frames{"\x01"
                                       "b"});
  one.send({"b", bytes_of(request_of("c", "no"))});
  one.send({"a", bytes_of(request_of("c", "from one"))});
  EXPECT_EQ(next_message(sub).payload, "from one");
  two.send({"a", bytes_of(request_of("c", "no"))});
  two.send({"b", bytes_of(request_of("c", "from two"))});
  EXPECT_EQ(next_message(sub).payload, "from two");
}

TEST(PalmSub, PairedMayHaveOneTopicAtTwoAddresses) {
  Peer one(ZMQ_XPUB);
  Peer two(ZMQ_XPUB);
  FakeComponent<Sub> sub({{"connect", "[" + one.bind() + ", " + two.bind() + "]"},
                          {"previous", "[same, same]"},
                          {"paired", "true"}});
  sub.start();
  receives(sub, one);
  receives(sub, two);
  one.send({"same", bytes_of(request_of("c", "x"))});
  EXPECT_EQ(next_message(sub).payload, "x");
  two.send({"same", bytes_of(request_of("c", "y"))});
  EXPECT_EQ(next_message(sub).payload, "y");
}

TEST(PalmSub, PairedNeedsAsManyTopicsAsAddresses) {
  const auto refusal = zmq::start_refusal<Sub>(
      {{"connect", "[tcp://127.0.0.1:1, tcp://127.0.0.1:2]"}, {"previous", "[a]"}, {"paired", "true"}});
  EXPECT_NE(refusal.find("2 addresses"), std::string::npos) << refusal;
}

// ---- palm.rep ---------------------------------------------------------------------------------------

TEST(PalmPull, APayloadOverTheLimitGoesOnAsAnError) {
  Peer push(ZMQ_PUSH);
  FakeComponent<Pull> pull({{"connect", push.bind()}, {"max_payload", "6B"}});
  pull.start();
  push.send({bytes_of(plain_request)});
  const auto refused = next_message(pull);
  EXPECT_EQ(refused.client, plain_request.client);
  EXPECT_EQ(refused.payload, "0");
  EXPECT_EQ(refused.error, "function_failed: the payload has 7 bytes, the limit is 6");
  EXPECT_EQ(pull.metric("too_large"), 1);
  EXPECT_TRUE(pull.logged("is refused: the payload has 7 bytes, the limit is 6"));
}

TEST(PalmPull, AFrameOverTheLimitEndsItsConnectionAndOthersAreServed) {
  Listening<Pull> pull(ZMQ_PUSH, {{"max_message_size", "1KiB"}});
  pull.peer().send({std::string(2000, 'x')});
  Peer other(ZMQ_PUSH);
  other.connect(endpoint_of(pull.host()));
  other.send({bytes_of(plain_request)});
  EXPECT_EQ(next_message(pull.host()).payload, "payload");
}

TEST(PalmPull, HasFinishedAfterItsMessages) {
  Peer push(ZMQ_PUSH);
  FakeComponent<Pull> pull({{"connect", push.bind()}, {"messages", "2"}});
  pull.start();
  for (int i = 0; i < 3; ++i) push.send({bytes_of(plain_request)});
  ASSERT_TRUE(pull.run_until([&] { return pull.finished(); }, kPatience));
  EXPECT_EQ(pull.sent().size(), 2u);
}

TEST(PalmRep, WithoutAnyRouteAnswersOneAndDropsTheMessage) {
  for (const auto* block : {"false", "true"}) {
    FakeSettings unrouted;
    unrouted.routed = false;
    FakeComponent<Rep> rep({{"bind", any_port}, {"block", block}}, unrouted);
    rep.start();
    Peer peer(ZMQ_REQ);
    peer.connect(endpoint_of(rep));
    peer.send({bytes_of(plain_request)});
    EXPECT_EQ(receives(rep, peer), Frames{"1"});
    EXPECT_TRUE(rep.sent().empty());
  }
}

TEST(PalmRep, AnswersOneAsSoonAsTheMessageIsTaken) {
  Listening<Rep> rep(ZMQ_REQ);
  rep.peer().send({bytes_of(plain_request)});
  EXPECT_EQ(receives(rep.host(), rep.peer()), Frames{"1"});
  const auto got = next_message(rep.host());
  EXPECT_TRUE(is_uuid(got.cache));
  EXPECT_EQ(without_cache(got), plain_request);
}

TEST(PalmRep, WithBlockAnswersWhatComesOfIt) {
  Listening<Rep> rep(ZMQ_REQ, {{"block", "true"}, {"fill_cache", "false"}});
  rep.peer().send({bytes_of(plain_request)});
  ASSERT_TRUE(sends(rep.host(), 1));
  const auto request = rep.host().take_sent();
  EXPECT_EQ(frames(request), Frames{bytes_of(plain_request)});
  rep.host().answer(request.envelope(), {"feedback"});
  EXPECT_EQ(receives(rep.host(), rep.peer()), Frames{"feedback"});
}

TEST(PalmRep, WithBlockAFailureIsAnsweredZero) {
  Listening<Rep> rep(ZMQ_REQ, {{"block", "true"}});
  rep.peer().send({bytes_of(plain_request)});
  ASSERT_TRUE(sends(rep.host(), 1));
  rep.host().answer_error(rep.host().take_sent().envelope(), "Error", "no");
  EXPECT_EQ(receives(rep.host(), rep.peer()), Frames{"0"});
}

TEST(PalmRep, WhatIsNoMessageIsAnsweredZeroWithBlockAndWithout) {
  for (const auto* block : {"true", "false"}) {
    Listening<Rep> rep(ZMQ_REQ, {{"block", block}});
    rep.peer().send({"garbage"});
    EXPECT_EQ(receives(rep.host(), rep.peer()), Frames{"0"});
    rep.peer().send({bytes_of(plain_request), "second"});
    EXPECT_EQ(receives(rep.host(), rep.peer()), Frames{"0"});
    EXPECT_TRUE(rep.host().sent().empty());
  }
}

}  // namespace
}  // namespace backplane::palm
