// One destination of one route, for one origin instance: chooses the destination's instance, spends credit,
// and keeps what cannot go on yet, as the route's overflow policy says. Belongs to the loop of the origin.
//
// Credit: each destination instance lets a leg have `window` messages under way to it. Taking a message
// from its waiting line gives the credit back. So a full destination stops the legs that lead to it, which
// pause their origins, and nobody else.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "router/ledger.hpp"
#include "router/message_pool.hpp"
#include "router/route_table.hpp"
#include "router/spill.hpp"

namespace backplane::host {

class Loop;
class Component;

// From a leg to one instance of its destination.
struct Lane {
  ComponentId destination = 0;
  std::uint32_t loop = 0;    // where the destination lives
  std::uint32_t credit = 0;  // messages that may still be sent
  std::uint32_t number = 0;  // index in the loop's lanes plus 1
};

enum class Offered { accepted, paused, rejected };

class Leg {
 public:
  // `route` outlives the leg. `spill_folder`: of overflow: spill.
  Leg(Loop& loop, Component& origin, const Route& route, const Target& target,
      const std::string& spill_folder);

  // Takes the message: sends it, keeps it, or discards it as the policy says (all accounted).
  Offered offer(HostMessage* message);
  // `count` messages were taken at the destination of a lane.
  void return_credit(Lane& lane, std::uint32_t count);
  // Sends what waits, as far as credit and rate allow.
  void pump();
  // Discards what waits and has expired, and looks at the rate again.
  void sweep();
  // Discards all that waits (the host stops). What is under way counts as dropped too.
  void abandon();

  const std::string& name() const { return name_; }
  std::uint64_t held() const;
  Account account() const;

 private:
  Lane* choose(const HostMessage& message);
  Lane* next_with_credit();
  bool take_token();
  void carry(HostMessage* message, Lane& lane);
  Offered keep(HostMessage* message);
  Offered drop_newest(HostMessage* message);
  Offered spill(HostMessage* message);
  Offered wait_in(MessageQueue& queue, HostMessage* message);
  bool refill();
  void wait_for_token();
  void set_blocked(bool blocked);
  bool idle() const { return waiting_.empty() && behind_.empty() && (!spill_ || spill_->empty()); }

  Loop& loop_;
  Component& origin_;
  const Route& route_;
  std::string name_;
  std::vector<Lane> lanes_;
  std::size_t next_lane_ = 0;
  MessageQueue waiting_;        // the line: this,
  std::optional<Spill> spill_;  // then what is on disk,
  MessageQueue behind_;         // then what came when the disk had no room
  bool blocked_ = false;
  bool abandoned_ = false;
  Account account_;
  double rate_ = 0;  // messages per second for this leg; 0: no limit
  double tokens_ = 0;
  std::int64_t filled_ = 0;  // when tokens_ was last filled
  bool token_timer_ = false;
};

}  // namespace backplane::host
