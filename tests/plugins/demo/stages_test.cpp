#include "stages.hpp"

#include <backplane/testing/fake_host.hpp>

#include <gtest/gtest.h>

namespace backplane::demo {
namespace {

using std::chrono::milliseconds;

FakeSettings without_routes() {
  FakeSettings settings;
  settings.routed = false;
  return settings;
}

TEST(Upper, SendsOnWhereThereIsARoute) {
  FakeComponent<Upper> upper;
  upper.start();
  upper.deliver(upper.message({"Hello, 1", "zZ\xc3\xa4"}));
  ASSERT_EQ(upper.sent().size(), 1u);
  const auto sent = upper.take_sent();
  EXPECT_EQ(sent[0], "HELLO, 1");
  EXPECT_EQ(sent[1], "ZZ\xc3\xa4");
}

TEST(Upper, ARequestThatIsSentOnKeepsItsAsker) {
  FakeComponent<Upper> upper;
  upper.start();
  auto request = upper.request("", {"hello"});
  const auto correlation = request.envelope().correlation;
  upper.deliver(std::move(request));
  ASSERT_EQ(upper.sent().size(), 1u);
  EXPECT_EQ(upper.sent()[0].message.envelope().correlation, correlation);
  EXPECT_TRUE(upper.sent()[0].message.wants_reply());
  EXPECT_TRUE(upper.replies().empty());
}

TEST(Upper, AnswersWhereThereIsNoRoute) {
  FakeComponent<Upper> upper({}, without_routes());
  upper.start();
  upper.deliver(upper.request("", {"hello"}));
  ASSERT_EQ(upper.replies().size(), 1u);
  EXPECT_EQ(upper.replies()[0].message[0], "HELLO");
}

TEST(Upper, LeavesAFrameThatIsSharedAlone) {
  FakeComponent<Upper> upper;
  upper.start();
  auto original = upper.message({std::string(1000, 'a')});
  upper.deliver(original.copy());
  EXPECT_EQ(original[0][0], 'a');
  EXPECT_EQ(upper.take_sent()[0][0], 'A');
}

TEST(Upper, TakesNothingWhileItsRoutesAreFull) {
  FakeComponent<Upper> upper;
  upper.start();
  upper.answer_sends(BP_PAUSED);
  EXPECT_EQ(upper.deliver(upper.message({"a"})), BP_TAKEN);
  EXPECT_EQ(upper.deliver(upper.message({"b"})), BP_BUSY);
  upper.answer_sends(BP_SENT);
  upper.resume();
  ASSERT_TRUE(upper.run_until([&] { return upper.sent().size() == 2; }));
}

TEST(Slow, TakesItsTimeForEveryMessage) {
  FakeComponent<Slow> slow({{"delay", "100ms"}});
  slow.stop_clock();
  slow.start();
  EXPECT_EQ(slow.deliver(slow.message({"a"})), BP_TAKEN);
  EXPECT_EQ(slow.deliver(slow.message({"b"})), BP_BUSY);
  EXPECT_EQ(slow.holding(), 1u);
  slow.advance(milliseconds(99));
  EXPECT_EQ(slow.sent().size(), 0u);
  slow.advance(milliseconds(1));
  EXPECT_EQ(slow.sent().size(), 1u);
  EXPECT_EQ(slow.busy_messages(), 0u);
  slow.advance(milliseconds(100));
  EXPECT_EQ(slow.sent().size(), 2u);
  EXPECT_EQ(slow.holding(), 0u);
  EXPECT_EQ(slow.metric("done"), 2);
}

TEST(Slow, MayWorkOnSeveralAtOnce) {
  FakeComponent<Slow> slow({{"delay", "100ms"}, {"at_once", "3"}});
  slow.stop_clock();
  slow.start();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(slow.deliver(slow.message({"m"})), BP_TAKEN);
  EXPECT_EQ(slow.deliver(slow.message({"m"})), BP_BUSY);
  slow.advance(milliseconds(100));
  EXPECT_EQ(slow.sent().size(), 3u);
}

TEST(Slow, AnswersWhereThereIsNoRoute) {
  FakeComponent<Slow> slow({{"delay", "10ms"}}, without_routes());
  slow.stop_clock();
  slow.start();
  slow.deliver(slow.request("", {"hello"}));
  slow.advance(milliseconds(10));
  ASSERT_EQ(slow.replies().size(), 1u);
  EXPECT_EQ(slow.replies()[0].message[0], "hello");
}

TEST(Slow, ForgetsWhatNobodyWantsBack) {
  FakeComponent<Slow> slow({{"delay", "10ms"}}, without_routes());
  slow.stop_clock();
  slow.start();
  slow.deliver(slow.message({"hello"}));
  slow.advance(milliseconds(10));
  EXPECT_TRUE(slow.sent().empty());
  EXPECT_TRUE(slow.replies().empty());
  EXPECT_EQ(slow.metric("done"), 1);
}

TEST(Slow, TakesNothingWhileItsRoutesAreFull) {
  FakeComponent<Slow> slow({{"delay", "10ms"}});
  slow.stop_clock();
  slow.start();
  slow.answer_sends(BP_PAUSED);
  slow.deliver(slow.message({"a"}));
  slow.advance(milliseconds(10));
  EXPECT_EQ(slow.deliver(slow.message({"b"})), BP_BUSY);
  slow.answer_sends(BP_SENT);
  slow.resume();
  slow.advance(milliseconds(10));
  EXPECT_EQ(slow.sent().size(), 2u);
}

}  // namespace
}  // namespace backplane::demo
