#include "small.hpp"

#include <backplane/testing/fake_host.hpp>

#include <gmock/gmock.h>

namespace backplane::basic {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

template <typename Fake>
std::vector<std::string> texts(Fake& component) {
  std::vector<std::string> all;
  for (const auto& sent : component.sent()) all.emplace_back(sent.message[0]);
  return all;
}

TEST(TimerTick, SendsAMessageEveryPeriod) {
  FakeComponent<TimerTick> tick({{"every", "1s"}});
  tick.stop_clock();
  tick.start();
  EXPECT_THAT(texts(tick), ElementsAre());
  tick.advance(milliseconds(2500));
  EXPECT_THAT(texts(tick), ElementsAre("tick 1", "tick 2"));
}

TEST(TimerTick, BeginsAtOnceWhenTold) {
  FakeComponent<TimerTick> tick({{"every", "1s"}, {"at_once", "true"}});
  tick.stop_clock();
  tick.start();
  tick.run_ready();
  EXPECT_THAT(texts(tick), ElementsAre("tick 1"));
}

TEST(TimerTick, FinishesAfterItsCount) {
  FakeComponent<TimerTick> tick({{"every", "1s"}, {"count", "2"}, {"payload", "{component}"}});
  tick.stop_clock();
  tick.start();
  tick.advance(seconds(10));
  EXPECT_THAT(texts(tick), ElementsAre("fake", "fake"));
  EXPECT_TRUE(tick.finished());
}

TEST(TimerTick, LeavesTicksOutWhileItsRoutesAreFull) {
  FakeComponent<TimerTick> tick({{"every", "1s"}});
  tick.stop_clock();
  tick.start();
  tick.answer_sends(BP_PAUSED);
  tick.advance(seconds(3));
  EXPECT_THAT(texts(tick), ElementsAre("tick 1"));
  EXPECT_EQ(tick.metric("ticks_missed"), 2);
  tick.answer_sends(BP_SENT);
  tick.resume();
  tick.advance(seconds(1));
  EXPECT_THAT(texts(tick), ElementsAre("tick 1", "tick 2"));
}

TEST(TimerTick, IsSilentWhenTheHostDrains) {
  FakeComponent<TimerTick> tick({{"every", "1s"}});
  tick.stop_clock();
  tick.start();
  tick.drain();
  tick.advance(seconds(5));
  EXPECT_THAT(texts(tick), ElementsAre());
}

TEST(FillIn, KnowsCountTimeAndComponent) {
  EXPECT_EQ(fill_in("{count}/{count} {component} at {time} {other}", 7, 86400, "clock"),
            "7/7 clock at 1970-01-02T00:00:00Z {other}");
}

TEST(LogSink, WritesEveryMessageAsALine) {
  FakeComponent<LogSink> sink({{"prefix", "got "}, {"level", "warning"}});
  sink.start();
  sink.deliver(sink.message({"one", "t\x01wo"}));
  ASSERT_EQ(sink.log_lines().size(), 1u);
  EXPECT_EQ(sink.log_lines()[0].line, "got one | t\\x01wo");
  EXPECT_EQ(sink.log_lines()[0].severity, Severity::warning);
}

TEST(LogSink, ShowsTheBeginningOfALongMessage) {
  FakeComponent<LogSink> sink({{"max_bytes", "3"}});
  sink.start();
  sink.deliver(sink.message({"abc"}));
  sink.deliver(sink.message({"ab", "cd"}));
  EXPECT_EQ(sink.log_lines()[0].line, "abc");
  EXPECT_EQ(sink.log_lines()[1].line, "ab | c...");
}

TEST(NullSink, CountsWhatItForgets) {
  FakeComponent<NullSink> sink;
  sink.start();
  EXPECT_EQ(sink.deliver(sink.message({"ab", "c"})), BP_TAKEN);
  EXPECT_EQ(sink.deliver(sink.request("", {})), BP_TAKEN);
  EXPECT_EQ(sink.metric("messages"), 2);
  EXPECT_EQ(sink.metric("bytes"), 3);
  EXPECT_EQ(sink.replies().size(), 1u);
}

}  // namespace
}  // namespace backplane::basic
