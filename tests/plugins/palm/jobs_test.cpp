// Who gets a job, which job a result answers, and what happens to the jobs of a worker that goes.
#include "palm/jobs.hpp"

#include "palm/outbound.hpp"
#include "plugins/palm/verbs.hpp"

namespace backplane::palm {
namespace {

using LinkId = Jobs::LinkId;
using Match = Jobs::Match;

// Jobs with names; a result is that of the job with its name. Time is what the test says.
class Sharing : public testing::Test {
 protected:
  Sharing() { limits({}); }
  void limits(Jobs::Limits limits) { jobs_.emplace(limits); }

  static JobKey key(std::string_view name) {
    Fields fields;
    fields.cache = name;
    return key_of(fields);
  }
  LinkId open(bool several = false) { return jobs_->open(now_, several); }
  // Sends a job to the worker.
  void send(LinkId link, std::string_view name) {
    Jobs::Job job;
    job.message = host_.message({name});
    job.key = key(name);
    jobs_->sent(link, std::move(job), now_);
  }
  // Sends a job to the worker that is chosen, and says which.
  LinkId give(std::string_view name) {
    const auto link = jobs_->choose();
    if (link != 0) send(link, name);
    return link;
  }
  Match answer(std::string_view name, int descriptor = -1) {
    return jobs_->answered(key(name), descriptor, now_);
  }
  // The next job that is to be sent again; "": there is none.
  std::string again() {
    auto job = jobs_->take_given_back();
    return job ? std::string(job->message[0]) : std::string();
  }
  // Sends the next job that is given back to this worker.
  void send_again(LinkId link) { jobs_->sent(link, std::move(*jobs_->take_given_back()), now_); }
  void pass(std::int64_t span) { now_ += span; }
  static std::vector<std::string> names(const std::vector<Jobs::Job>& all) {
    std::vector<std::string> found;
    for (const auto& job : all) found.emplace_back(job.message[0]);
    return found;
  }
  Jobs& jobs() { return *jobs_; }
  std::int64_t now() const { return now_; }

 private:
  FakeComponent<Push> host_{{{"bind", any_port}}};
  std::optional<Jobs> jobs_;
  std::int64_t now_ = 1000 * ms;
};

// ---- sharing out ------------------------------------------------------------------------------------

TEST_F(Sharing, WithoutWorkersNobodyIsChosen) {
  EXPECT_EQ(jobs().choose(), 0u);
  const auto worker = open();
  EXPECT_EQ(jobs().choose(), worker);
  jobs().close(worker);
  EXPECT_EQ(jobs().choose(), 0u);
}

TEST_F(Sharing, WorkersThatHoldEquallyMuchTakeTurns) {
  const auto a = open();
  const auto b = open();
  const auto c = open();
  EXPECT_EQ(give("1"), a);
  EXPECT_EQ(give("2"), b);
  EXPECT_EQ(give("3"), c);
  for (const auto* name : {"1", "2", "3"}) answer(name);
  EXPECT_EQ(give("4"), a);
}

TEST_F(Sharing, TheWorkerThatHoldsLeastGetsTheNextJob) {
  const auto a = open();
  const auto b = open();
  send(a, "1");
  send(a, "2");
  send(b, "3");
  EXPECT_EQ(give("4"), b);
  answer("1");
  answer("2");
  EXPECT_EQ(give("5"), a);
}

TEST_F(Sharing, AFullWorkerGetsNothingUntilItAnswers) {
  limits({.window = 4, .first_window = 2});
  const auto worker = open();
  EXPECT_EQ(give("1"), worker);
  EXPECT_EQ(give("2"), worker);
  EXPECT_EQ(give("3"), 0u);
  pass(100 * ms);
  answer("1");
  EXPECT_EQ(give("3"), worker);
}

TEST_F(Sharing, AWorkerThatNeverAnswersDoesNotStarveTheOther) {
  limits({.window = 1000, .first_window = 2});
  const auto deaf = open();
  const auto quick = open();
  int got = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto name = std::to_string(i);
    const auto link = give(name);
    ASSERT_NE(link, 0u);
    if (link == quick) {
      ++got;
      pass(ms);
      answer(name);
    }
  }
  EXPECT_GE(got, 998);
  EXPECT_EQ(jobs().window(deaf), 2u);
}

TEST_F(Sharing, TheWindowOfAQuickWorkerGrowsWhenItIsFull) {
  limits({.window = 4, .first_window = 2});
  const auto worker = open();
  send(worker, "1");
  answer("1");
  EXPECT_EQ(jobs().window(worker), 2u) << "it was not full";
  for (const std::size_t expected : {3, 4, 4}) {
    const auto now_full = jobs().window(worker);
    for (std::size_t i = 0; i < now_full; ++i) send(worker, std::to_string(i));
    pass(ms);
    answer("0");
    EXPECT_EQ(jobs().window(worker), expected);
    for (std::size_t i = 1; i < now_full; ++i) answer(std::to_string(i));
  }
}

TEST_F(Sharing, TheFirstToAnswerDoesNotRunAwayWithTheJobs) {
  limits({.window = 1000, .first_window = 8});
  const auto first = open();
  const auto second = open();
  for (int i = 0; i < 16; ++i) give(std::to_string(i));
  int given = 16;
  for (int i = 0; i < 16; i += 2) {  // those of the first worker, each followed by what has room then
    answer(std::to_string(i));
    while (give(std::to_string(given)) != 0) ++given;
  }
  EXPECT_LE(jobs().window(first), 16u);
  EXPECT_EQ(jobs().window(second), 8u);
  EXPECT_LE(given, 16 + 2 * 8);
}

TEST_F(Sharing, TheWindowOfASlowWorkerShrinksToTheLeast) {
  limits({.window = 1000, .first_window = 8, .least_window = 2});
  const auto worker = open();
  for (const std::size_t expected : {4, 2, 2}) {
    send(worker, "1");
    pass(1000 * ms);
    answer("1");
    EXPECT_EQ(jobs().window(worker), expected);
  }
}

TEST_F(Sharing, AWindowNeverExceedsItsLimit) {
  limits({.window = 1});
  const auto worker = open();
  EXPECT_EQ(jobs().window(worker), 1u);
  send(worker, "1");
  answer("1");
  EXPECT_EQ(jobs().window(worker), 1u);
  EXPECT_EQ(jobs().window(open(true)), 1u);
  EXPECT_EQ(jobs().window(77), 0u);
}

TEST_F(Sharing, AFullSilentWorkerGetsMoreWhenPatienceEnds) {
  limits({.window = 4, .first_window = 2, .patience = 1000 * ms});
  const auto worker = open();
  give("1");
  give("2");
  pass(999 * ms);
  jobs().be_patient(now());
  EXPECT_EQ(give("3"), 0u);
  pass(ms);
  jobs().be_patient(now());
  EXPECT_EQ(give("3"), worker);
  EXPECT_EQ(jobs().window(worker), 4u);
}

TEST_F(Sharing, PatienceIsCountedFromTheFirstJobAndFromEveryAnswer) {
  limits({.window = 4, .first_window = 2, .patience = 1000 * ms});
  open();
  pass(5000 * ms);
  give("1");
  give("2");
  jobs().be_patient(now());
  EXPECT_EQ(give("3"), 0u) << "it has had its jobs for no time at all";
  pass(900 * ms);
  answer("1");
  give("4");
  pass(900 * ms);
  jobs().be_patient(now());
  EXPECT_EQ(give("5"), 0u) << "it has answered since";
}

// ---- results ----------------------------------------------------------------------------------------

TEST_F(Sharing, EveryFieldThatAWorkerLeavesTellsJobsApart) {
  const Fields base{"p", "c", 1, "f", "k", "", std::nullopt, ""};
  const auto differs = [&](auto change) {
    auto other = base;
    change(other);
    return key_of(other) != key_of(base);
  };
  EXPECT_TRUE(differs([](Fields& fields) { fields.pipeline = "q"; }));
  EXPECT_TRUE(differs([](Fields& fields) { fields.client = "d"; }));
  EXPECT_TRUE(differs([](Fields& fields) { fields.stage = 2; }));
  EXPECT_TRUE(differs([](Fields& fields) { fields.function = "g"; }));
  EXPECT_TRUE(differs([](Fields& fields) { fields.cache = "l"; }));
  EXPECT_FALSE(differs([](Fields& fields) { fields.payload = "result"; }));
  EXPECT_TRUE(differs([](Fields& fields) { std::swap(fields.pipeline, fields.client); }));
}

TEST_F(Sharing, AResultAnswersItsJobWhateverTheOrder) {
  const auto a = open();
  const auto b = open();
  send(a, "1");
  send(a, "2");
  send(b, "3");
  EXPECT_EQ(answer("3"), Match::answers_job);
  EXPECT_EQ(answer("2"), Match::answers_job);
  EXPECT_EQ(jobs().outstanding(), 1u);
  EXPECT_EQ(answer("1"), Match::answers_job);
  EXPECT_EQ(jobs().outstanding(), 0u);
}

TEST_F(Sharing, AResultOfNoJobIsExtra) {
  send(open(), "1");
  EXPECT_EQ(answer("other"), Match::extra);
  EXPECT_EQ(answer("1"), Match::answers_job);
  EXPECT_EQ(answer("1"), Match::extra);
}

TEST_F(Sharing, ThreeCopiesOfOneJobNeedThreeAnswers) {
  const auto a = open();
  const auto b = open();
  send(a, "same");
  send(b, "same");
  send(a, "same");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(answer("same"), Match::answers_job);
  EXPECT_EQ(answer("same"), Match::extra);
}

TEST_F(Sharing, OfEqualJobsTheOneOfTheWorkerThatAnswersIsDone) {
  const auto a = open();
  const auto b = open();
  send(a, "mine");
  answer("mine", 11);
  send(b, "its");
  answer("its", 12);
  send(a, "same");
  pass(ms);
  send(b, "same");
  EXPECT_EQ(answer("same", 12), Match::answers_job);
  jobs().close(a);
  jobs().give_back();
  EXPECT_EQ(again(), "same") << "that of the first worker is still to do";
}

TEST_F(Sharing, OfEqualJobsTheOldestIsDoneWhenNothingElseTells) {
  limits({.window = 10, .first_window = 10});
  const auto a = open();
  const auto b = open();
  send(a, "same");
  pass(ms);
  send(b, "same");
  EXPECT_EQ(answer("same"), Match::answers_job);
  jobs().close(a);
  jobs().give_back();
  EXPECT_EQ(again(), "");
}

TEST_F(Sharing, AWorkerOfManyAnswersHasDoneWithItsEarlierJobs) {
  limits({.one_answer = false});
  const auto a = open();
  const auto b = open();
  for (const auto* name : {"1", "2", "3"}) send(a, name);
  send(b, "4");
  EXPECT_EQ(answer("2"), Match::answers_job);
  EXPECT_EQ(jobs().outstanding(), 2u);
  EXPECT_EQ(answer("2"), Match::extra);
  EXPECT_EQ(answer("1"), Match::extra);
  jobs().close(a);
  jobs().give_back();
  EXPECT_EQ(again(), "3");
  EXPECT_EQ(again(), "");
}

TEST_F(Sharing, OneOfManyWorkersOnALinkSettlesNoJobOfAnother) {
  limits({.one_answer = false});
  const auto all = open(true);
  send(all, "1");
  send(all, "2");
  answer("2");
  EXPECT_EQ(jobs().outstanding(), 1u);
}

// ---- workers that go --------------------------------------------------------------------------------

TEST_F(Sharing, JobsOfAWorkerThatWentAreGivenBackInTheirOrder) {
  const auto worker = open();
  for (const auto* name : {"1", "2", "3"}) send(worker, name);
  jobs().close(worker);
  EXPECT_FALSE(jobs().has_given_back()) << "its results may still come";
  jobs().give_back();
  EXPECT_TRUE(jobs().has_given_back());
  for (const auto* name : {"1", "2", "3"}) EXPECT_EQ(again(), name);
  EXPECT_EQ(again(), "");
  EXPECT_EQ(jobs().outstanding(), 0u);
}

TEST_F(Sharing, ALateResultOfAWorkerThatWentSettlesItsJob) {
  const auto worker = open();
  send(worker, "1");
  send(worker, "2");
  jobs().close(worker);
  EXPECT_EQ(answer("1"), Match::answers_job);
  jobs().give_back();
  EXPECT_EQ(answer("2"), Match::answers_job) << "given back, but not yet sent again";
  EXPECT_EQ(again(), "");
}

TEST_F(Sharing, TheSecondResultOfAJobThatWasSentAgainIsADuplicate) {
  const auto a = open();
  const auto b = open();
  send(a, "1");
  jobs().close(a);
  jobs().give_back();
  send_again(b);
  EXPECT_EQ(answer("1"), Match::answers_job);
  EXPECT_EQ(answer("1"), Match::duplicate);
  EXPECT_EQ(answer("1"), Match::extra);
}

TEST_F(Sharing, FurtherAnswersToAJobThatWasSentAgainAreNoDuplicatesWhereAWorkerGivesSeveral) {
  limits({.one_answer = false});
  const auto a = open();
  const auto b = open();
  send(a, "1");
  jobs().close(a);
  jobs().give_back();
  send_again(b);
  EXPECT_EQ(answer("1"), Match::answers_job);
  EXPECT_EQ(answer("1"), Match::extra);
}

TEST_F(Sharing, AJobThatCouldNotBeSentIsTheFirstToBeSentAgain) {
  const auto worker = open();
  send(worker, "1");
  send(worker, "2");
  jobs().close(worker);
  jobs().give_back();
  auto job = jobs().take_given_back();
  EXPECT_EQ(job->attempts, 1u);
  jobs().put_back(std::move(*job));
  EXPECT_EQ(jobs().outstanding(), 2u);
  EXPECT_EQ(again(), "1");
  EXPECT_EQ(again(), "2");
}

TEST_F(Sharing, AttemptsAreCounted) {
  auto worker = open();
  send(worker, "1");
  for (unsigned attempts = 1; attempts < 4; ++attempts) {
    jobs().close(worker);
    jobs().give_back();
    auto job = jobs().take_given_back();
    ASSERT_TRUE(job);
    EXPECT_EQ(job->attempts, attempts);
    jobs().sent(worker = open(), std::move(*job), now());
  }
}

TEST_F(Sharing, JobsThatAreTooOldAreTakenFromTheirWorkers) {
  const auto a = open();
  const auto b = open();
  send(a, "1");
  send(b, "2");
  pass(10 * ms);
  send(a, "3");
  EXPECT_EQ(names(jobs().take_sent_before(now())), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(jobs().outstanding(), 1u);
  EXPECT_EQ(answer("3"), Match::answers_job);
}

TEST_F(Sharing, ALateResultAfterTheTimeoutIsTakenOnce) {
  const auto worker = open();
  send(worker, "1");
  pass(10 * ms);
  for (auto& job : jobs().take_sent_before(now())) jobs().put_back(std::move(job));
  send_again(open());
  EXPECT_EQ(answer("1"), Match::answers_job);
  EXPECT_EQ(answer("1"), Match::duplicate);
  EXPECT_EQ(answer("1"), Match::extra) << "it was sent twice, not three times";
}

TEST_F(Sharing, AtTheEndAllThatIsNotAnsweredIsTaken) {
  const auto a = open();
  const auto b = open();
  const auto c = open();
  send(a, "given back");
  jobs().close(a);
  jobs().give_back();
  send(b, "orphan");
  jobs().close(b);
  send(c, "in hand");
  EXPECT_EQ(names(jobs().take_all()), (std::vector<std::string>{"given back", "orphan", "in hand"}));
  EXPECT_EQ(jobs().outstanding(), 0u);
}

TEST_F(Sharing, ClosingALinkThatIsNotThereIsNothing) {
  jobs().close(5);
  EXPECT_EQ(jobs().links(), 0u);
}

}  // namespace
}  // namespace backplane::palm
