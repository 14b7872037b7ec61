// A running host: makes the components of a checked manifest, starts them, stops them, reads the ledger.
//
// Threading: all members belong to the host's main thread, except what says otherwise.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "loader/kind_info.hpp"
#include "log/log.hpp"
#include "manifest/manifest.hpp"
#include "router/ledger.hpp"
#include "router/router.hpp"
#include "runtime/component.hpp"
#include "runtime/loop.hpp"
#include "runtime/shared.hpp"

namespace backplane::host {

// How a stop went.
struct StopReport {
  bool drained = true;                 // everything held went where it belongs in time
  std::vector<std::string> undrained;  // sentences: what was held, and where
  std::vector<std::string> stuck;      // components whose callback did not return: the process must be ended
  Ledger ledger;                       // final, merged over instances
};

class Runtime {
 public:
  // `manifest`, `catalog` and `log` outlive the runtime. Its kinds must have tables (be loaded here).
  Runtime(const Manifest& manifest, const KindCatalog& catalog, Log& log);
  // Stops without draining if stop() was not called. Waits for callbacks that do not return: a program with
  // a stuck component ends by _exit instead.
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Makes every component, then starts them, destinations first. Throws StartError naming the component;
  // those already started are stopped again.
  void start();

  // A descriptor that becomes readable when the host wants to stop by itself: all inbound components have
  // finished, or one has failed.
  int stop_event() const { return stop_event_; }
  // Empty unless a component has failed.
  std::string failure() const;

  // How long a drain may take at most: the manifest's timeout, or more when a component's own rules give it
  // more.
  std::chrono::nanoseconds drain_limit() const;
  // Drains for at most that long and stops in reverse start order: what is left of the manifest's timeout is
  // for that. `give_up` is asked now and then: true ends the drain at once.
  StopReport stop(const std::function<bool()>& give_up = [] { return false; });

  // Asks every loop for its accounts. A loop that does not answer within 50 ms (a blocking component at
  // work) is told by its last answer.
  Ledger ledger();
  // Reports components that hold up their loop. Call it every 100 ms or so.
  void report_stalls();
  // Component name and metrics, in start order.
  std::vector<std::pair<std::string, std::vector<Metric>>> metrics() const;

  std::size_t component_count() const { return components_.size(); }
  const std::vector<std::unique_ptr<Loop>>& loops() const { return loops_; }

 private:
  struct Stall {
    const Component* component = nullptr;
    std::uint64_t mark = 0;
    std::int64_t since = 0;
    bool reported = false;
  };

  void make_loops_and_components();
  static void on_its_loop(Component& component, const std::function<void()>& step, const char* verb);
  void create_components();
  void start_components();
  bool all_quiet();
  void drain(std::int64_t began, const std::function<bool()>& give_up, StopReport& report);
  void stop_components(std::int64_t deadline, StopReport& report);
  void end_loops(std::int64_t deadline, StopReport& report);
  void end_context(std::int64_t deadline, StopReport& report);
  void note_undrained(StopReport& report);
  void request_stop();

  const Manifest& manifest_;
  const KindCatalog& catalog_;
  Log& log_;
  Shared shared_;
  int stop_event_ = -1;
  std::unique_ptr<Router> router_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<std::unique_ptr<Component>> components_;  // in start order
  std::vector<Ledger> last_accounts_;                   // by loop
  std::vector<Stall> stalls_;                           // by loop
  std::atomic<std::size_t> unfinished_{0};              // inbound components
  mutable std::mutex failure_mutex_;
  std::string failure_;
  bool stopped_ = false;
};

}  // namespace backplane::host
