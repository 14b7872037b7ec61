// Pusher and Publisher against raw sockets.
#include <backplane/rpc/one_way.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>
#include <vector>

#include "sdk/rpc_verbs.hpp"
#include "support/peer.hpp"
#include "support/rpc_vectors.hpp"

namespace backplane::rpc {
namespace {

using test::Frames;
using test::Peer;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

// What the real one sent for note("pushed") or note("published").
std::string recorded(const std::string& name) {
  for (const auto& recording : test::recordings("one_way"))
    if (recording.name == name) return recording.frames.front().payload();
  return {};
}

TEST(RpcPusher, SendsOneFrameAsTheRealOneDoes) {
  Peer puller(ZMQ_PULL);
  Pusher pusher(puller.bind());
  pusher.push("note", "pushed");
  const auto frames = puller.receive();
  ASSERT_TRUE(frames && frames->size() == 1);
  EXPECT_EQ(frames->at(0), with_id_of(frames->at(0), recorded("push")));
}

TEST(RpcPusher, LeavesNothingBehind) {
  Peer puller(ZMQ_PULL);
  {
    Pusher pusher(puller.bind());
    for (int i = 0; i < 100; ++i) pusher.push("note", i);
  }
  EXPECT_EQ(puller.receive_many(100).size(), 100u);
}

TEST(RpcPusher, WaitsForAPuller) {
  const auto endpoint = test::free_endpoint();
  Pusher pusher(endpoint, {.timeout = test::kPatience});
  std::thread later([&] { pusher.wait_for_puller(); });
  Peer puller(ZMQ_PULL);
  puller.bind(endpoint);
  later.join();
  pusher.push("note", 1);
  EXPECT_TRUE(puller.receive());
}

TEST(RpcPusher, WaitsNoLongerThanItIsTold) {
  Pusher connected(test::free_endpoint(), {.timeout = 20ms});
  EXPECT_THAT(error_of([&] { connected.wait_for_puller(); }), HasSubstr("TimeoutExpired: no puller at tcp:"));
  Pusher bound("tcp://127.0.0.1:*", {.bind = true, .timeout = 20ms});
  EXPECT_THAT(error_of([&] { bound.push("note", 1); }),
              HasSubstr("TimeoutExpired: nobody takes what is pushed"));
}

TEST(RpcPusher, MayBindAndSpeakFromManyThreads) {
  Pusher pusher("tcp://127.0.0.1:*", {.bind = true});
  Peer puller(ZMQ_PULL);
  puller.connect(pusher.address());
  pusher.wait_for_puller();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) pusher.push("note", i);
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(puller.receive_many(100).size(), 100u);
}

TEST(RpcPusher, RefusesWhatAPeerCouldNotRead) {
  Pusher pusher(test::free_endpoint(), {.timeout = 1ms});
  EXPECT_THAT(error_of([&] { pusher.push("note", "\xff"); }),
              HasSubstr("TypeError: an argument of \"note\""));
  EXPECT_THAT(error_of([&] { pusher.push("\xff"); }), HasSubstr("TypeError"));
  EXPECT_THAT(error_of([] { Pusher("nonsense"); }), HasSubstr("ZmqError"));
}

TEST(RpcPublisher, SendsToEverySubscriberAsTheRealOneDoes) {
  Publisher publisher("tcp://127.0.0.1:*", {.bind = true});
  Peer subscriber(ZMQ_SUB);
  subscriber.subscribe().connect(publisher.address());
  publisher.wait_for_subscriber();
  publisher.publish("note", "published");
  const auto frames = subscriber.receive();
  ASSERT_TRUE(frames && frames->size() == 1);
  EXPECT_EQ(frames->at(0), with_id_of(frames->at(0), recorded("publish")));
}

TEST(RpcPublisher, MayConnectToASubscriberThatBinds) {
  Peer subscriber(ZMQ_SUB);
  const auto endpoint = subscriber.subscribe().bind();
  auto received = std::async(std::launch::async, [&] { return subscriber.receive(); });
  {
    Publisher publisher(endpoint, {.context = {{"trace_id", "t"}}});
    publisher.wait_for_subscriber();
    publisher.publish("note", 1);
  }
  const auto frames = received.get();
  ASSERT_TRUE(frames);
  Event sent;
  ASSERT_EQ(read_event(frames->at(0), sent), nullptr);
  EXPECT_EQ(text_of(header_value(sent, "trace_id")), "t");
}

TEST(RpcPublisher, WaitsForASubscriberNoLongerThanItIsTold) {
  Publisher publisher("tcp://127.0.0.1:*", {.bind = true, .timeout = 20ms});
  EXPECT_THAT(error_of([&] { publisher.wait_for_subscriber(); }),
              HasSubstr("TimeoutExpired: no subscriber at"));
  publisher.publish("note", "nobody hears it");
}

TEST(RpcPublisher, NoticesThatASubscriberHasGone) {
  Publisher publisher("tcp://127.0.0.1:*", {.bind = true, .timeout = 1ms});
  {
    Peer subscriber(ZMQ_SUB);
    subscriber.subscribe().connect(publisher.address());
    EXPECT_TRUE(test::eventually([&] { return error_of([&] { publisher.wait_for_subscriber(); }).empty(); }));
  }
  EXPECT_TRUE(test::eventually([&] { return !error_of([&] { publisher.wait_for_subscriber(); }).empty(); }));
}

}  // namespace
}  // namespace backplane::rpc
