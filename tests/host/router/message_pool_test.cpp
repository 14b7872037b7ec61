#include "router/message_pool.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "host/router/messages.hpp"

namespace backplane::test {
namespace {

TEST(MessagePool, AMessageComesBackEmpty) {
  auto* used = make_message({"a", "b", "c", "d", "e"});
  used->envelope.flags = BP_REQUEST;
  used->lane = 7;
  set_frame(used->function, "f");
  host::free_message(used);
  const Owned fresh(host::new_message());
  EXPECT_EQ(fresh->frame_count, 0u);
  EXPECT_EQ(fresh->envelope.flags, 0u);
  EXPECT_EQ(fresh->lane, 0u);
  EXPECT_EQ(host::bytes_of(fresh->function), "");
}

TEST(MessagePool, RoomForMoreFramesKeepsThoseThatAreThere) {
  const Owned message(make_message({"one", std::string(1000, 'x')}));
  ASSERT_TRUE(host::reserve_frames(&*message, 100));
  EXPECT_GE(message->frame_capacity, 100u);
  EXPECT_EQ(frames_of(*message), (std::vector<std::string>{"one", std::string(1000, 'x')}));
}

TEST(MessagePool, ACopySharesContentAndNotTheWay) {
  const Owned message(make_message({std::string(1000, 'x')}));
  message->envelope.correlation = 5;
  message->lane = 3;
  message->dead_letters = 4;
  const Owned copy(host::copy_message(&*message));
  EXPECT_EQ(host::bytes_of(copy->frames[0]).data(), host::bytes_of(message->frames[0]).data());
  EXPECT_EQ(copy->envelope.correlation, 5u);
  EXPECT_EQ(copy->lane, 0u);
  EXPECT_EQ(copy->dead_letters, 0u);
}

TEST(MessagePool, MessagesMadeOnOneThreadMayBeFreedOnAnother) {
  for (int round = 0; round < 5; ++round) {
    std::vector<host::HostMessage*> messages;
    for (int i = 0; i < 5000; ++i) messages.push_back(make_message({"x"}));
    std::thread([&] {
      for (auto* message : messages) host::free_message(message);
    }).join();
  }
}

TEST(MessageQueue, IsFirstInFirstOut) {
  host::MessageQueue queue;
  queue.push(make_message({"b"}));
  queue.push(make_message({"c"}));
  queue.push_front(make_message({"a"}));
  EXPECT_EQ(queue.size(), 3u);
  for (const auto* expected : {"a", "b", "c"}) {
    const Owned message(queue.pop());
    EXPECT_EQ(frames_of(*message)[0], expected);
  }
  EXPECT_TRUE(queue.empty());
  queue.push_front(make_message({"freed with the queue"}));
}

}  // namespace
}  // namespace backplane::test
