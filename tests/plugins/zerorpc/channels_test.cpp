// Channels without sockets, on a clock of the test's own: heartbeats, credit, peers that read slowly or go.
#include "zerorpc/channels.hpp"

#include <backplane/testing/fake_host.hpp>
#include <backplane/value.hpp>

#include <gmock/gmock.h>

#include <chrono>
#include <climits>
#include <functional>
#include <string>
#include <vector>

#include "plugins/zerorpc/no_service.hpp"

namespace backplane::zerorpc {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t period = 1'000'000'000;

// The fixture is the socket, and the service behind the channels.
class ChannelsTest : public testing::Test {
 protected:
  ChannelsTest() {
    host_.stop_clock();
    began_ = host_.now();
    make({.heartbeat = period});
  }
  ~ChannelsTest() override { channels_->stop(); }

  void make(Channels::Settings settings) {
    channels_.emplace(
        host_.host(), settings,
        Channels::Callbacks{
            .send = [this](const Way& way, const rpc::EventParts& event) { return send(way, event); },
            .on_lost = [this](std::uint64_t number, Channel&) { lost_.push_back(number); },
            .on_credit = [this](Channel&, std::uint32_t items) { granted_.push_back(items); },
            .on_closed = [this] { ++closed_; },
            .receive = [this] { return receive_from_socket(); }});
    channels_->start();
  }

  // ---- what peers do ----

  // A request of a client; the number of its channel, 0: refused.
  std::uint64_t open(const std::string& id = "id", std::uint64_t version = 3, bool passive = false,
                     const std::string& peer = "peer") {
    rpc::Event request;
    request.version = version;
    const auto number = channels_->open(key_of(id, peer), encode(Value(id)).size(), request, passive);
    if (number == 0) return 0;
    channels_->find(number)->correlation = number;
    auto& way = channels_->find(number)->way;
    way.clear();
    way.emplace_back(peer);
    return number;
  }
  bool receive(std::string_view name, const Value& args, const std::string& id = "id",
               const std::string& peer = "peer") {
    const auto encoded = encode(args);
    rpc::Event event;
    event.named = true;
    event.name = name;
    event.args = encoded;
    return channels_->receive(key_of(id, peer), event);
  }
  void heartbeat(const std::string& id = "id") { receive(rpc::event_name::heartbeat, Array{0}, id); }
  void more(std::int64_t credit, const std::string& id = "id") {
    receive(rpc::event_name::more, Array{credit}, id);
  }
  // What waits in the socket until it is read; the socket gives one at a time.
  void leave_in_socket(std::function<void()> event) { in_socket_.push_back(std::move(event)); }

  // ---- what the service does ----

  bool item(std::uint64_t number, const Value& value) { return channels_->item(number, encode(value)); }
  bool end(std::uint64_t number, std::string_view name = rpc::event_name::ok, const Value& args = Array{1}) {
    const auto encoded = encode(args);
    return channels_->end(number, {name, {}, encoded});
  }

  // ---- what came of it ----

  void wait(std::chrono::nanoseconds span) { host_.advance(span); }
  // Names and args of what was sent since: "STREAM 1".
  std::vector<std::string> sent() { return std::exchange(sent_, {}); }
  // Seconds since the start at which heartbeats were sent, since.
  std::vector<double> beats() { return std::exchange(beats_, {}); }
  bool is_open(std::uint64_t number) { return channels_->find(number) != nullptr; }
  std::int64_t metric(const char* name) const { return host_.metric(name); }
  double seconds() const { return static_cast<double>(host_.now() - began_) / 1e9; }

  FakeComponent<NoService> host_;
  std::optional<Channels> channels_;
  Delivered answer_ = Delivered::yes;  // of the socket
  std::vector<std::uint64_t> lost_;
  std::vector<std::uint32_t> granted_;
  std::vector<std::string> contexts_;
  int closed_ = 0;
  int reads_ = 0;
  int attempts_ = 0;  // to send

 private:
  static std::string key_of(const std::string& id, const std::string& peer) {
    zmq::Frame frame(peer);
    std::string key;
    Channels::make_key(key, {frame.raw(), 1}, encode(Value(id)));
    return key;
  }
  Delivered send(const Way& way, const rpc::EventParts& event) {
    EXPECT_EQ(way.size(), 1u);
    ++attempts_;
    if (answer_ != Delivered::yes) return answer_;
    if (event.name == rpc::event_name::heartbeat) {
      EXPECT_EQ(event.args, rpc::encoded::heartbeat_args);
      EXPECT_EQ(event.context_pairs, 0u);
      beats_.push_back(seconds());
    } else {
      std::string args(event.args_front);
      args += event.args;
      sent_.push_back(std::string(event.name) + ' ' + to_json(decode(args)));
      contexts_.emplace_back(event.context);
    }
    return answer_;
  }
  bool receive_from_socket() {
    ++reads_;
    if (in_socket_.empty()) return true;
    const auto event = std::move(in_socket_.front());
    in_socket_.erase(in_socket_.begin());
    event();
    return in_socket_.empty();
  }

  std::int64_t began_ = 0;
  std::vector<std::string> sent_;
  std::vector<double> beats_;
  std::vector<std::function<void()>> in_socket_;
};

// ---- opening and closing ----------------------------------------------------------------------------

TEST_F(ChannelsTest, AResultEndsAChannel) {
  const auto number = open();
  EXPECT_TRUE(end(number));
  EXPECT_THAT(sent(), ElementsAre("OK [1]"));
  EXPECT_FALSE(is_open(number));
  EXPECT_EQ(channels_->size(), 0u);
  EXPECT_EQ(closed_, 1);
  wait(10s);
  EXPECT_THAT(beats(), IsEmpty());
}

TEST_F(ChannelsTest, AnIdThatIsOpenIsNotOpenedAgain) {
  const auto number = open();
  EXPECT_EQ(open(), 0u);
  EXPECT_TRUE(end(number));
  EXPECT_THAT(sent(), ElementsAre("OK [1]"));
  EXPECT_NE(open(), 0u) << "once it has ended, it may come again";
}

TEST_F(ChannelsTest, EqualIdsOfTwoPeersAreTwoChannels) {
  const auto one = open("id", 3, false, "one");
  const auto other = open("id", 3, false, "other");
  ASSERT_NE(other, 0u);
  EXPECT_TRUE(item(one, 1));
  EXPECT_TRUE(item(other, 1));
  EXPECT_TRUE(item(one, 2));
  receive(rpc::event_name::more, Array{1}, "id", "other");
  EXPECT_EQ(sent().size(), 2u) << "the credit is that of the other";
  receive(rpc::event_name::more, Array{1}, "id", "one");
  EXPECT_THAT(sent(), ElementsAre("STREAM 2"));
}

TEST_F(ChannelsTest, AnIdOfAnotherTypeIsAnotherChannel) {
  rpc::Event request;
  request.version = 3;
  zmq::Frame peer("peer");
  std::vector<std::string> keys(3);
  const Value ids[] = {Value("1"), Value(Bytes{"1"}), Value(1)};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto id = encode(ids[i]);
    Channels::make_key(keys[i], {peer.raw(), 1}, id);
    const auto number = channels_->open(keys[i], id.size(), request, true);
    ASSERT_NE(number, 0u);
    EXPECT_EQ(channels_->find(number)->id(), id) << "given back as it came";
  }
}

TEST_F(ChannelsTest, AKeyTellsWhereTheRoutingIdsEnd) {
  zmq::Frame short_one("a");
  zmq::Frame long_one("a\xc4\x01");
  std::string one;
  std::string other;
  Channels::make_key(one, {short_one.raw(), 1}, "\xc4\x01x");
  Channels::make_key(other, {long_one.raw(), 1}, "x");
  EXPECT_NE(one, other);
}

TEST_F(ChannelsTest, EventsOfNoOpenChannelAreNotTaken) {
  open();
  EXPECT_FALSE(receive(rpc::event_name::heartbeat, Array{0}, "other"));
  EXPECT_FALSE(receive(rpc::event_name::more, Array{5}, "id", "another peer"));
  EXPECT_TRUE(receive("whatever", Array{}));
}

TEST_F(ChannelsTest, TenThousandChannelsOpenBeatAndCloseInAMoment) {
  const auto began = std::chrono::steady_clock::now();
  std::vector<std::uint64_t> numbers;
  for (int i = 0; i < 10'000; ++i) numbers.push_back(open("id " + std::to_string(i)));
  wait(1s);
  EXPECT_EQ(beats().size(), 10'000u);
  EXPECT_EQ(host_.running_timers(), 1u) << "one for all";
  for (int i = 0; i < 10'000; ++i) heartbeat("id " + std::to_string(i));
  wait(1s);
  EXPECT_EQ(beats().size(), 10'000u);
  // From the middle outwards: the place of a channel in a list costs nothing.
  for (std::size_t i = 0; i < numbers.size(); ++i)
    EXPECT_TRUE(end(numbers[(i * 7919 + 5000) % numbers.size()]));
  EXPECT_EQ(channels_->size(), 0u);
  wait(10s);
  EXPECT_THAT(beats(), IsEmpty());
  EXPECT_THAT(lost_, IsEmpty());
  // 50 million steps, were each of them to look at all the others.
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
}

// ---- heartbeats -------------------------------------------------------------------------------------

TEST_F(ChannelsTest, HeartbeatsBeginOnePeriodAfterTheRequest) {
  open();
  wait(1s - instant);
  EXPECT_THAT(beats(), IsEmpty());
  wait(instant);
  EXPECT_THAT(beats(), ElementsAre(1));
}

TEST_F(ChannelsTest, AClientThatSendsNoneIsLostAtTheThirdTick) {
  const auto number = open();
  wait(3s - instant);
  EXPECT_TRUE(is_open(number));
  wait(instant);
  EXPECT_FALSE(is_open(number));
  EXPECT_THAT(beats(), ElementsAre(1, 2));
  EXPECT_THAT(lost_, ElementsAre(number));
  EXPECT_EQ(metric("clients_lost"), 1);
  wait(10s);
  EXPECT_THAT(beats(), IsEmpty());
}

TEST_F(ChannelsTest, AClientThatStopsIsLostAtTheFirstTickAfterTwoPeriods) {
  const auto number = open();
  wait(500ms);
  heartbeat();
  wait(1s);
  heartbeat();  // at 1.5
  wait(2s - instant);
  EXPECT_TRUE(is_open(number)) << "two periods are over at 3.5 only";
  EXPECT_THAT(beats(), ElementsAre(1, 2, 3));
  wait(501ms);
  EXPECT_THAT(lost_, ElementsAre(number));
  EXPECT_THAT(beats(), IsEmpty()) << "at 4";
}

TEST_F(ChannelsTest, AClientThatBeatsIsNeverLost) {
  const auto number = open();
  for (int i = 0; i < 100; ++i) {
    wait(1s);
    heartbeat();
  }
  EXPECT_TRUE(is_open(number));
  EXPECT_EQ(beats().size(), 100u);
}

TEST_F(ChannelsTest, AHeartbeatMayHaveAnyArgs) {
  const auto number = open();
  for (const auto& args : {Value(), Value(Array{}), Value(Array{0}), Value("x"), Value(Map{})}) {
    wait(1900ms);
    EXPECT_TRUE(receive(rpc::event_name::heartbeat, args));
  }
  EXPECT_TRUE(is_open(number));
}

TEST_F(ChannelsTest, EachChannelHasABeatOfItsOwn) {
  open("one");
  wait(300ms);
  open("other");
  wait(300ms);
  end(channels_->numbers().front());
  wait(2s);
  EXPECT_THAT(beats(), ElementsAre(1.3, 2.3));
}

TEST_F(ChannelsTest, CreditIsASignOfLifeToo) {
  const auto number = open();
  wait(1s);  // the first tick
  for (int i = 0; i < 10; ++i) {
    wait(1500ms);
    more(1);
  }
  EXPECT_TRUE(is_open(number));
}

TEST_F(ChannelsTest, APassiveOneIsSilentUntilItsClientBeats) {
  const auto number = open("id", 3, true);
  wait(10s);
  EXPECT_TRUE(is_open(number)) << "nobody is lost who has never sent one";
  EXPECT_THAT(beats(), IsEmpty());
  heartbeat();
  wait(1s);
  EXPECT_THAT(beats(), ElementsAre(11));
  wait(1s);
  EXPECT_THAT(lost_, ElementsAre(number)) << "two periods after its last one";
}

TEST_F(ChannelsTest, CreditDoesNotWakeAPassiveOne) {
  open("id", 3, true);
  more(5);
  wait(10s);
  EXPECT_THAT(beats(), IsEmpty());
}

TEST_F(ChannelsTest, VersionTwoIsActiveAndVersionOnePassive) {
  open("two", 2);
  open("one", 1);
  wait(1s);
  EXPECT_THAT(beats(), ElementsAre(1));
  receive(rpc::event_name::heartbeat, Array{0}, "one");
  wait(1s);
  EXPECT_THAT(beats(), ElementsAre(2, 2));
}

TEST_F(ChannelsTest, WithoutAPeriodThereAreNoHeartbeats) {
  make({.heartbeat = 0});
  const auto number = open();
  heartbeat();
  wait(1h);
  EXPECT_THAT(beats(), IsEmpty());
  EXPECT_TRUE(is_open(number));
  EXPECT_EQ(host_.running_timers(), 0u);
}

TEST_F(ChannelsTest, BeatsThatWereMissedAreNotSentInABurst) {
  open();
  wait(1s);
  heartbeat();
  beats();
  host_.stall(1500ms);
  wait(0s);
  EXPECT_THAT(beats(), ElementsAre(2.5));
  heartbeat();
  wait(1s);
  EXPECT_THAT(beats(), ElementsAre(3.5));
}

TEST_F(ChannelsTest, AClientIsGivenItsTimeAfterAStallBeforeTheFirstBeat) {
  const auto number = open();
  host_.stall(10s);
  wait(0s);
  EXPECT_THAT(beats(), ElementsAre(10));
  wait(2s - instant);
  EXPECT_TRUE(is_open(number));
  wait(instant);
  EXPECT_FALSE(is_open(number));
}

TEST_F(ChannelsTest, NobodyIsLostWhoseHeartbeatWaitsInTheSocket) {
  std::vector<std::uint64_t> numbers;
  for (int i = 0; i < 10; ++i) {
    const auto id = "id " + std::to_string(i);
    numbers.push_back(open(id));
    heartbeat(id);
    leave_in_socket([this, id] { heartbeat(id); });
  }
  host_.stall(5s);
  wait(0s);
  EXPECT_THAT(lost_, IsEmpty());
  for (const auto number : numbers) EXPECT_TRUE(is_open(number));
}

TEST_F(ChannelsTest, WhoIsSilentIsLostAlsoWhenOthersWereRead) {
  const auto silent = open("silent");
  const auto alive = open("alive");
  heartbeat("silent");
  heartbeat("alive");
  leave_in_socket([this] { heartbeat("alive"); });
  host_.stall(5s);
  wait(0s);
  EXPECT_THAT(lost_, ElementsAre(silent));
  EXPECT_TRUE(is_open(alive));
}

TEST_F(ChannelsTest, ASocketThatIsNeverEmptyDoesNotHoldUpTheLoop) {
  open();
  heartbeat();
  std::function<void()> again = [&] { leave_in_socket(again); };
  leave_in_socket(again);
  host_.stall(5s);
  wait(0s);
  EXPECT_GT(reads_, 1);
  EXPECT_LE(reads_, Channels::most_reads);
  EXPECT_THAT(lost_, IsEmpty()) << "its heartbeat may be behind all that";
}

TEST_F(ChannelsTest, OneThatSeemsLostWhileMuchWaitsInTheSocketDelaysNobodysBeat) {
  const auto silent = open("silent");
  open("other");
  heartbeat("silent");
  std::function<void()> again = [&] { leave_in_socket(again); };
  leave_in_socket(again);
  host_.stall(5s);
  wait(0s);
  EXPECT_THAT(beats(), ElementsAre(5, 5));
  again = [] {};  // the socket is read empty
  wait(1s);
  EXPECT_THAT(beats(), ElementsAre(6));
  EXPECT_THAT(lost_, ElementsAre(silent)) << "now it is sure";
}

TEST_F(ChannelsTest, ARequestThatIsReadInATickHasABeatOfItsOwn) {
  open("first");
  leave_in_socket([this] { open("second"); });
  wait(2s);
  EXPECT_THAT(beats(), ElementsAre(1, 2, 2));
}

TEST_F(ChannelsTest, AHeartbeatToAPeerThatHasGoneLosesIt) {
  const auto number = open();
  answer_ = Delivered::gone;
  wait(1s);
  EXPECT_THAT(lost_, ElementsAre(number));
  EXPECT_FALSE(is_open(number));
}

TEST_F(ChannelsTest, HeartbeatsGoOnWhileAnAnswerWaitsForCredit) {
  const auto number = open();
  item(number, 1);
  end(number, rpc::event_name::stream_done, Value());
  sent();
  for (int i = 0; i < 5; ++i) {
    wait(1s);
    heartbeat();
  }
  EXPECT_THAT(beats(), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_TRUE(is_open(number));
}

TEST_F(ChannelsTest, WithoutASocketWhatRunsRunsOnAndNobodyIsLost) {
  const auto calling = open("calling");
  const auto streaming = open("streaming");
  const auto ended = open("ended");
  item(streaming, 1);
  item(ended, 1);
  end(ended, rpc::event_name::stream_done, Value());
  sent();
  answer_ = Delivered::gone;
  channels_->end_reach();
  EXPECT_THAT(lost_, testing::UnorderedElementsAre(streaming, ended)) << "nobody will grant them credit";
  wait(100s);
  EXPECT_TRUE(is_open(calling));
  EXPECT_FALSE(end(calling));
  EXPECT_EQ(channels_->size(), 0u);
}

// ---- credit -----------------------------------------------------------------------------------------

TEST_F(ChannelsTest, OneEventIsFree) {
  const auto number = open();
  EXPECT_TRUE(item(number, 1));
  EXPECT_TRUE(item(number, 2));
  EXPECT_THAT(sent(), ElementsAre("STREAM 1"));
  more(1);
  EXPECT_THAT(sent(), ElementsAre("STREAM 2"));
}

TEST_F(ChannelsTest, ItemsAreMadeAsTheClientTakesThem) {
  const auto number = open();
  item(number, 1);
  EXPECT_THAT(granted_, IsEmpty()) << "the request asked for it";
  more(100);
  EXPECT_THAT(granted_, ElementsAre(100));
  for (int i = 0; i < 51; ++i) item(number, i);
  EXPECT_THAT(granted_, ElementsAre(100));
  more(51);
  EXPECT_THAT(granted_, ElementsAre(100, 51));
}

TEST_F(ChannelsTest, CreditThatComesBeforeTheFirstItemIsPassedOnWithIt) {
  const auto number = open();
  more(2);
  channels_->find(number)->correlation = 0;
  more(3);
  channels_->find(number)->correlation = number;
  more(4);
  EXPECT_THAT(granted_, IsEmpty()) << "nobody may know of the call yet";
  item(number, 1);
  EXPECT_THAT(granted_, ElementsAre(9));
}

TEST_F(ChannelsTest, AClientThatDoesNotReadHasAWindowOfItemsMadeAndNoMore) {
  make({.heartbeat = 0, .window = 10});
  const auto number = open();
  more(1'000'000);
  item(number, 0);
  EXPECT_THAT(granted_, ElementsAre(10));
  answer_ = Delivered::full;
  for (int i = 1; i < 11; ++i) item(number, i);
  wait(1s);
  EXPECT_THAT(granted_, ElementsAre(10));
  answer_ = Delivered::yes;
  wait(1s);
  EXPECT_EQ(sent().size(), 11u);
  EXPECT_THAT(granted_, ElementsAre(10, 10));
}

TEST_F(ChannelsTest, TheWindowOpensByHalves) {
  make({.heartbeat = 0, .window = 10});
  const auto number = open();
  more(1'000'000);
  for (int i = 0; i < 30; ++i) item(number, i);
  EXPECT_THAT(granted_, ElementsAre(10, 5, 5, 5, 5, 5));
}

TEST_F(ChannelsTest, TheEndOfAStreamNeedsCreditToo) {
  const auto number = open();
  item(number, 1);
  EXPECT_TRUE(end(number, rpc::event_name::stream_done, Value()));
  EXPECT_THAT(sent(), ElementsAre("STREAM 1"));
  EXPECT_TRUE(is_open(number));
  more(1);
  EXPECT_THAT(sent(), ElementsAre("STREAM_DONE null"));
  EXPECT_FALSE(is_open(number));
}

TEST_F(ChannelsTest, AnErrorInTheMiddleOfAStreamNeedsCreditToo) {
  const auto number = open();
  item(number, 1);
  end(number, rpc::event_name::error, Array{"E", "broken", nullptr});
  EXPECT_THAT(sent(), ElementsAre("STREAM 1"));
  more(1);
  EXPECT_THAT(sent(), ElementsAre(R"(ERR ["E","broken",null])"));
}

TEST_F(ChannelsTest, CreditAddsUp) {
  const auto number = open();
  more(2);
  more(3);
  for (int i = 0; i < 10; ++i) item(number, i);
  EXPECT_EQ(sent().size(), 6u) << "and the free one";
  EXPECT_THAT(granted_, ElementsAre(5));
}

TEST_F(ChannelsTest, WhatWaitsGoesOutInOrder) {
  const auto number = open();
  for (int i = 0; i < 4; ++i) item(number, i);
  end(number, rpc::event_name::stream_done, Value());
  more(100);
  EXPECT_THAT(sent(), ElementsAre("STREAM 0", "STREAM 1", "STREAM 2", "STREAM 3", "STREAM_DONE null"));
}

TEST_F(ChannelsTest, CreditIsBounded) {
  make({.heartbeat = 0, .most_credit = 10});
  const auto number = open();
  more(4);
  more(100);
  more(INT64_MAX);
  for (int i = 0; i < 20; ++i) item(number, i);
  EXPECT_EQ(sent().size(), 10u);
  EXPECT_THAT(granted_, ElementsAre(9)) << "one is there from the beginning";
}

TEST_F(ChannelsTest, OddCreditIsNone) {
  const auto number = open();
  item(number, 1);
  item(number, 2);
  sent();
  for (const auto& args : {Value(), Value(5), Value("5"), Value(Array{}), Value(Array{0}), Value(Array{-5}),
                           Value(Array{5.0}), Value(Array{"5"}), Value(Array{nullptr}), Value(Map{{"5", 5}})})
    EXPECT_TRUE(receive(rpc::event_name::more, args)) << to_json(args);
  EXPECT_THAT(sent(), IsEmpty());
  EXPECT_THAT(granted_, IsEmpty());
  EXPECT_TRUE(receive(rpc::event_name::more, Array{1, "and more"}));
  EXPECT_THAT(sent(), ElementsAre("STREAM 2"));
}

TEST_F(ChannelsTest, InVersionTwoCreditComesWithHeartbeats) {
  const auto number = open("id", 2);
  item(number, 1);
  item(number, 2);
  item(number, 3);
  sent();
  heartbeat();
  EXPECT_THAT(sent(), IsEmpty());
  receive(rpc::event_name::heartbeat, Array{2});
  EXPECT_THAT(sent(), ElementsAre("STREAM 2", "STREAM 3"));
}

TEST_F(ChannelsTest, InVersionThreeItDoesNot) {
  const auto number = open();
  item(number, 1);
  item(number, 2);
  sent();
  receive(rpc::event_name::heartbeat, Array{2});
  EXPECT_THAT(sent(), IsEmpty());
}

TEST_F(ChannelsTest, TooManyItemsThatWaitAreNotKept) {
  make({.heartbeat = 0, .most_waiting = 2});
  const auto number = open();
  EXPECT_TRUE(item(number, 1));
  EXPECT_TRUE(item(number, 2));
  EXPECT_TRUE(item(number, 3));
  EXPECT_FALSE(item(number, 4));
  EXPECT_TRUE(end(number, rpc::event_name::error, Array{})) << "the end always is";
}

TEST_F(ChannelsTest, ItemsThatWaitHaveABudgetOfBytes) {
  make({.heartbeat = 0, .most_bytes = 100});
  const auto number = open();
  const std::string large(60, 'x');
  EXPECT_TRUE(item(number, large)) << "this one is sent";
  EXPECT_TRUE(item(number, large));
  EXPECT_FALSE(item(number, large));
  EXPECT_TRUE(item(number, "a small one"));
  more(2);
  EXPECT_EQ(sent().size(), 3u);
  EXPECT_TRUE(item(number, std::string(200, 'x'))) << "one alone may be longer";
  EXPECT_FALSE(item(number, 1));
}

TEST_F(ChannelsTest, OfLargeItemsFewerAreMadeBeforeTheyCanBeSent) {
  make({.heartbeat = 0, .window = 10, .most_bytes = 100});
  const auto number = open();
  more(1'000'000);
  item(number, std::string(24, 'x'));
  EXPECT_THAT(granted_, ElementsAre(4)) << "so many fit";
}

TEST_F(ChannelsTest, OnlyAnswersHaveTheContextOfTheirRequest) {
  const auto number = open();
  channels_->find(number)->context = encode(Value("trace_id")) + encode(Value("t"));
  channels_->find(number)->context_pairs = 1;
  wait(1s);
  EXPECT_EQ(beats().size(), 1u);
  end(number);
  EXPECT_THAT(contexts_, ElementsAre("\xa8trace_id\xa1t"));
}

// ---- peers that read slowly, and peers that go ------------------------------------------------------

TEST_F(ChannelsTest, WhatAPeerDoesNotReadNowIsSentLater) {
  const auto number = open();
  more(10);
  answer_ = Delivered::full;
  EXPECT_TRUE(item(number, 1));
  EXPECT_TRUE(item(number, 2));
  EXPECT_TRUE(end(number, rpc::event_name::stream_done, Value()));
  wait(100ms);
  EXPECT_TRUE(is_open(number));
  answer_ = Delivered::yes;
  wait(100ms);
  EXPECT_THAT(sent(), ElementsAre("STREAM 1", "STREAM 2", "STREAM_DONE null"));
  EXPECT_FALSE(is_open(number));
  wait(1s);
  EXPECT_THAT(beats(), IsEmpty());
  EXPECT_EQ(host_.running_timers(), 0u) << "nobody is waited for any more";
}

TEST_F(ChannelsTest, APeerThatReadsNothingIsTriedOnceInARoundAndEverMoreSeldom) {
  make({.heartbeat = 0});
  std::vector<std::uint64_t> numbers;
  for (int i = 0; i < 1000; ++i) numbers.push_back(open("id " + std::to_string(i)));
  const auto other = open("id", 3, false, "other");
  answer_ = Delivered::full;
  for (const auto number : numbers) EXPECT_TRUE(end(number));
  EXPECT_TRUE(end(other));
  attempts_ = 0;
  wait(10s);
  EXPECT_LE(attempts_, 2 * 110) << "two peers, ten times a second";
  EXPECT_GE(attempts_, 2 * 90);
  answer_ = Delivered::yes;
  wait(100ms);
  EXPECT_EQ(sent().size(), 1001u);
  wait(1min);
  EXPECT_EQ(host_.running_timers(), 0u);
}

TEST_F(ChannelsTest, APeerThatReadsAgainIsTriedSoonTheNextTime) {
  make({.heartbeat = 0});
  for (int round = 0; round < 2; ++round) {
    const auto number = open();
    answer_ = Delivered::full;
    end(number);
    wait(10s);
    answer_ = Delivered::yes;
    wait(100ms);
    EXPECT_EQ(sent().size(), 1u);
  }
  answer_ = Delivered::full;
  end(open());
  answer_ = Delivered::yes;
  wait(5ms);
  EXPECT_EQ(sent().size(), 1u);
}

TEST_F(ChannelsTest, WaitingForAPeerCostsNoCredit) {
  const auto number = open();
  answer_ = Delivered::full;
  item(number, 1);
  wait(100ms);
  answer_ = Delivered::yes;
  wait(100ms);
  item(number, 2);
  EXPECT_THAT(sent(), ElementsAre("STREAM 1"));
}

TEST_F(ChannelsTest, APeerThatDoesNotReadIsNotGone) {
  const auto number = open();
  answer_ = Delivered::full;
  wait(1s);
  heartbeat();
  wait(1s);
  EXPECT_TRUE(is_open(number));
}

TEST_F(ChannelsTest, AnItemForAPeerThatHasGoneLosesIt) {
  const auto number = open();
  answer_ = Delivered::gone;
  EXPECT_TRUE(item(number, 1)) << "it need not be told again";
  EXPECT_THAT(lost_, ElementsAre(number));
  EXPECT_FALSE(is_open(number));
}

TEST_F(ChannelsTest, AnEndForAPeerThatHasGoneSaysSo) {
  const auto number = open();
  answer_ = Delivered::gone;
  EXPECT_FALSE(end(number));
  EXPECT_THAT(lost_, IsEmpty()) << "the call has ended";
  EXPECT_FALSE(is_open(number));
}

TEST_F(ChannelsTest, APeerThatGoesWhileItsItemsWaitIsLost) {
  const auto number = open();
  item(number, 1);
  item(number, 2);
  answer_ = Delivered::gone;
  more(1);
  EXPECT_THAT(lost_, ElementsAre(number));
}

TEST_F(ChannelsTest, AChannelThatEndsWhileItsPeerIsFullIsForgotten) {
  const auto number = open();
  answer_ = Delivered::full;
  item(number, 1);
  channels_->close(number);
  answer_ = Delivered::yes;
  const auto next = open("next");
  wait(100ms);
  EXPECT_THAT(sent(), IsEmpty());
  EXPECT_TRUE(is_open(next));
}

TEST_F(ChannelsTest, AnotherChannelInItsPlaceKeepsNothingOfItsOwn) {
  const auto number = open();
  channels_->find(number)->context = "x";
  channels_->find(number)->context_pairs = 1;
  channels_->find(number)->method = std::string(1'000'000, 'x');
  more(5);
  channels_->close(number);
  const auto next = open("next");
  EXPECT_EQ(channels_->find(next)->method, "");
  EXPECT_LT(channels_->find(next)->method.capacity(), 10'000u);
  EXPECT_EQ(channels_->find(next)->context_pairs, 0u);
  item(next, 1);
  item(next, 2);
  EXPECT_THAT(sent(), ElementsAre("STREAM 1"));
}

// ---- clients that go without a word, and have no heartbeats -------------------------------------------

TEST_F(ChannelsTest, AStreamWithoutHeartbeatsIsGivenUpWhenItsClientWantsNothingForTenMinutes) {
  make({.heartbeat = 0});
  const auto number = open();
  item(number, 1);
  wait(10min - instant);
  EXPECT_TRUE(is_open(number));
  wait(1min);
  EXPECT_THAT(lost_, ElementsAre(number));
  EXPECT_FALSE(is_open(number));
  EXPECT_EQ(metric("clients_lost"), 1);
  EXPECT_EQ(host_.running_timers(), 0u);
}

TEST_F(ChannelsTest, SoIsTheEndOfAStreamThatNobodyTakes) {
  const auto number = open("id", 1);
  item(number, 1);
  end(number, rpc::event_name::stream_done, Value());
  wait(11min);
  EXPECT_THAT(lost_, ElementsAre(number));
}

TEST_F(ChannelsTest, SoIsWhatSuchAClientDoesNotRead) {
  make({.heartbeat = 0});
  const auto stream = open("stream");
  more(1'000'000, "stream");
  const auto call = open("call");
  item(stream, 1);
  answer_ = Delivered::full;
  item(stream, 2);
  end(call);
  wait(9min);
  heartbeat("call");
  wait(2min);
  EXPECT_THAT(lost_, ElementsAre(stream));
  answer_ = Delivered::yes;
  wait(100ms);
  EXPECT_THAT(sent(), ElementsAre("STREAM 1", "OK [1]"));
}

TEST_F(ChannelsTest, WhateverSuchAClientSendsShowsThatItIsThere) {
  make({.heartbeat = 0});
  const auto number = open();
  item(number, 1);
  for (int i = 0; i < 5; ++i) {
    wait(9min);
    heartbeat();
  }
  EXPECT_TRUE(is_open(number));
  more(1);
  wait(1h);
  EXPECT_TRUE(is_open(number)) << "it waits for the function now, however long that takes";
  item(number, 2);
  wait(9min);
  EXPECT_TRUE(is_open(number));
  wait(2min);
  EXPECT_FALSE(is_open(number));
}

TEST_F(ChannelsTest, ACallWithoutHeartbeatsMayTakeAsLongAsItDoes) {
  open("id", 1);
  wait(24h);
  EXPECT_THAT(lost_, IsEmpty());
}

TEST_F(ChannelsTest, StoppingClosesAll) {
  open("one");
  open("other");
  channels_->stop();
  EXPECT_EQ(channels_->size(), 0u);
  EXPECT_EQ(host_.running_timers(), 0u);
  EXPECT_THAT(lost_, IsEmpty());
}

}  // namespace
}  // namespace backplane::zerorpc
