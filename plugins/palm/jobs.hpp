// Which job is in the hands of which worker: who gets the next one, which job a result answers, and what must
// be sent again when a worker goes. Pure: the caller brings the time and sends. One thread.
//
// A worker is known by the link jobs go to it on. Its results come on another connection and name no worker,
// so they are matched by what a worker leaves as it was: pipeline, client, stage, function and cache.
#pragma once

#include <backplane/message.hpp>
#include <backplane/palm/message.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace backplane::palm {

// What a job and its results have in common.
using JobKey = std::uint64_t;
JobKey key_of(const Fields& fields);

class Jobs {
 public:
  struct Limits {
    std::size_t window = 1000;     // jobs in the hands of one worker at most
    std::size_t first_window = 8;  // at first; it grows while the worker is quick
    std::size_t least_window = 2;
    std::int64_t quick = 20'000'000;  // ns from job to result: the window may grow
    std::int64_t slow = 200'000'000;  // ns: it shrinks, so that others get the work
    std::int64_t patience =
        5'000'000'000;       // ns without a result of a full worker: its window grows all the same
    bool one_answer = true;  // false: workers answer a job zero or many times, in order
  };
  struct Job {
    Message message;
    JobKey key = 0;
    std::int64_t sent = 0;  // when; 0: not yet
    unsigned attempts = 0;
  };
  using LinkId = std::uint32_t;  // 0: none
  enum class Match {
    answers_job,  // the result of a job that a worker had
    duplicate,    // of one that was sent twice and is answered already
    extra,        // of none that waits: a further answer of a worker that gives several
  };

  explicit Jobs(Limits limits) : limits_(limits) {}

  // A worker can take jobs. One with `several` stands for an unknown number of workers.
  LinkId open(std::int64_t now, bool several = false);
  // It has gone; what it had is kept until give_back().
  void close(LinkId link);
  // What gone workers had is to be sent again, the oldest first.
  void give_back();
  // Takes what is given back already. Nothing: there is none.
  std::optional<Job> take_given_back();
  bool has_given_back() const { return !given_back_.empty(); }
  // A job could not be sent after all.
  void put_back(Job job);
  // A job that was taken is not sent any more: its results, should one come yet, are duplicates.
  void abandon(const Job& job) { expect_duplicate(job.key); }

  // The worker that has room and holds the least; 0: none has room.
  LinkId choose();
  // A job was sent.
  void sent(LinkId link, Job job, std::int64_t now);
  // A result came, by the connection with this descriptor (-1: unknown).
  Match answered(JobKey key, int descriptor, std::int64_t now);
  // Widens the window of workers that are full and have said nothing for long. Where a job may have no answer
  // at all, a worker whose window is as wide as it gets is taken to have done with its jobs.
  void be_patient(std::int64_t now);
  // Takes the jobs that were sent before `instant` and are not answered.
  std::vector<Job> take_sent_before(std::int64_t instant);
  // Ends all: takes every job that is not answered.
  std::vector<Job> take_all();

  std::size_t links() const { return links_.size(); }
  // Jobs that workers, present or gone, have not answered, and those given back.
  std::size_t outstanding() const { return by_key_.size(); }
  // 0: no such link.
  std::size_t window(LinkId link) const;

 private:
  struct Entry {
    Job job;
    LinkId link = 0;  // 0: its worker has gone
  };
  using Entries = std::list<Entry>;  // in the order of sending
  using ByKey = std::unordered_multimap<JobKey, Entries::iterator>;
  struct Link {
    Entries jobs;
    std::size_t window = 0;
    int descriptor = -1;  // of the connection its results come on, once known
    std::int64_t last_sign = 0;
    bool several = false;
  };

  ByKey::iterator find(JobKey key, int descriptor);
  void settle(ByKey::iterator found, int descriptor, std::int64_t now);
  void settle_earlier(Link& link, Entries::iterator before);
  Entries& list_of(const Entry& entry);
  void forget(Entries::iterator entry);
  Job take(Entries::iterator entry);
  void adapt(Link& link, std::int64_t took) const;
  void expect_duplicate(JobKey key);

  Limits limits_;
  LinkId last_link_ = 0;
  LinkId last_chosen_ = 0;
  std::map<LinkId, Link> links_;
  Entries orphans_;
  Entries given_back_;
  ByKey by_key_;
  std::unordered_map<JobKey, unsigned> resent_;  // how many results may come too many
  std::list<JobKey> resent_order_;
};

}  // namespace backplane::palm
