// Python programs that use the packages zerorpc and infi.rpc as they are. The environment variable
// BACKPLANE_PEERS names a folder with
//
//   site/                for PYTHONPATH: the packages zerorpc (0.6.3), infi.rpc (0.2.10) and those of infi
//                        that it imports; for Python 3.11 a sitecustomize.py that gives back what zerorpc
//                        asks of inspect, getargspec and formatargspec
//   zerorpc/bin/zerorpc  the command line tool
//
// and /usr/bin/python3 finds what they import: gevent, zmq, msgpack, future; jsonpickle, logbook, munch, six,
// pkg_resources, IPython. Where a part is missing, the tests that need it are skipped.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "manifests/rpc_demo.hpp"

namespace backplane::test {

// What all programs begin with. Python's side may notice a message up to a second late; where a program looks
// at the clock it allows for LATE seconds.
constexpr auto zerorpc_prelude = R"(import logging, os, signal, sys, time, uuid
import gevent, zerorpc
logging.disable(logging.CRITICAL)
HEARTBEAT, LATE = 1, 1.5  # the command line tool takes whole seconds only
ZERORPC, PULL, SUB, INFI = (os.environ[name] for name in ('ZERORPC', 'PULL', 'SUB', 'INFI'))

def client(**options):
    return zerorpc.Client(connect_to=ZERORPC, **{'heartbeat': HEARTBEAT, 'timeout': 30, **options})

def together(*functions):
    greenlets = [gevent.spawn(function) for function in functions]
    gevent.joinall(greenlets, raise_error=True)
    return [greenlet.value for greenlet in greenlets]

def until(condition, seconds=20):
    with gevent.Timeout(seconds, AssertionError('not within %s s' % seconds)):
        while not condition():
            gevent.sleep(0.02)

def error(function, *args, **named):
    try:
        return 'no error but %r' % (function(*args, **named),)
    except Exception as raised:
        return raised

def seconds_of(function, *args, **named):
    start = time.time()
    function(*args, **named)
    return time.time() - start

def said(words):
    print(words, flush=True)
)";

constexpr auto infi_prelude = R"(import json, logbook
from infi.rpc import (AsyncDeferredResult, AutoTimeoutClient, Client, ImmediateResult, ZeroRPCClientTransport,
                      errors)
logbook.NullHandler().push_application()

class Watched(ZeroRPCClientTransport):
    seen = ()  # what was asked, what was answered, after how many seconds

    def call(self, asked):
        start = time.time()
        answer = super().call(asked)
        self.seen += ((asked, answer, time.time() - start),)
        return answer

def transport(timeout=20):
    made = Watched(INFI, timeout=timeout)
    made.connect()
    return made

def infi(kind=Client, timeout=20, **options):
    return kind(transport(timeout), **options)

def asked(client):
    return [call[0]['method'] for call, _, _ in client._transport.seen]

def answered(client):
    return client._transport.seen[-1][1]

def request(method, *args, id=None, **named):
    return [{'method': method, 'uuid': id or str(uuid.uuid4()), 'request_id_tag': None}, list(args), named]
)";

// Fixture of the tests with programs of Python.
class RealPeers : public RpcDemo {
 protected:
  static constexpr auto kHeartbeat = "1s";
  static constexpr std::chrono::seconds kLimit{60};

  void SetUp() override { skip_without("zerorpc zmq gevent msgpack future"); }
  void skip_without(const std::string& modules) {
    const auto why = what_is_missing(modules);
    if (!why.empty()) GTEST_SKIP() << "skipped: " << why;
  }

  // Where all programs find each other.
  Environment endpoints() {
    return {{"ZERORPC", at("ZERORPC")}, {"PULL", at("PULL")}, {"SUB", at("SUB")}, {"INFI", at("INFI")}};
  }
  // Runs a manifest that has these as parameters.
  HostProcess& host(const std::string& manifest) {
    return run_with_free_ports(folder_.file("host.yaml", manifest).string(), [this] { return endpoints(); });
  }

  // Starts Python with these arguments.
  Child& python(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), interpreter);
    auto environment = endpoints();
    environment["PYTHONPATH"] = site().string();
    environment["PYTHONDONTWRITEBYTECODE"] = "1";
    programs_.push_back(std::make_unique<Child>(arguments, environment));
    return *programs_.back();
  }
  // Starts a script behind the lines that all begin with.
  Child& start(const std::string& script, std::vector<std::string> arguments = {}) {
    const auto name = "program" + std::to_string(programs_.size()) + ".py";
    arguments.insert(arguments.begin(), folder_.file(name, prelude_ + script).string());
    return python(std::move(arguments));
  }
  // What a script prints until it ends, which it must do well.
  std::string says(const std::string& script) { return output_of(start(script)); }
  static std::string output_of(Child& program) {
    EXPECT_EQ(program.wait(kLimit), 0) << program.errors();
    return program.output();
  }
  // True once a program has printed so many lines; false: it has ended, or says nothing.
  static bool printed(Child& program, std::ptrdiff_t lines = 1) {
    const auto enough = [&] {
      const auto output = program.output();
      return std::count(output.begin(), output.end(), '\n') >= lines;
    };
    return eventually([&] { return enough() || program.exit_code(); }) && enough();
  }

  static std::filesystem::path peers() {
    const char* folder = std::getenv("BACKPLANE_PEERS");
    return folder == nullptr ? "" : folder;
  }

  std::string prelude_ = zerorpc_prelude;

 private:
  static constexpr auto interpreter = "/usr/bin/python3";
  static std::filesystem::path site() { return peers() / "site"; }

  static std::string what_is_missing(const std::string& modules) {
    if (peers().empty()) return "BACKPLANE_PEERS does not say where zerorpc and infi.rpc are";
    if (!std::filesystem::exists(interpreter)) return std::string("there is no ") + interpreter;
    Child search({interpreter, "-c",
                  "import importlib.util, sys\n"
                  "for name in sys.argv[1].split():\n"
                  "    try: found = importlib.util.find_spec(name)\n"
                  "    except ModuleNotFoundError: found = None\n"
                  "    if not found: print(name, end=' ')",
                  modules},
                 {{"PYTHONPATH", site().string()}});
    if (search.wait() != 0) return "Python fails: " + search.errors();
    return search.output().empty() ? ""
                                   : "Python does not find " + search.output() + "(see zerorpc_peers.hpp)";
  }

  std::vector<std::unique_ptr<Child>> programs_;
};

// The same with infi.rpc.
class RealInfiPeers : public RealPeers {
 protected:
  void SetUp() override {
    skip_without(
        "zerorpc zmq gevent msgpack future jsonpickle logbook munch six pkg_resources IPython infi.rpc");
    prelude_ += infi_prelude;
  }
};

}  // namespace backplane::test
