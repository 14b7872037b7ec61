#include "runtime/runtime.hpp"

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <future>
#include <thread>
#include <unordered_map>
#include <utility>

#include "runtime/clock.hpp"
#include "runtime/placement.hpp"

namespace backplane::host {

namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

constexpr auto account_limit = 50ms;  // for a loop to tell its accounts
constexpr auto create_limit = 60s;    // for a component to be made or started
constexpr auto shortest_stop = 1s;    // a component may take at least this long to stop
constexpr auto drain_pause = 2ms;     // between two looks at what is held
constexpr auto drain_margin = 1s;     // beyond the time that a component's drain may take: for its last words
constexpr auto longest_drain = 365 * 24h;

// Every loop and socket needs descriptors, far more than the usual soft limit when there are many.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void* make_context() {
  void* context = zmq_ctx_new();
  zmq_ctx_set(context, ZMQ_MAX_SOCKETS, zmq_ctx_get(context, ZMQ_SOCKET_LIMIT));
  return context;
}

std::chrono::nanoseconds left_until(std::int64_t deadline, std::chrono::nanoseconds at_least) {
  return std::max(std::chrono::nanoseconds(deadline - now_nanoseconds()), at_least);
}

std::string quantity(std::uint64_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

}  // namespace

Runtime::Runtime(const Manifest& manifest, const KindCatalog& catalog, Log& log)
    : manifest_(manifest), catalog_(catalog), log_(log), shared_{log, manifest, nullptr, nullptr, {},
                                                                 {},  {},       {},      {}} {
  raise_descriptor_limit();
  stop_event_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  shared_.zmq_context = make_context();
  shared_.on_finished = [this](Component& component) {
    log_.write(LogLevel::debug, component.name(), "has brought all it will");
    if (unfinished_.fetch_sub(1) == 1) request_stop();
  };
  shared_.on_failed = [this](Component& component, const std::string& reason) {
    log_.write(LogLevel::error, component.name(), "cannot go on: " + reason);
    {
      const std::lock_guard lock(failure_mutex_);
      if (failure_.empty()) failure_ = "component \"" + component.name() + "\" failed: " + reason;
    }
    request_stop();
  };
}

Runtime::~Runtime() {
  if (!stopped_) stop([] { return true; });
  // What a callback that did not return in time has kept from being destroyed.
  for (const auto& component : components_)
    if (component->alive()) component->loop().run_and_wait([&component] { component->destroy(); }, 24h);
  for (const auto& loop : loops_) loop->stop_thread(24h);
  loops_.clear();
  components_.clear();
  router_.reset();
  if (shared_.zmq_context != nullptr) zmq_ctx_term(shared_.zmq_context);
  ::close(stop_event_);
}

void Runtime::request_stop() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(stop_event_, &one, sizeof one);
}

std::string Runtime::failure() const {
  const std::lock_guard lock(failure_mutex_);
  return failure_;
}

void Runtime::start() {
  make_loops_and_components();
  create_components();
  start_components();
}

void Runtime::make_loops_and_components() {
  const Placement placement = place(manifest_, catalog_);
  std::vector<Place> places(1);
  std::unordered_map<std::string, std::vector<ComponentId>> instances;
  for (const auto& placed : placement.instances) {
    const auto& name = placed.settings->name;
    instances[name].push_back(static_cast<ComponentId>(places.size()));
    places.push_back({name, placed.loop});
  }
  shared_.routes = std::make_unique<RouteTable>(manifest_.routes, std::move(places), std::move(instances));
  for (std::uint32_t number = 0; number < placement.loops.size(); ++number) {
    loops_.push_back(std::make_unique<Loop>(shared_, number, placement.loops[number]));
    shared_.loops.push_back(loops_.back().get());
  }
  shared_.components.push_back(nullptr);
  for (const auto& placed : placement.instances) {
    const auto id = static_cast<ComponentId>(shared_.components.size());
    components_.push_back(std::make_unique<Component>(shared_, *loops_[placed.loop], id, *placed.settings,
                                                      *placed.kind, placed.instance));
    shared_.components.push_back(components_.back().get());
    if (components_.back()->inbound()) ++unfinished_;
  }
  last_accounts_.resize(loops_.size());
  stalls_.resize(loops_.size());
  router_ =
      std::make_unique<Router>(shared_.zmq_context, [this](std::string_view text) { log_.error(text); });
  router_->start(static_cast<std::uint32_t>(loops_.size()));
  for (const auto& loop : loops_) loop->start_thread();
  if (!router_->wait_attached(10s))
    throw std::runtime_error("the loops did not attach to the router within 10 s");
}

// Takes one step of a component's start on its loop. An exception does not change threads; its text does.
void Runtime::on_its_loop(Component& component, const std::function<void()>& step, const char* verb) {
  struct Failure {
    std::string text;
    bool refused = false;
  };
  auto failure = std::make_shared<Failure>();
  const bool done = component.loop().run_and_wait(
      [failure, step] {
        try {
          step();
        } catch (const StartError& error) {
          *failure = {error.what(), error.refused()};
        }
      },
      create_limit);
  if (!done)
    throw StartError("component \"" + component.name() + "\" was not " + verb + " within 60 s", false);
  if (!failure->text.empty()) throw StartError(failure->text, failure->refused);
}

void Runtime::create_components() {
  for (const auto& component : components_) {
    const auto create = [target = component.get()] {
      target->create();
      target->loop().add_component(*target);
    };
    on_its_loop(*component, create, "made");
  }
}

void Runtime::start_components() {
  for (const auto& component : components_) {
    on_its_loop(
        *component, [target = component.get()] { target->start(); }, "started");
    log_.write(LogLevel::debug, component->name(), "started on loop " + component->loop().name());
  }
}

bool Runtime::all_quiet() {
  return std::all_of(loops_.begin(), loops_.end(), [](const auto& loop) {
    auto quiet = std::make_shared<bool>(false);
    const bool answered = loop->run_and_wait(
        [quiet, &loop] {
          const auto& components = loop->components();
          *quiet =
              loop->quiet() && std::all_of(components.begin(), components.end(),
                                           [](const Component* component) { return component->quiet(); });
        },
        account_limit);
    return answered && *quiet;
  });
}

std::chrono::nanoseconds Runtime::drain_limit() const {
  std::chrono::nanoseconds limit = manifest_.host.shutdown_timeout;
  if (manifest_.host.shutdown_strategy == ShutdownStrategy::stop) return limit;
  for (const auto& component : components_)
    if (const auto span = component->drain_time(); span.count() > 0)
      limit = std::max(limit, std::min<std::chrono::nanoseconds>(span, longest_drain) + drain_margin);
  return limit;
}

StopReport Runtime::stop(const std::function<bool()>& give_up) {
  StopReport report;
  stopped_ = true;
  const auto began = now_nanoseconds();
  drain(began, give_up, report);
  const auto deadline = began + manifest_.host.shutdown_timeout.count();
  stop_components(deadline, report);
  end_loops(deadline, report);
  if (report.stuck.empty()) end_context(deadline, report);
  return report;
}

void Runtime::drain(std::int64_t began, const std::function<bool()>& give_up, StopReport& report) {
  for (auto component = components_.rbegin(); component != components_.rend(); ++component)
    (*component)->loop().post([target = component->get()] { target->drain(); });
  if (manifest_.host.shutdown_strategy == ShutdownStrategy::stop) return note_undrained(report);
  // Quiet twice without a batch in between: nothing was under way between two loops when they were asked.
  bool quiet_before = false;
  std::uint64_t batches_before = 0;
  while (!give_up()) {
    const auto batches = router_ ? router_->batches() : 0;
    const bool quiet = all_quiet();
    if (quiet && quiet_before && batches == batches_before) return;
    if (now_nanoseconds() >= began + drain_limit().count()) break;  // a component may tell in its drain
    quiet_before = quiet;
    batches_before = batches;
    if (!quiet) std::this_thread::sleep_for(drain_pause);
  }
  note_undrained(report);
}

void Runtime::note_undrained(StopReport& report) {
  Ledger accounts = ledger();
  accounts.merge();
  for (const auto& line : accounts.lines) {
    if (line.account.held == 0) continue;
    const auto where = line.of == AccountOf::route ? "on the way " + line.name : "waiting for " + line.name;
    report.undrained.push_back(quantity(line.account.held, "message") + " " + where);
  }
  for (const auto& component : components_) {
    auto held = std::make_shared<std::uint64_t>(0);
    component->loop().run_and_wait([held, &component] { *held = component->unanswered(); }, account_limit);
    if (*held > 0)
      report.undrained.push_back(quantity(*held, "request") + " or message" + (*held == 1 ? "" : "s") +
                                 " held by " + component->name());
  }
  report.drained = report.undrained.empty();
}

void Runtime::stop_components(std::int64_t deadline, StopReport& report) {
  std::vector<const Loop*> stuck;
  const auto on_every = [&](void (Component::*step)()) {
    for (auto place = components_.rbegin(); place != components_.rend(); ++place) {
      Component& component = **place;
      if (std::find(stuck.begin(), stuck.end(), &component.loop()) != stuck.end()) continue;
      if (component.loop().run_and_wait([&component, step] { (component.*step)(); },
                                        left_until(deadline, shortest_stop)))
        continue;
      stuck.push_back(&component.loop());
      const Component* running = component.loop().running();
      report.stuck.push_back(running != nullptr ? running->name() : component.name());
    }
  };
  on_every(&Component::stop);
  // What components still had is counted as dropped now, and the credit for it goes back to the origins.
  for (int i = 0; i < 50 && stuck.empty() && !all_quiet(); ++i) std::this_thread::sleep_for(drain_pause);
  on_every(&Component::destroy);
  report.ledger = ledger();
  report.ledger.merge();
}

void Runtime::end_loops(std::int64_t deadline, StopReport& report) {
  for (const auto& loop : loops_) {
    if (loop->stop_thread(report.stuck.empty() ? left_until(deadline, shortest_stop) : 100ms)) continue;
    if (report.stuck.empty()) report.stuck.push_back("loop " + loop->name());
  }
  if (report.stuck.empty() && router_) router_.reset();
}

// Closed sockets may still be delivering (their linger option); do not wait for them longer than the
// deadline.
void Runtime::end_context(std::int64_t deadline, StopReport& report) {
  std::promise<void> ended;
  auto result = ended.get_future();
  std::thread ending(
      [context = std::exchange(shared_.zmq_context, nullptr), done = std::move(ended)]() mutable {
        zmq_ctx_term(context);
        done.set_value();
      });
  if (result.wait_for(left_until(deadline, shortest_stop)) == std::future_status::ready) {
    ending.join();
    return;
  }
  ending.detach();
  report.drained = false;
  report.undrained.push_back(
      "some sockets could not deliver what they had taken before the shutdown timeout");
}

Ledger Runtime::ledger() {
  Ledger all;
  for (const auto& loop : loops_) {
    auto told = std::make_shared<Ledger>();
    const auto number = loop->number();
    const bool answered = loop->run_and_wait(
        [told, number, this] {
          for (const auto& component : components_)
            if (component->loop().number() == number) component->add_to(*told);
        },
        account_limit);
    if (answered) last_accounts_[number] = *told;
    const auto& lines = last_accounts_[number].lines;
    all.lines.insert(all.lines.end(), lines.begin(), lines.end());
  }
  return all;
}

void Runtime::report_stalls() {
  const auto now = now_nanoseconds();
  for (const auto& loop : loops_) {
    Stall& stall = stalls_[loop->number()];
    const Component* running = loop->running();
    if (running == nullptr || running != stall.component || loop->mark() != stall.mark) {
      if (stall.reported)
        log_.write(
            LogLevel::warning, stall.component->name(),
            "went on after " + std::to_string((now - stall.since) / 1'000'000) + " ms in one callback");
      stall = {running, loop->mark(), now, false};
      continue;
    }
    if (stall.reported || running->settings().blocking || now - stall.since < manifest_.host.stall.count())
      continue;
    stall.reported = true;
    log_.write(LogLevel::warning, running->name(),
               "has been in one callback for " + std::to_string((now - stall.since) / 1'000'000) +
                   " ms and holds up loop " + loop->name() +
                   "; if it must wait, say blocking: true in the manifest");
  }
}

std::vector<std::pair<std::string, std::vector<Metric>>> Runtime::metrics() const {
  std::vector<std::pair<std::string, std::vector<Metric>>> all;
  for (const auto& component : components_) all.emplace_back(component->name(), component->metrics());
  return all;
}

}  // namespace backplane::host
