#include "slots.hpp"

#include <gtest/gtest.h>

#include <set>

namespace backplane::zmq {
namespace {

TEST(Slots, AnEntryIsFoundByItsNumberUntilItIsReleased) {
  Slots<int> slots;
  const auto number = slots.take();
  *slots.find(number) = 7;
  EXPECT_EQ(*slots.find(number), 7);
  slots.release(number);
  EXPECT_EQ(slots.find(number), nullptr);
}

TEST(Slots, ANumberIsNeverUsedTwice) {
  Slots<int> slots;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto number = slots.take();
    EXPECT_NE(number, 0u);
    EXPECT_TRUE(seen.insert(number).second);
    slots.release(number);
  }
  EXPECT_EQ(slots.size(), 0u);
}

TEST(Slots, AForgedNumberFindsNothing) {
  Slots<int> slots;
  const auto number = slots.take();
  EXPECT_EQ(slots.find(0), nullptr);
  EXPECT_EQ(slots.find(number + 1), nullptr);
  EXPECT_EQ(slots.find(number + (std::uint64_t{1} << 32)), nullptr);
  EXPECT_EQ(slots.find(~std::uint64_t{0}), nullptr);
}

TEST(Slots, NumbersTellsTheChosenOnes) {
  Slots<int> slots;
  const auto one = slots.take();
  const auto two = slots.take();
  *slots.find(one) = 1;
  *slots.find(two) = 2;
  EXPECT_EQ(slots.numbers([](int value) { return value == 2; }), std::vector<std::uint64_t>{two});
  slots.release(two);
  EXPECT_EQ(slots.numbers([](int) { return true; }), std::vector<std::uint64_t>{one});
}

}  // namespace
}  // namespace backplane::zmq
