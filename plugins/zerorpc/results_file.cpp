#include "results_file.hpp"

#include <pthread.h>

#include <exception>
#include <iterator>
#include <utility>

namespace backplane::zerorpc {

namespace {

constexpr auto schema =
    "CREATE TABLE IF NOT EXISTS requests (number INTEGER PRIMARY KEY, uuid BLOB NOT NULL UNIQUE, "
    "method BLOB NOT NULL, tag BLOB NOT NULL, result BLOB, delivered INTEGER NOT NULL DEFAULT 0)";

}  // namespace

ResultsFile::ResultsFile(Host host, const std::string& path)
    : host_(host),
      path_(path),
      unwritten_(host.counter("results_unwritten", "changes of kept requests that the disk did not take")),
      file_(path, schema, [host](std::string_view why) { host.warn(why); }),
      keep_(file_.prepare("INSERT INTO requests (uuid, method, tag, result) VALUES (?1, ?2, ?3, ?4) "
                          "ON CONFLICT (uuid) DO UPDATE SET method = excluded.method, tag = excluded.tag, "
                          "result = excluded.result, delivered = 0")),
      delivered_(file_.prepare("UPDATE requests SET delivered = 1 WHERE uuid = ?1")),
      remove_(file_.prepare("DELETE FROM requests WHERE uuid = ?1")),
      remove_all_(file_.prepare("DELETE FROM requests")) {
  file_.lock();
  read();
}

ResultsFile::~ResultsFile() {
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
  if (writer_.joinable()) writer_.join();
}

void ResultsFile::read() {
  auto all = file_.prepare("SELECT uuid, method, tag, result, delivered FROM requests ORDER BY number");
  while (all.next()) {
    Row row;
    row.uuid = all.bytes(0);
    row.method = all.bytes(1);
    row.tag = all.bytes(2);
    if (!all.is_null(3)) row.result = std::make_shared<const std::string>(all.bytes(3));
    row.delivered = all.number(4) != 0;
    rows_.push_back(std::move(row));
  }
}

std::vector<ResultStore::Row> ResultsFile::load() { return std::move(rows_); }

void ResultsFile::write(std::vector<Change> changes) {
  {
    const std::scoped_lock lock(mutex_);
    waiting_.insert(waiting_.end(), std::make_move_iterator(changes.begin()),
                    std::make_move_iterator(changes.end()));
  }
  if (!writer_.joinable()) writer_ = std::thread([this] { run(); });
  wake_.notify_one();
}

// ---- the writer's thread ------------------------------------------------------------------------------

void ResultsFile::run() {
  pthread_setname_np(pthread_self(), "bp-results");
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    auto changes = std::exchange(waiting_, {});
    lock.unlock();
    auto outcome = write_all(std::move(changes));
    lock.lock();
    outcomes_.push_back(std::move(outcome));
    lock.unlock();
    host_.post([this, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) tell();
    });
  }
}

ResultsFile::Outcome ResultsFile::write_all(std::vector<Change> changes) {
  Outcome outcome;
  outcome.changes = changes.size();
  try {
    file_.begin();
    for (const auto& change : changes) carry_out(change);
    file_.commit();
    outcome.kept = true;
    outcome.recovered = recovers();
  } catch (const std::exception& error) {
    failed(error.what());
  }
  for (auto& change : changes)
    if (change.then) outcome.thens.push_back(std::move(change.then));
  return outcome;
}

void ResultsFile::carry_out(const Change& change) {
  switch (change.what) {
    case What::keep:
      keep_.bind(1, change.uuid).bind(2, change.method).bind(3, change.tag);
      if (change.result) keep_.bind(4, *change.result);
      return keep_.run();
    case What::delivered:
      return delivered_.bind(1, change.uuid).run();
    case What::remove:
      return remove_.bind(1, change.uuid).run();
    case What::remove_all:
      return remove_all_.run();
  }
}

void ResultsFile::failed(std::string_view why) {
  const bool told = calm_at_ != 0;
  calm_at_ = host_.now() + std::chrono::nanoseconds(kCalm).count();
  if (!told)
    host_.warn("requests and results are not on disk and would not survive a restart: " + std::string(why));
}

bool ResultsFile::recovers() {
  if (calm_at_ == 0 || host_.now() < calm_at_) return false;
  calm_at_ = 0;
  host_.info(path_ + " can be written again");
  return true;
}

// ---- on the loop again --------------------------------------------------------------------------------

void ResultsFile::tell() {
  std::vector<Outcome> outcomes;
  {
    const std::scoped_lock lock(mutex_);
    outcomes.swap(outcomes_);
  }
  for (auto& outcome : outcomes) tell(std::move(outcome));
}

void ResultsFile::tell(Outcome outcome) {
  if (!outcome.kept) unwritten_.add(static_cast<std::int64_t>(outcome.changes));
  if (outcome.recovered && recovered_) recovered_();
  for (const auto& then : outcome.thens)
    Host::guarded(host_.abi(), "what follows a kept result", [&] { then(outcome.kept); });
}

}  // namespace backplane::zerorpc
