#include "command_line/run.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <iostream>

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

std::string name_of(int signal) { return signal == SIGTERM ? "SIGTERM" : "SIGINT"; }

std::string quantity(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// One run of a host, from its checked manifest to its exit code.
class Run {
 public:
  Run(const RunArguments& arguments, const Manifest& manifest, const KindCatalog& catalog, Log& log)
      : arguments_(arguments), manifest_(manifest), log_(log), runtime_(manifest, catalog, log) {}

  int operator()() {
    const auto began = now_nanoseconds();
    try {
      runtime_.start();
    } catch (const StartError& failure) {
      log_.error(failure.what());
      return failure.refused() ? kRefused : kFailed;
    } catch (const std::exception& failure) {
      log_.error(std::string("the host did not start: ") + failure.what());
      return kFailed;
    }
    log_.info("ready: host " + manifest_.host.name + " runs " +
              quantity(runtime_.component_count(), "component") + " and " +
              quantity(manifest_.routes.size(), "route") + ", started in " +
              std::to_string((now_nanoseconds() - began) / milliseconds) + " ms");
    ::sd_notify(0, "READY=1");
    const int signal = wait_for_end();
    ::sd_notify(0, "STOPPING=1");
    return finish(signal);
  }

 private:
  // Returns the signal that ended the wait, or 0 when the host ends by itself.
  int wait_for_end() {
    RunProgress progress(runtime_, arguments_.progress);
    std::array<pollfd, 2> items{{{signals_.descriptor(), POLLIN, 0}, {runtime_.stop_event(), POLLIN, 0}}};
    while (true) {
      ::poll(items.data(), items.size(), look_period);
      if (const int signal = signals_.take(); signal == SIGHUP) {
        log_.warning("SIGHUP: the manifest is not read again; stop and start the host to change it");
      } else if (signal != 0) {
        return signal;
      }
      if ((items[1].revents & POLLIN) != 0) return 0;
      runtime_.report_stalls();
      progress.look();
    }
  }

  int finish(int signal) {
    std::string reason = "all input has been taken";
    if (signal != 0) reason = name_of(signal);
    if (!runtime_.failure().empty()) reason = runtime_.failure();
    log_.info("stopping: " + reason + "; draining for at most " +
              std::to_string(manifest_.host.shutdown_timeout.count() / milliseconds) + " ms");
    int second = 0;
    const StopReport report = runtime_.stop([&] {
      const int next = signals_.take();
      if (second == 0 && next != SIGHUP) second = next;
      return second != 0;
    });
    for (const auto& line : report.ledger.lines) log_.info(Ledger::text(line));
    for (const auto& sentence : report.undrained) log_.warning("not drained: " + sentence);
    for (const auto& name : report.stuck)
      log_.error("component " + name + " did not come back from a callback; the process ends without it");
    const int code = exit_code(report, second);
    log_.info("stopped: exit code " + std::to_string(code));
    if (!report.stuck.empty()) {
      std::cout.flush();
      ::_exit(code);  // a thread is still in that callback: nothing it uses may be torn down
    }
    return code;
  }

  int exit_code(const StopReport& report, int second) const {
    if (second != 0) return 128 + second;
    return runtime_.failure().empty() && report.drained && report.stuck.empty() ? kDone : kFailed;
  }

  const RunArguments& arguments_;
  const Manifest& manifest_;
  Log& log_;
  Signals signals_;  // before the runtime, which starts threads
  Runtime runtime_;
};

}  // namespace

int run(const RunArguments& arguments) {
  Loader loader({.folders = arguments.plugin_path});
  auto result = read_manifest(arguments.manifest, loader, settings_with(arguments.values));
  std::cerr << warning_report(result) << error_report(result);
  if (!result.manifest) return kRefused;
  Manifest& manifest = *result.manifest;
  if (arguments.log_level) manifest.host.log_level = *arguments.log_level;
  if (arguments.log_format) manifest.host.log_format = *arguments.log_format;
  Log log;
  try {
    log.configure(manifest.host);
  } catch (const std::exception& failure) {
    std::cerr << "backplane: " << failure.what() << "\n";
    return kFailed;
  }
  return Run(arguments, manifest, loader, log)();
}

}  // namespace backplane::host
