#include "router/spill.hpp"

#include <gtest/gtest.h>

#include "host/router/messages.hpp"

namespace backplane::test {
namespace {

std::string pop(host::Spill& spill) {
  std::uint64_t lost = 0;
  const Owned message(spill.pop(lost));
  return message ? frames_of(*message)[0] : "lost " + std::to_string(lost);
}

TEST(Spill, GivesBackInOrderWhatItTook) {
  host::Spill spill("", 1 << 30);
  int next = 0;
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(
        spill.push(make_message({std::to_string(i) + std::string(static_cast<std::size_t>(i % 200), 'x')})));
    if (i % 3 == 0) {
      EXPECT_EQ(pop(spill), std::to_string(next) + std::string(static_cast<std::size_t>(next % 200), 'x'));
      ++next;
    }
  }
  EXPECT_EQ(spill.size(), 2000u);
  for (; next < 3000; ++next)
    EXPECT_EQ(pop(spill), std::to_string(next) + std::string(static_cast<std::size_t>(next % 200), 'x'));
  EXPECT_TRUE(spill.empty());
}

TEST(Spill, EmptiedItBeginsAnew) {
  host::Spill spill("", 4000);
  for (int round = 0; round < 100; ++round) {
    ASSERT_TRUE(spill.push(make_message({std::string(1000, 'x')}))) << spill.error();
    EXPECT_EQ(pop(spill).size(), 1000u);
  }
}

TEST(Spill, AtItsLimitTheMessageStaysTheCallers) {
  host::Spill spill("", 500);
  const Owned message(make_message({std::string(1000, 'x')}));
  EXPECT_FALSE(spill.push(&*message));
  EXPECT_NE(spill.error().find("spill_limit of 500 bytes"), std::string::npos);
  EXPECT_TRUE(spill.empty());
}

TEST(Spill, AFolderThatIsNotThereIsNamed) {
  host::Spill spill("/does/not/exist", 1 << 20);
  const Owned message(make_message({"x"}));
  EXPECT_FALSE(spill.push(&*message));
  EXPECT_NE(spill.error().find("/does/not/exist"), std::string::npos);
}

}  // namespace
}  // namespace backplane::test
