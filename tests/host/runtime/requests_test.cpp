#include "runtime/requests.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace backplane::host {
namespace {

constexpr std::int64_t ms = 1'000'000;

TEST(Requests, AreFoundByTheirCorrelationUntilRemoved) {
  Requests requests(3);
  const auto correlation = requests.add(7, 42, 0);
  ASSERT_NE(requests.find(correlation), nullptr);
  EXPECT_EQ(requests.find(correlation)->asker, 7u);
  EXPECT_EQ(requests.find(correlation)->cookie, 42u);
  EXPECT_EQ(Requests::loop_of(correlation), 3u);
  requests.remove(correlation);
  EXPECT_EQ(requests.find(correlation), nullptr);
  EXPECT_EQ(requests.size(), 0u);
}

TEST(Requests, AStaleCorrelationDoesNotFindItsSuccessor) {
  Requests requests(0);
  const auto first = requests.add(1, 0, 0);
  requests.remove(first);
  const auto second = requests.add(2, 0, 0);
  EXPECT_NE(first, second);
  EXPECT_EQ(requests.find(first), nullptr);
  EXPECT_EQ(requests.find(second)->asker, 2u);
}

TEST(Requests, ExpireAtTheirDeadlineAndNotBefore) {
  Requests requests(0);
  const std::int64_t start = 1'000'000 * ms;
  requests.add(1, 0, start + 10 * ms);
  requests.add(2, 0, start + 50 * ms);
  requests.add(3, 0, 0);
  EXPECT_TRUE(requests.expire(start).empty());
  EXPECT_TRUE(requests.expire(start + 9 * ms).empty());
  const auto first = requests.expire(start + 10 * ms + Requests::tick);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].asker, 1u);
  const auto second = requests.expire(start + 1000 * ms);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].asker, 2u);
  EXPECT_EQ(requests.size(), 1u);
  EXPECT_LT(requests.next(), 0);
}

TEST(Requests, DeadlinesBeyondOneRoundOfTheWheelWaitForTheirTurn) {
  Requests requests(0);
  const std::int64_t start = 77 * ms;
  const std::int64_t far = start + 60'000 * ms;
  requests.add(1, 0, far);
  requests.add(2, 0, start + 5 * ms);
  std::size_t early = 0;
  for (auto now = start; now < far; now += 7 * ms) early += requests.expire(now).size();
  EXPECT_EQ(early, 1u);
  EXPECT_EQ(requests.expire(far + Requests::tick).size(), 1u);
}

TEST(Requests, NextIsNeverLaterThanADeadlineCanBeNoticed) {
  Requests requests(0);
  std::int64_t now = 5'000 * ms;
  std::size_t expired = 0;
  for (int i = 0; i < 2000; ++i) requests.add(1, 0, now + (i * 7919 % 30'000) * ms);
  while (requests.size() > 0) {
    const auto next = requests.next();
    ASSERT_GE(next, 0);
    now = std::max(now, next);
    for (const auto& request : requests.expire(now)) {
      ++expired;
      EXPECT_LE(request.deadline, now);
      EXPECT_GE(request.deadline + 2 * Requests::tick, now);
    }
  }
  EXPECT_EQ(expired, 2000u);
}

TEST(Requests, OfOneComponentCanBeRemovedTogether) {
  Requests requests(0);
  requests.add(1, 0, 5);
  requests.add(2, 0, 5);
  requests.add(1, 0, 0);
  EXPECT_EQ(requests.remove_of(1).size(), 2u);
  EXPECT_EQ(requests.size(), 1u);
}

}  // namespace
}  // namespace backplane::host
