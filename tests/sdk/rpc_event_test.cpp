// ZeroRPC's events: what real programs sent, every cut of it, every way to be none, and what is written.
#include <gmock/gmock.h>

#include <backplane/rpc/event.hpp>

#include <set>

#include "support/rpc_vectors.hpp"

namespace backplane::rpc {
namespace {

using test::from_hex;
using testing::AnyOf;
using testing::HasSubstr;

// Why the bytes are no event; empty: they are one.
std::string why_none(std::string_view payload, std::size_t depth = deepest) {
  Event event;
  const auto* reason = read_event(payload, event, depth);
  return reason == nullptr ? "" : reason;
}

// The event in the bytes, which must outlive it.
Event read(std::string_view payload) {
  Event event;
  const auto* reason = read_event(payload, event);
  EXPECT_EQ(reason, nullptr) << reason;
  return event;
}

std::string bytes_of(const Value& header, const Value& name, const Value& args) {
  return encode(Array{header, name, args});
}
std::string request_with(const Map& header) { return bytes_of(header, "add", Array{1, 2}); }

// An event whose id is these bytes.
std::string request_with_id(std::string_view id) {
  return "\x93\x81\xaamessage_id" + std::string(id) + "\xa3" + "add" + "\x90";
}

const std::string some_id = "0123456789abcdef0123456789abcdef";
const Map smallest = {{"message_id", Bytes{some_id}}, {"v", 3}};

Map with(Value key, Value value) {
  Map header = smallest;
  header.push_back({std::move(key), std::move(value)});
  return header;
}

// ---- what real programs sent ------------------------------------------------------------------------

TEST(RpcRecordings, AreReadAndWrittenByteForByte) {
  for (const auto& recording : test::all_recordings())
    for (const auto& frame : recording.frames) {
      const auto value = decode(frame.payload());
      EXPECT_EQ(value, frame.event) << recording.name;
      EXPECT_EQ(encode(value), frame.payload()) << recording.name;
      EXPECT_EQ(encode(frame.event), frame.payload()) << recording.name;
    }
}

TEST(RpcEvents, OfRealProgramsAreRead) {
  for (const auto& recording : test::all_recordings())
    for (const auto& frame : recording.frames) {
      const auto event = read(frame.payload());
      EXPECT_EQ(decode(event.message_id), *frame.header().find("message_id")) << recording.name;
      EXPECT_EQ(Value(event.version), *frame.header().find("v")) << recording.name;
      EXPECT_TRUE(event.named) << recording.name;
      EXPECT_EQ(Value(event.name), frame.name()) << recording.name;
      EXPECT_EQ(decode(event.args), frame.args()) << recording.name;
      const auto* response_to = frame.header().find("response_to");
      EXPECT_EQ(event.opens_channel(), response_to == nullptr) << recording.name;
      if (response_to != nullptr) {
        EXPECT_EQ(decode(event.response_to), *response_to) << recording.name;
      }
    }
}

// The pairs of a header that are not ZeroRPC's own, encoded.
std::string context_of(const Event& event, std::uint32_t& pairs) {
  std::string context;
  for (const auto* const key : {"trace_id"})
    if (const auto value = header_value(event, key); !value.empty()) {
      append_text(context, key);
      context += value;
      ++pairs;
    }
  return context;
}

TEST(RpcEvents, AreWrittenAsRealProgramsWriteThem) {
  int written = 0;
  for (const auto& recording : test::all_recordings())
    for (const auto& frame : recording.frames) {
      const auto* id = frame.header().find("message_id")->get_if<Bytes>();
      // Some peers make ids of another form; some speak an older version.
      if (id == nullptr || id->content.size() != EventIds::size || !(*frame.header().find("v") == Value(3)))
        continue;
      const auto read_back = read(frame.payload());
      EventParts parts{.id = id->content, .response_to = read_back.response_to, .name = read_back.name};
      const auto context = context_of(read_back, parts.context_pairs);
      parts.context = context;
      parts.args_front = read_back.args.substr(0, 1);
      parts.args = read_back.args.substr(1);
      EXPECT_EQ(event(parts), frame.payload()) << recording.name;
      ++written;
    }
  EXPECT_GT(written, 300);
}

TEST(RpcEvents, CutAtAnyByteAreNone) {
  for (const auto& recording : test::all_recordings())
    for (const auto& frame : recording.frames) {
      const std::string_view payload = frame.payload();
      for (std::size_t size = 0; size < payload.size(); ++size)
        ASSERT_THAT(why_none(payload.substr(0, size)),
                    AnyOf("cut short", "a list or map is longer than the bytes that are there",
                          "a text or binary is longer than the bytes that are there"))
            << recording.name << " at " << size;
    }
}

TEST(RpcEvents, WithAnyByteChangedAreReadOrRefused) {
  const auto whole = bytes_of(with("response_to", Bytes{some_id}), "OK", Array{Map{{"a", "\xc3\xa9"}}});
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (int value = 0; value < 256; ++value) {
      auto changed = whole;
      changed[at] = static_cast<char>(value);
      Event event;
      if (read_event(changed, event) == nullptr) {
        EXPECT_NO_THROW(decode(event.args)) << at << " " << value;
      }
    }
}

// ---- what is dropped --------------------------------------------------------------------------------

// What a server does with a payload when it has no channel: drop it, answer it ERR, or call a function.
std::string outcome(std::string_view payload) {
  Event event;
  if (read_event(payload, event) != nullptr || !event.opens_channel()) return "drop";
  if (!event.named) return "ERR NameError";
  Token args;
  if (!Scanner(event.args).next(args) || args.kind != Token::Kind::list) return "ERR TypeError";
  return "call";
}

TEST(RpcMalformed, IsDroppedOrAnsweredAsRecorded) {
  for (const auto& each : test::malformed_cases()) {
    const auto got = outcome(each.payload);
    if (each.outcome == "either") {
      EXPECT_THAT(got, AnyOf("drop", "call")) << each.says;
    } else {
      EXPECT_EQ(got, each.outcome.starts_with("OK") ? "call" : each.outcome) << each.says;
    }
  }
}

TEST(RpcMalformed, IsWhateverIsNoListOfThree) {
  for (const auto& value : {Value(), Value(3), Value("text"), Value(smallest), Value(Array{}),
                            Value(Array{smallest, "add"}), Value(Array{smallest, "add", Array{}, 1})})
    EXPECT_EQ(why_none(encode(value)), "not a list of three") << describe(value);
}

TEST(RpcMalformed, IsAHeaderThatIsNoMap) {
  for (const auto& header : {Value(), Value(1), Value("text"), Value(Array{}), Value(Bytes{"x"})})
    EXPECT_EQ(why_none(bytes_of(header, "add", Array{})), "the header is no map") << describe(header);
}

TEST(RpcMalformed, IsAnEventWithoutAnId) {
  EXPECT_EQ(why_none(request_with({})), "there is no message_id");
  EXPECT_EQ(why_none(request_with({{"v", 3}})), "there is no message_id");
  for (const auto& id : {Value(), Value(Array{}), Value(Array{"a"}), Value(Map{}), Value(Map{{"a", 1}})})
    EXPECT_EQ(why_none(request_with({{"message_id", id}})), "message_id is nil, a list or a map")
        << describe(id);
}

TEST(RpcMalformed, IsAReferenceToWhatCannotBeAnId) {
  for (const auto& id : {Value(Array{}), Value(Array{"a"}), Value(Map{}), Value(Map{{"a", 1}})})
    EXPECT_EQ(why_none(request_with(with("response_to", id))), "response_to is a list or a map")
        << describe(id);
}

TEST(RpcMalformed, IsAVersionThatIsNoInteger) {
  for (const auto& version :
       {Value(), Value("3"), Value(3.0), Value(true), Value(Array{3}), Value(Bytes{"3"})})
    EXPECT_EQ(why_none(request_with({{"message_id", "a"}, {"v", version}})), "the version is no integer")
        << describe(version);
}

TEST(RpcMalformed, IsTextThatIsNotUtf8WhereverItStands) {
  const Value bad("\xff");
  for (const auto& payload :
       {request_with(with(bad, 1)), request_with(with("key", bad)), request_with({{"message_id", bad}}),
        bytes_of(smallest, bad, Array{}), bytes_of(smallest, "add", Array{bad}),
        bytes_of(smallest, "add", Array{Map{{"a", Array{bad}}}})})
    EXPECT_EQ(why_none(payload), "text that is not UTF-8");
}

TEST(RpcMalformed, IsAPartThatIsNestedTooDeeply) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '\x91') + '\x01'; };
  const auto front = encode(Array{smallest, "add", 0});
  const auto with_args = [&](const std::string& args) { return front.substr(0, front.size() - 1) + args; };
  EXPECT_EQ(why_none(with_args(nested(511))), "");
  EXPECT_EQ(why_none(with_args(nested(512))), "");
  EXPECT_EQ(why_none(with_args(nested(513))), "nested too deeply");
  EXPECT_EQ(why_none(with_args(nested(100'000))), "nested too deeply");
  EXPECT_EQ(why_none(with_args(nested(5)), 4), "nested too deeply");
  EXPECT_EQ(why_none("\x93\x81\xa1k" + nested(513) + "\xa3" + "add" + "\x90"), "nested too deeply")
      << "the header";
  EXPECT_EQ(why_none("\x93\x80" + nested(513) + "\x90"), "nested too deeply") << "the name";
  EXPECT_EQ(why_none(std::string(100'000, '\x93')), "the header is no map");
}

TEST(RpcMalformed, IsALengthBeyondThePayload) {
  for (const auto* hex : {"ddffffffff", "dfffffffff", "93dfffffffff", "93deffffc0", "9380dbffffffff61",
                          "9380a161ddffffffff", "9380a161c6ffffffff61"})
    EXPECT_THAT(why_none(from_hex(hex)), HasSubstr("longer than the bytes that are there")) << hex;
}

// ---- what is taken ----------------------------------------------------------------------------------

TEST(RpcEvents, KeepIdsOfAnyTypeAndWidthAsTheyCame) {
  const std::string text(300, 'i');
  for (const auto& id : {from_hex("c400"),
                         from_hex("c40161"),
                         from_hex("c5000161"),
                         from_hex("c60000000161"),
                         from_hex("a0"),
                         from_hex("a161"),
                         from_hex("d90161"),
                         from_hex("da000161"),
                         from_hex("db0000000161"),
                         encode(Value(text)),
                         encode(Bytes{text}),
                         from_hex("00"),
                         from_hex("7f"),
                         from_hex("cc05"),
                         from_hex("cd0005"),
                         from_hex("ce00000005"),
                         from_hex("cf0000000000000005"),
                         from_hex("cfffffffffffffffff"),
                         from_hex("ff"),
                         from_hex("d0fb"),
                         from_hex("d1fffb"),
                         from_hex("d2fffffffb"),
                         from_hex("d3fffffffffffffffb"),
                         from_hex("cb3ff8000000000000"),
                         from_hex("c2"),
                         from_hex("d40561")}) {
    const auto request = request_with_id(id);
    const auto channel = read(request).message_id;
    EXPECT_EQ(channel, id);
    const auto answer =
        event({.id = some_id, .response_to = channel, .name = event_name::ok, .args = "\x91\xc0"});
    EXPECT_EQ(read(answer).response_to, id);
    EXPECT_NE(answer.find("\xabresponse_to" + id), std::string::npos);
  }
}

TEST(RpcEvents, IdsOfDifferentTypesAreDifferent) {
  std::set<std::string> seen;
  for (const auto& id : {Value("5"), Value(Bytes{"5"}), Value(5)})
    seen.insert(std::string(read(request_with_id(encode(id))).message_id));
  EXPECT_EQ(seen.size(), 3u);
}

TEST(RpcEvents, WithAReferenceOfNilOpenAChannel) {
  EXPECT_TRUE(read(request_with(with("response_to", nullptr))).opens_channel());
}

TEST(RpcEvents, WithoutAVersionAreOfTheFirst) {
  EXPECT_EQ(read(request_with({{"message_id", "a"}})).version, 1u);
  EXPECT_EQ(read(request_with({{"message_id", "a"}, {"v", 2}})).version, 2u);
  EXPECT_EQ(read(request_with({{"message_id", "a"}, {"v", -1}})).version, 0u);
  EXPECT_EQ(
      read(request_with({{"message_id", "a"}, {"v", std::numeric_limits<std::uint64_t>::max()}})).version,
      std::numeric_limits<std::uint64_t>::max());
}

TEST(RpcEvents, KeysAndNamesMayBeBytes) {
  const auto payload = bytes_of(Map{{Bytes{"message_id"}, "a"}, {Bytes{"v"}, 2}, {Bytes{"response_to"}, "b"}},
                                Bytes{"OK"}, Array{1});
  const auto event = read(payload);
  EXPECT_EQ(event.message_id,
            "\xa1"
            "a");
  EXPECT_EQ(event.response_to,
            "\xa1"
            "b");
  EXPECT_EQ(event.version, 2u);
  EXPECT_TRUE(event.named);
  EXPECT_EQ(event.name, "OK");
}

TEST(RpcEvents, OfKeysThatComeTwiceTheLastCounts) {
  const auto payload = request_with({{"message_id", "a"},
                                     {"v", "no number"},
                                     {"response_to", Array{}},
                                     {"trace_id", "t"},
                                     {Bytes{"message_id"}, "b"},
                                     {"v", 2},
                                     {"response_to", "c"},
                                     {"trace_id", "u"}});
  const auto event = read(payload);
  EXPECT_EQ(event.message_id, encode(Value("b")));
  EXPECT_EQ(event.version, 2u);
  EXPECT_EQ(event.response_to, encode(Value("c")));
  EXPECT_EQ(header_value(event, "trace_id"), encode(Value("u")));
  EXPECT_EQ(why_none(request_with({{"message_id", "a"}, {"message_id", nullptr}})),
            "message_id is nil, a list or a map");
  const auto opening = request_with({{"message_id", "a"}, {"response_to", "b"}, {"response_to", nullptr}});
  EXPECT_TRUE(read(opening).opens_channel());
}

TEST(RpcEvents, KeysOfTheHeaderInAnyOrderAndOfAnyType) {
  const auto payload =
      request_with({{1, "one"}, {nullptr, 2}, {"v", 3}, {Array{}, Map{}}, {"message_id", "a"}});
  EXPECT_EQ(read(payload).message_id, encode(Value("a")));
  EXPECT_EQ(read(payload).context_pairs, 5u);
}

TEST(RpcEvents, KeepWhatElseIsInTheHeader) {
  const auto payload = request_with(with("trace_id", Map{{"a", 1}}));
  const auto event = read(payload);
  EXPECT_EQ(header_value(event, "trace_id"), encode(Map{{"a", 1}}));
  EXPECT_EQ(header_value(event, "trace"), "");
  EXPECT_EQ(header_value(event, "v"), encode(Value(3)));
}

TEST(RpcEvents, ANameOfAnotherTypeIsNone) {
  for (const auto& name :
       {Value(), Value(1), Value(Array{"add"}), Value(Map{}), Value(Extension{1, "add"})}) {
    const auto payload = bytes_of(smallest, name, Array{});
    EXPECT_FALSE(read(payload).named) << describe(name);
    EXPECT_EQ(read(payload).name, "") << describe(name);
  }
}

TEST(RpcEvents, MayHaveBytesBehindThem) {
  const auto whole = request_with(smallest);
  EXPECT_EQ(read(whole + "\xc1\xc1").args, encode(Array{1, 2}));
}

TEST(RpcEvents, MayHaveArgsOfAnyType) {
  for (const auto& args : {Value(), Value(5), Value("text"), Value(Array{}), Value(Map{{1, 2}})}) {
    const auto payload = bytes_of(smallest, "_zpc_hb", args);
    EXPECT_EQ(read(payload).args, encode(args));
  }
}

// ---- parts of events --------------------------------------------------------------------------------

TEST(RpcCredit, IsAPositiveIntegerInFrontOfAList) {
  EXPECT_EQ(credit_of(encode(Array{1})), 1u);
  EXPECT_EQ(credit_of(encode(Array{100, "more"})), 100u);
  EXPECT_EQ(credit_of(encode(Array{std::numeric_limits<std::uint64_t>::max()})),
            std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(credit_of(from_hex("91d005")), 5u) << "however it was written";
  for (const auto& args : {Value(), Value(5), Value("5"), Value(Array{}), Value(Array{0}), Value(Array{-1}),
                           Value(Array{1.0}), Value(Array{"1"}), Value(Array{true}), Value(Array{nullptr}),
                           Value(Array{Array{1}}), Value(Map{{1, 2}})})
    EXPECT_EQ(credit_of(encode(args)), 0u) << to_json(args);
  EXPECT_EQ(credit_of(""), 0u);
  EXPECT_EQ(credit_of("\x91"), 0u);
}

TEST(RpcCredit, IsWrittenInTheShortestForm) {
  for (const std::uint32_t credit : {1u, 51u, 100u, 127u, 128u, 255u, 256u, 65535u, 65536u, 4294967295u}) {
    EXPECT_EQ(credit_args(credit), encode(Array{credit}));
    EXPECT_EQ(credit_of(credit_args(credit)), credit);
  }
}

TEST(RpcParts, TheOnlyElementOfAList) {
  EXPECT_EQ(only_element(encode(Array{Map{{"a", 1}}})), encode(Map{{"a", 1}}));
  EXPECT_EQ(only_element(encode(Array{nullptr})), encoded::nil);
  for (const auto& args : {Value(), Value(1), Value(Array{}), Value(Array{1, 2}), Value(Map{{"a", 1}})})
    EXPECT_EQ(only_element(encode(args)), std::nullopt) << to_json(args);
}

TEST(RpcParts, TheContentOfTextOrBytes) {
  EXPECT_EQ(text_of(encode(Value("a"))), "a");
  EXPECT_EQ(text_of(encode(Bytes{"\xff"})), "\xff");
  EXPECT_EQ(text_of(encode(Value(""))), "");
  EXPECT_EQ(text_of(""), std::nullopt);
  for (const auto& value : {Value(), Value(1), Value(Array{"a"}), Value(Extension{1, "a"})})
    EXPECT_EQ(text_of(encode(value)), std::nullopt) << to_json(value);
}

TEST(RpcParts, ConstantArgsAreWhatTheySay) {
  EXPECT_EQ(encoded::nil, encode(Value()));
  EXPECT_EQ(encoded::heartbeat_args, encode(Array{0}));
  EXPECT_EQ(std::string(encoded::list_of_one) + '\x05', encode(Array{5}));
}

// ---- writing ----------------------------------------------------------------------------------------

TEST(RpcWriting, TextAndBytesTakeTheShortestForm) {
  for (const std::size_t size : {0u, 1u, 31u, 32u, 255u, 256u, 65535u, 65536u}) {
    const std::string content(size, 'x');
    std::string text;
    append_content(text, content, true);
    EXPECT_EQ(text, encode(Value(content)));
    std::string bytes;
    append_content(bytes, content, false);
    EXPECT_EQ(bytes, encode(Bytes{content}));
  }
}

TEST(RpcWriting, MendsTextThatIsNotUtf8) {
  const auto mended = [](std::string_view content) {
    std::string out = "before";
    append_text(out, content);
    return decode(out.substr(6));
  };
  EXPECT_EQ(mended("gr\xc3\xbc\xc3\x9f"), Value("gr\xc3\xbc\xc3\x9f"));
  EXPECT_EQ(mended("bad \xff byte"), Value("bad \xef\xbf\xbd byte"));
  EXPECT_EQ(mended("cut \xe2\x82"), Value("cut \xef\xbf\xbd\xef\xbf\xbd"));
  EXPECT_EQ(mended("\xed\xa0\x80"), Value("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"));
  EXPECT_EQ(mended(std::string(20, '\xff')).get_if<std::string>()->size(), 60u)
      << "its length is that of the mended";
  EXPECT_EQ(mended(std::string_view("a\0b", 3)), Value(std::string_view("a\0b", 3)));
}

TEST(RpcWriting, ErrorsAsTheClientsVersionHasThem) {
  EXPECT_EQ(decode(error_args("NameError", "nope", 3)), test::json(R"(["NameError", "nope", null])"));
  EXPECT_EQ(decode(error_args("NameError", "nope", 2)), test::json(R"(["NameError", "nope", null])"));
  EXPECT_EQ(decode(error_args("DemoError", "boom", 1)), Value(Array{"DemoError('boom')"}));
  EXPECT_EQ(decode(error_args("DemoError", "boom", 0)), Value(Array{"DemoError('boom')"}));
  for (const std::uint64_t version : {1u, 3u})
    EXPECT_EQ(why_unreadable(error_args("A\xff", std::string(1000, '\xfe'), version)), nullptr);
}

TEST(RpcWriting, NamesOfAnyLength) {
  for (const std::size_t size : {0u, 1u, 31u, 32u, 255u, 256u, 70'000u}) {
    const std::string name(size, 'n');
    const auto payload = event({.id = some_id, .name = name, .args = "\x90"});
    EXPECT_EQ(payload, bytes_of(smallest, name, Array{})) << size;
  }
}

TEST(RpcWriting, PairsOfTheHeaderOfAnyNumber) {
  for (const std::uint32_t count : {0u, 1u, 12u, 13u, 14u, 300u}) {
    Map header = smallest;
    std::string context;
    for (std::uint32_t i = 0; i < count; ++i) {
      header.push_back({"k" + std::to_string(i), i});
      context += encode(header.back().key) + encode(header.back().value);
    }
    header.push_back({"response_to", "channel"});
    const auto payload = event({.id = some_id,
                                .context = context,
                                .context_pairs = count,
                                .response_to = encode(Value("channel")),
                                .name = "OK",
                                .args = "\x91\x01"});
    EXPECT_EQ(payload, bytes_of(header, "OK", Array{1})) << count;
  }
}

TEST(RpcWriting, TheSizeOfAnEventIsKnownBeforeItIsWritten) {
  for (const std::size_t size : {0u, 31u, 32u, 70'000u}) {
    const std::string name(size, 'n');
    const EventParts parts{.id = some_id, .response_to = some_id, .name = name, .args = "\x90"};
    std::string memory(size_of(parts), '?');
    Memory out{memory.data()};
    write_event(out, parts);
    EXPECT_EQ(memory, event(parts)) << size;
    EXPECT_EQ(out.at, memory.data() + memory.size()) << size;
  }
}

// ---- ids --------------------------------------------------------------------------------------------

TEST(RpcEventIds, Are32HexDigitsAndNeverTheSame) {
  constexpr std::size_t count = 1'000'000;
  EventIds ids;
  std::vector<std::string> seen;
  seen.reserve(count);
  for (std::size_t i = 0; i < count; ++i) seen.emplace_back(ids.next());
  for (const auto& id : seen) {
    ASSERT_EQ(id.size(), 32u);
    ASSERT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos) << id;
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end());
}

TEST(RpcEventIds, CountUpAndKeepTheRest) {
  EventIds ids(0x0000abcc);
  const std::string first(ids.next());
  const std::string second(ids.next());
  EXPECT_EQ(first.substr(0, 8), "0000abcd");
  EXPECT_EQ(second.substr(0, 8), "0000abce");
  EXPECT_EQ(first.substr(8), second.substr(8));
}

TEST(RpcEventIds, AreDrawnAnewWhenTheCounterIsAtItsEnd) {
  EventIds ids(0xfffffffe);
  const std::string last(ids.next());
  const std::string next(ids.next());
  EXPECT_EQ(last.substr(0, 8), "ffffffff");
  EXPECT_NE(next.substr(8), last.substr(8));
  EXPECT_EQ(std::string(ids.next()).substr(8), next.substr(8));
}

TEST(RpcEventIds, OfTwoMakersDiffer) {
  EventIds one(5);
  EventIds other(5);
  EXPECT_NE(one.next(), other.next());
}

}  // namespace
}  // namespace backplane::rpc
