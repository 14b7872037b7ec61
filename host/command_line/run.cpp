#include "command_line/run.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <iostream>
#include <sstream>
#include <utility>

#include "command_line/check_in_child.hpp"
#include "command_line/console.hpp"
#include "command_line/read_settings.hpp"
#include "command_line/run_progress.hpp"
#include "loader/loader.hpp"
#include "log/log.hpp"
#include "manifest/reader.hpp"
#include "runtime/clock.hpp"
#include "runtime/runtime.hpp"

namespace backplane::host {

namespace {

constexpr int look_period = 100;  // milliseconds between two looks at stalls and progress

// The process signals that end or reload a host, as a descriptor. Made before any thread exists, so that
// every thread has them blocked.
class Signals {
 public:
  Signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);  // a file at its size limit is an error of write, not the end of the host
    descriptor_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  ~Signals() {
    ::close(descriptor_);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int descriptor() const { return descriptor_; }
  // The next signal that has arrived, or 0.
  int take() const {
    signalfd_siginfo info{};
    return ::read(descriptor_, &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
  }

 private:
  sigset_t before_{};
  int descriptor_ = -1;
};

std::string name_of(int signal) {
  return signal == SIGTERM ? "SIGTERM" : signal == SIGINT ? "SIGINT" : "SIGHUP";
}

// How one run of a host ended.
struct Ending {
  int code = kDone;
  bool started = false;
  bool reload = false;  // the host goes on with the manifest as it is now
};

// One run of a host: a checked manifest from its start to its end.
class Run {
 public:
  Run(const RunArguments& arguments, const Manifest& manifest, const KindCatalog& catalog, Log& log,
      const Signals& signals)
      : arguments_(arguments),
        manifest_(manifest),
        log_(log),
        signals_(signals),
        runtime_(manifest, catalog, log) {}

  Ending operator()() {
    const auto began = now_nanoseconds();
    try {
      runtime_.start();
    } catch (const StartError& failure) {
      log_.error(failure.what());
      return {failure.refused() ? kRefused : kFailed};
    } catch (const std::exception& failure) {
      log_.error(std::string("the host did not start: ") + failure.what());
      return {kFailed};
    }
    log_.info("ready: host " + manifest_.host.name + " runs " +
              quantity(runtime_.component_count(), "component") + " and " +
              quantity(manifest_.routes.size(), "route") + ", started in " +
              std::to_string((now_nanoseconds() - began) / milliseconds) + " ms");
    ::sd_notify(0, "READY=1");
    const int signal = wait_for_end();
    tell_end(signal);
    return finish(signal);
  }

 private:
  // Returns the signal that ended the wait, or 0 when the host ends by itself.
  int wait_for_end() {
    RunProgress progress(runtime_, arguments_.progress);
    std::array<pollfd, 2> items{{{signals_.descriptor(), POLLIN, 0}, {runtime_.stop_event(), POLLIN, 0}}};
    while (true) {
      ::poll(items.data(), items.size(), look_period);
      const int signal = signals_.take();
      if (signal != 0 && (signal != SIGHUP || may_reload())) return signal;
      if ((items[1].revents & POLLIN) != 0) return 0;
      runtime_.report_stalls();
      progress.look();
    }
  }

  // Check first: a manifest with mistakes changes nothing.
  bool may_reload() {
    const auto mistakes = check_in_child(arguments_);
    if (!mistakes) return true;
    log_.error("SIGHUP: the manifest is refused; the host goes on as it was");
    std::istringstream lines(*mistakes);
    for (std::string line; std::getline(lines, line);) log_.error("SIGHUP: " + line);
    return false;
  }

  static void tell_end(int signal) {
    if (signal == SIGHUP) {
      // The clock's reading belongs to it: sd_notify(3), RELOADING=1.
      ::sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", static_cast<long long>(now_nanoseconds() / 1000));
    } else {
      ::sd_notify(0, "STOPPING=1");
    }
  }

  Ending finish(int signal) {
    std::string reason = "all input has been taken";
    if (signal != 0) reason = name_of(signal);
    if (!runtime_.failure().empty()) reason = runtime_.failure();
    bool reload = signal == SIGHUP;
    log_.info((reload ? "reloading: " : "stopping: ") + reason + "; draining for at most " +
              std::to_string(runtime_.drain_limit().count() / milliseconds) + " ms");
    int second = 0;
    const StopReport report = runtime_.stop([&] {
      const int next = signals_.take();
      if (next == 0 || next == SIGHUP) return second != 0;
      if (std::exchange(reload, false)) {
        log_.info("stopping: " + name_of(next) + " instead of reloading");
        tell_end(next);
      } else if (second == 0) {
        second = next;
      }
      return second != 0;
    });
    for (const auto& line : report.ledger.lines) log_.info(Ledger::text(line));
    for (const auto& sentence : report.undrained) log_.warning("not drained: " + sentence);
    for (const auto& name : report.stuck)
      log_.error("component " + name + " did not come back from a callback; the process ends without it");
    if (reload && report.stuck.empty() && runtime_.failure().empty()) return {kDone, true, true};
    const int code = exit_code(report, second);
    log_.info("stopped: exit code " + std::to_string(code));
    if (!report.stuck.empty()) {
      std::cout.flush();
      ::_exit(code);  // a thread is still in that callback: nothing it uses may be torn down
    }
    return {code, true, false};
  }

  int exit_code(const StopReport& report, int second) const {
    if (second != 0) return 128 + second;
    return runtime_.failure().empty() && report.drained && report.stuck.empty() ? kDone : kFailed;
  }

  const RunArguments& arguments_;
  const Manifest& manifest_;
  Log& log_;
  const Signals& signals_;
  Runtime runtime_;
};

// The manifest as it is now, with what the command line says of it; nothing when it has mistakes, which are
// on standard error then.
std::optional<Manifest> read(const RunArguments& arguments, Loader& loader) {
  auto result = read_manifest(arguments.manifest, loader, settings_with(arguments.values));
  std::cerr << warning_report(result) << error_report(result);
  if (!result.manifest) return std::nullopt;
  if (arguments.log_level) result.manifest->host.log_level = *arguments.log_level;
  if (arguments.log_format) result.manifest->host.log_format = *arguments.log_format;
  return std::move(result.manifest);
}

Ending run_once(const RunArguments& arguments, const Manifest& manifest, const KindCatalog& catalog, Log& log,
                const Signals& signals) {
  try {
    log.configure(manifest.host);
  } catch (const std::exception& failure) {
    log.error(failure.what());
    return {kFailed};
  }
  return Run(arguments, manifest, catalog, log, signals)();
}

}  // namespace

int run(const RunArguments& arguments) {
  Loader loader({.folders = arguments.plugin_path});
  auto manifest = read(arguments, loader);
  if (!manifest) return kRefused;
  const Signals signals;
  Log log;
  std::optional<Manifest> before;  // what ran before a reload, until what follows it has started
  while (true) {
    const Ending ending = run_once(arguments, *manifest, loader, log, signals);
    if (ending.reload) {
      before = std::exchange(manifest, read(arguments, loader));
    } else if (!ending.started && before) {
      manifest.reset();
    } else {
      return ending.code;
    }
    if (!manifest) {
      log.error("SIGHUP: the host goes back to the manifest that it ran before");
      manifest = std::exchange(before, std::nullopt);
    }
  }
}

}  // namespace backplane::host
