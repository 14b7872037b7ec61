// The requests of one loop that wait for their outcome. Belongs to the loop's thread. No allocation per
// request once the table has grown; deadlines are kept in a wheel of ticks.
#pragma once

#include <cstdint>
#include <vector>

#include "router/route_table.hpp"

namespace backplane::host {

struct Request {
  ComponentId asker = 0;
  ComponentId callee = 0;  // who is known to work on it; 0: not yet known
  std::uint64_t cookie = 0;
  std::int64_t deadline = 0;  // 0: none
  std::uint64_t correlation = 0;
};

class Requests {
 public:
  static constexpr std::int64_t tick = 4'000'000;  // nanoseconds: how late a deadline may be noticed

  // `loop` becomes part of every correlation, which makes these unique in the host.
  explicit Requests(std::uint32_t loop);

  // Notes a request and returns its correlation.
  std::uint64_t add(ComponentId asker, std::uint64_t cookie, std::int64_t deadline);
  // nullptr: nobody waits for it (any more). Valid until the next add or remove.
  Request* find(std::uint64_t correlation);
  // REQUIRES: find(correlation) is not nullptr.
  void remove(std::uint64_t correlation);
  // Removes and returns the requests whose deadline has passed.
  std::vector<Request> expire(std::int64_t now);
  // Removes and returns those of one component.
  std::vector<Request> remove_of(ComponentId asker);
  // An instant at or before the next deadline, or a negative number when there is none.
  std::int64_t next();
  std::size_t size() const { return live_; }

  // The loop that made a correlation.
  static std::uint32_t loop_of(std::uint64_t correlation) {
    return static_cast<std::uint32_t>(correlation >> 48);
  }

 private:
  static constexpr std::uint32_t none = 0xffffffff;
  static constexpr std::uint32_t wheel_slots = 1024;

  struct Entry {
    Request request;
    std::uint32_t generation = 0;
    std::uint32_t next = none;      // free list, or the wheel's list
    std::uint32_t previous = none;  // in the wheel's list
    bool live = false;
  };

  void link(std::uint32_t index);
  void unlink(std::uint32_t index);
  void release(std::uint32_t index);

  std::uint64_t loop_bits_;
  std::vector<Entry> entries_;
  std::uint32_t free_ = none;
  std::size_t live_ = 0;
  std::vector<std::uint32_t> wheel_;  // heads of lists, by tick modulo wheel_slots
  std::size_t with_deadline_ = 0;
  std::int64_t swept_ = 0;  // ticks before this one have been looked at
  std::int64_t hint_ = -1;  // no deadline is noticed before this instant; negative: not known
};

}  // namespace backplane::host
