// ClientChannels under a clock of the test's own: what is sent, what is due, what the caller is told.
#include <backplane/rpc/channels.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sdk/rpc_verbs.hpp"
#include "support/rpc_vectors.hpp"

namespace backplane::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Channels = ClientChannels<std::string>;
using News = ChannelNews<std::string>;
using Kind = News::Kind;

constexpr std::int64_t second = 1'000'000'000;

// An event as a server writes it.
std::string answer(const ChannelId& channel, std::string_view name, std::string_view args) {
  const std::string to = std::string("\xc4\x20", 2) + std::string(channel.view());
  return event({.id = "0123456789abcdef0123456789abcdef", .response_to = to, .name = name, .args = args});
}

std::string msgpack(const Value& value) { return encode(value); }

// The fixture is the caller and the server; events that the channels want sent end up in `sent_`, as their
// name and their args.
class RpcChannels : public ::testing::Test {
 protected:
  ChannelId open(const std::string& owner = "call", ChannelRequest request = {}) {
    if (request.method.empty()) request.method = "count";
    const auto opened = channels_.open(request, owner, now_);
    request_ = event(opened.event);
    return opened.channel;
  }
  News receive(const std::string& payload) {
    payload_ = payload;
    return channels_.receive(payload_, now_);
  }
  News receive(const ChannelId& channel, std::string_view name, const Value& args) {
    return receive(answer(channel, name, msgpack(args)));
  }
  // The credit that is granted when an item was taken; 0: none.
  std::uint64_t consume(const ChannelId& channel) {
    const auto sent = channels_.consumed(channel);
    if (!sent) return 0;
    EXPECT_EQ(sent->name, "_zpc_more");
    return credit_of(sent->args);
  }

  // Lets the time pass up to `until`, tick by tick; returns what happened: "2s heartbeat", "3s call:
  // LostRemote". Every tick comes a little late, as they do.
  std::vector<std::string> pass_until(double until) {
    std::vector<std::string> happened;
    const auto end = static_cast<std::int64_t>(until * static_cast<double>(second));
    while (channels_.next_tick() <= end) {
      now_ = channels_.next_tick() + 1;
      while (const auto due = channels_.next_due(now_)) {
        const auto at = detail::seconds_text(now_ / 1'000'000 * 1'000'000) + "s ";
        if (due->heartbeat) {
          EXPECT_EQ(due->heartbeat->name, "_zpc_hb");
          EXPECT_EQ(due->heartbeat->args, std::string_view("\x91\x00", 2));
          happened.push_back(at + "heartbeat");
        } else {
          happened.push_back(at + *due->failure.owner + ": " + due->failure.error->type());
          says_ = due->failure.error->what();
        }
      }
    }
    now_ = end;
    return happened;
  }
  void with(ChannelSettings settings) { channels_ = Channels(settings); }

  std::int64_t now_ = 0;
  Channels channels_{{.heartbeat = second}};
  std::string request_;  // the last one
  std::string payload_;
  std::string says_;  // the text of the last failure
};

// ---- requests and their answers ----

TEST_F(RpcChannels, OpensWithARequest) {
  const auto channel = open("call", {.method = "add", .args = "\x92\x01\x02"});
  Event sent;
  ASSERT_EQ(read_event(request_, sent), nullptr);
  EXPECT_TRUE(sent.opens_channel());
  EXPECT_EQ(text_of(sent.message_id), channel.view());
  EXPECT_EQ(sent.name, "add");
  EXPECT_EQ(sent.args, "\x92\x01\x02");
  EXPECT_EQ(sent.version, 3u);
}

TEST_F(RpcChannels, PutsTheContextIntoTheHeader) {
  open("call", {.context = "\xa1k\xa1v", .context_pairs = 1});
  Event sent;
  ASSERT_EQ(read_event(request_, sent), nullptr);
  EXPECT_EQ(text_of(header_value(sent, "k")), "v");
}

TEST_F(RpcChannels, EveryChannelHasAnIdOfItsOwn) {
  const auto one = open();
  const auto other = open();
  EXPECT_NE(one.view(), other.view());
  EXPECT_EQ(channels_.size(), 2u);
}

TEST_F(RpcChannels, AResultEndsTheCall) {
  const auto channel = open("mine");
  const auto news = receive(channel, "OK", Array{42});
  EXPECT_EQ(news.kind, Kind::result);
  EXPECT_EQ(*news.owner, "mine");
  EXPECT_EQ(news.channel, channel);
  EXPECT_EQ(news.content, msgpack(42));
  EXPECT_EQ(channels_.size(), 0u);
}

TEST_F(RpcChannels, AnswersComeInAnyOrder) {
  const auto one = open("one");
  const auto two = open("two");
  EXPECT_EQ(*receive(two, "OK", Array{2}).owner, "two");
  EXPECT_EQ(*receive(one, "OK", Array{1}).owner, "one");
}

TEST_F(RpcChannels, AnErrorEndsTheCall) {
  const auto news = receive(open(), "ERR", Array{"DemoError", "no", "where"});
  EXPECT_EQ(news.kind, Kind::failure);
  EXPECT_TRUE(news.remote);
  EXPECT_EQ(news.error->type(), "DemoError");
  EXPECT_STREQ(news.error->what(), "no");
  EXPECT_EQ(news.error->traceback(), "where");
  EXPECT_EQ(channels_.size(), 0u);
}

TEST_F(RpcChannels, AnErrorMayHaveNoTraceback) {
  EXPECT_EQ(receive(open(), "ERR", Array{"DemoError", "no", nullptr}).error->traceback(), "");
}

TEST_F(RpcChannels, AnErrorOfOneTextIsARemoteError) {
  const auto news = receive(open(), "ERR", Array{"KeyError('x')"});
  EXPECT_TRUE(news.remote);
  EXPECT_EQ(news.error->type(), "RemoteError");
  EXPECT_STREQ(news.error->what(), "KeyError('x')");
}

TEST_F(RpcChannels, AnErrorMayBeWrittenInBytesOrOtherTypes) {
  const auto news = receive(open(), "ERR", Array{Bytes{"DemoError"}, Map{{"code", 5}}, nullptr});
  EXPECT_EQ(news.error->type(), "DemoError");
  EXPECT_STREQ(news.error->what(), R"({"code":5})");
}

TEST_F(RpcChannels, TheNamesOfEventsMayBeBytes) {
  const auto channel = open();
  auto payload = answer(channel, "XX", msgpack(Array{1}));
  payload.replace(payload.find("\xa2XX"), 3, std::string("\xc4\x02OK"));
  EXPECT_EQ(receive(payload).kind, Kind::result);
}

TEST_F(RpcChannels, TellsTheHeaderOfAnAnswer) {
  const std::string to = std::string("\xc4\x20", 2) + std::string(open().view());
  const auto news = receive(event({.id = "0123456789abcdef0123456789abcdef",
                                   .context = "\xa8trace_id\xa1t",
                                   .context_pairs = 1,
                                   .response_to = to,
                                   .name = "OK",
                                   .args = "\x91\x01"}));
  EXPECT_EQ(text_of(header_value(news.event, "trace_id")), "t");
}

// ---- streams ----

TEST_F(RpcChannels, AStreamIsItemsAndAnEnd) {
  const auto channel = open();
  const auto item = receive(channel, "STREAM", Array{1, 2});
  EXPECT_EQ(item.kind, Kind::item);
  EXPECT_EQ(item.content, msgpack(Array{1, 2}));
  EXPECT_EQ(channels_.size(), 1u);
  consume(channel);
  EXPECT_EQ(receive(channel, "STREAM_DONE", nullptr).kind, Kind::end);
  EXPECT_EQ(channels_.size(), 0u);
}

TEST_F(RpcChannels, AStreamMayBeEmpty) { EXPECT_EQ(receive(open(), "STREAM_DONE", {}).kind, Kind::end); }

TEST_F(RpcChannels, AStreamMayFailInTheMiddle) {
  const auto channel = open();
  receive(channel, "STREAM", 1);
  consume(channel);
  const auto news = receive(channel, "ERR", Array{"DemoError", "stream broken", nullptr});
  EXPECT_EQ(news.kind, Kind::failure);
  EXPECT_STREQ(news.error->what(), "stream broken");
}

// As the recorded client does that reads count(160).
TEST_F(RpcChannels, GrantsAHundredAfterTheFirstItemThenFiftyOneWheneverFortyNineAreLeft) {
  const auto channel = open();
  std::vector<std::string> grants;
  for (int item = 0; item < 160; ++item) {
    ASSERT_EQ(receive(channel, "STREAM", item).kind, Kind::item) << item;
    if (const auto credit = consume(channel); credit > 0)
      grants.push_back(std::to_string(credit) + " after " + std::to_string(item + 1));
  }
  EXPECT_THAT(grants, ElementsAre("100 after 1", "51 after 52", "51 after 103", "51 after 154"));
  EXPECT_EQ(receive(channel, "STREAM_DONE", {}).kind, Kind::end);
}

TEST_F(RpcChannels, WithFourSlotsGrantsFourThenThree) {
  const auto channel = open("call", {.slots = 4});
  std::vector<std::uint64_t> grants;
  for (int item = 0; item < 12; ++item) {
    ASSERT_EQ(receive(channel, "STREAM", item).kind, Kind::item) << item;
    grants.push_back(consume(channel));
  }
  EXPECT_THAT(grants, ElementsAre(4, 0, 0, 3, 0, 0, 3, 0, 0, 3, 0, 0));
}

TEST_F(RpcChannels, FewerSlotsThanTwoAreTwo) {
  const auto channel = open("call", {.slots = 0});
  std::vector<std::uint64_t> grants;
  for (int item = 0; item < 5; ++item) {
    ASSERT_EQ(receive(channel, "STREAM", item).kind, Kind::item) << item;
    grants.push_back(consume(channel));
  }
  EXPECT_THAT(grants, ElementsAre(2, 0, 2, 0, 2));
}

TEST_F(RpcChannels, CreditNamesTheChannel) {
  const auto channel = open();
  receive(channel, "STREAM", 1);
  const auto sent = channels_.consumed(channel);
  ASSERT_TRUE(sent);
  Event more;
  const auto payload = event(*sent);
  ASSERT_EQ(read_event(payload, more), nullptr);
  EXPECT_EQ(text_of(more.response_to), channel.view());
  EXPECT_EQ(more.name, "_zpc_more");
  EXPECT_EQ(more.args, "\x91\x64");
  EXPECT_NE(text_of(more.message_id), channel.view());
}

TEST_F(RpcChannels, AReaderWhoTakesNothingStopsTheServerAtItsSlots) {
  const auto channel = open("call", {.slots = 4});
  receive(channel, "STREAM", 0);
  consume(channel);
  for (int item = 1; item <= 4; ++item) ASSERT_EQ(receive(channel, "STREAM", item).kind, Kind::item);
  const auto news = receive(channel, "STREAM", 5);
  EXPECT_EQ(news.kind, Kind::failure);
  EXPECT_FALSE(news.remote);
  EXPECT_EQ(news.error->type(), "ProtocolError");
  EXPECT_THAT(news.error->what(), HasSubstr("credit"));
  EXPECT_EQ(channels_.size(), 0u);
}

TEST_F(RpcChannels, TheEndOfAStreamNeedsCreditToo) {
  const auto channel = open();
  receive(channel, "STREAM", 0);
  EXPECT_EQ(receive(channel, "STREAM_DONE", {}).error->type(), "ProtocolError");
}

TEST_F(RpcChannels, HeartbeatsNeedNoCredit) {
  const auto channel = open();
  for (int i = 0; i < 1000; ++i) {
    const auto news = receive(channel, "_zpc_hb", Array{0});
    EXPECT_EQ(news.kind, Kind::none);
    EXPECT_EQ(news.dropped, nullptr);
  }
  EXPECT_EQ(receive(channel, "OK", Array{1}).kind, Kind::result);
}

TEST_F(RpcChannels, NoCreditIsGivenOnAClosedChannel) {
  const auto channel = open();
  receive(channel, "STREAM_DONE", {});
  EXPECT_EQ(consume(channel), 0u);
}

// ---- what is no answer ----

TEST_F(RpcChannels, AnEventThatCannotFollowIsAProtocolError) {
  const auto unknown = receive(open("call", {.method = "add"}), "WHAT", Array{1});
  EXPECT_EQ(unknown.error->type(), "ProtocolError");
  EXPECT_THAT(unknown.error->what(), HasSubstr("\"WHAT\""));
  EXPECT_THAT(unknown.error->what(), HasSubstr("\"add\""));
  EXPECT_EQ(channels_.size(), 0u);

  const auto streaming = open();
  receive(streaming, "STREAM", 1);
  consume(streaming);
  EXPECT_EQ(receive(streaming, "OK", Array{1}).error->type(), "ProtocolError");
}

TEST_F(RpcChannels, OkMustHoldOneResult) {
  EXPECT_EQ(receive(open(), "OK", Array{}).error->type(), "ProtocolError");
  EXPECT_EQ(receive(open(), "OK", Array{1, 2}).error->type(), "ProtocolError");
  EXPECT_EQ(receive(open(), "OK", 1).error->type(), "ProtocolError");
}

TEST_F(RpcChannels, AnErrorThatCannotBeReadIsAProtocolError) {
  for (const Value& args : {Value(5), Value(Array{}), Value(Array{1, 2}), Value(Array{1, 2, 3, 4})}) {
    const auto news = receive(open(), "ERR", args);
    EXPECT_EQ(news.kind, Kind::failure);
    EXPECT_FALSE(news.remote);
    EXPECT_EQ(news.error->type(), "ProtocolError");
  }
}

TEST_F(RpcChannels, DropsWhatIsNoEventOfAnOpenChannel) {
  const auto channel = open();
  const std::string as_text = std::string("\xd9\x20", 2) + std::string(channel.view());
  const std::string to = std::string("\xc4\x20", 2) + std::string(channel.view());
  const std::string payloads[] = {
      "",
      "\xc1",
      msgpack(5),
      request_,  // opens a channel
      answer({}, "OK", "\x91\x01"),
      event({.id = "0123456789abcdef0123456789abcdef",
             .response_to = as_text,
             .name = "OK",
             .args = "\x91\x01"}),
      event({.id = "0123456789abcdef0123456789abcdef",
             .response_to = to,
             .name = "OK",
             .args = "\x91\xa1\xff"}),
  };
  for (const auto& payload : payloads) {
    const auto news = receive(payload);
    EXPECT_EQ(news.kind, Kind::none);
    EXPECT_NE(news.dropped, nullptr);
  }
  EXPECT_EQ(channels_.dropped(), std::size(payloads));
  EXPECT_EQ(receive(channel, "OK", Array{1}).kind, Kind::result);
}

TEST_F(RpcChannels, DropsWhatIsNestedTooDeeply) {
  with({.heartbeat = 0, .depth = 4});
  const auto channel = open();
  EXPECT_NE(receive(answer(channel, "OK", "\x91\x91\x91\x91\x91\x01")).dropped, nullptr);
  EXPECT_EQ(receive(answer(channel, "OK", "\x91\x91\x91\x91\x01")).kind, Kind::result);
}

TEST_F(RpcChannels, DropsLateEvents) {
  const auto channel = open();
  receive(channel, "OK", Array{1});
  EXPECT_STREQ(receive(channel, "OK", Array{1}).dropped, "no such channel is open");
  EXPECT_NE(receive(channel, "_zpc_hb", Array{0}).dropped, nullptr);
}

// ---- heartbeats ----

TEST_F(RpcChannels, SendsAHeartbeatEveryPeriodAsLongAsTheServerDoes) {
  const auto channel = open();
  for (int i = 1; i <= 5; ++i) {
    EXPECT_THAT(pass_until(i + 0.5), ElementsAre(std::to_string(i) + "s heartbeat"));
    receive(channel, "_zpc_hb", Array{0});
  }
}

TEST_F(RpcChannels, HeartbeatsNameTheChannel) {
  const auto channel = open();
  const auto due = channels_.next_due(second);
  ASSERT_TRUE(due && due->heartbeat);
  Event beat;
  const auto payload = event(*due->heartbeat);
  ASSERT_EQ(read_event(payload, beat), nullptr);
  EXPECT_EQ(text_of(beat.response_to), channel.view());
  EXPECT_EQ(beat.version, 3u);
}

TEST_F(RpcChannels, AServerThatIsSilentFromTheBeginningIsLostAtTheThirdPeriod) {
  open();
  EXPECT_THAT(pass_until(10), ElementsAre("1s heartbeat", "2s heartbeat", "3s call: LostRemote"));
  EXPECT_EQ(says_, "Lost remote after 2s heartbeat");
  EXPECT_EQ(channels_.size(), 0u);
}

TEST_F(RpcChannels, ItIsLostThereAlsoWhenTheClockIsExact) {
  open();
  EXPECT_TRUE(channels_.next_due(second)->heartbeat);
  EXPECT_TRUE(channels_.next_due(2 * second)->heartbeat);
  EXPECT_FALSE(channels_.next_due(3 * second)->heartbeat);
}

TEST_F(RpcChannels, AServerThatFallsSilentIsLostAtTheFirstHeartbeatLaterThanTwoPeriods) {
  const auto channel = open();
  now_ = second / 2;
  receive(channel, "_zpc_hb", Array{0});
  EXPECT_THAT(pass_until(10), ElementsAre("1s heartbeat", "2s heartbeat", "3s call: LostRemote"));
}

TEST_F(RpcChannels, NoServerIsLostBeforeAllThatItSentWasReceived) {
  const auto channel = open();
  for (int i = 1; i <= 5; ++i) {
    const auto due = channels_.next_due(i * second, /*all_received=*/false);
    ASSERT_TRUE(due) << i;
    EXPECT_TRUE(due->heartbeat) << "the server is told all the same that we are there: " << i;
  }
  now_ = 5 * second;
  receive(channel, "_zpc_hb", Array{0});
  EXPECT_TRUE(channels_.next_due(6 * second)->heartbeat);
}

TEST_F(RpcChannels, ExactlyTwoPeriodsAreNotTooLate) {
  const auto channel = open();
  now_ = second;
  receive(channel, "_zpc_hb", Array{0});
  for (int i = 1; i <= 3; ++i) {
    const auto due = channels_.next_due(i * second);
    ASSERT_TRUE(due) << i;
    EXPECT_TRUE(due->heartbeat) << i;
  }
  const auto due = channels_.next_due(4 * second);
  ASSERT_TRUE(due);
  EXPECT_EQ(due->failure.error->type(), "LostRemote");
}

TEST_F(RpcChannels, AnyEventOfTheChannelIsASignOfLife) {
  const auto channel = open();
  receive(channel, "STREAM", 1);
  pass_until(1.5);
  consume(channel);
  receive(channel, "STREAM", 2);
  pass_until(2.5);
  receive(channel, "_zpc_more", Array{1});
  EXPECT_THAT(pass_until(4.5), ElementsAre("3s heartbeat", "4s heartbeat"));
  EXPECT_THAT(pass_until(9), ElementsAre("5s call: LostRemote"));
}

TEST_F(RpcChannels, HeartbeatsOfOneChannelAreNoSignOfLifeOfAnother) {
  open("silent");
  const auto channel = open("loud");
  for (int i = 0; i < 5; ++i) {
    pass_until(i + 0.5);
    receive(channel, "_zpc_hb", Array{0});
  }
  EXPECT_EQ(says_, "Lost remote after 2s heartbeat");
  EXPECT_FALSE(receive(channel, "OK", Array{1}).owner == nullptr);
}

TEST_F(RpcChannels, ChannelsBeatInTheOrderOfTheirOwnPeriods) {
  open("one");
  now_ = second / 2;
  open("two");
  EXPECT_THAT(pass_until(2.7),
              ElementsAre("1s heartbeat", "1.5s heartbeat", "2s heartbeat", "2.5s heartbeat"));
  EXPECT_THAT(pass_until(9), ElementsAre("3s one: LostRemote", "3.5s two: LostRemote"));
  EXPECT_EQ(channels_.next_tick(), Channels::never);
}

TEST_F(RpcChannels, HeartbeatsEndWithTheCall) {
  const auto channel = open();
  receive(channel, "OK", Array{1});
  EXPECT_EQ(channels_.next_tick(), Channels::never);
  EXPECT_THAT(pass_until(10), IsEmpty());
}

TEST_F(RpcChannels, ALateTickSendsOneHeartbeat) {
  const auto channel = open();
  now_ = 7 * second / 2;
  receive(channel, "_zpc_hb", Array{0});
  EXPECT_TRUE(channels_.next_due(now_)->heartbeat);
  EXPECT_FALSE(channels_.next_due(now_));
  EXPECT_EQ(channels_.next_tick(), now_ + second);
}

TEST_F(RpcChannels, APassiveClientIsSilentUntilItHears) {
  with({.heartbeat = second, .passive = true});
  const auto channel = open();
  EXPECT_THAT(pass_until(60), IsEmpty());
  receive(channel, "STREAM", 1);
  EXPECT_THAT(pass_until(70), IsEmpty());
  receive(channel, "_zpc_hb", Array{0});
  EXPECT_THAT(pass_until(71.5), ElementsAre("71s heartbeat"));
  receive(channel, "_zpc_hb", Array{0});
  EXPECT_THAT(pass_until(90), ElementsAre("72s heartbeat", "73s heartbeat", "74s call: LostRemote"));
}

TEST_F(RpcChannels, WithoutAPeriodNothingIsSentAndNobodyIsLost) {
  with({.heartbeat = 0});
  const auto channel = open();
  receive(channel, "_zpc_hb", Array{0});
  EXPECT_EQ(channels_.next_tick(), Channels::never);
  EXPECT_THAT(pass_until(1000), IsEmpty());
  EXPECT_EQ(receive(channel, "OK", Array{1}).kind, Kind::result);
}

TEST_F(RpcChannels, ThePeriodIsNamedInSeconds) {
  with({.heartbeat = second / 4});
  open();
  pass_until(2);
  EXPECT_EQ(says_, "Lost remote after 0.5s heartbeat");
}

// ---- timeouts ----

TEST_F(RpcChannels, ACallWithoutAnAnswerExpires) {
  with({.heartbeat = 0});
  const auto channel = open("call", {.method = "slow", .timeout = 5 * second / 2});
  EXPECT_THAT(pass_until(10), ElementsAre("2.5s call: TimeoutExpired"));
  EXPECT_EQ(says_, "timeout after 2.5s, when calling remote method slow");
  EXPECT_NE(receive(channel, "OK", Array{1}).dropped, nullptr);
}

TEST_F(RpcChannels, HeartbeatsAreNoAnswer) {
  const auto channel = open("call", {.timeout = 5 * second / 2});
  pass_until(1.5);
  receive(channel, "_zpc_hb", Array{0});
  EXPECT_THAT(pass_until(10), ElementsAre("2s heartbeat", "2.5s call: TimeoutExpired"));
}

TEST_F(RpcChannels, TheTimeoutCoversTheFirstEventOnly) {
  with({.heartbeat = 0});
  const auto channel = open("call", {.timeout = second});
  receive(channel, "STREAM", 1);
  EXPECT_EQ(channels_.next_tick(), Channels::never);
  EXPECT_THAT(pass_until(100), IsEmpty());
  consume(channel);
  EXPECT_EQ(receive(channel, "STREAM", 2).kind, Kind::item);
}

TEST_F(RpcChannels, CallsMayHaveDifferentTimeouts) {
  with({.heartbeat = 0});
  open("long", {.timeout = 3 * second});
  open("short", {.timeout = second});
  open("none");
  open("huge", {.timeout = Channels::never});
  EXPECT_THAT(pass_until(1000), ElementsAre("1s short: TimeoutExpired", "3s long: TimeoutExpired"));
  EXPECT_EQ(channels_.size(), 2u);
}

// ---- what real clients and servers said to each other ----

// Plays the recorded client: opens what it opened, takes every item at once, beats when it did; and the
// server, with the identifiers of the client under test.
class RecordedClient {
 public:
  explicit RecordedClient(ChannelSettings settings) : channels_(settings) {}

  void play(const test::RecordedFrame& frame) {
    if (!frame.sent) return receive(frame);
    expected_.push_back(frame.payload());
    if (frame.name() == Value("_zpc_hb")) return beat();
    if (frame.name() == Value("_zpc_more")) return;  // granted when the item was taken
    const std::string method = *frame.name().get_if<std::string>();
    const std::string args = encode(frame.args());
    const auto context = further_pairs(frame.payload());
    const auto opened = channels_.open({.method = method,
                                        .args = args,
                                        .context = context,
                                        .context_pairs = context.empty() ? 0U : 1U,
                                        .slots = slots},
                                       0, now_);
    channel_ = opened.channel;
    recorded_ = id_in(frame.payload());
    send(opened.event);
  }

  // What was sent, with the identifiers of the recording.
  void compare() const {
    ASSERT_EQ(sent_.size(), expected_.size());
    for (std::size_t i = 0; i < sent_.size(); ++i)
      EXPECT_EQ(with_id_of(sent_[i], expected_[i]), sent_[i]) << i;
  }
  std::size_t open() const { return channels_.size(); }

  std::uint32_t slots = 100;

 private:
  using IntNews = ChannelNews<int>;

  void send(const EventParts& parts) {
    sent_.push_back(replaced(event(parts), std::string(channel_.view()), recorded_));
  }
  void receive(const test::RecordedFrame& frame) {
    const auto payload = replaced(frame.payload(), recorded_, std::string(channel_.view()));
    const auto news = channels_.receive(payload, now_);
    EXPECT_EQ(news.dropped, nullptr) << news.dropped;
    EXPECT_TRUE(news.kind != IntNews::Kind::failure || news.remote);
    if (news.kind != IntNews::Kind::item) return;
    if (const auto credit = channels_.consumed(channel_)) send(*credit);
  }
  void beat() {
    now_ = channels_.next_tick();
    const auto due = channels_.next_due(now_);
    ASSERT_TRUE(due && due->heartbeat);
    send(*due->heartbeat);
  }
  // The header's pairs between v and response_to: of these recordings one at most.
  static std::string further_pairs(const std::string& payload) {
    Event event;
    EXPECT_EQ(read_event(payload, event), nullptr);
    const auto value = header_value(event, "trace_id");
    return value.empty() ? std::string() : "\xa8trace_id" + std::string(value);
  }

  ClientChannels<int> channels_;
  std::int64_t now_ = 0;
  ChannelId channel_;
  std::string recorded_;
  std::vector<std::string> sent_;
  std::vector<std::string> expected_;
};

TEST(RpcChannelsRecorded, SayWhatRealClientsSaid) {
  int played = 0;
  for (const auto& recording : test::all_recordings()) {
    SCOPED_TRACE(recording.name);
    if (!is_of_real_client(recording) || recording.name == "stream_manual_credit") continue;
    const bool beats = recording.name.starts_with("heartbeat");
    RecordedClient client(
        {.heartbeat = beats ? second : 0, .passive = recording.name == "heartbeat_passive"});
    if (recording.name == "stream_slots_4") client.slots = 4;
    for (const auto& frame : recording.frames) client.play(frame);
    client.compare();
    EXPECT_EQ(client.open(), recording.name == "heartbeat_lost_client" ? 1u : 0u);
    ++played;
  }
  EXPECT_GT(played, 30);
}

// ---- closing ----

TEST_F(RpcChannels, AClosedChannelIsSilent) {
  const auto channel = open("call", {.timeout = second});
  EXPECT_TRUE(channels_.close(channel));
  EXPECT_FALSE(channels_.close(channel));
  EXPECT_EQ(channels_.next_tick(), Channels::never);
  EXPECT_NE(receive(channel, "STREAM", 1).dropped, nullptr);
  EXPECT_EQ(consume(channel), 0u);
}

TEST_F(RpcChannels, AllMayBeClosedAtOnce) {
  open("one", {.timeout = second});
  open("two");
  std::vector<std::string> owners;
  channels_.close_all([&](std::string& owner) { owners.push_back(owner); });
  EXPECT_THAT(owners, ElementsAre("one", "two"));
  EXPECT_EQ(channels_.size(), 0u);
  EXPECT_EQ(channels_.next_tick(), Channels::never);
}

}  // namespace
}  // namespace backplane::rpc
