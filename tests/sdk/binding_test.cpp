// C++ types and values.
#include <gtest/gtest.h>

#include <backplane/binding.hpp>

namespace backplane {
namespace {

template <typename T>
void comes_back(const T& content, const Value& as) {
  EXPECT_TRUE(to_value(content) == as) << to_json(to_value(content));
  EXPECT_TRUE(from_value<T>(as) == content) << to_json(as);
}

template <typename T>
std::string mismatch_of(Value value) {
  try {
    (void)from_value<T>(std::move(value));
  } catch (const TypeMismatch& failure) {
    return failure.what();
  }
  return "accepted";
}

TEST(Binding, EveryTypeBecomesAValueAndBack) {
  comes_back(true, true);
  comes_back(-5, -5);
  comes_back(std::uint8_t{255}, 255);
  comes_back(std::numeric_limits<std::uint64_t>::max(), std::numeric_limits<std::uint64_t>::max());
  comes_back(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::min());
  comes_back(2.5, 2.5);
  comes_back(2.5f, 2.5);
  comes_back(std::string("text"), "text");
  comes_back(Bytes{"bytes"}, Bytes{"bytes"});
  comes_back(std::vector<std::byte>{std::byte{1}, std::byte{0}}, Bytes{std::string("\1\0", 2)});
  comes_back(std::vector<int>{1, 2}, Array{1, 2});
  comes_back(std::vector<bool>{true, false}, Array{true, false});
  comes_back(std::optional<int>(5), 5);
  comes_back(std::optional<int>(), nullptr);
  comes_back(std::pair<int, std::string>(1, "x"), Array{1, "x"});
  comes_back(std::tuple<int, bool, double>(1, true, 2.5), Array{1, true, 2.5});
  comes_back(std::tuple<>(), Array{});
  comes_back(std::map<std::string, int>{{"a", 1}, {"b", 2}}, Map{{"a", 1}, {"b", 2}});
  comes_back(std::unordered_map<int, bool>{{1, true}}, Map{{1, true}});
  comes_back(std::map<std::string, std::vector<std::optional<int>>>{{"a", {1, {}}}},
             Map{{"a", Array{1, nullptr}}});
  comes_back(Value(Array{1, "x"}), Array{1, "x"});
}

TEST(Binding, IntegersAreWelcomeAsNumbersButNotTheOtherWay) {
  EXPECT_EQ(from_value<double>(3), 3.0);
  EXPECT_EQ(mismatch_of<int>(3.0), "expected int, got double 3.0");
}

TEST(Binding, IntegersAreCheckedForTheirRange) {
  EXPECT_EQ(mismatch_of<std::uint8_t>(256), "expected int from 0 to 255, got int 256");
  EXPECT_EQ(mismatch_of<std::uint8_t>(-1), "expected int from 0 to 255, got int -1");
  EXPECT_EQ(mismatch_of<std::int64_t>(std::numeric_limits<std::uint64_t>::max()),
            "expected int from -9223372036854775808 to 9223372036854775807, got int 18446744073709551615");
  EXPECT_EQ(mismatch_of<std::uint64_t>(-1), "expected int from 0 to 18446744073709551615, got int -1");
}

TEST(Binding, AMismatchSaysWhatWasExpectedAndWhere) {
  EXPECT_EQ(mismatch_of<bool>(1), "expected bool, got int 1");
  EXPECT_EQ(mismatch_of<std::string>(Bytes{"x"}), "expected text, got bytes of size 1");
  EXPECT_EQ(mismatch_of<Bytes>("x"), "expected bytes, got text \"x\"");
  EXPECT_EQ(mismatch_of<std::vector<int>>(Array{1, "x"}), "item 1: expected int, got text \"x\"");
  EXPECT_EQ((mismatch_of<std::map<std::string, int>>(Map{{"a", nullptr}})),
            "key text \"a\": expected int, got nil");
  EXPECT_EQ((mismatch_of<std::pair<int, int>>(Array{1})), "expected list of 2, got list of 1");
  EXPECT_EQ(mismatch_of<std::vector<std::vector<int>>>(Array{Array{1}, Array{2, true}}),
            "item 1: item 1: expected int, got bool true");
}

}  // namespace
}  // namespace backplane
