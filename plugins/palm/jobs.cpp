#include "jobs.hpp"

#include <algorithm>
#include <functional>
#include <string_view>

namespace backplane::palm {

namespace {

constexpr std::size_t most_resent = 100'000;  // keys remembered

}  // namespace

JobKey key_of(const Fields& fields) {
  JobKey key = 0xCBF29CE484222325U;
  const auto mix = [&key](std::uint64_t value) {
    key ^= value + 0x9E3779B97F4A7C15U + (key << 6U) + (key >> 2U);
  };
  for (const auto text : {fields.pipeline, fields.client, fields.function, fields.cache})
    mix(std::hash<std::string_view>{}(text));
  mix(static_cast<std::uint64_t>(fields.stage));
  return key;
}

Jobs::LinkId Jobs::open(std::int64_t now, bool several) {
  auto& link = links_[++last_link_];
  link.window = several ? limits_.window : std::min(limits_.first_window, limits_.window);
  link.last_sign = now;
  link.several = several;
  return last_link_;
}

void Jobs::close(LinkId id) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  for (auto& entry : found->second.jobs) entry.link = 0;
  orphans_.splice(orphans_.end(), found->second.jobs);
  links_.erase(found);
}

void Jobs::give_back() {
  for (auto& entry : orphans_) entry.job.sent = 0;
  given_back_.splice(given_back_.end(), orphans_);
}

std::optional<Jobs::Job> Jobs::take_given_back() {
  if (given_back_.empty()) return std::nullopt;
  return take(given_back_.begin());
}

void Jobs::put_back(Job job) {
  job.sent = 0;
  const auto key = job.key;
  given_back_.push_front({std::move(job), 0});
  by_key_.emplace(key, given_back_.begin());
}

// Workers that hold equally much take turns.
Jobs::LinkId Jobs::choose() {
  const auto after_last = links_.upper_bound(last_chosen_);
  LinkId best = 0;
  std::size_t least = 0;
  const auto look_at = [&](auto first, auto last) {
    for (auto at = first; at != last; ++at) {
      const auto& [id, link] = *at;
      const auto held = link.jobs.size();
      if ((held >= link.window && !link.several) || (best != 0 && held >= least)) continue;
      best = id;
      least = held;
    }
  };
  look_at(after_last, links_.end());
  look_at(links_.begin(), after_last);
  if (best != 0) last_chosen_ = best;
  return best;
}

void Jobs::sent(LinkId id, Job job, std::int64_t now) {
  auto& link = links_.at(id);
  if (link.jobs.empty()) link.last_sign = now;
  job.sent = now;
  if (++job.attempts > 1) expect_duplicate(job.key);
  const auto key = job.key;
  // Nobody can tell whose jobs a worker of several has taken with it: the oldest give way.
  if (link.several && link.jobs.size() >= link.window) settle_earlier(link, std::next(link.jobs.begin()));
  link.jobs.push_back({std::move(job), id});
  by_key_.emplace(key, std::prev(link.jobs.end()));
}

// Of several jobs with one key: one of the worker whose results come on this connection, and the oldest.
Jobs::ByKey::iterator Jobs::find(JobKey key, int descriptor) {
  const auto [first, last] = by_key_.equal_range(key);
  auto best = last;
  const auto known = [&](ByKey::iterator at) {
    const auto link = links_.find(at->second->link);
    return descriptor >= 0 && link != links_.end() && link->second.descriptor == descriptor;
  };
  for (auto at = first; at != last; ++at)
    if (best == last || (known(at) && !known(best)) ||
        (known(at) == known(best) && at->second->job.sent < best->second->job.sent))
      best = at;
  return best == last ? by_key_.end() : best;
}

Jobs::Match Jobs::answered(JobKey key, int descriptor, std::int64_t now) {
  if (const auto found = find(key, descriptor); found != by_key_.end()) {
    settle(found, descriptor, now);
    return Match::answers_job;
  }
  const auto again = resent_.find(key);
  if (again == resent_.end() || again->second == 0) return Match::extra;
  --again->second;
  return Match::duplicate;
}

void Jobs::settle(ByKey::iterator found, int descriptor, std::int64_t now) {
  const auto entry = found->second;
  if (const auto at = links_.find(entry->link); at != links_.end()) {
    auto& link = at->second;
    if (!link.several && by_key_.count(found->first) == 1) link.descriptor = descriptor;
    link.last_sign = now;
    adapt(link, now - entry->job.sent);
    if (!limits_.one_answer && !link.several) settle_earlier(link, entry);
  }
  by_key_.erase(found);
  list_of(*entry).erase(entry);
}

// A worker takes its jobs one after the other, so it has done with those before the one it answers.
void Jobs::settle_earlier(Link& link, Entries::iterator before) {
  while (link.jobs.begin() != before) {
    const auto done = link.jobs.begin();
    forget(done);
    link.jobs.erase(done);
  }
}

Jobs::Entries& Jobs::list_of(const Entry& entry) {
  if (entry.link != 0) return links_.at(entry.link).jobs;
  return entry.job.sent == 0 ? given_back_ : orphans_;
}

void Jobs::forget(Entries::iterator entry) {
  const auto [first, last] = by_key_.equal_range(entry->job.key);
  by_key_.erase(std::find_if(first, last, [&](const auto& at) { return at.second == entry; }));
}

Jobs::Job Jobs::take(Entries::iterator entry) {
  forget(entry);
  auto& list = list_of(*entry);
  Job job = std::move(entry->job);
  list.erase(entry);
  return job;
}

void Jobs::adapt(Link& link, std::int64_t took) const {
  if (took > limits_.slow) {
    link.window = std::max(limits_.least_window, link.window / 2);
  } else if (took < limits_.quick && link.jobs.size() >= link.window) {
    // One more for each: twice as many within the time that a full window takes, and no worker runs away with
    // all the jobs because it was the first to answer.
    link.window = std::min(limits_.window, link.window + 1);
  }
}

void Jobs::be_patient(std::int64_t now) {
  for (auto& [id, link] : links_) {
    if (link.jobs.size() < link.window || now - link.last_sign < limits_.patience) continue;
    // What may be answered by nothing is taken to be done, or a worker that is silent would get no more.
    if (link.window == limits_.window && !limits_.one_answer) settle_earlier(link, link.jobs.end());
    link.window = std::min(limits_.window, link.window * 2);
    link.last_sign = now;
  }
}

std::vector<Jobs::Job> Jobs::take_sent_before(std::int64_t instant) {
  std::vector<Job> taken;
  for (auto& [id, link] : links_)
    while (!link.jobs.empty() && link.jobs.front().job.sent < instant)
      taken.push_back(take(link.jobs.begin()));
  return taken;
}

std::vector<Jobs::Job> Jobs::take_all() {
  std::vector<Job> taken;
  const auto take_list = [&](Entries& list) {
    while (!list.empty()) taken.push_back(take(list.begin()));
  };
  take_list(given_back_);
  take_list(orphans_);
  for (auto& [id, link] : links_) take_list(link.jobs);
  return taken;
}

// A worker that had it before may still have answered it, or may be about to. Where a worker gives several
// answers, nobody can tell those from further ones.
void Jobs::expect_duplicate(JobKey key) {
  if (!limits_.one_answer) return;
  if (resent_[key]++ == 0) resent_order_.push_back(key);
  while (resent_order_.size() > most_resent) {
    resent_.erase(resent_order_.front());
    resent_order_.pop_front();
  }
}

std::size_t Jobs::window(LinkId link) const {
  const auto found = links_.find(link);
  return found == links_.end() ? 0 : found->second.window;
}

}  // namespace backplane::palm
