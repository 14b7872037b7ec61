// What a publisher knows of its subscribers and what it holds for them: decides for every message whether it
// goes out now or waits for a subscription. Pure: the caller brings the time and sends. One thread.
#pragma once

#include <backplane/message.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "arrivals.hpp"

namespace backplane::palm {

// The topics that somebody subscribes to now, and at which look each was last subscribed.
class Subscriptions {
 public:
  void add(std::string_view topic, Look look);
  void remove(std::string_view topic);
  // The look at which exactly this topic was subscribed last; nothing: it is not.
  std::optional<Look> exact(std::string_view topic) const;
  // Some subscription that is not empty is a prefix of the topic, or the topic itself.
  bool covers(std::string_view topic) const;
  // Somebody subscribes to everything.
  bool everything() const { return everything_; }
  std::size_t size() const { return by_topic_.size() + (everything_ ? 1 : 0); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::unordered_map<std::string, Look, Hash, std::equal_to<>> by_topic_;
  std::map<std::size_t, std::size_t> lengths_;  // length of a topic -> how many have it
  bool everything_ = false;
};

struct PublicationLimits {
  std::int64_t grace = 250'000'000;       // ns to wait for a fresh subscription where there is another one
  std::int64_t hold = 5'000'000'000;      // ns to wait for any subscription
  std::size_t most_held = 100'000;        // messages
  std::size_t most_bytes = 256ULL << 20;  // of their frames
};

class Publication {
 public:
  // Frame 0 of `message` is the topic.
  enum class Fate { sent, expired, crowded_out };
  using Send = std::function<void(Message)>;
  // Takes what was held and nobody will get.
  using Drop = std::function<void(Message, Fate)>;

  Publication(PublicationLimits limits, Send send, Drop drop)
      : limits_(limits), send_(std::move(send)), drop_(std::move(drop)) {}

  // True: publish() would send such a message now, as far as is known of the subscriptions.
  bool sends_now(std::string_view topic, bool client_topic, Look accepted) const {
    return decide(topic, client_topic, accepted) == Decision::send && !others_wait(topic);
  }
  // Sends the message now, or holds it. A client topic is the one that a client waits for; `accepted`: see
  // LatestRequests.
  void publish(Message message, bool client_topic, Look accepted, std::int64_t now);
  // A subscription has come or gone; what waited for it is sent. `accepted(topic)` as in publish().
  void subscribed(std::string_view topic, Look look, std::int64_t now,
                  const std::function<Look(std::string_view)>& accepted);
  void unsubscribed(std::string_view topic) { subscriptions_.remove(topic); }
  // Ends the waiting of what has waited long enough. `settle(topic)` is told of each client topic whose grace
  // has ended.
  void expire(std::int64_t now, const std::function<void(std::string_view)>& settle);

  // When expire() has something to do; 0: nothing waits.
  std::int64_t next_expiry() const { return due_.empty() ? 0 : due_.begin()->first; }
  std::size_t held() const { return held_count_; }
  const Subscriptions& subscriptions() const { return subscriptions_; }

 private:
  enum class Decision { send, wait_for_fresh, wait_for_any };
  struct Held {
    Message message;
    bool client_topic = false;
    std::int64_t due = 0;
    bool has_cover = false;  // waits for a fresh subscription only, and goes out in the end
    std::size_t bytes = 0;
  };
  struct Waiting;
  using Topics = std::map<std::string, Waiting, std::less<>>;
  using Due = std::set<std::pair<std::int64_t, std::string_view>>;  // of the first message of each topic
  struct Waiting {
    std::deque<Held> messages;
    std::int64_t listed = 0;  // the instant under which it stands in due_
  };

  Decision decide(std::string_view topic, bool client_topic, Look accepted) const;
  bool others_wait(std::string_view topic) const {
    return held_count_ > 0 && !topic.empty() && waiting_.find(topic) != waiting_.end();
  }
  Topics::iterator hold(Message message, bool client_topic, Decision decision, std::int64_t now);
  Held take_first(Topics::iterator waiting);
  void list_again(Topics::iterator waiting);
  void send_waiting(Topics::iterator waiting, Look accepted, std::int64_t now);
  void make_room(std::size_t bytes);

  PublicationLimits limits_;
  Send send_;
  Drop drop_;
  Subscriptions subscriptions_;
  Topics waiting_;
  Due due_;
  std::size_t held_count_ = 0;
  std::size_t held_bytes_ = 0;
};

}  // namespace backplane::palm
