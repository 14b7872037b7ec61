// The fake host keeps the promises of abi.h, so that a component tested with it works in the real one.
#include <gtest/gtest.h>

#include <backplane/testing/fake_host.hpp>

#include <thread>

namespace backplane {
namespace {

using namespace std::chrono_literals;

// Does what the test tells it to.
struct Puppet {
  static constexpr auto kind = "test.puppet";
  static constexpr auto says = "Does as it is told.";
  static constexpr auto properties = inbound | outbound;
  static constexpr Option options[] = {{"fail", choice("never|create|start"), "never", "when to refuse"}};

  explicit Puppet(Host its_host) : host(its_host) {
    if (host.option("fail") == "create") throw Error("Broken", "in create");
  }
  void start() {
    if (host.option("fail") == "start") throw std::runtime_error("in start");
  }
  Taken on_message(Message& message) {
    if (message.topic() == "busy" && busy) return Taken::busy;
    if (message.topic() == "malformed") throw Malformed("not my language");
    if (message.topic() == "fail") throw std::runtime_error("no");
    taken.emplace_back(message.topic());
    if (message.wants_reply()) host.reply(message.envelope(), {"answer to", message.topic()});
    message = Message();
    return Taken::yes;
  }
  void on_reply(Message message) { outcomes.push_back(std::move(message)); }
  void on_resume() { ++resumed; }
  void stop() {
    watch.end();
    timer.end();
    stopped_thread = std::this_thread::get_id();
  }

  Host host;
  bool busy = false;
  int resumed = 0;
  std::vector<std::string> taken;
  std::vector<Message> outcomes;
  Watch watch;
  Timer timer;
  std::thread::id stopped_thread;
};

class Fake : public ::testing::Test {
 protected:
  Fake() { host_.start(); }
  FakeComponent<Puppet> host_;
};

TEST_F(Fake, GivesMessagesAndCatchesAnswers) {
  EXPECT_EQ(host_.deliver(host_.request({}, {"question"})), BP_TAKEN);
  ASSERT_EQ(host_.replies().size(), 1u);
  const auto reply = host_.take_reply();
  EXPECT_EQ(reply.message[1], "question");
  EXPECT_TRUE(reply.message.has(BP_REPLY));
  EXPECT_EQ(reply.message.envelope().correlation, reply.request.correlation);
}

TEST_F(Fake, KeepsWhatABusyComponentRefusedInOrder) {
  host_->busy = true;
  EXPECT_EQ(host_.deliver(host_.message({"busy"})), BP_BUSY);
  EXPECT_EQ(host_.deliver(host_.message({"second"})), BP_BUSY) << "not before the first";
  host_->busy = false;
  host_->host.resume();
  host_.run_ready();
  EXPECT_EQ(host_->taken, (std::vector<std::string>{"busy", "second"}));
  EXPECT_EQ(host_.busy_messages(), 0u);
}

TEST_F(Fake, AnswersTheAskerOfAMessageThatIsRefused) {
  EXPECT_EQ(host_.deliver(host_.request({}, {"malformed"})), BP_MALFORMED);
  EXPECT_EQ(host_.take_reply().error_type, "Malformed");
  EXPECT_EQ(host_.deliver(host_.request({}, {"fail"})), BP_FAILED);
  const auto reply = host_.take_reply();
  EXPECT_EQ(reply.error_type, "std::runtime_error");
  EXPECT_EQ(reply.error_message, "no");
  EXPECT_STREQ(host_.error().message, "no");
}

TEST_F(Fake, AnswersSendsAsItIsTold) {
  EXPECT_EQ(host_->host.send(host_.message({"a"})), Sent::yes);
  host_.answer_sends(BP_REJECTED);
  EXPECT_EQ(host_->host.send(host_.message({"b"})), Sent::rejected);
  host_.answer_sends(BP_PAUSED);
  EXPECT_EQ(host_->host.send(host_.message({"c"})), Sent::pause);
  EXPECT_TRUE(host_.paused());
  host_.resume();
  EXPECT_EQ(host_->resumed, 1);
  ASSERT_EQ(host_.sent().size(), 2u) << "what was rejected is not sent";
  EXPECT_EQ(host_.take_sent()[0], "a");
  EXPECT_EQ(host_.take_sent()[0], "c");
}

TEST_F(Fake, BringsTheOutcomeOfARequest) {
  EXPECT_EQ(host_->host.request(host_.message({"q"}), 42, 1s), Sent::yes);
  const auto correlation = host_->host.last_request();
  const Message asked = host_.take_sent();
  EXPECT_EQ(asked.envelope().correlation, correlation);
  EXPECT_GT(asked.envelope().deadline, host_.now());
  host_.answer(asked.envelope(), {"yes"});
  host_.answer_error(asked.envelope(), "Type", "text");
  ASSERT_EQ(host_->outcomes.size(), 2u);
  EXPECT_EQ(host_->outcomes[0].envelope().cookie, 42u);
  EXPECT_EQ(host_->outcomes[0][0], "yes");
  EXPECT_TRUE(host_->outcomes[1].is_error());
  host_->outcomes.clear();
}

TEST_F(Fake, WatchesSockets) {
  void* const pull = zmq_socket(host_.zmq_context(), ZMQ_PULL);
  void* const push = zmq_socket(host_.zmq_context(), ZMQ_PUSH);
  ASSERT_EQ(zmq_bind(pull, "inproc://watched"), 0);
  ASSERT_EQ(zmq_connect(push, "inproc://watched"), 0);
  int received = 0;
  host_->watch = host_->host.watch_socket(pull, BP_READABLE, [&](std::uint32_t events) {
    EXPECT_EQ(events, BP_READABLE);
    char byte = 0;
    EXPECT_EQ(zmq_recv(pull, &byte, 1, ZMQ_DONTWAIT), 1);
    ++received;
  });
  zmq_send(push, "x", 1, 0);
  zmq_send(push, "y", 1, 0);
  EXPECT_TRUE(host_.run_until([&] { return received == 2; })) << "called again while there is more";

  host_.answer_sends(BP_PAUSED);
  host_->host.send(host_.message());
  zmq_send(push, "z", 1, 0);
  host_.run_for(20ms);
  EXPECT_EQ(received, 2) << "a paused component brings nothing more";
  host_.resume();
  EXPECT_TRUE(host_.run_until([&] { return received == 3; }));
  host_->watch.end();
  zmq_close(push);
  zmq_close(pull);
}

TEST_F(Fake, WatchesDescriptorsAlsoForWriting) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::uint32_t seen = 0;
  host_->watch = host_->host.watch_descriptor(ends[1], BP_WRITABLE, [&](std::uint32_t events) {
    seen = events;
    host_->watch.events(0);
  });
  EXPECT_TRUE(host_.run_until([&] { return seen == BP_WRITABLE; }));
  seen = 0;
  host_.run_for(10ms);
  EXPECT_EQ(seen, 0u) << "no events: nothing";
  host_->watch = host_->host.watch_descriptor(ends[0], BP_READABLE, [&](std::uint32_t events) {
    seen = events;
    host_->watch.end();
  });
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  EXPECT_TRUE(host_.run_until([&] { return seen == BP_READABLE; }));
  EXPECT_EQ(host_.active_watches(), 0u) << "a watch may end itself";
  close(ends[0]);
  close(ends[1]);
}

TEST_F(Fake, AWatchOfNothingIsAnError) {
  EXPECT_THROW((void)host_->host.watch_descriptor(-1, BP_READABLE, [](std::uint32_t) {}), Error);
  EXPECT_THROW((void)host_->host.watch_socket(nullptr, BP_READABLE, [](std::uint32_t) {}), Error);
}

TEST_F(Fake, RunsTimersInOrderOnAClockThatTheTestMoves) {
  host_.stop_clock();
  std::vector<int> order;
  const auto late = host_->host.after(2s, [&] { order.push_back(2); });
  const auto early = host_->host.after(1s, [&] { order.push_back(1); });
  int ticks = 0;
  auto tick = host_->host.every(500ms, [&] { ++ticks; });
  host_.advance(999ms);
  EXPECT_TRUE(order.empty());
  EXPECT_EQ(ticks, 1);
  host_.advance(5s);
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  EXPECT_EQ(ticks, 11);
  tick.end();
  host_.advance(5s);
  EXPECT_EQ(ticks, 11);
  EXPECT_EQ(host_.running_timers(), 0u);
}

TEST_F(Fake, ATimerMayEndItself) {
  int runs = 0;
  host_->timer = host_->host.every(1ms, [&] {
    if (++runs == 3) host_->timer.end();
  });
  EXPECT_TRUE(host_.run_until([&] { return runs == 3; }));
  host_.run_for(10ms);
  EXPECT_EQ(runs, 3);
}

TEST_F(Fake, TakesPostsAndMessagesFromAnyThread) {
  std::thread::id ran_on;
  std::thread other([&] {
    host_->host.send(host_->host.message({"from elsewhere"}));
    host_->host.info("hello");
    EXPECT_TRUE(host_->host.post([&] { ran_on = std::this_thread::get_id(); }));
  });
  EXPECT_TRUE(host_.run_until([&] { return ran_on != std::thread::id(); }));
  other.join();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
  EXPECT_EQ(host_.sent().size(), 1u);
  EXPECT_TRUE(host_.logged("hello"));
}

TEST_F(Fake, RunsWhatWasPostedBeforeItStopsAndNothingAfter) {
  bool ran = false;
  const Host host = host_->host;
  EXPECT_TRUE(host.post([&] { ran = true; }));
  host_.stop();
  EXPECT_TRUE(ran);
  EXPECT_EQ(host_->stopped_thread, std::this_thread::get_id());
  EXPECT_FALSE(host.post([] {}));
}

TEST_F(Fake, AnExceptionInACallbackBecomesALogLine) {
  host_->host.post([] { throw std::runtime_error("oops"); });
  host_.run_ready();
  EXPECT_TRUE(host_.logged("a posted task failed: std::runtime_error: oops"));
}

TEST_F(Fake, ShowsMetricsAndStates) {
  host_->host.counter("things", "").add(3);
  host_->host.counter("things", "").add();
  host_->host.gauge("level", "").set(7);
  host_->host.holding(5);
  host_->host.finished();
  host_->host.failed("Type", "gone");
  EXPECT_EQ(host_.metric("things"), 4);
  EXPECT_EQ(host_.metric("level"), 7);
  EXPECT_EQ(host_.metric("absent"), 0);
  EXPECT_EQ(host_.holding(), 5u);
  EXPECT_TRUE(host_.finished());
  ASSERT_TRUE(host_.failure());
  EXPECT_EQ(host_.failure()->type(), "Type");
}

TEST_F(Fake, RecordsHowLongADrainMayTake) {
  EXPECT_EQ(host_.drain_time(), std::chrono::seconds(0));
  host_->host.drain_time(std::chrono::seconds(30));
  EXPECT_EQ(host_.drain_time(), std::chrono::seconds(30));
  bp_host old = *host_->host.abi();
  old.size = offsetof(bp_host, drain_time);
  Host(&old).drain_time(std::chrono::seconds(40));
  EXPECT_EQ(host_.drain_time(), std::chrono::seconds(30)) << "a host that does not know it";
}

TEST(FakeRefusals, AComponentThatCannotBeMadeOrStartedSaysWhy) {
  FakeComponent<Puppet> unmakeable({{"fail", "create"}});
  try {
    unmakeable.start();
    ADD_FAILURE() << "started";
  } catch (const Error& failure) {
    EXPECT_EQ(failure.type(), "Broken");
    EXPECT_STREQ(failure.what(), "in create");
  }
  FakeComponent<Puppet> unstartable({{"fail", "start"}});
  EXPECT_THROW(unstartable.start(), Error);
}

TEST_F(Fake, ListsTheFunctionsThatATestOffers) {
  EXPECT_TRUE(published_functions(host_->host).empty());
  const std::vector<PublishedFunction> offered = {
      {.component = "adder",
       .name = "add",
       .help = "Adds.",
       .result = "int",
       .parameters = {{"a", "int"}, {"b", "int", "1"}},
       .max_response_time = std::chrono::milliseconds(250)},
      {.component = "notes", .name = "note", .group = "g", .manner = BP_SIGNAL_MANNER}};
  host_.offer_functions(offered);
  EXPECT_EQ(published_functions(host_->host), offered);
  host_.offer_extension(BP_FUNCTIONS_1, nullptr);
  EXPECT_TRUE(published_functions(host_->host).empty()) << "a host that does not tell";
}

TEST_F(Fake, KeepsWhatIsToldLastOfAFunction) {
  publish_function(host_->host, {.component = {}, .name = "add", .help = "Adds."});
  publish_function(host_->host, {.component = {}, .name = "other"});
  publish_function(host_->host, {.component = {}, .name = "add", .help = "Adds better."});
  ASSERT_EQ(host_.published().size(), 2u);
  EXPECT_EQ(host_.published()[0].component, "fake");
  EXPECT_EQ(host_.published()[0].help, "Adds better.");
  EXPECT_THROW(publish_function(host_->host, {}), Error) << "without a name";
}

TEST_F(Fake, ReadsOfADescriptorWhatItsSizeCovers) {
  bp_function told{};
  told.size = offsetof(bp_function, max_response_time);
  told.name = "old";
  told.max_response_time = 5;
  EXPECT_EQ(detail::copy_of("adder", told).max_response_time.count(), 0);
  told.size = sizeof told;
  EXPECT_EQ(detail::copy_of("adder", told).max_response_time.count(), 5);
}

using FakeDeath = Fake;

TEST_F(FakeDeath, CatchesALoopFunctionFromAnotherThread) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(std::thread([&] { host_->host.finished(); }).join(), "finished was called from a thread");
}

TEST_F(FakeDeath, CatchesALostMessage) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        FakeComponent<Puppet> host;
        host.start();
        (void)host.message({"x"}).release();
      },
      "a message was neither sent, answered nor freed");
}

}  // namespace
}  // namespace backplane
