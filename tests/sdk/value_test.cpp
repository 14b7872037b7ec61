// Values, and what a decoder does with bytes that mean it harm.
#include <gtest/gtest.h>

#include <backplane/value.hpp>

#include <cmath>
#include <random>

namespace backplane {
namespace {

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) {
    char part[3];
    std::snprintf(part, sizeof part, "%02x", static_cast<unsigned char>(byte));
    out += part;
  }
  return out;
}

std::string unhex(std::string_view digits) {
  std::string out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  return out;
}

std::string refusal(std::string_view bytes, const DecodeLimits& limits = {}) {
  try {
    (void)decode(bytes, limits);
  } catch (const Malformed& failure) {
    return failure.what();
  }
  return "accepted";
}

Value nested(std::size_t depth) {
  Value value = 1;
  for (std::size_t i = 0; i < depth; ++i) {
    Array outer;
    outer.push_back(std::move(value));
    value = std::move(outer);
  }
  return value;
}

TEST(Value, TakesTheShortestFormAndComesBackTheSame) {
  const std::vector<std::pair<Value, std::string>> cases = {
      {Value(), "c0"},
      {false, "c2"},
      {true, "c3"},
      {0, "00"},
      {127, "7f"},
      {128, "cc80"},
      {255, "ccff"},
      {256, "cd0100"},
      {65535, "cdffff"},
      {65536, "ce00010000"},
      {4294967295u, "ceffffffff"},
      {4294967296, "cf0000000100000000"},
      {std::numeric_limits<std::int64_t>::max(), "cf7fffffffffffffff"},
      {std::numeric_limits<std::uint64_t>::max(), "cfffffffffffffffff"},
      {-1, "ff"},
      {-32, "e0"},
      {-33, "d0df"},
      {-128, "d080"},
      {-129, "d1ff7f"},
      {-32768, "d18000"},
      {-32769, "d2ffff7fff"},
      {std::numeric_limits<std::int64_t>::min(), "d38000000000000000"},
      {1.0, "cb3ff0000000000000"},
      {"", "a0"},
      {"abc", "a3616263"},
      {std::string(32, 'x'), "d920" + hex(std::string(32, 'x'))},
      {std::string(256, 'x'), "da0100" + hex(std::string(256, 'x'))},
      {Bytes{""}, "c400"},
      {Bytes{"abc"}, "c403616263"},
      {Bytes{std::string(256, 'x')}, "c50100" + hex(std::string(256, 'x'))},
      {Extension{-1, "abcd"}, "d6ff61626364"},
      {Extension{5, "abc"}, "c70305616263"},
      {Extension{5, ""}, "c70005"},
      {Array{}, "90"},
      {Array{1, "a", nullptr}, "9301a161c0"},
      {Map{}, "80"},
      {Map{{"a", 1}, {"b", 2}}, "82a16101a16202"},
  };
  for (const auto& [value, encoded] : cases) {
    EXPECT_EQ(hex(encode(value)), encoded) << describe(value);
    EXPECT_TRUE(decode(unhex(encoded)) == value) << encoded;
  }
}

TEST(Value, KeepsTextBytesIntegersAndNumbersApart) {
  EXPECT_FALSE(Value("a") == Value(Bytes{"a"}));
  EXPECT_FALSE(Value(1) == Value(1.0));
  EXPECT_FALSE(Value(1) == Value(true));
  EXPECT_TRUE(Value(1u) == Value(1)) << "one integer, however it was written";
  EXPECT_TRUE(decode(unhex("d001")) == Value(1)) << "a longer form of the same";
  EXPECT_TRUE(decode(unhex("ca3f800000")) == Value(1.0)) << "a float of 32 bits is a number";
}

TEST(Value, FindsTheLastOfEqualKeysTextOrBytes) {
  const Value map = Map{{"a", 1}, {Bytes{"b"}, 2}, {"a", 3}};
  ASSERT_NE(map.find("a"), nullptr);
  EXPECT_TRUE(*map.find("a") == Value(3));
  EXPECT_TRUE(*map.find("b") == Value(2));
  EXPECT_EQ(map.find("c"), nullptr);
  EXPECT_EQ(Value(5).find("a"), nullptr);
}

TEST(Value, IsWrittenAsJson) {
  const Value value =
      Map{{"a\n\"", Array{1, -2, 2.5, 1.0, true, nullptr, Bytes{"hi!?"}}}, {3, Extension{7, "x"}}};
  EXPECT_EQ(to_json(value),
            R"({"a\u000a\"":[1,-2,2.5,1.0,true,null,{"$bin":"aGkhPw=="}],"3":{"$ext":7,"$bin":"eA=="}})");
  EXPECT_EQ(to_json(Value(std::nan(""))), "null");
  EXPECT_EQ(to_json(Value(0.1)), "0.1");
  EXPECT_EQ(to_json(Value(20.0)), "20.0");
  EXPECT_EQ(to_json(Value(-123456.5)), "-123456.5");
  EXPECT_EQ(to_json(Value(0.1 + 0.2)), "0.30000000000000004");
  EXPECT_EQ(to_json(Value(1e300)), "1e+300");
  EXPECT_EQ(to_json(Array{Array{}, Map{}}), "[[],{}]");
}

TEST(Value, KeysOfAnyTypeAreJsonKeysWhoseLengthIsProportional) {
  EXPECT_EQ(to_json(Map{{Array{1, "b"}, 2}}), R"({"{\"$msgpack\":\"kgGhYg==\"}":2})");
  Value nested = 1;
  for (int depth = 0; depth < 200; ++depth) nested = Map{{nested, "\""}};
  EXPECT_LT(to_json(nested).size(), encode(nested).size() * 2);
}

TEST(Value, IsDescribedInFewWords) {
  EXPECT_EQ(describe(Value(5)), "int 5");
  EXPECT_EQ(describe(Value("abc")), "text \"abc\"");
  EXPECT_EQ(describe(Value(std::string(100, 'x'))), "text \"" + std::string(40, 'x') + "\"...");
  EXPECT_EQ(describe(Value(Bytes{"abc"})), "bytes of size 3");
  EXPECT_EQ(describe(Value(Array{1, 2})), "list of 2");
  EXPECT_EQ(describe(Value()), "nil");
}

TEST(Decode, ReadsTheFirstOfSeveralValues) {
  std::size_t used = 0;
  EXPECT_TRUE(decode_first(unhex("0102"), used) == Value(1));
  EXPECT_EQ(used, 1u);
}

TEST(Decode, ReadsUpToTheDepthItIsGiven) {
  const DecodeLimits limits;
  EXPECT_TRUE(decode(encode(nested(512)), limits) == nested(512));
  EXPECT_EQ(refusal(std::string(513, '\x91') + '\x01'), "msgpack: nested too deeply");
}

// ---- all the ways to be wrong ----

TEST(Decode, RefusesNothingAtAll) { EXPECT_EQ(refusal(""), "msgpack: cut short or not msgpack, at byte 0"); }

TEST(Decode, RefusesBytesThatAreLeftOver) { EXPECT_EQ(refusal(unhex("01ff")), "msgpack: 1 bytes too many"); }

TEST(Decode, RefusesTheByteThatIsNeverUsed) { EXPECT_NE(refusal(unhex("c1")), "accepted"); }

TEST(Decode, RefusesEveryPrefixOfAValue) {
  const auto whole = encode(Map{{"key", Array{1, -70000, 2.5, "text", Bytes{"bytes"}, Extension{1, "four"}}},
                                {std::string(40, 'k'), std::numeric_limits<std::uint64_t>::max()}});
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_NE(refusal(std::string_view(whole).substr(0, length)), "accepted") << length;
}

TEST(Decode, ChecksALengthBeforeItMakesRoom) {
  EXPECT_EQ(refusal(unhex("ddffffffff")), "msgpack: a list or map is longer than the bytes that are there");
  EXPECT_EQ(refusal(unhex("dfffffffff")), "msgpack: a list or map is longer than the bytes that are there");
  EXPECT_NE(refusal(unhex("dbffffffff61")), "accepted");
  EXPECT_NE(refusal(unhex("c6ffffffff61")), "accepted");
  EXPECT_NE(refusal(unhex("c9ffffffff0161")), "accepted");
}

TEST(Decode, CountsWhatAllNestedListsAnnounceTogether) {
  // 1000 lists within each other, each announcing as many items as there are bytes.
  std::string bytes;
  for (int i = 0; i < 400; ++i) bytes += unhex("dc0400");
  EXPECT_EQ(refusal(bytes), "msgpack: a list or map is longer than the bytes that are there");
}

TEST(Decode, RefusesAHundredThousandListsWithinEachOther) {
  EXPECT_EQ(refusal(std::string(100'000, '\x91')), "msgpack: nested too deeply");
  EXPECT_EQ(refusal(std::string(100'000, '\x81')), "msgpack: nested too deeply");
}

TEST(Decode, BoundsBytesAndValues) {
  EXPECT_EQ(refusal(encode("0123456789"), {.depth = 5, .bytes = 10}), "msgpack: 11 bytes are too many");
  EXPECT_EQ(refusal(encode(Array{1, 2, 3}), {.values = 3}), "msgpack: too many values");
  EXPECT_EQ(refusal(encode(Array{1, 2}), {.values = 3}), "accepted");
}

TEST(Decode, SurvivesAnyBytes) {
  std::mt19937 random(20260101);
  std::uniform_int_distribution<int> byte(0, 255);
  std::uniform_int_distribution<std::size_t> length(0, 64);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(length(random), '\0');
    for (auto& one : bytes) one = static_cast<char>(byte(random));
    try {
      const Value value = decode(bytes);
      EXPECT_TRUE(decode(encode(value)) == value || to_json(value).find("null") != std::string::npos);
    } catch (const Malformed&) {
    }
  }
}

TEST(DecodeArguments, AreAListAndAMapOfNames) {
  EXPECT_EQ(decode_arguments(encode(Array{1, 2})).size(), 2u);
  EXPECT_THROW(decode_arguments(encode(5)), Malformed);
  EXPECT_THROW(decode_arguments(encode(Map{})), Malformed);
  const auto named = decode_named_arguments(encode(Map{{"a", 1}, {Bytes{"b"}, 2}}));
  EXPECT_TRUE(named[1].key == Value("b")) << "old peers send names as bytes";
  EXPECT_THROW(decode_named_arguments(encode(Map{{1, 1}})), Malformed);
  EXPECT_THROW(decode_named_arguments(encode(Array{})), Malformed);
}

TEST(Encode, RefusesWhatNobodyDecodesAgain) {
  Value empty = Array();
  for (int depth = 1; depth < 512; ++depth) empty = Array{empty};
  EXPECT_TRUE(decode(encode(empty)) == empty);
  EXPECT_THROW(encode(Value(Array{empty})), Error) << "an empty list is a level too";
}

TEST(Encode, RefusesWhatIsNestedTooDeeply) {
  EXPECT_THROW(encode(nested(513)), Error);
  EXPECT_NO_THROW(encode(nested(512)));
}

}  // namespace
}  // namespace backplane
