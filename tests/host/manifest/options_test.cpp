#include <gtest/gtest.h>

#include "manifest/convert_option.hpp"
#include "manifest/suggest.hpp"

namespace backplane::host {
namespace {

OptionInfo of_type(bp_option_type type) {
  OptionInfo info;
  info.name = "option";
  info.type = type;
  return info;
}

OptionInfo between(OptionInfo info, double minimum, double maximum) {
  info.minimum = minimum;
  info.maximum = maximum;
  return info;
}

OptionSetting converted(const OptionInfo& info, std::string_view text) {
  const auto result = convert_option(info, text);
  EXPECT_TRUE(result.value) << text << ": " << result.error;
  EXPECT_TRUE(result.error.empty());
  return result.value.value_or(OptionSetting{});
}

std::string refusal(const OptionInfo& info, std::string_view text) {
  const auto result = convert_option(info, text);
  EXPECT_FALSE(result.value) << text;
  EXPECT_FALSE(result.error.empty());
  return result.error;
}

TEST(Options, KeepTheirTextAndAreMarkedAsGiven) {
  const auto setting = converted(of_type(BP_TEXT), "any: thing");
  EXPECT_EQ(setting.type, BP_TEXT);
  EXPECT_EQ(setting.text, "any: thing");
  EXPECT_TRUE(setting.given);
}

TEST(Options, ConvertByTheirType) {
  EXPECT_EQ(converted(of_type(BP_INTEGER), "-5").integer, -5);
  EXPECT_EQ(converted(of_type(BP_NUMBER), "0.25").number, 0.25);
  EXPECT_EQ(converted(of_type(BP_BOOLEAN), "yes").integer, 1);
  EXPECT_EQ(converted(of_type(BP_BOOLEAN), "off").integer, 0);
  EXPECT_EQ(converted(of_type(BP_DURATION), "250ms").integer, 250'000'000);
  EXPECT_EQ(converted(of_type(BP_SIZE), "64KiB").integer, 65536);
  EXPECT_EQ(converted(of_type(BP_RATE), "10k/s").number, 10'000);
  EXPECT_EQ(converted(of_type(BP_ENDPOINT), "tcp://127.0.0.1:*").text, "tcp://127.0.0.1:*");
  EXPECT_EQ(converted(of_type(BP_PATH), "-").text, "-");
}

TEST(Options, RefuseWhatIsNotOfTheirType) {
  for (const auto type :
       {BP_INTEGER, BP_NUMBER, BP_BOOLEAN, BP_DURATION, BP_SIZE, BP_RATE, BP_ENDPOINT, BP_ENDPOINT_LIST})
    EXPECT_NE(refusal(of_type(type), "gibberish").find("\"gibberish\""), std::string::npos);
  refusal(of_type(BP_PATH), "");
  refusal(of_type(BP_TEXT), std::string_view("a\0b", 3));
}

TEST(Options, OfChoiceTakeOnlyTheirWords) {
  auto info = of_type(BP_CHOICE);
  info.choices = {"lf", "crlf", "none"};
  EXPECT_EQ(converted(info, "crlf").text, "crlf");
  EXPECT_EQ(refusal(info, "clrf"), "\"clrf\" is not one of lf, crlf, none; did you mean \"crlf\"?");
}

TEST(Options, AreBoundedInTheirOwnUnit) {
  const auto count = between(of_type(BP_INTEGER), 1, 10);
  EXPECT_EQ(converted(count, "1").integer, 1);
  EXPECT_EQ(converted(count, "10").integer, 10);
  EXPECT_EQ(refusal(count, "11"), "\"11\" is out of range; expected 1 to 10");
  refusal(count, "0");
  const auto pause = between(of_type(BP_DURATION), 1e6, 3.6e12);
  EXPECT_EQ(refusal(pause, "2h"), "\"2h\" is out of range; expected 1ms to 1h");
  const auto buffer = between(of_type(BP_SIZE), 1, 1 << 20);
  EXPECT_EQ(refusal(buffer, "1GiB"), "\"1GiB\" is out of range; expected 1 to 1MiB");
  const auto share = between(of_type(BP_NUMBER), -1, 1);
  EXPECT_EQ(refusal(share, "1.5"), "\"1.5\" is out of range; expected -1 to 1");
  const auto speed = between(of_type(BP_RATE), 1, 100);
  EXPECT_EQ(refusal(speed, "1k/s"), "\"1k/s\" is out of range; expected 1/s to 100/s");
}

TEST(Options, WithBothBoundsZeroAreUnbounded) {
  EXPECT_EQ(converted(of_type(BP_INTEGER), "-9223372036854775808").integer,
            std::numeric_limits<std::int64_t>::min());
}

TEST(Options, OfListTypeTakeOneTextOrMany) {
  EXPECT_EQ(converted(of_type(BP_TEXT_LIST), "a, b").list, std::vector<std::string>{"a, b"});
  const auto many = convert_option(of_type(BP_TEXT_LIST), std::vector<std::string>{"a", "b"});
  ASSERT_TRUE(many.value);
  EXPECT_EQ(many.value->list, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(convert_option(of_type(BP_TEXT_LIST), std::vector<std::string>{}).value);
  EXPECT_FALSE(convert_option(of_type(BP_ENDPOINT_LIST), std::vector<std::string>{}).value);
  EXPECT_FALSE(
      convert_option(of_type(BP_ENDPOINT_LIST), std::vector<std::string>{"inproc://a", "nonsense"}).value);
}

TEST(Options, OfOneValueRefuseLists) {
  EXPECT_EQ(convert_option(of_type(BP_INTEGER), std::vector<std::string>{"1"}).error,
            "takes one value, not a list");
}

TEST(Options, ToConnectRefuseWildcards) {
  auto info = of_type(BP_ENDPOINT);
  info.name = "connect";
  EXPECT_NE(refusal(info, "tcp://*:5555").find("wildcard"), std::string::npos);
}

TEST(Options, OfSecretTypeAreNeverShown) {
  EXPECT_EQ(converted(of_type(BP_SECRET), "hunter2").text, "hunter2");
  EXPECT_EQ(refusal(of_type(BP_SECRET), std::string_view("hunter2\0", 8)).find("hunter2"), std::string::npos);
}

TEST(Defaults, AreConvertedAndNotMarkedAsGiven) {
  auto info = of_type(BP_DURATION);
  EXPECT_FALSE(convert_default(info).value);
  EXPECT_TRUE(convert_default(info).error.empty());
  info.default_text = "5s";
  ASSERT_TRUE(convert_default(info).value);
  EXPECT_EQ(convert_default(info).value->integer, 5'000'000'000);
  EXPECT_FALSE(convert_default(info).value->given);
  info.default_text = "soon";
  EXPECT_FALSE(convert_default(info).error.empty());
}

TEST(Defaults, MayBeEmptyTextsListsAndPaths) {
  for (const auto type : {BP_TEXT, BP_PATH, BP_TEXT_LIST, BP_SECRET}) {
    auto info = of_type(type);
    info.default_text = "";
    const auto setting = convert_default(info);
    ASSERT_TRUE(setting.value) << type;
    EXPECT_TRUE(setting.value->text.empty());
    EXPECT_TRUE(setting.value->list.empty());
  }
}

TEST(NearestName, IsAtMostOneEditPerThreeLettersAway) {
  const std::vector<std::string> known = {"bind", "connect", "linger"};
  EXPECT_EQ(nearest_name("bnd", known), "bind");
  EXPECT_EQ(nearest_name("bidn", known), "bind") << "an exchange is one edit";
  EXPECT_EQ(nearest_name("conect", known), "connect");
  EXPECT_EQ(nearest_name("CONNECT", known), "connect");
  EXPECT_EQ(nearest_name("xyz", known), std::nullopt);
  EXPECT_EQ(nearest_name("", known), std::nullopt);
  EXPECT_EQ(nearest_name("x", {"y"}), std::nullopt) << "nothing of it is left";
  EXPECT_EQ(nearest_name(std::string(5000, 'x'), {std::string(5000, 'x') + "y"}), std::nullopt);
}

TEST(NameHint, ListsWhatIsKnownWhenNothingIsNear) {
  EXPECT_EQ(name_hint("bnd", {"bind"}), "; did you mean \"bind\"?");
  EXPECT_EQ(name_hint("port", {"bind", "connect"}), "; known: bind, connect");
  EXPECT_EQ(name_hint("port", {}), "; known: none");
  std::vector<std::string> many;
  for (int i = 0; i < 20; ++i) many.push_back("option_" + std::to_string(i));
  EXPECT_TRUE(name_hint("x", many).ends_with("option_11 and 8 more"));
}

}  // namespace
}  // namespace backplane::host
