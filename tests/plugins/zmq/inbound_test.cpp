#include "inbound.hpp"

#include "verbs.hpp"

namespace backplane::zmq {
namespace {

TEST(Pull, TakesInWhatAPeerPushesWhenItBinds) {
  FakeComponent<Pull> pull({{"bind", any_port}});
  pull.start();
  Peer peer(ZMQ_PUSH);
  peer.connect(endpoint_of(pull)).send({"one", "", "three"});
  EXPECT_EQ(next_sent(pull), (Frames{"one", "", "three"}));
}

TEST(Pull, TakesInWhatAPeerPushesWhenItConnects) {
  Peer peer(ZMQ_PUSH);
  FakeComponent<Pull> pull({{"connect", peer.bind()}});
  pull.start();
  peer.send({"hello"});
  EXPECT_EQ(next_sent(pull), Frames{"hello"});
}

TEST(Pull, KeepsOrderAndContent) {
  FakeComponent<Pull> pull({{"bind", any_port}, {"batch", "16"}});
  pull.start();
  Peer peer(ZMQ_PUSH);
  peer.connect(endpoint_of(pull));
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(peer.send({std::to_string(i), std::string(i, 'x')}));
  ASSERT_TRUE(sends(pull, 1000));
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(frames(pull.take_sent()), (Frames{std::to_string(i), std::string(i, 'x')}));
}

TEST(Pull, AnEmptyMessageIsAMessage) {
  FakeComponent<Pull> pull({{"bind", any_port}});
  pull.start();
  Peer peer(ZMQ_PUSH);
  peer.connect(endpoint_of(pull)).send({""});
  EXPECT_EQ(next_sent(pull), Frames{""});
}

TEST(Pull, BringsNoMoreThanOneMessageAfterItWasToldToPause) {
  FakeComponent<Pull> pull({{"bind", any_port}});
  pull.start();
  pull.answer_sends(BP_PAUSED);
  Peer peer(ZMQ_PUSH);
  peer.connect(endpoint_of(pull));
  for (int i = 0; i < 100; ++i) peer.send({std::to_string(i)});
  ASSERT_TRUE(sends(pull, 1));
  pull.run_for(50ms);
  EXPECT_EQ(pull.sent().size(), 1u);
  pull.answer_sends(BP_SENT);
  pull.resume();
  ASSERT_TRUE(sends(pull, 100));
  EXPECT_EQ(frames(pull.sent().back().message), Frames{"99"});
}

TEST(Pull, ARejectedMessageDoesNotStopTheNext) {
  FakeComponent<Pull> pull({{"bind", any_port}});
  pull.start();
  pull.answer_sends([](const FakeSent& item) { return item.message[0] == "no" ? BP_REJECTED : BP_SENT; });
  Peer peer(ZMQ_PUSH);
  peer.connect(endpoint_of(pull));
  for (const auto* text : {"a", "no", "b"}) peer.send({text});
  ASSERT_TRUE(sends(pull, 2));
  EXPECT_EQ(frames(pull.sent()[1].message), Frames{"b"});
}

TEST(Pull, HoldsThePusherBackWhenItsQueueIsFull) {
  FakeComponent<Pull> pull({{"bind", any_port}, {"receive_hwm", "10"}, {"receive_buffer", "4KiB"}});
  pull.start();
  Peer peer(ZMQ_PUSH);
  peer.set(ZMQ_SNDHWM, 10).set(ZMQ_SNDBUF, 4096).connect(endpoint_of(pull));
  const std::string big(100'000, 'x');
  int taken = 0;
  while (taken < 1000 && peer.send({big}, 100ms)) ++taken;
  EXPECT_LT(taken, 1000);
  ASSERT_TRUE(sends(pull, static_cast<std::size_t>(taken)));
}

TEST(Pull, AMessageOfTooManyFramesIsCountedAndTheNextOnesCome) {
  FakeComponent<Pull> pull({{"bind", any_port}, {"max_frames", "3"}});
  pull.start();
  Peer peer(ZMQ_PUSH);
  peer.connect(endpoint_of(pull));
  peer.send({"1", "2", "3"});
  peer.send({"1", "2", "3", "4"});
  peer.send(Frames(300, "x"));
  peer.send({"last"});
  EXPECT_EQ(next_sent(pull), (Frames{"1", "2", "3"}));
  EXPECT_EQ(next_sent(pull), Frames{"last"});
  EXPECT_EQ(pull.metric("malformed"), 2);
  EXPECT_TRUE(pull.logged("more frames than max_frames"));
}

TEST(Pull, AFrameBeyondTheLimitDisconnectsItsPeerAndNobodyElse) {
  FakeComponent<Pull> pull({{"bind", any_port}, {"max_message_size", "1KiB"}, {"monitor", "true"}});
  pull.start();
  Peer bad(ZMQ_PUSH);
  Peer good(ZMQ_PUSH);
  bad.set(ZMQ_LINGER, 0).connect(endpoint_of(pull));
  good.connect(endpoint_of(pull));
  bad.send({std::string(1024, 'x')});
  EXPECT_EQ(next_sent(pull), Frames{std::string(1024, 'x')});
  bad.send({std::string(1025, 'x')});
  EXPECT_TRUE(pull.run_until([&] { return pull.metric("disconnected") >= 1; }, kPatience));
  good.send({"hello"});
  EXPECT_EQ(next_sent(pull), Frames{"hello"});
}

TEST(Pull, APeerThatVanishesInTheMiddleOfAMessageLeavesNothingBehind) {
  FakeComponent<Pull> pull({{"bind", any_port}, {"monitor", "true"}});
  pull.start();
  // The greeting, a READY command of a PUSH, and the first frame of two.
  const std::string greeting = std::string("\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL", 16) + std::string(48, '\0');
  const std::string ready = std::string("\4\x1a\5READY\x0bSocket-Type\0\0\0\4PUSH", 28);
  const std::string first_frame = std::string("\1\5first", 7);
  {
    Peer raw(ZMQ_STREAM);
    raw.set(ZMQ_LINGER, 5000).connect(endpoint_of(pull));
    const auto hello = raw.receive();
    ASSERT_TRUE(hello.has_value());
    for (const auto& part : {greeting, ready, first_frame}) raw.send({hello->front(), part});
    EXPECT_TRUE(pull.run_until([&] { return pull.metric("connected") == 1; }, kPatience));
  }
  EXPECT_TRUE(pull.run_until([&] { return pull.metric("disconnected") == 1; }, kPatience));
  Peer good(ZMQ_PUSH);
  good.connect(endpoint_of(pull)).send({"whole"});
  EXPECT_EQ(next_sent(pull), Frames{"whole"});
  EXPECT_EQ(pull.sent().size(), 0u);
}

TEST(Pull, GarbageOnThePortStopsNothing) {
  FakeComponent<Pull> pull({{"bind", any_port}, {"monitor", "true"}});
  pull.start();
  Peer raw(ZMQ_STREAM);
  raw.set(ZMQ_RECONNECT_IVL, -1).connect(endpoint_of(pull));
  const auto hello = raw.receive();
  ASSERT_TRUE(hello.has_value());
  raw.send({hello->front(), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + std::string(100, '\xff')});
  EXPECT_TRUE(pull.run_until([&] { return pull.metric("disconnected") == 1; }, kPatience));
  const std::string greeting = std::string("\xff\0\0\0\0\0\0\0\1\x7f\3\0NONE", 16) + std::string(48, '\0');
  Peer stranger(ZMQ_STREAM);
  stranger.set(ZMQ_RECONNECT_IVL, -1).connect(endpoint_of(pull));
  const auto other_hello = stranger.receive();
  ASSERT_TRUE(other_hello.has_value());
  stranger.send({other_hello->front(), greeting});
  EXPECT_TRUE(pull.run_until([&] { return pull.metric("disconnected") == 2; }, kPatience));
  EXPECT_GE(pull.metric("handshakes_failed"), 1);
  EXPECT_EQ(pull.metric("peers"), 0);
  Peer good(ZMQ_PUSH);
  good.connect(endpoint_of(pull)).send({"hello"});
  EXPECT_EQ(next_sent(pull), Frames{"hello"});
}

TEST(Pull, AThousandPeersThatComeAndGoLeaveNothingBehind) {
  FakeComponent<Pull> pull({{"bind", any_port}, {"monitor", "true"}});
  pull.start();
  for (int i = 0; i < 1000; ++i) {
    Peer peer(ZMQ_PUSH);
    peer.connect(endpoint_of(pull));
    ASSERT_TRUE(peer.send({std::to_string(i)}));
    ASSERT_EQ(next_sent(pull), Frames{std::to_string(i)});
  }
  EXPECT_TRUE(pull.run_until([&] { return pull.metric("disconnected") == 1000; }, kPatience));
  EXPECT_EQ(pull.metric("connected"), 1000);
  EXPECT_EQ(pull.metric("peers"), 0);
}

TEST(Pull, WithConflateItKeepsTheNewest) {
  FakeComponent<Pull> pull({{"bind", any_port}, {"conflate", "true"}, {"monitor", "true"}});
  pull.start();
  Peer peer(ZMQ_PUSH);
  peer.connect(endpoint_of(pull));
  for (int i = 0; i < 100; ++i) peer.send({std::to_string(i)});
  EXPECT_TRUE(pull.run_until(
      [&] { return !pull.sent().empty() && frames(pull.sent().back().message) == Frames{"99"}; }, kPatience));
}

TEST(Pull, ADrainingHostHearsNoMoreOfIt) {
  FakeComponent<Pull> pull({{"bind", any_port}});
  pull.start();
  pull.drain();
  Peer peer(ZMQ_PUSH);
  peer.connect(endpoint_of(pull)).send({"late"});
  pull.run_for(50ms);
  EXPECT_TRUE(pull.sent().empty());
}

// Publishes until the component has got something: a subscription takes a moment to arrive.
void publish_until_heard(FakeHost& host, Peer& publisher, const Frames& message) {
  ASSERT_TRUE(host.run_until(
      [&] {
        publisher.send(message);
        return !host.sent().empty();
      },
      kPatience));
  host.run_for(50ms);
  host.sent().clear();
}

TEST(Sub, TakesEverythingByDefaultAndKeepsTheTopic) {
  Peer publisher(ZMQ_PUB);
  FakeComponent<Sub> sub({{"connect", publisher.bind()}});
  sub.start();
  publish_until_heard(sub, publisher, {"start"});
  publisher.send({"news", "hello"});
  EXPECT_EQ(next_sent(sub), (Frames{"news", "hello"}));
}

TEST(Sub, TakesOnlyItsTopicsWhenItBinds) {
  FakeComponent<Sub> sub({{"bind", any_port}, {"topics", "[news, weather]"}});
  sub.start();
  Peer publisher(ZMQ_PUB);
  publisher.connect(endpoint_of(sub));
  publish_until_heard(sub, publisher, {"news"});
  publisher.send({"sport", "1:0"});
  publisher.send({"weather.north", "rain"});
  EXPECT_EQ(next_sent(sub), (Frames{"weather.north", "rain"}));
}

TEST(Sub, AnEmptyListOfTopicsIsRefused) {
  EXPECT_THAT(start_refusal<Sub>({{"bind", any_port}, {"topics", "[]"}}),
              testing::HasSubstr("takes nothing"));
}

TEST(Xsub, SubscribesToWhatItIsSent) {
  Peer publisher(ZMQ_PUB);
  FakeComponent<Xsub> xsub({{"connect", publisher.bind()}});
  xsub.start();
  EXPECT_EQ(xsub.deliver(xsub.message({"\x01news"})), BP_TAKEN);
  publish_until_heard(xsub, publisher, {"news"});
  publisher.send({"sport", "1:0"});
  publisher.send({"news", "hello"});
  EXPECT_EQ(next_sent(xsub), (Frames{"news", "hello"}));
}

TEST(Xsub, SubscribesToItsTopicsFromTheStart) {
  Peer publisher(ZMQ_PUB);
  FakeComponent<Xsub> xsub({{"connect", publisher.bind()}, {"topics", "news"}});
  xsub.start();
  publish_until_heard(xsub, publisher, {"news"});
}

TEST(Xsub, TakesNothingMoreWhenItDrains) {
  Peer publisher(ZMQ_PUB);
  FakeComponent<Xsub> xsub({{"connect", publisher.bind()}, {"topics", "news"}});
  xsub.start();
  publish_until_heard(xsub, publisher, {"news"});
  xsub.drain();
  publisher.send({"news", "late"});
  xsub.run_for(50ms);
  EXPECT_TRUE(xsub.sent().empty());
}

TEST(Sub, ThatFoundNoPublisherStopsAtOnce) {
  const auto began = std::chrono::steady_clock::now();
  {
    FakeComponent<Sub> sub({{"connect", test::free_endpoint()}, {"topics", "news"}});
    sub.start();
    sub.stop();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);  // its linger is 10 s
}

}  // namespace
}  // namespace backplane::zmq
