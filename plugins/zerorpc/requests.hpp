// The requests of infi.rpc: which ones run, and the results that wait for askers who were told "deferred".
// Only the books: the service calls the functions and answers. Loop thread only.
//
// A request begins, may be promised to an asker, and is finished. One that was answered directly is
// forgotten; the result of a promised one is kept until it was fetched and the time to ask for it again is
// over, or until nobody has fetched it in time. All spans are on the host's clock.
#pragma once

#include <backplane/host.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace backplane::zerorpc {

// Where promised requests survive a restart. Changes are carried out in the order they are given.
class ResultStore {
 public:
  enum class What {
    keep,       // the request as it is now, instead of what was known of it
    delivered,  // its result was fetched
    remove,
    remove_all,
  };
  struct Change {
    What what;
    std::string uuid;
    std::string method;                         // `keep`
    std::string tag;                            // `keep`
    std::shared_ptr<const std::string> result;  // `keep`; none: it runs
    // Runs on the loop, once the change is on disk (true) or could not be written (false).
    std::function<void(bool kept)> then;
  };
  struct Row {
    std::string uuid;
    std::string method;
    std::string tag;
    std::shared_ptr<const std::string> result;  // none: it was running when the host ended
    bool delivered = false;
  };

  virtual ~ResultStore() = default;
  // What was kept, the oldest first. Once, before all else.
  virtual std::vector<Row> load() = 0;
  // Returns at once. Either all of `changes` will be found after a restart, or none.
  virtual void write(std::vector<Change> changes) = 0;
  // `run` is called on the loop when writing works again after it had failed: what could not be written
  // meanwhile is to be given again.
  virtual void on_recovered(std::function<void()> run) = 0;
};

struct RequestLimits {
  std::chrono::nanoseconds keep = std::chrono::seconds(5);  // a result nobody fetches; infi.rpc's default
  std::optional<std::chrono::nanoseconds> redeliver = {};   // after the first delivery; none: as `keep`
  std::chrono::nanoseconds collect_every = std::chrono::seconds(5);  // above 0; infi.rpc's default
  std::size_t max_requests = 10'000;                                 // running ones and kept results together
  std::size_t max_bytes = std::size_t{256} << 20;                    // of kept results
  bool keep_unfetched = false;  // results stay until they are fetched, however long that takes
};

class Requests {
 public:
  // A UUID has 36 bytes; other clients may name requests as they like, up to here.
  static constexpr std::size_t kLongestUuid = 256;

  enum class Begun {
    created,  // the function is to be called
    running,  // it was called before
    done,     // its result can be fetched
    full,     // refused: the limits are reached
  };
  enum class State { running, done, delivered };
  struct Entry {
    std::string uuid;
    std::string method;
    std::string tag;
    State state = State::running;
    bool promised = false;
    std::int64_t since = 0;                     // instant at which it came into this state
    std::uint64_t number = 0;                   // tells it from an earlier one of the same uuid
    bool stored = false;                        // is on disk
    std::shared_ptr<const std::string> result;  // while it runs: finished, on its way to the disk
  };

  // Without a `store` in memory only. With one, requests that were running when the host ended are done, with
  // what `aborted_result`, then required, gives for their uuid; for all that was kept the times begin anew,
  // as nobody could ask meanwhile.
  Requests(Host host, RequestLimits limits, std::unique_ptr<ResultStore> store = {},
           const std::function<std::string(const std::string& uuid)>& aborted_result = {});
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;

  // Begins a request, or joins the one of this uuid. To make room, results that were delivered are dropped,
  // the oldest first. REQUIRES: the uuid is not longer than kLongestUuid.
  Begun begin(std::string_view uuid, std::string_view method, std::string_view tag);
  // An asker is going to be told "deferred": from now on the result is kept. `then` runs when the promise
  // would survive the end of the host (at once without a store); false: it holds in memory only, as the disk
  // does not take it, or there is no such request. It runs on the loop, and not after this object has gone.
  void promise(std::string_view uuid, std::function<void(bool kept)> then);
  // Its function has ended; `result` is the answer as it goes out. The request is done at once, a promised
  // one with a store when its result is on disk, so that what was once fetched can be fetched again; then
  // `then` runs. Not an error, and without effect: it is finished already, or not known.
  void finish(std::string_view uuid, std::string result, std::function<void()> then = {});
  // It was answered directly. It is gone, unless it was promised to another asker.
  void forget(std::string_view uuid);

  // What both return is valid until the next call of a function that is not const.
  // nullptr: not known, or gone.
  const Entry* find(std::string_view uuid);
  // The result, for an asker; nullptr: not known, gone, or not done. Counts as delivered from the first
  // time on, and can be had again until `redeliver` after that.
  const std::string* fetch(std::string_view uuid);

  // Whose function has not ended.
  std::size_t running() const { return running_.size() - writing_; }
  // Finished and promised, though perhaps not done yet, and nobody has fetched the result.
  std::size_t unclaimed() const { return unclaimed_ + writing_; }
  // What a shutdown waits for; deferred_requests_count() of infi.rpc.
  std::size_t waiting() const { return running() + unclaimed(); }
  std::size_t bytes() const { return bytes_; }
  // Those whose function has not ended.
  std::vector<std::string> running_uuids() const;
  // Forgets all, on disk too. Destroying this object leaves what is on disk to the next start.
  void clear();

 private:
  using Entries = std::list<Entry>;

  Entries& list_of(State state);
  void move(Entries::iterator entry, State state);
  void erase(Entries::iterator entry);
  void drop_delivered();
  void drop_spent();
  bool full() const { return by_uuid_.size() >= limits_.max_requests || bytes_ >= limits_.max_bytes; }
  Entries::iterator add(Entry entry);
  Entry* find(std::string_view uuid, std::uint64_t number);

  void load(const std::function<std::string(const std::string& uuid)>& aborted_result);
  void add_changes(std::vector<ResultStore::Change>& changes, const Entry& entry,
                   std::function<void(bool kept)> then);
  void store(const Entry& entry, std::function<void(bool kept)> then);
  void store_again();

  bool has_to_collect() const;
  void watch_time();
  void collect();
  void tell();

  Host host_;
  RequestLimits limits_;
  // By state; in each the one that has been in it for longest is the first.
  Entries running_;
  Entries done_;
  Entries delivered_;
  std::unordered_map<std::string_view, Entries::iterator> by_uuid_;  // keys are those of the entries
  std::uint64_t last_number_ = 0;
  std::size_t writing_ = 0;    // finished, and on their way to the disk
  std::size_t unclaimed_ = 0;  // done
  std::size_t bytes_ = 0;
  Timer collector_;

  Gauge running_gauge_;
  Gauge kept_gauge_;
  Gauge unclaimed_gauge_;
  Gauge bytes_gauge_;
  Counter expired_;
  Counter dropped_;
  Counter refused_;

  std::unique_ptr<ResultStore> store_;  // its callbacks use all of the above
};

}  // namespace backplane::zerorpc
