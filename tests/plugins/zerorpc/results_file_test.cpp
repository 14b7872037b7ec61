// Results of infi.rpc on disk: what is there after a restart, a kill, damage and a full disk.
#include "zerorpc/results_file.hpp"

#include "plugins/zerorpc/books.hpp"
#include "support/eventually.hpp"
#include "support/temporary_folder.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

namespace backplane::zerorpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ResultsOnDisk : public testing::Test {
 protected:
  std::string path() const { return folder_.file("results.db").string(); }
  // Opens the file, as the start of a host does.
  void open(RequestLimits limits = {}) { open(*books_, limits); }
  void open(Books& books, RequestLimits limits = {}) {
    books.close();  // the file is free again
    books.open(limits, std::make_unique<ResultsFile>(books.host().host(), path()));
  }
  // The host ends and starts anew.
  void restart(RequestLimits limits = {}) {
    books_.emplace();
    open(limits);
  }
  // Waits until all that was said before is on disk, or given up; true: it is on disk.
  bool settled(Books& books) {
    auto told = std::make_shared<std::optional<bool>>();
    const auto marker = "marker " + std::to_string(++markers_);
    books.begin(marker);
    books->promise(marker, [told](bool kept) { *told = kept; });
    EXPECT_TRUE(books.host().run_until([&] { return told->has_value(); }, test::kPatience));
    return told->value_or(false);
  }
  bool settled() { return settled(*books_); }
  // A call that was deferred and has ended, its result on disk.
  void run(const std::string& uuid, std::string result = "result") {
    books_->run(uuid, std::move(result));
    settled();
  }
  std::string fetch(const std::string& uuid) { return books_->fetch(uuid); }
  FakeHost& host() { return books_->host(); }

  test::TemporaryFolder folder_;
  std::optional<Books> books_{std::in_place};
  int markers_ = 0;
};

// Why a file cannot be opened; empty: it can.
std::string refusal(const std::string& path) {
  FakeComponent<NoService> host;
  try {
    const ResultsFile file(host.host(), path);
  } catch (const Error& error) {
    return error.type() + ": " + error.what();
  }
  return {};
}

// ---- through a restart --------------------------------------------------------------------------------

TEST_F(ResultsOnDisk, ResultsSurviveARestart) {
  open();
  (*books_)->begin("a", "the method", "the tag");
  books_->promise("a");
  (*books_)->finish("a", "\0\xFF any bytes"s);
  run("empty", "");
  run("large", std::string(10 << 20, 'x'));
  restart();
  EXPECT_EQ((*books_)->find("a")->method, "the method");
  EXPECT_EQ((*books_)->find("a")->tag, "the tag");
  EXPECT_EQ(fetch("a"), "\0\xFF any bytes"s);
  EXPECT_EQ(fetch("empty"), "");
  EXPECT_EQ(fetch("large"), std::string(10 << 20, 'x'));
}

TEST_F(ResultsOnDisk, TheirTimeBeginsAnew) {
  open({.keep = 5s, .collect_every = 5s});
  run("a");
  books_->wait(9s);
  restart({.keep = 5s, .collect_every = 5s});
  books_->wait(10s - instant);
  EXPECT_TRUE(books_->knows("a"));
  books_->wait(instant);
  EXPECT_FALSE(books_->knows("a"));
}

TEST_F(ResultsOnDisk, DeliveredOnesAreKnownAsDeliveredAndCanBeFetchedAgain) {
  open();
  run("delivered");
  run("unclaimed");
  fetch("delivered");
  restart();
  EXPECT_EQ(books_->state("delivered"), State::delivered);
  EXPECT_EQ(books_->state("unclaimed"), State::done);
  EXPECT_EQ(fetch("delivered"), "result");
}

TEST_F(ResultsOnDisk, WhatWasRunningIsAbortedForGood) {
  open();
  books_->begin("a");
  books_->promise("a");
  for (int restarts = 0; restarts < 2; ++restarts) {
    restart();
    EXPECT_EQ((*books_)->running(), 0u);
    EXPECT_EQ(fetch("a"), "aborted a");
  }
}

TEST_F(ResultsOnDisk, WhatWasNotPromisedIsNotKnownAfterwards) {
  open();
  books_->begin("running");
  books_->begin("answered");
  (*books_)->finish("answered", "result");
  settled();
  restart();
  EXPECT_FALSE(books_->knows("running"));
  EXPECT_FALSE(books_->knows("answered"));
}

TEST_F(ResultsOnDisk, WhatHasGoneFromMemoryIsGoneFromTheFile) {
  open({.keep = 5s, .redeliver = 1s, .collect_every = 5s});
  run("expired");
  run("spent");
  books_->wait(8s);
  fetch("spent");
  books_->wait(7s);
  run("kept");
  restart();
  EXPECT_FALSE(books_->knows("expired"));
  EXPECT_FALSE(books_->knows("spent"));
  EXPECT_TRUE(books_->knows("kept"));
}

TEST_F(ResultsOnDisk, WhatIsClearedIsGoneFromTheFile) {
  open();
  run("before");
  (*books_)->clear();
  run("after");
  restart();
  EXPECT_FALSE(books_->knows("before"));
  EXPECT_TRUE(books_->knows("after"));
}

TEST_F(ResultsOnDisk, TheEndWritesWhatWaitsAndTellsNobody) {
  open();
  books_->begin("a");
  (*books_)->promise("a", [](bool) { FAIL() << "the table has gone"; });
  (*books_)->finish("a", "result", [] { FAIL() << "the table has gone"; });
  books_->close();
  host().run_ready();
  open();
  EXPECT_EQ(fetch("a"), "result");
}

TEST_F(ResultsOnDisk, AHostThatStoppedFirstLosesNothing) {
  open();
  host().start();
  host().stop();
  books_->run("a");
  restart();
  EXPECT_EQ(fetch("a"), "result");
}

TEST_F(ResultsOnDisk, PromisesAreToldInTheOrderTheyWereGiven) {
  open();
  std::vector<int> told;
  for (int i = 0; i < 1000; ++i) {
    const auto uuid = std::to_string(i);
    books_->begin(uuid);
    (*books_)->promise(uuid, [&told, i](bool) { told.push_back(i); });
    (*books_)->finish(uuid, "result");
  }
  settled();
  EXPECT_EQ(told.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
}

TEST_F(ResultsOnDisk, AFailureOfOneAskerIsNotThatOfTheOthers) {
  open();
  books_->begin("a");
  bool told = false;
  (*books_)->promise("a", [](bool) { throw Error("Oops", "the asker cannot be told"); });
  (*books_)->promise("a", [&](bool kept) { told = kept; });
  settled();
  EXPECT_TRUE(told);
  EXPECT_TRUE(host().logged("the asker cannot be told"));
}

TEST_F(ResultsOnDisk, AHundredThousandAreNoBurden) {
  constexpr std::size_t many = 100'000;
  const RequestLimits limits{.max_requests = many + 10};
  open(limits);
  for (std::size_t i = 0; i < many; ++i) books_->run(std::to_string(i));
  EXPECT_TRUE(settled());
  EXPECT_EQ((*books_)->unclaimed(), many);
  restart(limits);
  EXPECT_EQ((*books_)->unclaimed(), many + 1);  // the marker was running
  for (std::size_t i = 0; i < many; i += 1000) EXPECT_EQ(fetch(std::to_string(i)), "result");
}

// ---- a host that is killed ----------------------------------------------------------------------------

TEST_F(ResultsOnDisk, WhatWasToldIsThereAfterAKill) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const auto child = fork();
  ASSERT_NE(child, -1);
  if (child == 0) {
    Books books;
    open(books);
    books.run("done");
    books.run("delivered");
    books.begin("running");
    books->promise("running", [](bool) {});
    settled(books);
    books.fetch("delivered");
    const bool kept = settled(books);
    (void)!write(ready[1], kept ? "y" : "n", 1);
    for (;;) pause();
  }
  char kept = 0;
  close(ready[1]);
  EXPECT_EQ(read(ready[0], &kept, 1), 1);
  close(ready[0]);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(kept, 'y');

  open();
  EXPECT_EQ(books_->state("done"), State::done);
  EXPECT_EQ(books_->state("delivered"), State::delivered);
  EXPECT_EQ(fetch("done"), "result");
  EXPECT_EQ(fetch("delivered"), "result");
  EXPECT_EQ(fetch("running"), "aborted running");
}

// ---- files that are no good ---------------------------------------------------------------------------

TEST_F(ResultsOnDisk, AFileThatIsNoDatabaseIsPutAside) {
  test::write_file(path(), "this is no database, whatever its name says: " + std::string(5000, 'x'));
  open();
  EXPECT_TRUE(host().logged("is damaged"));
  EXPECT_TRUE(std::filesystem::exists(path() + ".damaged"));
  run("a");
  restart();
  EXPECT_EQ(fetch("a"), "result");
}

TEST_F(ResultsOnDisk, AFileThatIsDamagedInsideIsPutAside) {
  open();
  for (int i = 0; i < 300; ++i) books_->run("request " + std::to_string(i), std::string(200, 'x'));
  books_->close();
  auto bytes = test::read_file(path());
  ASSERT_GT(bytes.size(), 16'384u);
  std::fill(bytes.begin() + 8192, bytes.begin() + 16'384, '\xA5');
  test::write_file(path(), bytes);
  restart();
  EXPECT_TRUE(host().logged("is damaged"));
  EXPECT_EQ((*books_)->waiting(), 0u);
  run("a");
  EXPECT_EQ(fetch("a"), "result");
}

TEST_F(ResultsOnDisk, AFileCutShortIsPutAside) {
  open();
  for (int i = 0; i < 300; ++i) books_->run("request " + std::to_string(i), std::string(200, 'x'));
  books_->close();
  std::filesystem::resize_file(path(), 9000);
  restart();
  EXPECT_TRUE(host().logged("is damaged"));
  run("a");
  EXPECT_EQ(fetch("a"), "result");
}

TEST_F(ResultsOnDisk, AFileThatAnotherHasOpenIsRefused) {
  open();
  run("a");
  EXPECT_THAT(refusal(path()), HasSubstr(path() + ": database is locked: another component or program"));
  EXPECT_EQ(fetch("a"), "result");
  books_->close();
  EXPECT_EQ(refusal(path()), "");
}

TEST(ResultsPath, AFolderThatIsNotThereOrCannotBeWrittenIsAnError) {
  for (const auto* path : {"/no/such/folder/results.db", "/proc/results.db"})
    EXPECT_THAT(refusal(path), testing::StartsWith("StoreFailed: "s + path)) << path;
}

// ---- a disk that is full ------------------------------------------------------------------------------

// Files of this process cannot grow any more while it lives.
class FullDisk {
 public:
  explicit FullDisk(std::uintmax_t room) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit now = before_;
    now.rlim_cur = room;
    setrlimit(RLIMIT_FSIZE, &now);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

class ResultsOnAFullDisk : public ResultsOnDisk {
 protected:
  // Some results while there is room; then there is none until full_.reset().
  void SetUp() override {
    open({.keep = 1h});
    run("kept");
    run("to be fetched");
    run("fetched");
    fetch("fetched");
    settled();
    full_.emplace(std::filesystem::file_size(path() + "-wal"));
  }
  std::size_t lines(const std::string& part) {
    const auto& all = host().log_lines();
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const auto& entry) {
      return entry.line.find(part) != std::string::npos;
    }));
  }
  std::optional<FullDisk> full_;
};

TEST_F(ResultsOnAFullDisk, CallsGoOnInMemory) {
  EXPECT_FALSE(settled());
  books_->run("a", std::string(100'000, 'x'));
  EXPECT_FALSE(settled());
  EXPECT_EQ(fetch("a"), std::string(100'000, 'x'));
  EXPECT_EQ(fetch("kept"), "result");
}

TEST_F(ResultsOnAFullDisk, ItIsCountedEachTimeAndSaidOnce) {
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(settled());
  EXPECT_EQ(host().metric("results_unwritten"), 5);
  EXPECT_EQ(lines("would not survive a restart: " + path()), 1u);
}

TEST_F(ResultsOnAFullDisk, AllIsWrittenWhenThereIsRoomAgain) {
  EXPECT_FALSE(settled());
  books_->run("meanwhile");
  fetch("to be fetched");
  EXPECT_FALSE(settled());
  full_.reset();
  books_->wait(ResultsFile::kCalm);
  EXPECT_TRUE(settled());
  EXPECT_TRUE(settled());
  EXPECT_EQ(lines("can be written again"), 1u);
  restart();
  EXPECT_EQ(books_->state("to be fetched"), State::delivered);
  EXPECT_EQ(fetch("meanwhile"), "result");
  EXPECT_EQ(fetch("kept"), "result");
}

TEST_F(ResultsOnAFullDisk, WhatCouldNotBeRemovedIsNoMoreThanWhatComesInItsPlace) {
  books_->wait(3h);
  EXPECT_FALSE(books_->knows("fetched"));
  EXPECT_FALSE(settled());
  full_.reset();
  books_->begin("fetched");
  books_->promise("fetched");
  EXPECT_TRUE(settled());
  restart();
  EXPECT_EQ(books_->state("fetched"), State::done);
  EXPECT_EQ(fetch("fetched"), "aborted fetched");
}

TEST_F(ResultsOnAFullDisk, ItIsNotFilledAgainAtOnce) {
  EXPECT_FALSE(settled());
  full_.reset();
  books_->wait(ResultsFile::kCalm - instant);
  EXPECT_TRUE(settled());
  EXPECT_EQ(lines("can be written again"), 0u);
  books_->wait(instant);
  EXPECT_TRUE(settled());
  EXPECT_EQ(lines("can be written again"), 1u);
}

}  // namespace
}  // namespace backplane::zerorpc
