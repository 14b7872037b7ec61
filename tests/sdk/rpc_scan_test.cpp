// Walking over msgpack: what is read as Python packs it, and every way to be wrong.
#include <gmock/gmock.h>

#include <backplane/rpc/scan.hpp>

#include <limits>

#include "support/rpc_vectors.hpp"

namespace backplane::rpc {
namespace {

using Kind = Token::Kind;
using test::from_hex;
using testing::AnyOf;

// Why the first value in the bytes cannot be read; empty: it can.
std::string refusal(std::string_view bytes, std::size_t depth = deepest, bool for_peer = false) {
  Scanner scanner(bytes, depth, for_peer);
  return scanner.skip() ? "" : scanner.reason();
}
std::string refusal_for_peer(std::string_view bytes) { return refusal(bytes, deepest, true); }

Token first_token(std::string_view bytes) {
  Token token;
  Scanner scanner(bytes);
  EXPECT_TRUE(scanner.next(token)) << scanner.reason();
  return token;
}

// Lists within each other around a number, or around nothing.
std::string nested(std::size_t depth) { return std::string(depth, '\x91') + '\x01'; }
std::string nested_empty(std::size_t depth) { return std::string(depth - 1, '\x91') + '\x90'; }

constexpr auto cut = "cut short";
constexpr auto long_list = "a list or map is longer than the bytes that are there";
constexpr auto long_text = "a text or binary is longer than the bytes that are there";
constexpr auto deep = "nested too deeply";
constexpr auto not_utf8 = "text that is not UTF-8";
constexpr auto odd_key = "a key of a map is neither text nor bytes";

// ---- what is read -----------------------------------------------------------------------------------

TEST(RpcValues, ArePackedAndReadAsPythonDoes) {
  for (const auto& each : test::vectors<nlohmann::ordered_json>("zerorpc/values.json", "values")) {
    const auto value = test::value_of(each["value"]);
    const auto bytes = from_hex(each["hex"].get<std::string>());
    EXPECT_EQ(encode(value), bytes) << each;
    EXPECT_EQ(decode(bytes), value) << each;
  }
}

TEST(RpcScan, SeesTheTypeAndContentThatADecoderSees) {
  for (const auto& each : test::vectors<nlohmann::ordered_json>("zerorpc/values.json", "values")) {
    const auto value = test::value_of(each["value"]);
    const auto token = first_token(from_hex(each["hex"].get<std::string>()));
    static constexpr Kind kinds[] = {Kind::nil,   Kind::truth, Kind::whole, Kind::real,     Kind::text,
                                     Kind::bytes, Kind::list,  Kind::map,   Kind::extension};
    EXPECT_EQ(token.kind, kinds[static_cast<std::size_t>(value.kind())]) << each;
    if (const auto* whole = value.get_if<std::int64_t>()) {
      EXPECT_EQ(static_cast<std::int64_t>(token.number), *whole);
      EXPECT_EQ(token.positive, *whole >= 0);
    }
    if (const auto* whole = value.get_if<std::uint64_t>()) {
      EXPECT_EQ(token.number, *whole);
      EXPECT_TRUE(token.positive);
    }
    if (const auto* list = value.get_if<Array>()) {
      EXPECT_EQ(token.number, list->size());
    }
    if (const auto* map = value.get_if<Map>()) {
      EXPECT_EQ(token.number, map->size());
    }
  }
}

TEST(RpcScan, SeesTheContentOfTextsAndBytesOfEveryLength) {
  for (const std::size_t size : {0u, 1u, 31u, 32u, 255u, 256u, 65535u, 65536u}) {
    const std::string content(size, 'x');
    EXPECT_EQ(first_token(encode(Value(content))).content, content);
    EXPECT_EQ(first_token(encode(Bytes{content})).content, content);
    EXPECT_EQ(first_token(encode(Extension{5, content})).content, content);
  }
}

TEST(RpcScan, IntegersAreTheSameInEveryWidth) {
  for (const auto* hex : {"05", "cc05", "cd0005", "ce00000005", "cf0000000000000005", "d005", "d10005",
                          "d200000005", "d30000000000000005"}) {
    EXPECT_EQ(first_token(from_hex(hex)).number, 5u) << hex;
    EXPECT_TRUE(first_token(from_hex(hex)).positive) << hex;
  }
  for (const auto* hex : {"fb", "d0fb", "d1fffb", "d2fffffffb", "d3fffffffffffffffb"}) {
    EXPECT_EQ(static_cast<std::int64_t>(first_token(from_hex(hex)).number), -5) << hex;
    EXPECT_FALSE(first_token(from_hex(hex)).positive) << hex;
  }
}

TEST(RpcScan, ReadsOneValueAndStaysBehindIt) {
  for (const auto& each : test::vectors("zerorpc/values.json", "values")) {
    const auto bytes = from_hex(each["hex"].get<std::string>());
    const auto followed = bytes + "\xc1";
    Scanner scanner(followed);
    ASSERT_TRUE(scanner.skip()) << each;
    EXPECT_EQ(scanner.position(), followed.data() + bytes.size()) << each;
    EXPECT_FALSE(scanner.at_end());
    EXPECT_FALSE(scanner.skip());
  }
}

TEST(RpcScan, ReadsValuesOneAfterTheOther) {
  const auto bytes = from_hex(
      "9101"
      "8101c0"
      "a161"
      "c7020401ff"
      "ca3f800000");
  Scanner scanner(bytes);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(scanner.skip()) << i << scanner.reason();
  EXPECT_TRUE(scanner.at_end());
}

TEST(RpcScan, TakesWhateverADecoderTakes) {
  for (int first = 0; first < 256; ++first)
    for (const auto& rest :
         {std::string(), std::string(1, '\0'), std::string(40, '\0'), std::string(40, '\x01')}) {
      const auto bytes = std::string(1, static_cast<char>(first)) + rest;
      try {
        std::size_t used = 0;
        (void)decode_first(bytes, used);
        Scanner scanner(bytes);
        EXPECT_TRUE(scanner.skip()) << first;
        EXPECT_EQ(scanner.position(), bytes.data() + used) << first;
      } catch (const Malformed&) {
        EXPECT_NE(refusal(bytes), "") << first;
      }
    }
}

// ---- all the ways to be wrong -----------------------------------------------------------------------

TEST(RpcScan, OfNothingAtAllIsCutShort) { EXPECT_EQ(refusal(""), cut); }

TEST(RpcScan, RefusesTheByteThatIsNeverUsed) {
  EXPECT_EQ(refusal("\xc1"), "a byte that msgpack does not use");
  EXPECT_EQ(refusal("\x92\x01\xc1"), "a byte that msgpack does not use");
}

TEST(RpcScan, EveryPrefixOfEveryValueIsCutShort) {
  for (const auto& each : test::vectors("zerorpc/values.json", "values")) {
    const auto bytes = from_hex(each["hex"].get<std::string>());
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_THAT(refusal(bytes.substr(0, size)), AnyOf(cut, long_list, long_text)) << each << size;
  }
}

TEST(RpcScan, RefusesLengthsBeyondTheBytes) {
  for (const auto* hex : {"91", "dc0001", "dcffff01", "dd00000001", "ddffffffff", "81", "8101", "de0001",
                          "deffff0101", "dfffffffff", "df80000000"})
    EXPECT_EQ(refusal(from_hex(hex)), long_list) << hex;
  for (const auto* hex :
       {"a1", "bf6161", "d901", "d9ff61", "daffff61", "dbffffffff61", "c401", "c4ff61", "c5ffff61",
        "c6ffffffff61", "c7020561", "c8ffff0561", "c9ffffffff0561", "d405", "d8050102"})
    EXPECT_EQ(refusal(from_hex(hex)), long_text) << hex;
  for (const auto* hex : {"cc",       "cd00",
                          "ce000000", "cf00000000000000",
                          "d0",       "d100",
                          "d2000000", "d300000000000000",
                          "ca000000", "cb00000000000000",
                          "d9",       "da00",
                          "db000000", "c4",
                          "c500",     "c6000000",
                          "c7",       "c701",
                          "c80001",   "c900000001",
                          "d4",       "dc00",
                          "dd000000", "de00",
                          "df000000"})
    EXPECT_EQ(refusal(from_hex(hex)), cut) << hex;
}

TEST(RpcScan, CountsWhatListsWithinEachOtherLack) {
  std::string bytes;
  for (int i = 0; i < 400; ++i) bytes += from_hex("dc0200");
  EXPECT_EQ(refusal(bytes), long_list);
  EXPECT_EQ(refusal(from_hex("9293010203")), cut) << "the inner one is whole";
}

TEST(RpcScan, ReadsUpToTheDepthItIsGiven) {
  for (const std::size_t depth : {1u, 2u, 16u, 511u, 512u}) {
    EXPECT_EQ(refusal(nested(depth), depth), "") << depth;
    EXPECT_EQ(refusal(nested_empty(depth), depth), "") << depth;
    EXPECT_EQ(refusal(nested(depth + 1), depth), deep) << depth;
    EXPECT_EQ(refusal(nested_empty(depth + 1), depth), deep) << depth;
  }
  EXPECT_EQ(refusal("\x01", 0), "");
  EXPECT_EQ(refusal("\x90", 0), deep);
  EXPECT_EQ(refusal("\x80", 0), deep);
}

TEST(RpcScan, NeverReadsDeeperThanTheDeepest) {
  EXPECT_EQ(refusal(nested(511)), "");
  EXPECT_EQ(refusal(nested(512)), "");
  EXPECT_EQ(refusal(nested(513)), deep);
  EXPECT_EQ(refusal(nested(513), 100'000), deep);
  EXPECT_EQ(refusal(std::string(100'000, '\x91')), deep);
  EXPECT_EQ(refusal(std::string(100'000, '\x81')), deep) << "a map as key of a map";
}

TEST(RpcScan, ClimbsOutOfWhatItWentInto) {
  std::string bytes = from_hex("dc03e8");  // 1000 lists beside each other
  for (int i = 0; i < 1000; ++i) bytes += nested(511);
  EXPECT_EQ(refusal(bytes), "");
}

// ---- UTF-8 ------------------------------------------------------------------------------------------

TEST(RpcScan, TextIsUtf8) {
  for (const std::string_view text :
       {"", "plain", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "seven b\xc3\xa9 and some more"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
    EXPECT_EQ(refusal(encode(Value(text))), "") << text;
  }
  EXPECT_TRUE(is_utf8(std::string_view("a\0b", 3)));
}

TEST(RpcScan, RefusesTextThatIsNotWhereverItStands) {
  const std::string_view bad[] = {
      "\x80",
      "\xbf",
      "\xfe",
      "\xff",  // bytes that begin nothing
      "\xc2",
      "\xe2\x82",
      "\xf0\x9f\x98",  // cut
      "\xc2\x41",
      "\xe2\x41\x80",
      "\xe2\x82\x41",
      "\xf0\x9f\x98\x41",
      "\xc0\x80",
      "\xc1\xbf",
      "\xe0\x9f\xbf",
      "\xf0\x8f\xbf\xbf",  // overlong
      "\xed\xa0\x80",
      "\xed\xbf\xbf",  // surrogates
      "\xf4\x90\x80\x80",
      "\xf5\x80\x80\x80",  // beyond U+10FFFF
  };
  for (const auto text : bad)
    for (std::size_t before = 0; before < 18; ++before) {
      const auto whole = std::string(before, 'x') + std::string(text);
      EXPECT_FALSE(is_utf8(whole)) << before;
      EXPECT_FALSE(is_utf8(whole + "more text behind")) << before;
      EXPECT_EQ(refusal(encode(Value(whole))), not_utf8);
      EXPECT_EQ(refusal(encode(Map{{whole, 1}})), not_utf8) << "as a key";
      EXPECT_EQ(refusal(encode(Map{{"a", Array{1, whole}}})), not_utf8) << "within";
      EXPECT_EQ(refusal(encode(Bytes{whole})), "") << "bytes may be anything";
    }
}

// ---- what a peer can be given -----------------------------------------------------------------------

TEST(RpcForPeers, KeysOfMapsAreTextOrBytes) {
  EXPECT_EQ(refusal_for_peer(encode(Map{{"a", 1}, {Bytes{"b"}, 2}})), "");
  for (const auto& key : {Value(1), Value(-1), Value(), Value(true), Value(1.5), Value(Extension{1, "x"}),
                          Value(Array{}), Value(Array{"a"}), Value(Map{})}) {
    EXPECT_EQ(refusal_for_peer(encode(Map{{key, 1}})), odd_key) << describe(key);
    EXPECT_EQ(refusal_for_peer(encode(Map{{"a", 1}, {key, 1}})), odd_key) << describe(key);
    EXPECT_EQ(refusal_for_peer(encode(Map{{"a", Map{{key, 1}}}})), odd_key) << describe(key);
    EXPECT_EQ(refusal_for_peer(encode(Array{1, Map{{"a", Array{}}, {"b", Array{Map{{key, 1}}}}}})), odd_key);
    EXPECT_EQ(refusal(encode(Map{{key, 1}})), "") << "accepted from a peer";
  }
}

TEST(RpcForPeers, OnlyKeysMustBeTextOrBytes) {
  EXPECT_EQ(
      refusal_for_peer(encode(Array{1, Map{{"a", 1}, {"b", Array{1, 2}}, {"c", Map{}}, {"d", nullptr}}, 2})),
      "");
}

TEST(RpcForPeers, WhyUnreadableIsNothingOrAReason) {
  EXPECT_EQ(why_unreadable(encode(Map{{"a", 1}})), nullptr);
  EXPECT_EQ(why_unreadable(from_hex("01c1")), nullptr) << "bytes behind are not looked at";
  EXPECT_STREQ(why_unreadable(encode(Map{{1, 1}})), odd_key);
  EXPECT_STREQ(why_unreadable(encode(Value("\xff"))), not_utf8);
  EXPECT_STREQ(why_unreadable(""), cut);
}

TEST(RpcForPeers, ThereIsRoomForWhatAnAnswerPutsAroundAResult) {
  EXPECT_EQ(why_unreadable(nested(deepest_sent)), nullptr);
  EXPECT_STREQ(why_unreadable(nested(deepest_sent + 1)), deep);
  const Value result = decode(nested(deepest_sent));
  const Value polled = Map{{"code", "success"}, {"result", Map{{"code", "success"}, {"result", result}}}};
  EXPECT_EQ(refusal(encode(Array{polled})), "") << "the longest way: a poll's answer";
}

}  // namespace
}  // namespace backplane::rpc
