// Arguments and results of calls as JSON.
#include "command_line/call_json.hpp"

#include <backplane/value.hpp>

#include <nlohmann/json.hpp>

#include "command_fixture.hpp"

namespace backplane::test {
namespace {

using host::call_frames;
using host::result_bytes;
using host::result_json;
using ::testing::HasSubstr;

Value packed(const Arguments& arguments) { return decode(call_frames(arguments, std::nullopt).at(0)); }
std::string shown(const Value& value) { return host::to_line(result_json(BP_MSGPACK, encode(value))); }

TEST(CallArguments, AreNoneAsAnEmptyList) {
  EXPECT_EQ(call_frames({}, std::nullopt).size(), 1u);
  EXPECT_EQ(packed({}), Value(Array{}));
}

TEST(CallArguments, OneThatIsAListHoldsThemAll) {
  EXPECT_EQ(packed({"[1, \"two\", null]"}), Value(Array{1, "two", nullptr}));
  EXPECT_EQ(packed({"[]"}), Value(Array{}));
}

TEST(CallArguments, OneThatIsOtherJsonIsOneArgument) {
  EXPECT_EQ(packed({"5"}), Value(Array{5}));
  EXPECT_EQ(packed({"\"5\""}), Value(Array{"5"}));
  EXPECT_EQ(packed({"{\"a\": [1]}"}), Value(Array{Map{{"a", Array{1}}}}));
}

TEST(CallArguments, OneThatIsNoJsonIsAText) {
  EXPECT_EQ(packed({"a text"}), Value(Array{"a text"}));
  EXPECT_EQ(packed({"[open"}), Value(Array{"[open"}));
  EXPECT_EQ(packed({""}), Value(Array{""}));
  EXPECT_EQ(packed({"1e999"}), Value(Array{"1e999"}));
}

TEST(CallArguments, SeveralAreOneArgumentEach) {
  EXPECT_EQ(packed({"key", "[1]", "2"}), Value(Array{"key", Array{1}, 2}));
}

TEST(CallArguments, BytesAreBase64) {
  EXPECT_EQ(packed({"[{\"$bin\": \"AP8=\"}]"}), Value(Array{Bytes{std::string("\0\xff", 2)}}));
  EXPECT_THROW(call_frames({"{\"$bin\": \"not base64\"}"}, std::nullopt), host::UsageError);
  EXPECT_THROW(call_frames({"{\"$bin\": 5}"}, std::nullopt), host::UsageError);
}

TEST(CallArguments, KeepIntegersAndNumbersApartAndExact) {
  EXPECT_EQ(
      packed({"[17, 17.0, 18446744073709551615, -9223372036854775808]"}),
      Value(Array{17, 17.0, std::uint64_t{0xFFFFFFFFFFFFFFFFu}, std::numeric_limits<std::int64_t>::min()}));
}

TEST(CallArguments, BytesMayBeNestedAndNamed) {
  EXPECT_EQ(packed({"[{\"a\": [{\"$bin\": \"AP8=\"}]}]"}),
            Value(Array{Map{{"a", Array{Bytes{std::string("\0\xff", 2)}}}}}));
  const auto frames = call_frames({}, "{\"x\": {\"$bin\": \"YQ==\"}}");
  EXPECT_EQ(decode(frames.at(1)), Value(Map{{"x", Bytes{"a"}}}));
  EXPECT_EQ(decode(call_frames({}, "{\"$bin\": \"YQ==\"}").at(1)), Value(Map{{"$bin", "YQ=="}}))
      << "the named arguments are a map in every case";
}

TEST(CallArguments, ThatAreNamedAreASecondFrame) {
  const auto frames = call_frames({"1"}, "{\"step\": 2}");
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(decode(frames[1]), Value(Map{{"step", 2}}));
  for (const auto* wrong : {"[1]", "step=2", "5", "{"})
    EXPECT_THROW(call_frames({}, std::string(wrong)), host::UsageError) << wrong;
}

TEST(CallArguments, ThatAreNestedTooDeeplyAreRefused) {
  EXPECT_THROW(call_frames({std::string(100'000, '[') + std::string(100'000, ']')}, std::nullopt),
               host::UsageError);
}

TEST(CallResults, OfAllTypesAreJson) {
  EXPECT_EQ(shown(Map{{"a", Array{1, -1, 1.5, true, nullptr, "x"}}}), R"({"a":[1,-1,1.5,true,null,"x"]})");
  EXPECT_EQ(shown(std::uint64_t{0xFFFFFFFFFFFFFFFFu}), "18446744073709551615");
  EXPECT_EQ(shown(Bytes{"ab"}), R"({"$bin":"YWI="})");
  EXPECT_EQ(shown(Extension{-3, "ab"}), R"({"$ext":-3,"$bin":"YWI="})");
  EXPECT_EQ(shown(Map{{1, "one"}, {Array{1, 2}, "list"}, {nullptr, 0}}),
            R"({"1":"one","[1,2]":"list","null":0})");
  EXPECT_EQ(shown("\xff"), R"({"$bin":"/w=="})");
  EXPECT_EQ(shown(Map{}), "{}");
}

TEST(CallResults, ThatAreRawAreTextOrBytes) {
  EXPECT_EQ(result_json(BP_RAW, "caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(host::to_line(result_json(BP_RAW, "\xff")), R"({"$bin":"/w=="})");
}

TEST(CallResults, AsBytesAreWhatTheyAre) {
  EXPECT_EQ(result_bytes(BP_RAW, "\xff\n"), "\xff\n");
  EXPECT_EQ(result_bytes(BP_MSGPACK, encode("text")), "text");
  EXPECT_EQ(result_bytes(BP_MSGPACK, encode(Bytes{"\xff"})), "\xff");
  EXPECT_EQ(result_bytes(BP_MSGPACK, encode(Array{1, 2})), "[1,2]");
}

TEST(CallResults, ThatAreNoMsgpackAreAnError) {
  const std::string deep(600, '\x91');
  for (const auto& bytes : {std::string("\xc1"), std::string("\x92\x01"), std::string("\x01\x01"),
                            std::string(), std::string("\xdd\xff\xff\xff\xff\x01", 6), deep + "\x01"})
    EXPECT_THROW(result_json(BP_MSGPACK, bytes), std::runtime_error);
}

}  // namespace
}  // namespace backplane::test
