// Messages, against the fake host's memory: it ends the test when one is lost.
#include <gtest/gtest.h>

#include <backplane/testing/fake_host.hpp>

namespace backplane {
namespace {

struct Nothing {
  static constexpr auto kind = "test.nothing";
  static constexpr auto says = "Does nothing.";
};

class Messages : public ::testing::Test {
 protected:
  FakeComponent<Nothing> host_;
};

TEST_F(Messages, HoldFramesInOrder) {
  Message message = host_.message({"a", "", "ccc"});
  EXPECT_EQ(message.size(), 3u);
  EXPECT_EQ(message[0], "a");
  EXPECT_EQ(message[1], "");
  EXPECT_EQ(message[2], "ccc");
  EXPECT_EQ(message.topic(), "a");
}

TEST_F(Messages, GrowBeyondTheirFirstRoom) {
  Message message = host_.message();
  for (int i = 0; i < 100; ++i) message.append(std::to_string(i));
  EXPECT_EQ(message.size(), 100u);
  EXPECT_EQ(message[0], "0");
  EXPECT_EQ(message[99], "99");
}

TEST_F(Messages, LoseTheirFirstFramesOrTheirLast) {
  Message message = host_.message({"id", "", "body", "tail"});
  message.remove_front(0);
  EXPECT_EQ(message[0], "id");
  message.remove_front(2);
  EXPECT_EQ(message.size(), 2u);
  EXPECT_EQ(message[0], "body");
  message.truncate(1);
  EXPECT_EQ(message.size(), 1u);
  message.remove_front(1);
  EXPECT_TRUE(message.empty());
  EXPECT_EQ(message.topic(), "");
}

TEST_F(Messages, KeepAllFramesWhenNoneIsRemoved) {
  Message message = host_.message({"short", std::string(100, 'x')});
  message.remove_front(0);
  EXPECT_EQ(message[0], "short");
  EXPECT_EQ(message[1], std::string(100, 'x'));
}

TEST_F(Messages, TakeAStringOverWithoutCopyingIt) {
  for (const std::size_t length : {std::size_t{0}, std::size_t{10}, std::size_t{100'000}}) {
    std::string bytes(length, 'x');
    const char* const before = bytes.data();
    Message message = host_.message();
    message.append_moved(std::move(bytes));
    EXPECT_EQ(message[0], std::string(length, 'x'));
    if (length > 10'000) {
      EXPECT_EQ(message[0].data(), before);
    }
  }
}

TEST_F(Messages, MoveAFrameOfLibzmq) {
  zmq_msg_t frame;
  zmq_msg_init_size(&frame, 3);
  std::memcpy(zmq_msg_data(&frame), "abc", 3);
  Message message = host_.message();
  message.append(&frame);
  EXPECT_EQ(message[0], "abc");
  EXPECT_EQ(zmq_msg_size(&frame), 0u);
  zmq_msg_close(&frame);
}

TEST_F(Messages, HaveHeadersAndAFunction) {
  Message message = host_.message();
  message.set_function("add");
  message.add_header("topic", "a: b");
  message.add_header("top", "x");
  EXPECT_EQ(message.function(), "add");
  EXPECT_EQ(message.header("topic"), "a: b");
  EXPECT_EQ(message.header("top"), "x");
  EXPECT_EQ(message.header("to"), "");
  EXPECT_EQ(message.header("absent"), "");
}

TEST_F(Messages, CarryBaggageOfAnyText) {
  Message message = host_.message();
  message.add_header("topic", "a");
  EXPECT_TRUE(add_baggage(message, "trace_id", "abc"));
  EXPECT_TRUE(add_baggage(message, "log_tag", "line\nbaggage-trace_id: forged\r 100%"));
  EXPECT_TRUE(add_baggage(message, "a:b\n", "name"));
  EXPECT_EQ(baggage_in(message.headers(), "trace_id"), "abc");
  EXPECT_EQ(baggage_in(message.headers(), "log_tag"), "line\nbaggage-trace_id: forged\r 100%");
  EXPECT_EQ(baggage_in(message.headers(), "a:b\n"), "name");
  EXPECT_EQ(baggage_in(message.headers(), "topic"), "") << "an ordinary header";
  EXPECT_EQ(message.header("topic"), "a");
  EXPECT_EQ(message.header("baggage-trace_id"), "abc");
  EXPECT_EQ(
      baggage_of(message.headers()),
      (std::vector<BaggageItem>{
          {"trace_id", "abc"}, {"log_tag", "line\nbaggage-trace_id: forged\r 100%"}, {"a:b\n", "name"}}));
}

TEST_F(Messages, ReplaceAndRemoveBaggage) {
  Message message = host_.message();
  add_baggage(message, "tag", "one");
  add_baggage(message, "tagged", "other");
  add_baggage(message, "tag", "two");
  message.add_header("topic", "a");
  EXPECT_EQ(baggage_of(message.headers()), (std::vector<BaggageItem>{{"tagged", "other"}, {"tag", "two"}}));
  EXPECT_TRUE(add_baggage(message, "tagged", ""));
  EXPECT_EQ(baggage_of(message.headers()), (std::vector<BaggageItem>{{"tag", "two"}}));
  EXPECT_EQ(message.header("topic"), "a");
}

TEST_F(Messages, RefuseBaggageWithoutANameOrBeyondTheLimit) {
  Message message = host_.message();
  EXPECT_FALSE(add_baggage(message, "", "x"));
  EXPECT_TRUE(add_baggage(message, "a", std::string(8000, 'x')));
  EXPECT_FALSE(add_baggage(message, "b", std::string(200, 'x')));
  EXPECT_TRUE(add_baggage(message, "b", std::string(100, 'x')));
  EXPECT_EQ(baggage_of(message.headers()).size(), 2u);
}

TEST_F(Messages, ReadBaggageFromAnyLines) {
  EXPECT_TRUE(baggage_of("").empty());
  EXPECT_TRUE(baggage_of("\n\nbaggage-\nbaggage\nxbaggage-a: b").empty());
  EXPECT_EQ(baggage_of("baggage-a: b%4\nbaggage-c: %zz%2"),
            (std::vector<BaggageItem>{{"a", "b%4"}, {"c", "%zz%2"}}));
  EXPECT_EQ(baggage_lines("x: y\nbaggage-a: b"), "baggage-a: b\n");
}

TEST_F(Messages, ACopySharesContentsAndHasItsOwnFrames) {
  Message message = host_.message({std::string(10'000, 'x')});
  message.set_function("f");
  Message copy = message.copy();
  EXPECT_EQ(copy[0].data(), message[0].data());
  copy.append("more");
  EXPECT_EQ(message.size(), 1u);
  EXPECT_EQ(copy.function(), "f");
}

TEST_F(Messages, AreMovedNotCopied) {
  Message message = host_.message({"x"});
  Message other = std::move(message);
  EXPECT_FALSE(message);
  EXPECT_EQ(message.size(), 0u);
  EXPECT_EQ(other[0], "x");
  other = host_.message({"y"});
  EXPECT_EQ(other[0], "y");
}

TEST_F(Messages, AMessageAfterAnotherKeepsItsAsker) {
  Message request = host_.request("f", {"x"});
  request.envelope().deadline = 77;
  request.envelope().stage = 3;
  request.add_header("topic", "a");
  add_baggage(request, "trace_id", "abc");
  const Message next = host_.host().message_after(request);
  EXPECT_EQ(next.envelope().correlation, request.envelope().correlation);
  EXPECT_EQ(next.envelope().deadline, 77);
  EXPECT_EQ(next.envelope().stage, 3);
  EXPECT_EQ(next.function(), "f");
  EXPECT_EQ(next.headers(), "baggage-trace_id: abc\n");
  EXPECT_TRUE(next.empty());
  EXPECT_TRUE(next.wants_reply());
}

}  // namespace
}  // namespace backplane
