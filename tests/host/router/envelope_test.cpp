// A message as bytes: what goes in comes out; anything else is refused, cut at any point.
#include "router/envelope.hpp"

#include <gtest/gtest.h>

#include "host/router/messages.hpp"

namespace backplane::test {
namespace {

using host::decode_message;
using host::encode_message;

host::HostMessage* full_message() {
  auto* message = make_message({"first", "", std::string(5000, 'x')});
  auto& envelope = message->envelope;
  envelope.id = 1;
  envelope.correlation = 2;
  envelope.cookie = 3;
  envelope.deadline = -4;
  envelope.expires = 5;
  envelope.origin = 6;
  envelope.reply_to = 7;
  envelope.destination = 8;
  envelope.flags = BP_REQUEST | BP_STREAM;
  envelope.encoding = BP_MSGPACK;
  envelope.credit = 9;
  envelope.stage = -10;
  for (std::size_t i = 0; i < sizeof envelope.trace_id; ++i)
    envelope.trace_id[i] = static_cast<std::uint8_t>(i);
  for (std::size_t i = 0; i < sizeof envelope.span_id; ++i)
    envelope.span_id[i] = static_cast<std::uint8_t>(100 + i);
  set_frame(message->function, "demo.add");
  set_frame(message->headers, "priority: high\n");
  return message;
}

std::string encoded(const bp_message& message) {
  std::string bytes;
  EXPECT_TRUE(encode_message(message, bytes));
  return bytes;
}

TEST(Envelope, EveryFieldSurvives) {
  const Owned message(full_message());
  const Owned copy(decode_message(encoded(*message)));
  ASSERT_TRUE(copy);
  EXPECT_EQ(frames_of(*copy), frames_of(*message));
  EXPECT_EQ(host::bytes_of(copy->function), "demo.add");
  EXPECT_EQ(host::bytes_of(copy->headers), "priority: high\n");
  EXPECT_EQ(std::memcmp(&copy->envelope, &message->envelope, sizeof(bp_envelope)), 0);
}

TEST(Envelope, AMessageWithoutFramesIsAMessage) {
  const Owned message(host::new_message());
  const Owned copy(decode_message(encoded(*message)));
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->frame_count, 0u);
}

TEST(Envelope, CutAtAnyPointItIsRefused) {
  const Owned message(full_message());
  const auto bytes = encoded(*message);
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_EQ(decode_message(std::string_view(bytes).substr(0, length)), nullptr) << length;
}

TEST(Envelope, BytesLeftOverAreRefused) {
  const Owned message(full_message());
  EXPECT_EQ(decode_message(encoded(*message) + "x"), nullptr);
}

TEST(Envelope, AnotherFormatIsRefused) {
  const Owned message(full_message());
  auto bytes = encoded(*message);
  bytes[0] = 2;
  EXPECT_EQ(decode_message(bytes), nullptr);
}

TEST(Envelope, SizesThatDoNotAddUpAreRefusedWithoutAllocating) {
  const Owned message(host::new_message());
  auto bytes = encoded(*message);
  // The last twelve bytes are the sizes of function and headers and the number of frames.
  for (std::size_t place : {bytes.size() - 12, bytes.size() - 8, bytes.size() - 4}) {
    auto hostile = bytes;
    for (std::size_t i = 0; i < 4; ++i) hostile[place + i] = '\xff';
    EXPECT_EQ(decode_message(hostile), nullptr);
  }
}

TEST(Envelope, TooManyFramesAreNotEncoded) {
  const Owned message(host::new_message(host::most_frames + 1));
  while (message->frame_count <= host::most_frames) zmq_msg_init(&message->frames[message->frame_count++]);
  std::string bytes = "before";
  EXPECT_FALSE(encode_message(*message, bytes));
  EXPECT_EQ(bytes, "before");
}

}  // namespace
}  // namespace backplane::test
