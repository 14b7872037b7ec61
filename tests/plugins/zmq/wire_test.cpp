#include "wire.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

namespace backplane::zmq {
namespace {

// Frames as libzmq has them, one after the other.
class Wire : public testing::Test {
 protected:
  std::span<const zmq_msg_t> of(const std::vector<std::string>& texts) {
    auto& all = messages_.emplace_back(texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      zmq_msg_init(&all[i]);
      assign_frame(all[i], texts[i]);
    }
    return all;
  }
  ~Wire() override {
    for (auto& all : messages_)
      for (auto& frame : all) zmq_msg_close(&frame);
  }

 private:
  std::deque<std::vector<zmq_msg_t>> messages_;
};

TEST_F(Wire, TheIdentityAloneLeadsBack) {
  EXPECT_EQ(envelope_frames(of({"me", "", "body"}), Envelope::identity), 1u);
  EXPECT_EQ(envelope_frames(of({"me", "body"}), Envelope::identity), 1u);
}

TEST_F(Wire, ADelimitedEnvelopeEndsWithTheFirstEmptyFrame) {
  EXPECT_EQ(envelope_frames(of({"me", "", "body"}), Envelope::delimited), 2u);
  EXPECT_EQ(envelope_frames(of({"me", "proxy", "number", "", "body", "", "more"}), Envelope::delimited), 4u);
}

TEST_F(Wire, AnEmptyBodyFrameIsABody) {
  EXPECT_EQ(envelope_frames(of({"me", "", ""}), Envelope::delimited), 2u);
  EXPECT_EQ(envelope_frames(of({"me", "", ""}), Envelope::automatic), 2u);
}

TEST_F(Wire, AnAutomaticEnvelopeTakesTheDelimiterWhenItFollowsAtOnce) {
  EXPECT_EQ(envelope_frames(of({"me", "", "body"}), Envelope::automatic), 2u);
  EXPECT_EQ(envelope_frames(of({"me", "topic", "", "body"}), Envelope::automatic), 1u);
  EXPECT_EQ(envelope_frames(of({"me", ""}), Envelope::automatic), 1u);
}

TEST_F(Wire, EveryCutOfADelimitedRequestBeforeItsBodyIsMalformed) {
  const std::vector<std::string> whole = {"me", "hop", "number", "", "body"};
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    const std::vector<std::string> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut));
    EXPECT_EQ(envelope_frames(of(part), Envelope::delimited), std::nullopt) << cut;
  }
  EXPECT_EQ(envelope_frames(of(whole), Envelope::delimited), 4u);
}

TEST_F(Wire, AnIdentityWithoutABodyIsMalformed) {
  for (const auto rule : {Envelope::identity, Envelope::delimited, Envelope::automatic}) {
    EXPECT_EQ(envelope_frames(of({}), rule), std::nullopt);
    EXPECT_EQ(envelope_frames(of({"me"}), rule), std::nullopt);
  }
}

TEST_F(Wire, ARequestNumberIsEightBytesMostSignificantFirst) {
  EXPECT_EQ(request_frame(0x0102030405060708), "\x01\x02\x03\x04\x05\x06\x07\x08");
  EXPECT_EQ(request_frame(0xff), std::string("\0\0\0\0\0\0\0\xff", 8));
}

TEST_F(Wire, AnAnswerBringsItsRequestNumberBack) {
  for (const std::uint64_t number : {std::uint64_t{1}, std::uint64_t{0x80ff00ff00ff007f}, ~std::uint64_t{0}})
    EXPECT_EQ(answered_request(of({request_frame(number), "", "body"})), number);
}

TEST_F(Wire, AnAnswerOfAnotherFormHasNoNumber) {
  const auto number = request_frame(7);
  EXPECT_EQ(answered_request(of({})), std::nullopt);
  EXPECT_EQ(answered_request(of({number})), std::nullopt);
  EXPECT_EQ(answered_request(of({number, ""})), std::nullopt);
  EXPECT_EQ(answered_request(of({number, "body"})), std::nullopt);
  EXPECT_EQ(answered_request(of({number, "not empty", "body"})), std::nullopt);
  for (std::size_t size = 0; size < number.size(); ++size)
    EXPECT_EQ(answered_request(of({number.substr(0, size), "", "body"})), std::nullopt) << size;
  EXPECT_EQ(answered_request(of({number + "x", "", "body"})), std::nullopt);
}

TEST_F(Wire, ReadableShowsTextAndEscapesTheRest) {
  EXPECT_EQ(readable(of({"hello", "", std::string("\0\x7f\\", 3)}), 100), "hello |  | \\x00\\x7f\\x5c");
  EXPECT_EQ(readable(of({}), 100), "");
}

TEST_F(Wire, ReadableStopsAtItsLimit) { EXPECT_EQ(readable(of({std::string(1000, 'a')}), 4), "aaaa..."); }

}  // namespace
}  // namespace backplane::zmq
