// When a shutdown is over, by strategy, on a clock of the test's own.
#include "zerorpc/shutdown.hpp"

#include <backplane/testing/fake_host.hpp>

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "plugins/zerorpc/no_service.hpp"

namespace backplane::zerorpc {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using Strategy = ShutdownSettings::Strategy;

// The fixture is the service: so many calls are unanswered, so many results unclaimed.
class ShutdownTest : public testing::Test {
 protected:
  ShutdownTest() { host_.stop_clock(); }
  ~ShutdownTest() override {
    if (shutdown_) shutdown_->stop();
  }

  void make(Strategy strategy) {
    ShutdownSettings settings;
    settings.strategy = strategy;
    settings.grace = 10s;
    settings.abort_linger = 1s;
    shutdown_.emplace(host_.host(), settings,
                      Shutdown::Service{.unanswered = [this] { return unanswered_; },
                                        .unclaimed = [this] { return unclaimed_; },
                                        .abort =
                                            [this] {
                                              did_.emplace_back("abort");
                                              const auto aborted = unanswered_;
                                              unclaimed_ += becomes_unclaimed_;
                                              unanswered_ = 0;
                                              shutdown_->look();  // as when calls end
                                              return aborted;
                                            },
                                        .unbind = [this] { did_.emplace_back("unbind"); },
                                        .ask = [this] { did_.emplace_back("ask"); },
                                        .told = [this](const std::string& what) { did_.push_back(what); },
                                        .over = [this] { did_.emplace_back("over"); }});
    shutdown_->start();
  }
  void answer_all() {
    unanswered_ = 0;
    shutdown_->look();
  }
  void claim_all() {
    unclaimed_ = 0;
    shutdown_->look();
  }
  // What it did since.
  std::vector<std::string> did() { return std::exchange(did_, {}); }

  FakeComponent<NoService> host_;
  std::optional<Shutdown> shutdown_;
  std::size_t unanswered_ = 0;
  std::size_t unclaimed_ = 0;
  std::size_t becomes_unclaimed_ = 0;  // of what is aborted

 private:
  std::vector<std::string> did_;
};

TEST_F(ShutdownTest, TheHostIsToldHowLongItMayTake) {
  make(Strategy::drain);
  EXPECT_EQ(host_.drain_time(), 11s);
}

TEST_F(ShutdownTest, NothingHappensUntilItIsRequested) {
  make(Strategy::abort);
  unanswered_ = 1;
  host_.advance(1h);
  EXPECT_FALSE(shutdown_->requested());
  EXPECT_THAT(did(), IsEmpty());
}

TEST_F(ShutdownTest, WithNothingToWaitForItIsOverAtOnce) {
  for (const auto strategy :
       {Strategy::wait_until_polled, Strategy::drain, Strategy::abort, Strategy::close}) {
    make(strategy);
    shutdown_->request();
    EXPECT_TRUE(shutdown_->over());
    EXPECT_EQ(did().back(), "over");
    EXPECT_EQ(host_.running_timers(), 0u);
  }
}

TEST_F(ShutdownTest, IsRequestedOnce) {
  make(Strategy::drain);
  shutdown_->request();
  shutdown_->request();
  EXPECT_THAT(did(), ElementsAre("over"));
}

TEST_F(ShutdownTest, DrainWaitsForAnswers) {
  make(Strategy::drain);
  unanswered_ = 2;
  unclaimed_ = 5;
  shutdown_->request();
  EXPECT_TRUE(shutdown_->requested());
  EXPECT_THAT(did(), IsEmpty());
  answer_all();
  EXPECT_THAT(did(), ElementsAre("over"));
}

TEST_F(ShutdownTest, WaitUntilPolledWaitsForResultsToo) {
  make(Strategy::wait_until_polled);
  unanswered_ = 2;
  unclaimed_ = 5;
  shutdown_->request();
  answer_all();
  EXPECT_THAT(did(), IsEmpty());
  claim_all();
  EXPECT_THAT(did(), ElementsAre("over"));
}

TEST_F(ShutdownTest, ResultsExpireWithoutAWord) {
  make(Strategy::wait_until_polled);
  unclaimed_ = 1;
  shutdown_->request();
  unclaimed_ = 0;
  host_.advance(100ms);
  EXPECT_THAT(did(), ElementsAre("over"));
}

TEST_F(ShutdownTest, AbortEndsAllAndLetsTheErrorsBeFetched) {
  make(Strategy::abort);
  unanswered_ = 2;
  becomes_unclaimed_ = 1;
  shutdown_->request();
  EXPECT_THAT(did(), ElementsAre("abort"));
  claim_all();
  EXPECT_THAT(did(), ElementsAre("over"));
}

TEST_F(ShutdownTest, AbortLingersForSoLong) {
  make(Strategy::abort);
  unanswered_ = 2;
  becomes_unclaimed_ = 1;
  shutdown_->request();
  host_.advance(999ms);
  EXPECT_THAT(did(), ElementsAre("abort"));
  host_.advance(1ms);
  EXPECT_THAT(did(), ElementsAre("over")) << "and nothing is said to have gone wrong";
  host_.advance(1h);
  EXPECT_THAT(did(), IsEmpty());
}

TEST_F(ShutdownTest, CloseClosesAtOnceAndWaitsForWhatRuns) {
  make(Strategy::close);
  unanswered_ = 2;
  unclaimed_ = 5;
  shutdown_->request();
  EXPECT_THAT(did(), ElementsAre("unbind"));
  answer_all();
  EXPECT_THAT(did(), ElementsAre("over"));
}

TEST_F(ShutdownTest, CustomIsOverWhenTheFunctionReturnsAndAllIsAnswered) {
  make(Strategy::custom);
  unanswered_ = 1;
  unclaimed_ = 5;
  shutdown_->request();
  EXPECT_THAT(did(), ElementsAre("ask"));
  shutdown_->function_returned();
  EXPECT_THAT(did(), IsEmpty());
  answer_all();
  EXPECT_THAT(did(), ElementsAre("over"));
}

TEST_F(ShutdownTest, TheGraceEndsEveryStrategy) {
  for (const auto strategy :
       {Strategy::wait_until_polled, Strategy::drain, Strategy::close, Strategy::custom}) {
    make(strategy);
    unanswered_ = 3;
    unclaimed_ = 2;
    shutdown_->request();
    host_.advance(10s - 1ns);
    did();
    host_.advance(1ns);
    EXPECT_THAT(
        did(),
        ElementsAre("abort", "did not end within its grace: 3 calls were aborted, 2 results were not fetched",
                    "over"));
    EXPECT_TRUE(shutdown_->over());
    EXPECT_EQ(host_.running_timers(), 0u);
    unanswered_ = unclaimed_ = 0;
  }
}

TEST_F(ShutdownTest, AfterAStopNothingFollows) {
  make(Strategy::drain);
  unanswered_ = 1;
  shutdown_->request();
  shutdown_->stop();
  host_.advance(1h);
  EXPECT_THAT(did(), IsEmpty());
}

}  // namespace
}  // namespace backplane::zerorpc
