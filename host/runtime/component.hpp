// A component instance as the host keeps it: its settings, the plugin's object, its waiting line, its legs
// and accounts, and the table of functions through which the plugin speaks to the host.
//
// Belongs to its loop's thread, except where a member says otherwise.
#pragma once

#include <backplane/abi.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "loader/kind_info.hpp"
#include "manifest/manifest.hpp"
#include "router/ledger.hpp"
#include "router/message_pool.hpp"
#include "router/route_table.hpp"
#include "runtime/leg.hpp"
#include "runtime/timers.hpp"

namespace backplane::host {

class Loop;
struct Request;
struct Shared;
struct Watched;

// A number that a component shows: written on its loop, read from any thread.
struct Metric {
  std::string name;
  std::string help;
  bool gauge = false;
  std::int64_t value = 0;

  std::int64_t read() const { return __atomic_load_n(&value, __ATOMIC_RELAXED); }
};

class Component {
 public:
  // `settings` and `kind` outlive the component.
  Component(Shared& shared, Loop& loop, ComponentId id, const ComponentSettings& settings,
            const KindInfo& kind, std::uint32_t instance);
  ~Component();
  Component(const Component&) = delete;
  Component& operator=(const Component&) = delete;

  ComponentId id() const { return id_; }
  const std::string& name() const { return name_; }
  const ComponentSettings& settings() const { return settings_; }
  const KindInfo& kind() const { return kind_; }
  Loop& loop() const { return loop_; }
  Shared& shared() const { return shared_; }
  const Place& place_of(ComponentId component) const;
  bool inbound() const { return (kind_.properties & BP_INBOUND) != 0; }
  const bp_host& table() const { return table_; }

  // Life, in this order. create and start throw StartError; after a failed start only destroy follows.
  void create();
  void start();
  void drain();
  void stop();
  void destroy();
  bool alive() const { return self_ != nullptr; }
  bool running() const { return running_; }

  // Sends along the routes; the message is taken. BP_SENT, ...
  std::int32_t send(HostMessage* message);
  // Sends to a published function, "component.function" or a name that one component alone publishes.
  std::int32_t call(std::string_view target, HostMessage* message);
  void reply(const bp_envelope& request, HostMessage* answer);
  // The correlation of the last request; 0: it was not accepted.
  std::uint64_t last_request() const { return last_request_; }
  void cancel(std::uint64_t correlation);
  void grant(std::uint64_t correlation, std::uint32_t items);

  // A message or a reply has arrived.
  void arrive(HostMessage* message);
  // The outcome of a request, or a notice for a call that is served here; runs the plugin.
  void receive_reply(HostMessage* reply);
  // Offers waiting messages to the plugin, at most `budget`. True: more are waiting and may be offered.
  bool deliver(int budget);
  void resume();
  // Discards the waiting messages that have expired.
  void sweep();

  // Reasons to bring no more: legs that are blocked, requests at their limit. on_resume follows the last one.
  void block();
  void unblock();
  // Tells the plugin that it may send again, if that still holds.
  void on_resume();
  // Readable watches are not called now.
  bool reading_paused() const { return blocked_ > 0 || (draining_ && pause_when_draining_); }
  // Any thread: send would answer BP_PAUSED.
  bool paused_for_others() const { return paused_.load(std::memory_order_relaxed); }
  // Messages from other threads that the loop has not taken yet, and how many may wait before these threads
  // are told to pause. Any thread.
  static constexpr std::uint32_t most_foreign = 10000;
  std::atomic<std::uint32_t> foreign{0};
  std::atomic<bool> foreign_paused{false};  // one of those threads was told to pause
  bool posts_closed = false;                // guarded by the loop's operations mutex
  bool resume_waiting = false;              // in the loop's list of those to tell

  std::uint64_t held() const;
  // Requests without an outcome, and what the plugin says it holds.
  std::uint64_t unanswered() const { return in_flight_ + holding_; }
  bool quiet() const;  // nothing waits, is under way or unanswered
  void add_to(Ledger& ledger) const;
  // Any thread.
  std::int64_t* metric(std::string_view name, std::string_view help, bool gauge);
  std::vector<Metric> metrics() const;

  // Answers whoever waits for `message` with an error, hands it to the component for dead letters, or frees
  // it.
  void discard(HostMessage* message, std::string_view type, std::string_view reason);

  // Reads a checked option. Any thread.
  bool option(const char* name, bp_value& value) const;
  std::uint64_t start_timer(std::int64_t delay, std::int64_t period, bp_callback run, void* data);
  void stop_timer(std::uint64_t timer);
  void set_holding(std::uint64_t count) { holding_ = count; }
  // How long its drain may take by its own rules; 0: it has none. Read on any thread.
  void set_drain_time(std::chrono::nanoseconds span) { drain_time_ = span; }
  std::chrono::nanoseconds drain_time() const { return drain_time_; }
  void mark_finished();
  void request_done(std::uint64_t correlation);
  // Its deadline has passed, and the request is gone from the loop's table.
  void request_expired(const Request& request);
  void log(LogLevel level, std::string_view text);  // limited; any thread

  std::vector<Watched*> watches;             // of this component; owned by the loop
  std::unordered_set<std::uint64_t> timers;  // running ones, to be stopped with it
  bool dirty = false;                        // its sockets may have new events: it ran
  bool scheduled = false;                    // in the loop's list of those to deliver to

 private:
  // Gives up what waits in the legs and the requests without an outcome.
  void abandon();

  struct Legs {
    const Route* route;
    std::vector<std::unique_ptr<Leg>> legs;
  };

  void fill_table();
  void make_legs();
  std::int32_t forward(HostMessage* message);
  std::int32_t offer_to(const std::vector<std::unique_ptr<Leg>>& legs, HostMessage* message);
  bool begin_request(HostMessage* message);
  void one_less_in_flight();
  void hand_reply(HostMessage* reply);
  HostMessage* take_first();
  HostMessage* waiting_request(std::uint64_t correlation);
  static void heed(HostMessage& request, const bp_envelope& notice);
  Leg& leg_to(const std::string& component);
  // The component that `target` names, "component.function", when it takes messages; the function's name is
  // left in `function`. Empty: there is none. It need not have published the function.
  std::string component_named_in(std::string_view target, std::string& function) const;
  void account_untaken(std::int32_t answer, HostMessage* message);
  std::string failure_text() const;
  void notify_callee(ComponentId callee, std::uint64_t correlation, std::uint32_t flag, std::uint32_t credit);

  Shared& shared_;
  Loop& loop_;
  ComponentId id_;
  const ComponentSettings& settings_;
  const KindInfo& kind_;
  const bp_kind& functions_;
  std::string name_;
  bp_host table_{};
  std::unordered_map<std::string_view, std::vector<bp_text>> option_lists_;  // by option name
  void* self_ = nullptr;
  bool running_ = false;
  bool draining_ = false;
  bool pause_when_draining_ = false;
  bool finished_ = false;

  MessageQueue inbox_;
  // Its requests by correlation, made for the notices of a turn: each looks for its own among all that wait.
  std::unordered_map<std::uint64_t, HostMessage*> waiting_;
  bool waiting_known_ = false;
  bool busy_ = false;
  Account received_;
  Account sent_;
  std::vector<Legs> routes_;  // in file order
  struct Direct {             // legs of calls by name, made at the first call
    std::unique_ptr<Route> route;
    std::unique_ptr<Leg> leg;
  };
  std::unordered_map<std::string, Direct> direct_;
  std::uint32_t in_flight_ = 0;
  std::uint64_t last_request_ = 0;
  bool in_flight_full_ = false;
  unsigned blocked_ = 0;
  std::atomic<bool> paused_{false};
  std::uint64_t holding_ = 0;
  std::atomic<std::chrono::nanoseconds> drain_time_{std::chrono::nanoseconds(0)};
  bp_error error_{};

  mutable std::mutex metrics_mutex_;
  std::deque<Metric> metrics_;

  std::mutex log_mutex_;
  std::int64_t log_second_ = 0;
  std::uint32_t log_lines_ = 0;
  std::uint64_t log_suppressed_ = 0;
};

}  // namespace backplane::host
