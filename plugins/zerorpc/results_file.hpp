// The results of infi.rpc on disk: a thread of its own writes what the loop gives it, all that waits in one
// transaction, so that the loop never waits for the disk and many promises share one sync.
//
// What waits needs no bound of its own. A request stays in the table until its promise and its result are
// written, so there are a few changes for each of its `max_requests` requests and for each asker that waits
// to be promised something, and the bytes of results that the table counts, as both share them.
#pragma once

#include "basic/sqlite_file.hpp"
#include "requests.hpp"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace backplane::zerorpc {

class ResultsFile final : public ResultStore {
 public:
  // Opens or makes the file and reads it. One that is damaged is put aside as PATH.damaged and a fresh one
  // begun, with a warning. Throws Error "StoreFailed" when there cannot be one, or another has it open.
  ResultsFile(Host host, const std::string& path);
  // Writes what waits; nobody is told of it any more.
  ~ResultsFile() override;

  std::vector<Row> load() override;
  void write(std::vector<Change> changes) override;
  void on_recovered(std::function<void()> run) override { recovered_ = std::move(run); }

  // What cannot be written is given up, counted, and logged once. Writing works again with the first change
  // that succeeds this long after the last one that failed: a disk that is almost full is left alone.
  static constexpr std::chrono::seconds kCalm{10};

 private:
  struct Outcome {
    std::vector<std::function<void(bool)>> thens;
    std::size_t changes = 0;
    bool kept = false;
    bool recovered = false;
  };

  void read();
  void run();
  void carry_out(const Change& change);
  Outcome write_all(std::vector<Change> changes);
  void failed(std::string_view why);
  bool recovers();
  void tell();
  void tell(Outcome outcome);

  Host host_;
  std::string path_;
  Counter unwritten_;
  std::function<void()> recovered_;
  std::vector<Row> rows_;                                   // until load()
  std::shared_ptr<bool> alive_ = std::make_shared<bool>();  // for posts that come too late

  // Of the writer, once it runs.
  basic::SqliteFile file_;
  basic::SqliteFile::Statement keep_;
  basic::SqliteFile::Statement delivered_;
  basic::SqliteFile::Statement remove_;
  basic::SqliteFile::Statement remove_all_;
  std::int64_t calm_at_ = 0;  // instant from which writing counts as working again; 0: it works

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Change> waiting_;
  std::vector<Outcome> outcomes_;  // to be told, and in any case destroyed, on the loop
  bool closing_ = false;
  std::thread writer_;
};

}  // namespace backplane::zerorpc
