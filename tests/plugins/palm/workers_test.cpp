// palm.push_pull with raw PUSH and PULL sockets as its workers: every job is answered once, whoever dies.
#include "palm/workers.hpp"

#include <unistd.h>

#include <list>
#include <map>
#include <set>

#include "plugins/palm/verbs.hpp"
#include "support/tcp_peer.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::palm {
namespace {

// A worker as pylm has it: takes jobs one after the other and sends them back with a new payload.
class RawWorker {
 public:
  RawWorker(const std::string& push, const std::string& pull) {
    jobs_.connect(push);
    results_.connect(pull);
  }
  // Takes the next job, if there is one now.
  std::optional<PalmMessage> take() {
    const auto job = jobs_.receive_now();
    if (!job) return std::nullopt;
    return message_in(*job);
  }
  void answer(const PalmMessage& job) {
    results_.send({bytes_of(change_payload(job, "re: " + job.payload))});
  }
  // Does the next job, if there is one now.
  bool work() {
    const auto job = take();
    if (!job) return false;
    answer(*job);
    ++done;
    return true;
  }
  Peer& results() { return results_; }
  int done = 0;

 private:
  Peer jobs_{ZMQ_PULL};
  Peer results_{ZMQ_PUSH};
};

class Workers : public testing::Test {
 protected:
  void start(std::vector<OptionText> options = {}, const std::string& push = any_port,
             const std::string& pull = any_port) {
    options.emplace_back("push", push);
    options.emplace_back("pull", pull);
    options.emplace_back("settle", "50ms");
    host_.emplace(options);
    host_->start();
    pull_at_ = endpoint_of(*host_, 0);
    push_at_ = endpoint_of(*host_, 1);
  }
  RawWorker& worker() { return workers_.emplace_back(push_at_, pull_at_); }
  // The worker has gone, with what it held.
  void kill(RawWorker& worker) {
    workers_.remove_if([&](const RawWorker& each) { return &each == &worker; });
  }
  bool connected(std::int64_t count) {
    return host_->run_until([&] { return host_->metric("workers") == count; }, kPatience);
  }
  static PalmMessage job(int number) {
    auto message = request_of("c", std::to_string(number));
    message.cache = "key " + std::to_string(number);
    return message;
  }
  void give(int first, int count) {
    for (int i = first; i < first + count; ++i) deliver(*host_, job(i));
  }
  // Runs all until `count` answers have come; false: they did not.
  bool answered(std::size_t count) {
    return host_->run_until(
        [&] {
          for (auto& worker : workers_)
            if (works_(worker)) worker.work();
          while (!host_->sent().empty()) {
            const auto got = message_in(frames(host_->take_sent()));
            ++answers_[got.payload];
            if (got.error) errors_.push_back(*got.error);
            ++total_;
          }
          return total_ >= count;
        },
        kPatience);
  }
  // Each of the jobs 0 to count - 1 was answered exactly once.
  void expect_each_once(int count) {
    EXPECT_EQ(total_, static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) EXPECT_EQ(answers_["re: " + std::to_string(i)], 1) << i;
  }

  std::optional<FakeComponent<PushPull>> host_;
  std::list<RawWorker> workers_;
  std::function<bool(const RawWorker&)> works_ = [](const RawWorker&) { return true; };
  std::map<std::string, int> answers_;
  std::vector<std::string> errors_;
  std::size_t total_ = 0;
  std::string push_at_;
  std::string pull_at_;
};

// ---- jobs and results -------------------------------------------------------------------------------

TEST_F(Workers, OneWorkerGetsTheJobsAsTheyAreAndItsResultsKeepTheirOrder) {
  start();
  auto& only = worker();
  give(0, 100);
  ASSERT_TRUE(host_->run_until([&] { return only.work() && only.done == 100; }, kPatience) ||
              only.done == 100);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(next_message(*host_).payload, "re: " + std::to_string(i));
  EXPECT_EQ(host_->metric("results"), 100);
}

TEST_F(Workers, AJobReachesItsWorkerByteForByte) {
  start();
  auto& only = worker();
  for (const std::size_t size : {std::size_t{0}, std::size_t{200}, std::size_t{1023}, std::size_t{1024},
                                 std::size_t{70'000}, std::size_t{5} << 20U}) {
    auto sent = job(static_cast<int>(size));
    sent.payload.assign(size, 'x');
    sent.unknown = "\x78\x05";
    deliver(*host_, sent);
    std::optional<PalmMessage> got;
    ASSERT_TRUE(host_->run_until([&] { return (got = only.take()).has_value(); }, kPatience));
    EXPECT_EQ(*got, sent);
    only.answer(*got);
    ASSERT_TRUE(sends(*host_, 1));
    host_->take_sent();
  }
}

TEST_F(Workers, JobsWaitForALateWorker) {
  start();
  give(0, 10);
  EXPECT_EQ(host_->busy_messages(), 10u);
  worker();
  EXPECT_TRUE(answered(10));
  expect_each_once(10);
}

TEST_F(Workers, SeveralShareTheJobs) {
  start();
  for (int i = 0; i < 4; ++i) worker();
  ASSERT_TRUE(connected(4));
  give(0, 400);
  ASSERT_TRUE(answered(400));
  expect_each_once(400);
  for (const auto& each : workers_) EXPECT_GT(each.done, 50);
}

TEST_F(Workers, TheOneThatFinishesMoreGetsMore) {
  start();
  auto& quick = worker();
  auto& slow = worker();
  ASSERT_TRUE(connected(2));
  int turn = 0;
  works_ = [&](const RawWorker& each) { return &each == &quick || ++turn % 20 == 0; };
  give(0, 1000);
  ASSERT_TRUE(answered(1000));
  expect_each_once(1000);
  EXPECT_GT(quick.done, 3 * slow.done);
}

TEST_F(Workers, OneThatNeverAnswersDoesNotStarveTheOther) {
  start({{"window", "20"}});
  auto& deaf = worker();
  auto& good = worker();
  ASSERT_TRUE(connected(2));
  works_ = [&](const RawWorker& each) { return &each != &deaf; };
  give(0, 500);
  EXPECT_TRUE(answered(480));
  EXPECT_GE(good.done, 480);
  kill(deaf);
  EXPECT_TRUE(answered(500));
  expect_each_once(500);
}

TEST_F(Workers, ResultsOfNoJobGoOnAsTheyAre) {
  start();
  auto& only = worker();
  only.answer(job(7));
  EXPECT_EQ(next_message(*host_).payload, "re: 7");
}

TEST_F(Workers, WhatIsNoResultIsDropped) {
  start();
  auto& only = worker();
  only.results().send({"garbage"});
  only.results().send({bytes_of(job(1)), "second"});
  only.answer(job(7));
  EXPECT_EQ(next_message(*host_).payload, "re: 7");
  EXPECT_EQ(host_->metric("malformed"), 2);
}

TEST_F(Workers, WithManyAnswersEachJobMayHaveNoneOrSeveral) {
  start({{"answers", "many"}, {"window", "4"}});
  auto& mux = worker();
  give(0, 50);
  int seen = 0;
  int got = 0;
  ASSERT_TRUE(host_->run_until(
      [&] {
        if (const auto next = mux.take())
          for (int copies = seen++ % 3; copies > 0; --copies) mux.answer(*next);
        while (!host_->sent().empty()) {
          host_->take_sent();
          ++got;
        }
        return seen == 50 && got == 49;
      },
      kPatience));
  EXPECT_EQ(host_->holding(), 0u);
}

TEST_F(Workers, FiftyThatComeAtOnceAllWork) {
  start();
  for (int i = 0; i < 50; ++i) worker();
  ASSERT_TRUE(connected(50));
  give(0, 500);
  ASSERT_TRUE(answered(500));
  expect_each_once(500);
  for (const auto& each : workers_) EXPECT_GE(each.done, 5);
}

// ---- what workers do not get ------------------------------------------------------------------------

TEST_F(Workers, AreSparedWhatTheyCannotRun) {
  start({{"error_payload", "E"}});
  auto& only = worker();
  deliver(*host_, request_of("c", "x", "no_dot"));
  const auto got = next_message(*host_);
  EXPECT_EQ(got.payload, "E");
  EXPECT_TRUE(got.error.value_or("").starts_with("bad_function: "));
  EXPECT_EQ(deliver(*host_, request_of("", "x", "")), BP_FAILED);
  EXPECT_EQ(host_->deliver(host_->message({"garbage"})), BP_MALFORMED);
  host_->run_for(50ms);
  EXPECT_FALSE(only.take());
}

TEST_F(Workers, AnErrorPassesThemBy) {
  start();
  auto failed = job(1);
  failed.error = "scatter_failed: no";
  deliver(*host_, failed);
  EXPECT_EQ(next_message(*host_), failed);
}

// ---- workers that die -------------------------------------------------------------------------------

TEST_F(Workers, WhatAWorkerHeldWhenItDiedIsDoneByAnother) {
  start();
  auto& dying = worker();
  give(0, 5);
  int taken = 0;
  ASSERT_TRUE(host_->run_until([&] { return dying.take() && ++taken == 3; }, kPatience) || taken == 3);
  kill(dying);
  worker();
  ASSERT_TRUE(answered(5));
  expect_each_once(5);
  EXPECT_EQ(host_->metric("resent"), 5);
}

TEST_F(Workers, WhatItHadAnsweredIsNotDoneAgain) {
  start();
  auto& dying = worker();
  give(0, 6);
  ASSERT_TRUE(host_->run_until([&] { return dying.work() && dying.done == 4; }, kPatience) ||
              dying.done == 4);
  works_ = [&](const RawWorker& each) { return &each != &dying; };
  ASSERT_TRUE(answered(4));
  kill(dying);
  works_ = [](const RawWorker&) { return true; };
  auto& heir = worker();
  ASSERT_TRUE(answered(6));
  expect_each_once(6);
  EXPECT_EQ(heir.done, 2);
}

TEST_F(Workers, WhenWorkersDieAndComeAllTheTimeEveryJobIsAnsweredOnce) {
  start({{"attempts", "1000"}});
  worker();
  worker();
  give(0, 300);
  for (int round = 0; round < 10; ++round) {
    answered(total_ + 10);
    kill(workers_.front());
    worker();
  }
  ASSERT_TRUE(answered(300));
  host_->run_for(100ms);
  answered(300);
  expect_each_once(300);
}

TEST_F(Workers, OneThatComesAndGoesAllTheTimeDoesNotHoldUpTheJobsOfADeadOne) {
  start();
  auto& dying = worker();
  give(0, 1);
  ASSERT_TRUE(host_->run_until([&] { return dying.take().has_value(); }, kPatience));
  auto& heir = worker();
  ASSERT_TRUE(connected(2));
  kill(dying);
  ASSERT_TRUE(connected(1));
  for (int i = 0; i < 100 && heir.done == 0; ++i) {
    auto& fickle = worker();
    ASSERT_TRUE(connected(2));
    kill(fickle);
    ASSERT_TRUE(connected(1));
    heir.work();
    host_->run_for(10ms);
  }
  EXPECT_EQ(heir.done, 1);
}

TEST_F(Workers, AJobThatKillsItsWorkersIsGivenUpWithAnError) {
  start({{"attempts", "3"}});
  give(0, 1);
  for (int i = 0; i < 3; ++i) {
    auto& victim = worker();
    ASSERT_TRUE(host_->run_until([&] { return victim.take().has_value(); }, kPatience));
    kill(victim);
  }
  ASSERT_TRUE(answered(1));
  EXPECT_EQ(errors_, std::vector<std::string>{"function_failed: 3 workers did not answer it"});
  EXPECT_EQ(host_->metric("given_up"), 1);
  EXPECT_EQ(host_->holding(), 0u);
}

TEST_F(Workers, AJobThatTakesTooLongGoesToAnotherAndIsAnsweredOnce) {
  start({{"job_timeout", "100ms"}});
  auto& slow = worker();
  give(0, 1);
  std::optional<PalmMessage> held;
  ASSERT_TRUE(host_->run_until([&] { return (held = slow.take()).has_value(); }, kPatience));
  auto& other = worker();
  works_ = [&](const RawWorker& each) { return &each == &other; };
  ASSERT_TRUE(answered(1));
  slow.answer(*held);
  ASSERT_TRUE(host_->run_until([&] { return host_->metric("duplicates") == 1; }, kPatience));
  EXPECT_TRUE(host_->sent().empty());
}

TEST_F(Workers, WhoeverAskedHasItsFeedbackAtOnce) {
  start();
  auto& only = worker();
  ASSERT_TRUE(connected(1));
  host_->deliver(host_->request("", {bytes_of(job(1))}));
  ASSERT_EQ(host_->replies().size(), 1u);
  EXPECT_EQ(frames(host_->replies()[0].message), Frames{""});
  ASSERT_TRUE(host_->run_until([&] { return only.work(); }, kPatience));
  EXPECT_TRUE(sends(*host_, 1));
  EXPECT_FALSE(host_->sent()[0].message.wants_reply());
}

// ---- who is no worker -------------------------------------------------------------------------------

TEST_F(Workers, PeersOfAnotherKindAreRefused) {
  start();
  Peer other(ZMQ_DEALER);
  other.set(ZMQ_RECONNECT_IVL, -1).connect(push_at_);
  ASSERT_TRUE(host_->run_until([&] { return host_->metric("refused_workers") == 1; }, kPatience));
  EXPECT_TRUE(host_->logged("expected PULL"));
  EXPECT_EQ(host_->metric("workers"), 0);
}

TEST_F(Workers, HttpOnTheirPortIsRefusedAndOthersWork) {
  start({{"handshake_interval", "200ms"}});
  test::TcpPeer browser(push_at_);
  browser.send("GET / HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(host_->run_until([&] { return browser.closed(); }, kPatience));
  EXPECT_EQ(host_->metric("refused_workers"), 1);
  host_->run_for(1s);
  EXPECT_EQ(host_->metric("refused_workers"), 1) << "it is gone for good";
  give(0, 1);
  worker();
  EXPECT_TRUE(answered(1));
}

TEST_F(Workers, APeerThatSaysNothingIsDisconnected) {
  start({{"handshake_interval", "200ms"}});
  test::TcpPeer mute(push_at_);
  ASSERT_TRUE(host_->run_until([&] { return mute.closed(); }, kPatience));
  EXPECT_TRUE(host_->logged("it does not finish the handshake"));
}

TEST_F(Workers, APeerThatDiesInTheHandshakeLeavesNothing) {
  start();
  for (int i = 0; i < 20; ++i) {
    test::TcpPeer peer(push_at_);
    peer.send(PushPeer::greeting().substr(0, static_cast<std::size_t>(i) * 3));
    host_->run_ready();
    peer.reset();
  }
  worker();
  give(0, 10);
  EXPECT_TRUE(answered(10));
  EXPECT_EQ(host_->metric("workers"), 1);
}

TEST_F(Workers, OneThatLeavesHeartbeatsUnansweredIsGone) {
  start({{"heartbeat_interval", "500ms"}, {"heartbeat_timeout", "500ms"}});
  test::TcpPeer frozen(push_at_);
  frozen.send(PushPeer::greeting() + "\x04\x1A\x05READY\x0BSocket-Type\0\0\0\x04PULL"s);
  ASSERT_TRUE(connected(1));
  give(0, 1);
  auto& alive = worker();
  ASSERT_TRUE(answered(1));
  expect_each_once(1);
  EXPECT_EQ(alive.done, 1);
  EXPECT_EQ(host_->metric("workers"), 1) << "the other one answers them";
}

// ---- other addresses --------------------------------------------------------------------------------

TEST_F(Workers, OnAnIpcAddressTheyShareTheJobsInTurn) {
  test::TemporaryFolder folder;
  start({}, "ipc://" + folder.file("push").string(), "ipc://" + folder.file("pull").string());
  worker();
  worker();
  const auto both_work = [&] { return workers_.front().done > 0 && workers_.back().done > 0; };
  int given = 0;  // nobody tells when the second has connected
  while (!both_work() && given < 100'000) {
    give(given, 100);
    given += 100;
    ASSERT_TRUE(answered(static_cast<std::size_t>(given)));
  }
  expect_each_once(given);
  EXPECT_TRUE(both_work());
}

}  // namespace
}  // namespace backplane::palm
