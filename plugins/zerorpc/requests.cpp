#include "requests.hpp"

#include <utility>

namespace backplane::zerorpc {

using What = ResultStore::What;
using Changes = std::vector<ResultStore::Change>;

namespace {

ResultStore::Change change(What what, const std::string& uuid = {}) { return {what, uuid, {}, {}, {}, {}}; }

}  // namespace

Requests::Requests(Host host, RequestLimits limits, std::unique_ptr<ResultStore> store,
                   const std::function<std::string(const std::string& uuid)>& aborted_result)
    : host_(host),
      limits_(limits),
      running_gauge_(host.gauge("requests_running", "requests whose function has not ended")),
      kept_gauge_(host.gauge("results_kept", "results kept for who asks for them")),
      unclaimed_gauge_(host.gauge("results_unclaimed", "those that were promised and not fetched yet")),
      bytes_gauge_(host.gauge("results_bytes", "bytes of results")),
      expired_(host.counter("results_expired", "results that nobody fetched in time")),
      dropped_(host.counter("results_dropped", "delivered results that had to make room")),
      refused_(host.counter("calls_refused", "calls refused because of the limits for requests and results")),
      store_(std::move(store)) {
  if (!store_) return;
  store_->on_recovered([this] { store_again(); });
  load(aborted_result);
}

// ---- the life of a request ----------------------------------------------------------------------------

Requests::Begun Requests::begin(std::string_view uuid, std::string_view method, std::string_view tag) {
  if (const auto* known = find(uuid)) return known->state == State::running ? Begun::running : Begun::done;
  while (full() && !delivered_.empty()) drop_delivered();
  if (full()) {
    refused_.add();
    return Begun::full;
  }
  Entry entry;
  entry.uuid = uuid;
  entry.method = method;
  entry.tag = tag;
  add(std::move(entry));
  tell();
  return Begun::created;
}

void Requests::promise(std::string_view uuid, std::function<void(bool kept)> then) {
  const auto found = by_uuid_.find(uuid);
  if (found == by_uuid_.end()) return then(false);
  Entry& entry = *found->second;
  if (!std::exchange(entry.promised, true) && entry.state == State::done) ++unclaimed_;
  tell();
  if (!store_ || entry.stored) return then(true);
  store(entry, std::move(then));
}

void Requests::finish(std::string_view uuid, std::string result, std::function<void()> then) {
  const auto found = by_uuid_.find(uuid);
  if (found == by_uuid_.end() || found->second->result) return;
  const auto entry = found->second;
  entry->result = std::make_shared<const std::string>(std::move(result));
  bytes_ += entry->result->size();
  while (bytes_ > limits_.max_bytes && !delivered_.empty()) drop_delivered();
  const bool writes = store_ && entry->promised;
  const auto done = [this, name = entry->uuid, number = entry->number, writes, then = std::move(then)](bool) {
    if (find(name, number) == nullptr) return;
    if (writes) --writing_;
    move(by_uuid_.at(name), State::done);
    if (then) then();
  };
  if (!writes) return done(true);
  ++writing_;
  tell();
  store(*entry, done);
}

void Requests::forget(std::string_view uuid) {
  const auto found = by_uuid_.find(uuid);
  if (found == by_uuid_.end() || found->second->promised) return;
  erase(found->second);
  tell();
}

const Requests::Entry* Requests::find(std::string_view uuid) {
  drop_spent();
  const auto found = by_uuid_.find(uuid);
  return found == by_uuid_.end() ? nullptr : &*found->second;
}

const std::string* Requests::fetch(std::string_view uuid) {
  const auto* entry = find(uuid);
  if (entry == nullptr || entry->state == State::running) return nullptr;
  if (entry->state == State::done) {
    if (store_ && entry->promised) store_->write({change(What::delivered, entry->uuid)});
    move(by_uuid_.at(uuid), State::delivered);
  }
  return entry->result.get();
}

std::vector<std::string> Requests::running_uuids() const {
  std::vector<std::string> uuids;
  for (const auto& entry : running_)
    if (!entry.result) uuids.push_back(entry.uuid);
  return uuids;
}

void Requests::clear() {
  by_uuid_.clear();
  for (auto* list : {&running_, &done_, &delivered_}) list->clear();
  writing_ = 0;
  unclaimed_ = 0;
  bytes_ = 0;
  collector_.end();
  tell();
  if (store_) store_->write({change(What::remove_all)});
}

// ---- the lists ----------------------------------------------------------------------------------------

Requests::Entries& Requests::list_of(State state) {
  if (state == State::running) return running_;
  return state == State::done ? done_ : delivered_;
}

Requests::Entries::iterator Requests::add(Entry entry) {
  entry.number = ++last_number_;
  entry.since = host_.now();
  auto& list = list_of(entry.state);
  list.push_back(std::move(entry));
  const auto added = std::prev(list.end());
  by_uuid_.emplace(added->uuid, added);
  return added;
}

void Requests::move(Entries::iterator entry, State state) {
  if (entry->promised && entry->state == State::done) --unclaimed_;
  auto& to = list_of(state);
  to.splice(to.end(), list_of(entry->state), entry);
  entry->state = state;
  entry->since = host_.now();
  if (entry->promised && state == State::done) ++unclaimed_;
  watch_time();
  tell();
}

void Requests::erase(Entries::iterator entry) {
  if (entry->result) bytes_ -= entry->result->size();
  if (entry->promised && entry->state == State::done) --unclaimed_;
  if (store_ && entry->promised) store_->write({change(What::remove, entry->uuid)});
  by_uuid_.erase(entry->uuid);
  list_of(entry->state).erase(entry);
}

// REQUIRES: there is one.
void Requests::drop_delivered() {
  erase(delivered_.begin());
  dropped_.add();
}

// Those whose time to be fetched again is over are gone exactly then, whenever the collector looks.
void Requests::drop_spent() {
  if (delivered_.empty()) return;
  const auto redeliver = limits_.redeliver.value_or(limits_.keep).count();
  const auto now = host_.now();
  bool dropped = false;
  while (!delivered_.empty() && now - delivered_.front().since >= redeliver) {
    erase(delivered_.begin());
    dropped = true;
  }
  if (dropped) tell();
}

Requests::Entry* Requests::find(std::string_view uuid, std::uint64_t number) {
  const auto found = by_uuid_.find(uuid);
  if (found == by_uuid_.end() || found->second->number != number) return nullptr;
  return &*found->second;
}

// ---- the store ----------------------------------------------------------------------------------------

void Requests::load(const std::function<std::string(const std::string& uuid)>& aborted_result) {
  std::size_t aborted = 0;
  for (auto& row : store_->load()) {
    const bool was_running = !row.result;
    if (was_running) row.result = std::make_shared<const std::string>(aborted_result(row.uuid));
    bytes_ += row.result->size();
    const auto state = row.delivered ? State::delivered : State::done;
    if (state == State::done) ++unclaimed_;
    Entry entry;
    entry.uuid = std::move(row.uuid);
    entry.method = std::move(row.method);
    entry.tag = std::move(row.tag);
    entry.state = state;
    entry.promised = true;
    entry.stored = true;
    entry.result = std::move(row.result);
    const auto added = add(std::move(entry));
    if (!was_running) continue;
    ++aborted;
    store(*added, {});
  }
  if (!by_uuid_.empty())
    host_.info(std::to_string(by_uuid_.size()) + " requests of before the restart are known, " +
               std::to_string(aborted) + " of them were running and are aborted");
  watch_time();
  tell();
}

void Requests::add_changes(Changes& changes, const Entry& entry, std::function<void(bool kept)> then) {
  auto stored = [this, uuid = entry.uuid, number = entry.number, then = std::move(then)](bool kept) {
    if (auto* still = find(uuid, number)) still->stored = kept;
    if (then) then(kept);
  };
  changes.push_back({What::keep, entry.uuid, entry.method, entry.tag, entry.result, std::move(stored)});
  if (entry.state == State::delivered) changes.push_back(change(What::delivered, entry.uuid));
}

void Requests::store(const Entry& entry, std::function<void(bool kept)> then) {
  Changes changes;
  add_changes(changes, entry, std::move(then));
  store_->write(std::move(changes));
}

// Some changes are missing on disk, and it is not known which.
void Requests::store_again() {
  Changes changes = {change(What::remove_all)};
  for (const auto* list : {&running_, &done_, &delivered_})
    for (const auto& entry : *list)
      if (entry.promised) add_changes(changes, entry, {});
  store_->write(std::move(changes));
}

// ---- time ---------------------------------------------------------------------------------------------

bool Requests::has_to_collect() const {
  return !delivered_.empty() || (!done_.empty() && !limits_.keep_unfetched);
}

void Requests::watch_time() {
  if (collector_.active() || !has_to_collect()) return;
  collector_ = host_.every(limits_.collect_every, [this] { collect(); });
}

void Requests::collect() {
  drop_spent();
  const auto now = host_.now();
  while (!limits_.keep_unfetched && !done_.empty() && now - done_.front().since > limits_.keep.count()) {
    erase(done_.begin());
    expired_.add();
  }
  tell();
  if (!has_to_collect()) collector_.end();
}

void Requests::tell() {
  running_gauge_.set(static_cast<std::int64_t>(running()));
  kept_gauge_.set(static_cast<std::int64_t>(done_.size() + delivered_.size()));
  unclaimed_gauge_.set(static_cast<std::int64_t>(unclaimed()));
  bytes_gauge_.set(static_cast<std::int64_t>(bytes_));
}

}  // namespace backplane::zerorpc
