#include "runtime/timers.hpp"

#include <gtest/gtest.h>

#include <string>

namespace backplane::host {
namespace {

TEST(Timers, RunWhenDueInOrder) {
  Timers timers;
  std::string ran;
  timers.start(30, 0, [&] { ran += 'c'; });
  timers.start(10, 0, [&] { ran += 'a'; });
  timers.start(20, 0, [&] { ran += 'b'; });
  EXPECT_EQ(timers.next(), 10);
  timers.run_due(9);
  EXPECT_EQ(ran, "");
  timers.run_due(25);
  EXPECT_EQ(ran, "ab");
  timers.run_due(30);
  EXPECT_EQ(ran, "abc");
  EXPECT_EQ(timers.next(), -1);
}

TEST(Timers, APeriodRunsAgainUntilStopped) {
  Timers timers;
  int ran = 0;
  const auto timer = timers.start(10, 10, [&] { ++ran; });
  for (std::int64_t now = 10; now <= 50; now += 10) timers.run_due(now);
  EXPECT_EQ(ran, 5);
  timers.stop(timer);
  timers.run_due(1000);
  EXPECT_EQ(ran, 5);
  EXPECT_EQ(timers.size(), 0u);
}

TEST(Timers, ALatePeriodRunsOnceNotOftenAtOnce) {
  Timers timers;
  int ran = 0;
  timers.start(10, 10, [&] { ++ran; });
  timers.run_due(1000);
  EXPECT_EQ(ran, 1);
  EXPECT_GE(timers.next(), 1000);
}

TEST(Timers, ATimerMayStopItself) {
  Timers timers;
  int ran = 0;
  std::uint64_t self = 0;
  self = timers.start(1, 1, [&] {
    ++ran;
    timers.stop(self);
  });
  timers.run_due(1);
  timers.run_due(5);
  EXPECT_EQ(ran, 1);
}

TEST(Timers, ATimerStartedByATimerWaitsForTheNextTurn) {
  Timers timers;
  int ran = 0;
  timers.start(1, 0, [&] { timers.start(1, 0, [&] { ++ran; }); });
  timers.run_due(5);
  EXPECT_EQ(ran, 0);
  timers.run_due(5);
  EXPECT_EQ(ran, 1);
}

TEST(Timers, ManyStoppedTimersAreForgotten) {
  Timers timers;
  for (int i = 0; i < 100'000; ++i) timers.stop(timers.start(1'000'000, 0, [] {}));
  EXPECT_EQ(timers.size(), 0u);
  EXPECT_EQ(timers.next(), -1);
}

}  // namespace
}  // namespace backplane::host
