#include "outbound.hpp"

#include "verbs.hpp"

namespace backplane::zmq {
namespace {

TEST(Push, SendsToAPeerThatConnects) {
  FakeComponent<Push> push({{"bind", any_port}});
  push.start();
  Peer peer(ZMQ_PULL);
  peer.connect(endpoint_of(push));
  push.deliver(push.message({"one", "", "three"}));
  EXPECT_EQ(receives(push, peer), (Frames{"one", "", "three"}));
}

TEST(Push, SendsToAPeerItConnectsTo) {
  Peer peer(ZMQ_PULL);
  FakeComponent<Push> push({{"connect", peer.bind()}});
  push.start();
  EXPECT_EQ(push.deliver(push.message({"hello"})), BP_TAKEN);
  EXPECT_EQ(receives(push, peer), Frames{"hello"});
}

TEST(Push, AMessageWithoutFramesGoesOutAsOneEmptyFrame) {
  Peer peer(ZMQ_PULL);
  FakeComponent<Push> push({{"connect", peer.bind()}});
  push.start();
  push.deliver(push.message());
  EXPECT_EQ(receives(push, peer), Frames{""});
}

TEST(Push, IsBusyWithoutAPeerAndSendsWhenOneComes) {
  FakeComponent<Push> push({{"bind", any_port}});
  push.start();
  EXPECT_EQ(push.deliver(push.message({"early"})), BP_BUSY);
  EXPECT_EQ(push.deliver(push.message({"second", "frame"})), BP_BUSY);
  Peer peer(ZMQ_PULL);
  peer.connect(endpoint_of(push));
  EXPECT_EQ(receives(push, peer), Frames{"early"});
  EXPECT_EQ(receives(push, peer), (Frames{"second", "frame"}));
}

TEST(Push, IsBusyWhenItsQueueIsFullAndLosesNothing) {
  Peer peer(ZMQ_PULL);
  peer.set(ZMQ_RCVHWM, 5).set(ZMQ_RCVBUF, 4096);
  FakeComponent<Push> push({{"connect", peer.bind()}, {"send_hwm", "5"}, {"send_buffer", "4KiB"}});
  push.start();
  const std::string filling(50'000, 'x');
  constexpr int count = 500;
  int busy = 0;
  for (int i = 0; i < count; ++i)
    if (push.deliver(push.message({std::to_string(i), filling})) == BP_BUSY) ++busy;
  EXPECT_GT(busy, 0);
  for (int i = 0; i < count; ++i) {
    const auto got = receives(push, peer);
    ASSERT_EQ(got.size(), 2u);
    ASSERT_EQ(got[0], std::to_string(i));
  }
  EXPECT_EQ(push.busy_messages(), 0u);
}

TEST(Push, SharesWorkOutBetweenItsPeers) {
  Peer one(ZMQ_PULL);
  Peer two(ZMQ_PULL);
  FakeComponent<Push> push({{"connect", "[" + one.bind() + ", " + two.bind() + "]"}});
  push.start();
  for (int i = 0; i < 10; ++i) push.deliver(push.message({std::to_string(i)}));
  EXPECT_EQ(one.receive_many(5).size(), 5u);
  EXPECT_EQ(two.receive_many(5).size(), 5u);
}

TEST(Push, MessagesOfManyFramesStayWholeWhenPeersComeAndGo) {
  FakeComponent<Push> push({{"bind", any_port}, {"send_hwm", "3"}});
  push.start();
  const Frames whole(50, "frame");
  for (int round = 0; round < 30; ++round) {
    Peer peer(ZMQ_PULL);
    peer.set(ZMQ_RCVHWM, 1).connect(endpoint_of(push));
    push.run_until(
        [&] {
          auto message = push.message();
          for (const auto& frame : whole) message.append(frame);
          if (push.busy_messages() < 10) push.deliver(std::move(message));
          const auto got = peer.receive_now();
          EXPECT_EQ(got.value_or(whole), whole);
          return got.has_value();
        },
        kPatience);
  }
}

TEST(Push, AThousandPeersThatComeAndGoLeaveNothingBehind) {
  FakeComponent<Push> push({{"bind", any_port}, {"monitor", "true"}});
  push.start();
  for (int i = 0; i < 1000; ++i) {
    Peer peer(ZMQ_PULL);
    peer.connect(endpoint_of(push));
    ASSERT_TRUE(push.run_until([&] { return push.metric("connected") == i + 1; }, kPatience));
  }
  EXPECT_TRUE(push.run_until([&] { return push.metric("peers") == 0; }, kPatience));
}

// A subscriber whose subscription the publisher knows.
void subscribe(FakeHost& host, Peer& subscriber, const Frames& probe) {
  ASSERT_TRUE(host.run_until(
      [&] {
        auto message = host.message();
        for (const auto& frame : probe) message.append(frame);
        host.deliver(std::move(message));
        return subscriber.receive_now().has_value();
      },
      kPatience));
  while (host.busy_messages() > 0 || subscriber.receive(50ms)) host.run_for(1ms);
}

TEST(Pub, SendsToThoseWhoSubscribed) {
  FakeComponent<Pub> pub({{"bind", any_port}});
  pub.start();
  Peer all(ZMQ_SUB);
  Peer some(ZMQ_SUB);
  all.connect(endpoint_of(pub)).subscribe();
  some.connect(endpoint_of(pub)).subscribe("news");
  subscribe(pub, some, {"news"});
  subscribe(pub, all, {"other"});
  pub.deliver(pub.message({"sport", "1:0"}));
  pub.deliver(pub.message({"news", "hello"}));
  EXPECT_EQ(receives(pub, some), (Frames{"news", "hello"}));
  EXPECT_EQ(receives(pub, all), (Frames{"sport", "1:0"}));
  EXPECT_EQ(receives(pub, all), (Frames{"news", "hello"}));
}

TEST(Pub, PublishesToASubscriberItConnectsTo) {
  Peer subscriber(ZMQ_SUB);
  FakeComponent<Pub> pub({{"connect", subscriber.subscribe().bind()}});
  pub.start();
  subscribe(pub, subscriber, {"probe"});
}

TEST(Pub, PutsItsTopicBeforeEveryMessage) {
  FakeComponent<Pub> pub({{"bind", any_port}, {"topic", "news"}});
  pub.start();
  Peer subscriber(ZMQ_SUB);
  subscriber.connect(endpoint_of(pub)).subscribe("news");
  subscribe(pub, subscriber, {"probe"});
  pub.deliver(pub.message({"hello"}));
  EXPECT_EQ(receives(pub, subscriber), (Frames{"news", "hello"}));
}

TEST(Pub, WithoutSubscribersItIsNeverBusy) {
  FakeComponent<Pub> pub({{"bind", any_port}, {"send_hwm", "1"}});
  pub.start();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pub.deliver(pub.message({"x"})), BP_TAKEN);
}

// A publisher with a small queue and a subscriber that reads when the test says so.
class SlowSubscriber : public testing::Test {
 protected:
  void publish_with(std::vector<OptionText> options) {
    options.emplace_back("bind", any_port);
    options.emplace_back("send_hwm", "5");
    options.emplace_back("send_buffer", "4KiB");
    pub_.emplace(options);
    pub_->start();
    slow_.set(ZMQ_RCVHWM, 5).set(ZMQ_RCVBUF, 4096).subscribe().connect(endpoint_of(*pub_));
    subscribe(*pub_, slow_, {"probe"});
  }
  // Publishes `count` numbered messages, far more than the queues hold.
  void publish(int count) {
    for (int i = 0; i < count; ++i)
      if (pub_->deliver(pub_->message({std::to_string(i), filling_})) == BP_BUSY) was_busy_ = true;
  }

  std::optional<FakeComponent<Pub>> pub_;
  Peer slow_{ZMQ_SUB};
  bool was_busy_ = false;
  const std::string filling_ = std::string(50'000, 'x');
};

TEST_F(SlowSubscriber, IsWaitedForAndMissesNothing) {
  publish_with({{"slow_limit", "0s"}});
  publish(300);
  EXPECT_TRUE(was_busy_);
  for (int i = 0; i < 300; ++i) ASSERT_EQ(receives(*pub_, slow_).front(), std::to_string(i));
  EXPECT_EQ(pub_->metric("left_behind"), 0);
}

TEST_F(SlowSubscriber, IsNotWaitedForLongerThanTheLimit) {
  publish_with({{"slow_limit", "500ms"}});
  Peer quick(ZMQ_SUB);
  quick.set(ZMQ_RCVHWM, 0).subscribe().connect(endpoint_of(*pub_));
  pub_->run_until([&] {
    pub_->deliver(pub_->message({"probe"}));
    return quick.receive_now().has_value();
  });
  publish(300);
  EXPECT_TRUE(was_busy_);
  Frames got;
  ASSERT_TRUE(pub_->run_until(
      [&] {
        while (const auto message = quick.receive_now())
          if (message->front() != "probe") got.push_back(message->front());
        return !got.empty() && got.back() == "299";
      },
      kPatience));
  EXPECT_GT(pub_->metric("left_behind"), 0);
  EXPECT_TRUE(pub_->logged("a slow subscriber was left behind"));
}

TEST_F(SlowSubscriber, MayBeLeftBehindAtOnceWhichIsCounted) {
  publish_with({{"slow", "drop"}});
  publish(300);
  EXPECT_FALSE(was_busy_);
  int got = 0;
  while (slow_.receive(200ms)) ++got;
  EXPECT_LT(got, 300);
  EXPECT_GT(pub_->metric("left_behind"), 0);
}

TEST(Xpub, TellsSubscriptionsAlongItsRoutes) {
  FakeComponent<Xpub> xpub({{"bind", any_port}});
  xpub.start();
  {
    Peer subscriber(ZMQ_SUB);
    subscriber.connect(endpoint_of(xpub)).subscribe("news");
    EXPECT_EQ(next_sent(xpub), Frames{"\x01news"});
    xpub.deliver(xpub.message({"news", "hello"}));
    EXPECT_EQ(receives(xpub, subscriber), (Frames{"news", "hello"}));
  }
  EXPECT_EQ(next_sent(xpub), Frames{std::string("\0news", 5)});
}

TEST(Xpub, WithoutRoutesSubscriptionsAreForItself) {
  FakeSettings unrouted;
  unrouted.routed = false;
  FakeComponent<Xpub> xpub({{"bind", any_port}}, unrouted);
  xpub.start();
  Peer subscriber(ZMQ_SUB);
  subscriber.connect(endpoint_of(xpub)).subscribe("news");
  subscribe(xpub, subscriber, {"news"});
  EXPECT_TRUE(xpub.sent().empty());
}

TEST(Xpub, GreetsASubscriberOfTheWelcomeTopic) {
  FakeComponent<Xpub> xpub({{"bind", any_port}, {"welcome", "hello"}});
  xpub.start();
  Peer subscriber(ZMQ_SUB);
  subscriber.connect(endpoint_of(xpub)).subscribe("hello");
  EXPECT_EQ(receives(xpub, subscriber), Frames{"hello"});
}

}  // namespace
}  // namespace backplane::zmq
