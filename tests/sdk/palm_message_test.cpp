// PALM messages: bytes of the real thing, every cut, every flip, and what a function string selects.
#include <gtest/gtest.h>

#include <backplane/palm/message.hpp>

#include <set>

#include "support/vectors.hpp"

namespace backplane::palm {
namespace {

using test::from_hex;
using test::vectors;

PalmMessage message_of(const nlohmann::json& fields) {
  PalmMessage message;
  message.pipeline = fields["pipeline"].get<std::string>();
  message.client = fields["client"].get<std::string>();
  message.stage = fields["stage"].get<std::int64_t>();
  message.function = fields["function"].get<std::string>();
  message.cache = fields["cache"].get<std::string>();
  message.payload = from_hex(fields["payload_hex"].get<std::string>());
  return message;
}

std::string again(std::string_view bytes) { return encode(read(bytes)); }

// What is wrong with the bytes; empty: nothing.
std::string complaint(std::string_view bytes) {
  try {
    read(bytes);
    return {};
  } catch (const Malformed& error) {
    return error.what();
  }
}

std::string field_1000(std::string_view text) {
  return from_hex("c23e") + static_cast<char>(text.size()) + std::string(text);
}

// ---- bytes ------------------------------------------------------------------------------------------

TEST(PalmMessages, EncodeToTheBytesOfTheRealThing) {
  for (const auto& each : vectors("palm/message.json", "encode")) {
    auto message = message_of(each["message"]);
    auto bytes = from_hex(each["hex"].get<std::string>());
    if (each.contains("repeat")) {
      const auto byte = from_hex(each["repeat"]["byte"].get<std::string>());
      message.payload.assign(each["repeat"]["times"].get<std::size_t>(), byte[0]);
      bytes += message.payload;
    }
    EXPECT_EQ(encode(message.fields()), bytes) << each["name"];
    EXPECT_EQ(PalmMessage(read(bytes)), message) << each["name"];
  }
}

TEST(PalmMessages, DecodeOrAreRefusedAsTheRealThingHasIt) {
  for (const auto& each : vectors("palm/message.json", "decode")) {
    const auto bytes = from_hex(each["hex"].get<std::string>());
    if (!each["valid"].get<bool>()) {
      EXPECT_NE(complaint(bytes), "") << each["name"];
      continue;
    }
    auto message = PalmMessage(read(bytes));
    message.unknown.clear();
    EXPECT_EQ(message, message_of(each["message"])) << each["name"];
    EXPECT_EQ(again(bytes), from_hex(each["again_hex"].get<std::string>())) << each["name"];
  }
}

TEST(PalmMessages, OfRealTrafficComeBackByteForByte) {
  for (const auto& each : vectors("palm/traffic.json", "messages")) {
    const auto bytes = from_hex(each["hex"].get<std::string>());
    EXPECT_EQ(PalmMessage(read(bytes)), message_of(each["message"])) << each["on"];
    EXPECT_EQ(again(bytes), bytes) << each["on"];
    EXPECT_EQ(encode(PalmMessage(read(bytes)).fields()), bytes) << each["on"];
  }
}

TEST(PalmMessages, KeepUnknownFieldsOfEveryType) {
  const auto known = from_hex("0a0170");
  const auto unknown = from_hex(
      "7805"
      "790102030405060708"
      "7d01020304"
      "820103657272"
      "7b08017c");
  EXPECT_EQ(again(unknown + known), known + unknown);
  EXPECT_EQ(PalmMessage(read(unknown + known)).unknown, unknown);
}

TEST(PalmMessages, KeepGroupsAndGroupsInGroups) {
  const auto nested = from_hex(
      "7b"
      "8301"
      "0801"
      "8401"
      "0a0161"
      "7c");
  EXPECT_EQ(again(nested), nested);
  EXPECT_NE(complaint(from_hex("7b0801")), "") << "a group without an end";
  EXPECT_NE(complaint(from_hex("7b08018401")), "") << "a group with another's end";
}

TEST(PalmMessages, WithGroupsNestedTooDeeplyAreRefused) {
  const std::string open(1000, '\x7b');
  const std::string close(1000, '\x7c');
  EXPECT_NE(complaint(open + close), "");
  EXPECT_EQ(complaint(open.substr(0, 20) + close.substr(0, 20)), "");
}

TEST(PalmMessages, TheErrorMarkIsReadAndWrittenLast) {
  const auto marked = from_hex(
                          "120163"
                          "320130") +
                      field_1000("function_failed: no");
  const auto fields = read(marked);
  ASSERT_TRUE(fields.failed());
  EXPECT_EQ(*fields.error, "function_failed: no");
  EXPECT_EQ(again(marked), marked);
  EXPECT_EQ(again(from_hex("7805") + marked), from_hex("120163"
                                                       "320130"
                                                       "7805") +
                                                  field_1000("function_failed: no"));
}

TEST(PalmMessages, AnEmptyErrorMarkIsAMark) {
  EXPECT_TRUE(read(field_1000("")).failed());
  EXPECT_EQ(again(field_1000("")), field_1000(""));
}

TEST(PalmMessages, AnErrorMarkOfAnotherTypeIsUnknown) {
  const auto number = from_hex("c03e05");
  EXPECT_FALSE(read(number).failed());
  EXPECT_EQ(again(number), number);
}

TEST(PalmMessages, CutAtAnyByteAreReadOrRefused) {
  const auto whole = from_hex(
                         "0a0170"
                         "120163"
                         "18ac02"
                         "2207732e66616365640a0171"
                         "7d01020304"
                         "320568656c6c6f") +
                     field_1000("code: why") + from_hex("7b08017c");
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    if (complaint(cut).empty()) {
      EXPECT_EQ(again(again(cut)), again(cut)) << size;
    }
  }
}

TEST(PalmMessages, WithAnyByteChangedAreReadOrRefused) {
  const auto whole = from_hex(
                         "0a0170120163"
                         "18ac02"
                         "2205732e666f6f"
                         "2a026b31"
                         "320568656c6c6f"
                         "7805") +
                     field_1000("code: why");
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (int value = 0; value < 256; ++value) {
      auto flipped = whole;
      flipped[at] = static_cast<char>(value);
      if (complaint(flipped).empty()) {
        EXPECT_EQ(again(again(flipped)), again(flipped)) << at << " " << value;
      }
    }
}

TEST(PalmMessages, AnAnnouncedSizeBeyondTheEndIsRefused) {
  EXPECT_NE(complaint(from_hex("32ffffffffffffffffff01")), "");
  EXPECT_NE(complaint(from_hex("32ffffffff0f")), "");
}

TEST(PalmMessages, AreWrittenIntoTheFrameThatTheyShow) {
  zmq_msg_t frame;
  const auto bytes = from_hex(
      "0a0170"
      "2205732e666f6f"
      "7805");
  ASSERT_EQ(zmq_msg_init_size(&frame, bytes.size()), 0);
  std::memcpy(zmq_msg_data(&frame), bytes.data(), bytes.size());
  auto fields = read(frame_view(frame));
  fields.stage = 1;
  write_frame(fields, frame);
  EXPECT_EQ(frame_view(frame), from_hex("0a0170"
                                        "1801"
                                        "2205732e666f6f"
                                        "7805"));
  zmq_msg_close(&frame);
}

TEST(PalmMessages, ANewPayloadLeavesTheRest) {
  const PalmMessage before(
      read(from_hex("0a0170120163"
                    "1801"
                    "320178"
                    "7805")));
  auto expected = before;
  expected.payload = "other";
  EXPECT_EQ(change_payload(before, "other"), expected);
}

// ---- UTF-8 ------------------------------------------------------------------------------------------

TEST(Utf8, WhatIsWellFormedIsTaken) {
  for (const std::string_view text :
       {"", "plain", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF",
        "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "seven b\xC3\xA9 and some more"})
    EXPECT_TRUE(detail::is_utf8(text)) << text;
  EXPECT_TRUE(detail::is_utf8(std::string_view("a\0b", 3)));
}

TEST(Utf8, WhatIsNotIsRefusedWhereverItStands) {
  const std::string_view bad[] = {"\x80",
                                  "\xBF",
                                  "\xC0\x80",
                                  "\xC1\xBF",
                                  "\xC2",
                                  "\xC2\x41",
                                  "\xE0\x9F\xBF",
                                  "\xE2\x82",
                                  "\xED\xA0\x80",
                                  "\xED\xBF\xBF",
                                  "\xF0\x8F\xBF\xBF",
                                  "\xF0\x9F\x98",
                                  "\xF4\x90\x80\x80",
                                  "\xF5\x80\x80\x80",
                                  "\xFE",
                                  "\xFF"};
  for (const auto text : bad)
    for (std::size_t before = 0; before < 12; ++before) {
      EXPECT_FALSE(detail::is_utf8(std::string(before, 'x') + std::string(text))) << text << before;
      EXPECT_FALSE(detail::is_utf8(std::string(before, 'x') + std::string(text) + "more text behind"));
    }
}

TEST(Utf8, AnErrorTextIsAlwaysUtf8) {
  EXPECT_EQ(error_text(function_failed, "gr\xC3\xBC\xC3\x9F"), "function_failed: gr\xC3\xBC\xC3\x9F");
  EXPECT_EQ(error_text(function_failed, "bad \xFF byte"), "function_failed: bad ? byte");
}

// ---- what is called ---------------------------------------------------------------------------------

// "server|function" or the code.
std::string selected(std::string_view function, std::int64_t stage = 0) {
  const auto found = select(function, stage);
  if (!found.ok()) {
    EXPECT_NE(found.why, "");
    return std::string(found.code);
  }
  return std::string(found.server) + "|" + std::string(found.function);
}

TEST(Select, TakesTheWholeStringAtAnyStage) {
  EXPECT_EQ(selected("server.foo"), "server|foo");
  EXPECT_EQ(selected("server.foo", 7), "server|foo");
  EXPECT_EQ(selected("server.foo", -1), "server|foo");
}

TEST(Select, OfSeveralWordsTakesTheOneAtTheStage) {
  EXPECT_EQ(selected("a.f b.g c.h", 0), "a|f");
  EXPECT_EQ(selected("a.f b.g c.h", 2), "c|h");
  EXPECT_EQ(selected("  a.f \t b.g\n", 1), "b|g");
  EXPECT_EQ(selected("a.f ", 0), "a|f");
}

TEST(Select, RefusesStagesThatAreNotThere) {
  EXPECT_EQ(selected("a.f b.g", 2), "stage_out_of_range");
  EXPECT_EQ(selected("a.f b.g", -1), "stage_out_of_range");
  EXPECT_EQ(selected("a.f b.g", std::numeric_limits<std::int64_t>::max()), "stage_out_of_range");
  EXPECT_EQ(selected("a.f b.g", std::numeric_limits<std::int64_t>::min()), "stage_out_of_range");
  EXPECT_EQ(selected("a.f ", 1), "stage_out_of_range");
  EXPECT_EQ(selected("   ", 0), "stage_out_of_range");
}

TEST(Select, SplitsAtTheLastDotAndNeedsBothParts) {
  EXPECT_EQ(selected("my.server.foo"), "my.server|foo");
  EXPECT_EQ(selected("a..f"), "a.|f");
  for (const std::string_view bad : {"", "foo", ".foo", "server.", "."})
    EXPECT_EQ(selected(bad), "bad_function") << bad;
  EXPECT_EQ(selected("a.f nonsense", 1), "bad_function");
}

// ---- identities -------------------------------------------------------------------------------------

TEST(Uuids, AreRandomOnesOfVersion4AndNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) {
    const auto uuid = new_uuid();
    ASSERT_EQ(uuid.size(), 36u);
    for (std::size_t at = 0; at < uuid.size(); ++at) {
      const bool dash = at == 8 || at == 13 || at == 18 || at == 23;
      ASSERT_EQ(uuid[at] == '-', dash) << uuid;
      ASSERT_TRUE(dash || std::string_view("0123456789abcdef").find(uuid[at]) != std::string_view::npos);
    }
    ASSERT_EQ(uuid[14], '4');
    ASSERT_NE(std::string_view("89ab").find(uuid[19]), std::string_view::npos) << uuid;
    ASSERT_TRUE(seen.insert(uuid).second);
  }
}

}  // namespace
}  // namespace backplane::palm
