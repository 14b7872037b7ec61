// The router against two attached sockets, as a loop has them.
#include "router/router.hpp"

#include <gtest/gtest.h>
#include <zmq.h>

#include <mutex>
#include <string>
#include <vector>

#include "host/router/messages.hpp"
#include "router/batch.hpp"

namespace backplane::test {
namespace {

using namespace std::chrono_literals;
using host::Batch;

class Attached {
 public:
  Attached(void* context, std::uint32_t number) {
    const auto identity = host::loop_identity(number);
    for (auto [socket, address] :
         {std::pair(&inbound_, host::inbound_address), std::pair(&outbound_, host::outbound_address)}) {
      *socket = zmq_socket(context, ZMQ_DEALER);
      zmq_setsockopt(*socket, ZMQ_ROUTING_ID, identity.data(), identity.size());
      const int limit = 5000;
      zmq_setsockopt(*socket, ZMQ_RCVTIMEO, &limit, sizeof limit);
      EXPECT_EQ(zmq_connect(*socket, address), 0);
    }
    zmq_send(outbound_, nullptr, 0, 0);
  }
  ~Attached() {
    zmq_close(inbound_);
    zmq_close(outbound_);
  }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;

  void send(std::uint32_t to, const std::vector<std::string>& texts) {
    auto* batch = new Batch;
    batch->destination = to;
    for (const auto& text : texts) batch->cells.push_back({make_message({text}), 0, 0});
    zmq_msg_t frame;
    host::batch_to_frame(batch, &frame);
    ASSERT_GE(zmq_msg_send(&frame, inbound_, 0), 0);
  }
  void send_bytes(std::string_view bytes) { zmq_send(inbound_, bytes.data(), bytes.size(), 0); }
  std::vector<std::string> receive() {
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    std::vector<std::string> texts;
    if (zmq_msg_recv(&frame, outbound_, 0) >= 0) {
      Batch* batch = host::batch_of(&frame);
      if (batch != nullptr)
        for (const auto& cell : batch->cells) texts.push_back(frames_of(*cell.message)[0]);
    }
    zmq_msg_close(&frame);
    return texts;
  }

 private:
  void* inbound_ = nullptr;
  void* outbound_ = nullptr;
};

class RouterTest : public testing::Test {
 protected:
  ~RouterTest() override { router_.stop(); }
  struct Context {
    void* context = zmq_ctx_new();
    ~Context() { zmq_ctx_term(context); }
  } context_;
  std::mutex mutex_;
  std::vector<std::string> reports_;
  host::Router router_{context_.context, [this](std::string_view text) {
                         const std::lock_guard lock(mutex_);
                         reports_.emplace_back(text);
                       }};
};

TEST_F(RouterTest, MovesABatchAsOneMessage) {
  router_.start(2);
  Attached one(context_.context, 0);
  Attached other(context_.context, 1);
  ASSERT_TRUE(router_.wait_attached(5s));
  one.send(1, {"a", "b", "c"});
  one.send(1, {"d"});
  EXPECT_EQ(other.receive(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(other.receive(), (std::vector<std::string>{"d"}));
  router_.stop();  // a batch is counted after it was handed on
  EXPECT_EQ(router_.batches(), 2u);
}

TEST_F(RouterTest, SaysWhenALoopIsNotThereAndGoesOn) {
  router_.start(1);
  Attached one(context_.context, 0);
  ASSERT_TRUE(router_.wait_attached(5s));
  one.send(9, {"lost"});
  one.send(0, {"to myself"});
  EXPECT_EQ(one.receive(), (std::vector<std::string>{"to myself"}));
  const std::lock_guard lock(mutex_);
  ASSERT_EQ(reports_.size(), 1u);
  EXPECT_NE(reports_[0].find("loop9"), std::string::npos);
}

TEST_F(RouterTest, RefusesBytesThatAreNoBatchAndGoesOn) {
  router_.start(1);
  Attached one(context_.context, 0);
  ASSERT_TRUE(router_.wait_attached(5s));
  one.send_bytes("");
  one.send_bytes("hello");
  one.send_bytes(std::string(sizeof(Batch), 'x'));
  one.send(0, {"still here"});
  EXPECT_EQ(one.receive(), (std::vector<std::string>{"still here"}));
  const std::lock_guard lock(mutex_);
  EXPECT_EQ(reports_.size(), 3u);
}

TEST_F(RouterTest, WhatIsUnderWayAtTheEndIsFreed) {
  router_.start(1);
  Attached one(context_.context, 0);
  ASSERT_TRUE(router_.wait_attached(5s));
  for (int i = 0; i < 100; ++i) one.send(0, {"never taken"});
  router_.stop();
}

TEST_F(RouterTest, WaitingForALoopThatDoesNotComeEnds) {
  router_.start(1);
  EXPECT_FALSE(router_.wait_attached(10ms));
}

}  // namespace
}  // namespace backplane::test
