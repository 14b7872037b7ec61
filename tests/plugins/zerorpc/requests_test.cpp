// The books of infi.rpc's requests: who runs, whose result is kept, and for how long.
#include "zerorpc/requests.hpp"

#include "plugins/zerorpc/books.hpp"

#include <gmock/gmock.h>

namespace backplane::zerorpc {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using What = ResultStore::What;

class RequestsTest : public testing::Test {
 protected:
  RequestsTest() { books_.open(); }
  void open(RequestLimits limits) { books_.open(limits); }
  std::int64_t metric(const char* name) { return books_.host().metric(name); }
  Books books_;
};

// ---- the life of a request ----------------------------------------------------------------------------

TEST_F(RequestsTest, ARequestBeginsOnceAndIsJoinedAfterwards) {
  EXPECT_EQ(books_.begin("a"), Begun::created);
  EXPECT_EQ(books_.begin("a"), Begun::running);
  EXPECT_EQ(books_.begin("b"), Begun::created);
  books_->finish("a", "result");
  EXPECT_EQ(books_.begin("a"), Begun::done);
  EXPECT_EQ(books_.begin("b"), Begun::running);
}

TEST_F(RequestsTest, IsKnownByItsUuidWhateverBytesThatHas) {
  const auto longest = std::string(Requests::kLongestUuid - 1, '\xFF') + "\0"s;
  books_.run(longest, "of the longest");
  EXPECT_EQ(books_.begin(longest.substr(1)), Begun::created);
  EXPECT_EQ(books_.fetch(longest), "of the longest");
}

TEST_F(RequestsTest, WhatIsJoinedIsTheFirstCallWhateverTheSecondOneSays) {
  books_->begin("a", "first", "tag 1");
  books_->begin("a", "second", "tag 2");
  EXPECT_EQ(books_->find("a")->method, "first");
  EXPECT_EQ(books_->find("a")->tag, "tag 1");
}

TEST_F(RequestsTest, HasNoResultWhileItRuns) {
  books_.begin("a");
  EXPECT_EQ(books_.fetch("a"), "none");
  EXPECT_EQ(books_.state("a"), State::running);
  books_->finish("a", "\0\xFF any bytes"s);
  EXPECT_EQ(books_.state("a"), State::done);
  EXPECT_EQ(books_.fetch("a"), "\0\xFF any bytes"s);
  EXPECT_EQ(books_.state("a"), State::delivered);
}

TEST_F(RequestsTest, AnEmptyResultIsAResult) {
  books_.run("a", "");
  EXPECT_EQ(books_.fetch("a"), "");
}

TEST_F(RequestsTest, NothingIsKnownOfOthers) {
  EXPECT_FALSE(books_.knows("a"));
  EXPECT_EQ(books_.fetch("a"), "none");
  EXPECT_FALSE(books_.promise("a"));
  books_->finish("a", "result", [] { FAIL() << "it never ran"; });
  books_->forget("a");
  EXPECT_FALSE(books_.knows("a"));
}

TEST_F(RequestsTest, IsFinishedOnce) {
  books_.begin("a");
  books_->finish("a", "first");
  books_->finish("a", "second", [] { FAIL() << "it was finished before"; });
  EXPECT_EQ(books_.fetch("a"), "first");
  EXPECT_EQ(books_->bytes(), 5u);
}

TEST_F(RequestsTest, WithoutAStorePromisesHoldAndResultsAreThereAtOnce) {
  books_.begin("a");
  EXPECT_TRUE(books_.promise("a"));
  bool done = false;
  books_->finish("a", "result", [&] { done = books_.fetch("a") == "result"; });
  EXPECT_TRUE(done);
}

TEST_F(RequestsTest, WhatWasAnsweredDirectlyIsForgotten) {
  books_.begin("a");
  books_->finish("a", "result");
  books_->forget("a");
  EXPECT_FALSE(books_.knows("a"));
  EXPECT_EQ(books_->bytes(), 0u);
  EXPECT_EQ(books_.begin("a"), Begun::created);
}

TEST_F(RequestsTest, ACallThatCouldNotBeMadeIsForgottenToo) {
  books_.begin("a");
  books_->forget("a");
  EXPECT_FALSE(books_.knows("a"));
  EXPECT_EQ(books_->waiting(), 0u);
}

TEST_F(RequestsTest, OfTwoAskersOneIsAnsweredDirectlyTheOtherFindsTheResult) {
  books_.begin("a");
  books_.promise("a");
  books_.begin("a");
  books_->finish("a", "result");
  books_->forget("a");
  EXPECT_EQ(books_.fetch("a"), "result");
}

TEST_F(RequestsTest, AnAskerMayBePromisedWhatIsDone) {
  books_.begin("a");
  books_->finish("a", "result");
  EXPECT_EQ(books_->unclaimed(), 0u);
  books_.promise("a");
  EXPECT_EQ(books_->unclaimed(), 1u);
  books_->forget("a");
  EXPECT_EQ(books_.fetch("a"), "result");
}

// ---- after the first delivery -------------------------------------------------------------------------

TEST_F(RequestsTest, CanBeFetchedAgainUntilSomeTimeAfterTheFirstDelivery) {
  open({.keep = 20s, .redeliver = 3s, .collect_every = 1h});
  books_.run("a");
  books_.wait(10s);
  EXPECT_EQ(books_.fetch("a"), "result");
  books_.wait(2s);
  EXPECT_EQ(books_.fetch("a"), "result");
  books_.wait(1s - instant);
  EXPECT_EQ(books_.fetch("a"), "result");
  books_.wait(instant);
  EXPECT_EQ(books_.fetch("a"), "none");
  EXPECT_EQ(metric("results_expired"), 0);
}

TEST_F(RequestsTest, ThatTimeIsOverForWhoeverLooks) {
  open({.redeliver = 3s, .collect_every = 1h});
  for (const auto* uuid : {"a", "b"}) {
    books_.run(uuid);
    books_.fetch(uuid);
  }
  books_.wait(3s);
  EXPECT_FALSE(books_.knows("a"));
  EXPECT_EQ(books_.begin("b"), Begun::created);
}

TEST_F(RequestsTest, ItIsAsLongAsAResultIsKeptAnyway) {
  open({.keep = 7s, .collect_every = 1h});
  books_.run("a");
  books_.fetch("a");
  books_.wait(7s - instant);
  EXPECT_EQ(books_.fetch("a"), "result");
  books_.wait(instant);
  EXPECT_EQ(books_.fetch("a"), "none");
}

TEST_F(RequestsTest, OrThereIsNoneAndAResultIsDeliveredOnce) {
  open({.redeliver = 0s});
  books_.run("a");
  EXPECT_EQ(books_.fetch("a"), "result");
  EXPECT_EQ(books_.fetch("a"), "none");
}

TEST_F(RequestsTest, TheCollectorTakesAwayWhatNobodyLooksAt) {
  open({.redeliver = 1s, .collect_every = 5s});
  books_.run("a");
  books_.fetch("a");
  books_.wait(5s);
  EXPECT_EQ(metric("results_kept"), 0);
  EXPECT_EQ(books_->bytes(), 0u);
}

// ---- results that nobody fetches ----------------------------------------------------------------------

TEST_F(RequestsTest, LiveUntilTheCollectorFindsThemOlderThanKeep) {
  open({.keep = 5s, .collect_every = 5s});
  books_.run("a");
  books_.wait(5s);  // the collector finds it 5 s old, which is not more
  EXPECT_TRUE(books_.knows("a"));
  books_.wait(5s - instant);
  EXPECT_TRUE(books_.knows("a"));
  books_.wait(instant);
  EXPECT_FALSE(books_.knows("a"));
  EXPECT_EQ(metric("results_expired"), 1);
}

TEST_F(RequestsTest, AreGoneAtTheCollectorsFirstLookWhenTheyAreOlder) {
  open({.keep = 5s - instant, .collect_every = 5s});
  books_.run("a");
  books_.wait(5s - instant);
  EXPECT_EQ(books_->unclaimed(), 1u);
  books_.wait(instant);
  EXPECT_FALSE(books_.knows("a"));
}

TEST_F(RequestsTest, AreFetchedInTheLastInstantAndThenKeptAsDelivered) {
  open({.keep = 5s, .collect_every = 5s});
  books_.run("a");
  books_.wait(10s - instant);
  EXPECT_EQ(books_.fetch("a"), "result");
  books_.wait(5s - instant);
  EXPECT_EQ(books_.fetch("a"), "result");
  EXPECT_EQ(metric("results_expired"), 0);
}

TEST_F(RequestsTest, OneWhoseCallStillRunsNeverExpires) {
  books_.begin("a");
  books_.run("other");
  books_.wait(24h);
  EXPECT_EQ(books_.state("a"), State::running);
  EXPECT_FALSE(books_.knows("other"));
}

TEST_F(RequestsTest, MayBeKeptUntilSomebodyFetchesThem) {
  open({.keep = 5s, .keep_unfetched = true});
  books_.run("a");
  books_.wait(24h);
  EXPECT_EQ(books_.fetch("a"), "result");
  books_.wait(5s - instant);
  EXPECT_EQ(books_.fetch("a"), "result");
  books_.wait(instant);
  EXPECT_FALSE(books_.knows("a"));
}

TEST_F(RequestsTest, TheCollectorRestsWhileThereIsNothingForIt) {
  const auto collects = [&] { return books_.host().running_timers() > 0; };
  books_.begin("a");
  EXPECT_FALSE(collects());
  books_->finish("a", "result");
  EXPECT_TRUE(collects());
  books_.wait(15s);
  EXPECT_FALSE(collects());

  open({.keep_unfetched = true});
  books_.run("b");
  EXPECT_FALSE(collects());
  books_.fetch("b");
  EXPECT_TRUE(collects());
}

// ---- counts -------------------------------------------------------------------------------------------

TEST_F(RequestsTest, WaitsForWhatRunsAndForWhatWasPromisedAndNotFetched) {
  const auto counts = [&] { return std::vector{books_->running(), books_->unclaimed(), books_->waiting()}; };
  books_.begin("a");
  books_.begin("direct");
  EXPECT_THAT(counts(), ElementsAre(2, 0, 2));
  books_.promise("a");
  books_.promise("a");
  EXPECT_THAT(counts(), ElementsAre(2, 0, 2));
  books_->finish("direct", "result");
  EXPECT_THAT(counts(), ElementsAre(1, 0, 1));
  books_->finish("a", "result");
  EXPECT_THAT(counts(), ElementsAre(0, 1, 1));
  books_.fetch("a");
  books_.fetch("a");
  EXPECT_THAT(counts(), ElementsAre(0, 0, 0));
}

TEST_F(RequestsTest, WaitsNoMoreForWhatHasExpired) {
  books_.run("a");
  books_.wait(10s);
  EXPECT_EQ(books_->waiting(), 0u);
}

TEST_F(RequestsTest, TellsItsCounts) {
  books_.begin("a");
  books_.run("b", "12345");
  books_.run("c", "123");
  books_.fetch("c");
  EXPECT_EQ(metric("requests_running"), 1);
  EXPECT_EQ(metric("results_kept"), 2);
  EXPECT_EQ(metric("results_unclaimed"), 1);
  EXPECT_EQ(metric("results_bytes"), 8);
}

TEST_F(RequestsTest, NamesWhatRuns) {
  EXPECT_THAT(books_->running_uuids(), IsEmpty());
  books_.begin("a");
  books_.run("b");
  books_.begin("c");
  EXPECT_THAT(books_->running_uuids(), ElementsAre("a", "c"));
}

TEST_F(RequestsTest, ForgetsAll) {
  books_.begin("a");
  books_.run("b");
  books_.run("c");
  books_.fetch("c");
  books_->clear();
  EXPECT_EQ(books_->waiting() + books_->bytes(), 0u);
  EXPECT_EQ(books_.host().running_timers(), 0u);
  for (const auto* uuid : {"a", "b", "c"}) EXPECT_FALSE(books_.knows(uuid));
  EXPECT_EQ(metric("results_kept"), 0);
}

// ---- limits -------------------------------------------------------------------------------------------

TEST_F(RequestsTest, RefusesWhatIsTooMuchAndJoinsWhatItHas) {
  open({.max_requests = 2});
  books_.begin("a");
  books_.run("b");
  EXPECT_EQ(books_.begin("c"), Begun::full);
  EXPECT_FALSE(books_.knows("c"));
  EXPECT_EQ(books_.begin("a"), Begun::running);
  EXPECT_EQ(books_.begin("b"), Begun::done);
  EXPECT_EQ(metric("calls_refused"), 1);
  books_->finish("a", "result");
  books_->forget("a");
  EXPECT_EQ(books_.begin("c"), Begun::created);
}

TEST_F(RequestsTest, RefusesWhenTheResultsAreTooLarge) {
  open({.max_bytes = 10});
  books_.run("a", std::string(9, 'x'));
  books_.run("b", "2");
  EXPECT_EQ(books_.begin("c"), Begun::full);
  books_.fetch("b");
  EXPECT_EQ(books_.begin("c"), Begun::created);
  EXPECT_FALSE(books_.knows("b"));
}

TEST_F(RequestsTest, DeliveredResultsMakeRoomTheOldestFirst) {
  open({.max_requests = 3});
  for (const auto* uuid : {"a", "b", "c"}) books_.run(uuid);
  books_.fetch("b");
  books_.wait(instant);
  books_.fetch("a");
  EXPECT_EQ(books_.begin("d"), Begun::created);
  EXPECT_FALSE(books_.knows("b"));
  EXPECT_EQ(books_.begin("e"), Begun::created);
  EXPECT_FALSE(books_.knows("a"));
  EXPECT_EQ(books_.begin("f"), Begun::full);
  EXPECT_EQ(books_.fetch("c"), "result");
  EXPECT_EQ(metric("results_dropped"), 2);
  EXPECT_EQ(metric("calls_refused"), 1);
}

TEST_F(RequestsTest, AResultIsKeptEvenOverTheLimitAndOnlyDeliveredOnesGoForIt) {
  open({.max_bytes = 10});
  for (const auto* uuid : {"delivered", "unclaimed", "large"}) books_.begin(uuid);
  for (const auto* uuid : {"delivered", "unclaimed", "large"}) books_.promise(uuid);
  books_->finish("delivered", "1234");
  books_->finish("unclaimed", "1234");
  books_.fetch("delivered");
  books_->finish("large", std::string(100, 'x'));
  EXPECT_FALSE(books_.knows("delivered"));
  EXPECT_EQ(books_->bytes(), 104u);
  EXPECT_EQ(metric("results_dropped"), 1);
}

TEST_F(RequestsTest, WhatHasExpiredIsNoLongerInTheWay) {
  open({.max_requests = 1});
  books_.run("a");
  EXPECT_EQ(books_.begin("b"), Begun::full);
  books_.wait(10s);
  EXPECT_EQ(books_.begin("b"), Begun::created);
}

TEST_F(RequestsTest, AHundredThousandAreNoBurden) {
  constexpr std::size_t many = 100'000;
  open({.max_requests = many});
  const auto name = [](std::size_t i) { return "request " + std::to_string(i); };
  const auto begun = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < many; ++i) books_.run(name(i));
  EXPECT_EQ(books_.begin("one more"), Begun::full);
  for (std::size_t i = 0; i < many; i += 2) EXPECT_EQ(books_.fetch(name(i)), "result");
  EXPECT_EQ(books_->unclaimed(), many / 2);
  for (std::size_t i = 0; i < many / 2; ++i) ASSERT_EQ(books_.begin(name(many + i)), Begun::created);
  EXPECT_EQ(metric("results_dropped"), static_cast<std::int64_t>(many / 2));
  books_.wait(10s);
  EXPECT_EQ(metric("results_expired"), static_cast<std::int64_t>(many / 2));
  EXPECT_EQ(books_->running(), many / 2);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 20s);  // a second here; hours if a step looked at all
}

// ---- with a store -------------------------------------------------------------------------------------

// A disk that writes when the test says so.
struct Disk {
  std::vector<ResultStore::Row> rows;
  std::vector<ResultStore::Change> waiting;
  std::vector<std::string> written;  // "keep a: result", "delivered a", ...
  std::function<void()> recovered;

  static std::string told(const ResultStore::Change& change) {
    switch (change.what) {
      case What::keep:
        return "keep " + change.uuid + (change.result ? ": " + *change.result : " running");
      case What::delivered:
        return "delivered " + change.uuid;
      case What::remove:
        return "remove " + change.uuid;
      case What::remove_all:
        return "remove all";
    }
    return "what?";
  }
  void answer(bool kept) {
    for (auto& change : std::exchange(waiting, {})) {
      if (kept) written.push_back(told(change));
      if (change.then) change.then(kept);
    }
  }
};

class DiskStore : public ResultStore {
 public:
  explicit DiskStore(Disk& disk) : disk_(disk) {}
  ~DiskStore() override { disk_.waiting.clear(); }
  std::vector<Row> load() override { return std::move(disk_.rows); }
  void write(std::vector<Change> changes) override {
    for (auto& change : changes) disk_.waiting.push_back(std::move(change));
  }
  void on_recovered(std::function<void()> run) override { disk_.recovered = std::move(run); }

 private:
  Disk& disk_;
};

class StoredRequests : public testing::Test {
 protected:
  StoredRequests() { open(); }
  void open(RequestLimits limits = {}) { books_.open(limits, std::make_unique<DiskStore>(disk_)); }
  static std::shared_ptr<const std::string> some(const char* result) {
    return std::make_shared<const std::string>(result);
  }
  // What an asker is told of its promise, once it is.
  std::shared_ptr<std::string> promise(const std::string& uuid) {
    auto told = std::make_shared<std::string>("nothing");
    books_->promise(uuid, [told](bool kept) { *told = kept ? "kept" : "not kept"; });
    return told;
  }
  Disk disk_;
  Books books_;
};

TEST_F(StoredRequests, APromiseIsToldWhenItIsOnDisk) {
  books_.begin("a");
  const auto told = promise("a");
  EXPECT_EQ(*told, "nothing");
  disk_.answer(true);
  EXPECT_EQ(*told, "kept");
  EXPECT_THAT(disk_.written, ElementsAre("keep a running"));
}

TEST_F(StoredRequests, AFurtherAskerIsToldWhenTheFirstPromiseIsOnDisk) {
  books_.begin("a");
  promise("a");
  const auto second = promise("a");
  EXPECT_EQ(*second, "nothing");
  disk_.answer(true);
  EXPECT_EQ(*second, "kept");
  EXPECT_EQ(*promise("a"), "kept");
  EXPECT_THAT(disk_.waiting, IsEmpty());
}

TEST_F(StoredRequests, APromisedResultIsDoneWhenItIsOnDisk) {
  books_.begin("a");
  promise("a");
  disk_.answer(true);
  bool done = false;
  books_->finish("a", "result", [&] { done = true; });
  EXPECT_FALSE(done);
  EXPECT_EQ(books_.fetch("a"), "none");
  EXPECT_EQ(books_.begin("a"), Begun::running);
  EXPECT_THAT(books_->running_uuids(), IsEmpty()) << "there is nothing to abort";
  EXPECT_EQ(books_->running(), 0u);
  EXPECT_EQ(books_->unclaimed(), 1u) << "an end of the host waits for it";
  disk_.answer(true);
  EXPECT_EQ(books_->unclaimed(), 1u);
  EXPECT_TRUE(done);
  EXPECT_EQ(books_.fetch("a"), "result");
  EXPECT_THAT(disk_.written, ElementsAre("keep a running", "keep a: result"));
}

TEST_F(StoredRequests, AResultThatOvertakesItsPromiseIsNotDoneBeforeItIsOnDiskItself) {
  books_.begin("a");
  promise("a");
  auto first = std::exchange(disk_.waiting, {});
  books_->finish("a", "result");
  for (const auto& change : first) change.then(true);
  EXPECT_EQ(books_.fetch("a"), "none");
  disk_.answer(true);
  EXPECT_EQ(books_.fetch("a"), "result");
}

TEST_F(StoredRequests, WhatIsAnsweredDirectlyIsNoBusinessOfTheDisk) {
  books_.begin("a");
  bool done = false;
  books_->finish("a", "result", [&] { done = true; });
  EXPECT_TRUE(done);
  books_->forget("a");
  EXPECT_THAT(disk_.waiting, IsEmpty());
}

TEST_F(StoredRequests, WhatIsPromisedLaterIsWrittenAsItIsThen) {
  for (const auto* uuid : {"done", "delivered"}) {
    books_.begin(uuid);
    books_->finish(uuid, "result");
  }
  books_.fetch("delivered");
  promise("done");
  promise("delivered");
  disk_.answer(true);
  EXPECT_THAT(disk_.written,
              ElementsAre("keep done: result", "keep delivered: result", "delivered delivered"));
}

TEST_F(StoredRequests, TheDiskHearsOfDeliveryAndOfTheEnd) {
  books_.run("a");
  books_.run("unclaimed");
  disk_.answer(true);
  disk_.written.clear();
  books_.fetch("a");
  books_.fetch("a");
  books_.wait(10s);
  disk_.answer(true);
  EXPECT_THAT(disk_.written, ElementsAre("delivered a", "remove a", "remove unclaimed"));
}

TEST_F(StoredRequests, ADiskThatFailsMakesPromisesHoldInMemoryOnly) {
  books_.begin("a");
  const auto told = promise("a");
  disk_.answer(false);
  EXPECT_EQ(*told, "not kept");
  bool done = false;
  books_->finish("a", "result", [&] { done = true; });
  disk_.answer(false);
  EXPECT_TRUE(done);
  EXPECT_EQ(books_.fetch("a"), "result");
}

TEST_F(StoredRequests, TheNextPromiseIsTriedAgain) {
  books_.begin("a");
  promise("a");
  disk_.answer(false);
  const auto second = promise("a");
  disk_.answer(true);
  EXPECT_EQ(*second, "kept");
}

TEST_F(StoredRequests, ADiskThatWorksAgainIsGivenAllAnew) {
  books_.run("done");
  books_.run("delivered");
  books_.begin("running");
  promise("running");
  books_.begin("not promised");
  disk_.answer(false);
  books_.fetch("delivered");
  disk_.answer(true);
  disk_.written.clear();
  disk_.recovered();
  disk_.answer(true);
  EXPECT_THAT(disk_.written, ElementsAre("remove all", "keep running running", "keep done: result",
                                         "keep delivered: result", "delivered delivered"));
  EXPECT_EQ(*promise("running"), "kept");
  EXPECT_THAT(disk_.waiting, IsEmpty()) << "it is on disk now";
}

TEST_F(StoredRequests, WhatIsForgottenMeanwhileIsNotTouchedByLateNews) {
  books_.begin("a");
  promise("a");
  books_->finish("a", "old", [] { FAIL() << "it was forgotten"; });
  books_->clear();
  books_.begin("a");
  disk_.answer(true);
  EXPECT_EQ(books_.state("a"), State::running);
  EXPECT_EQ(books_->running(), 1u);
  EXPECT_EQ(books_->unclaimed(), 0u);
  EXPECT_EQ(disk_.written.back(), "remove all");
}

TEST_F(StoredRequests, NobodyIsToldAnythingAfterItsEnd) {
  books_.begin("a");
  const auto told = promise("a");
  books_.close();
  disk_.answer(true);
  EXPECT_EQ(*told, "nothing");
}

TEST_F(StoredRequests, KnowsWhatWasKept) {
  disk_.rows = {{"done", "m", "t", some("result"), false}, {"delivered", "m", "t", some("again"), true}};
  open();
  EXPECT_EQ(books_->find("done")->method, "m");
  EXPECT_EQ(books_->find("done")->tag, "t");
  EXPECT_EQ(books_->unclaimed(), 1u);
  EXPECT_EQ(books_->bytes(), 11u);
  EXPECT_EQ(books_.fetch("done"), "result");
  EXPECT_EQ(books_.fetch("delivered"), "again");
  EXPECT_TRUE(books_.host().logged("2 requests of before the restart"));
}

TEST_F(StoredRequests, ItsTimesBeginAnew) {
  disk_.rows = {{"done", "", "", some("result"), false}, {"delivered", "", "", some("again"), true}};
  open({.keep = 5s, .redeliver = 3s, .collect_every = 5s});
  books_.wait(3s - instant);
  EXPECT_EQ(books_.fetch("delivered"), "again");
  books_.wait(instant);
  EXPECT_EQ(books_.fetch("delivered"), "none");
  EXPECT_TRUE(books_.knows("done"));
  books_.wait(7s);
  EXPECT_FALSE(books_.knows("done"));
}

TEST_F(StoredRequests, WhatWasRunningIsAbortedAndStaysSo) {
  disk_.rows = {{"a", "m", "t", nullptr, false}};
  open();
  EXPECT_EQ(books_->running(), 0u);
  EXPECT_EQ(books_.begin("a"), Begun::done);
  disk_.answer(true);
  EXPECT_THAT(disk_.written, ElementsAre("keep a: aborted a"));
  EXPECT_EQ(books_.fetch("a"), "aborted a");
}

TEST_F(StoredRequests, WhatWasKeptCountsForTheLimits) {
  disk_.rows = {{"a", "", "", some("result"), false}, {"b", "", "", some("result"), true}};
  open({.max_requests = 1});
  EXPECT_EQ(books_.begin("c"), Begun::full);
  EXPECT_FALSE(books_.knows("b"));
  EXPECT_EQ(books_.fetch("a"), "result");
}

}  // namespace
}  // namespace backplane::zerorpc
