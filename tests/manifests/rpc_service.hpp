// The fixture of small manifests that serve ZeroRPC and infi.rpc, written by the tests themselves.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "manifests/manifest_test.hpp"
#include "support/rpc_client.hpp"

namespace backplane::test {

class RpcService : public ManifestTest {
 protected:
  // Runs a host of these components, which are lines of YAML. ${A}, ${B} and ${C} in them are free endpoints:
  // at("A") and so on. Besides, it has `demo`, the functions of all demo services, and `tools`, those of
  // rpc_tools.cpp.
  HostProcess& serve(const std::string& components) {
    const auto file = folder_.file("manifest.yaml",
                                   "host: {name: test, shutdown: {timeout: 1s}}\nplugins: [demo, zerorpc, " +
                                       std::string(RPC_TOOLS_PLUGIN) +
                                       "]\n"
                                       "components:\n"
                                       "  demo: {kind: demo.functions}\n"
                                       "  tools: {kind: rpc_tools.functions}\n" +
                                       components);
    return run_with_free_ports(file, [this] {
      return Environment{{"A", at("A")}, {"B", at("B")}, {"C", at("C")}};
    });
  }
  // A line that makes a zerorpc.service; `options` as in {kind: ..., OPTIONS}.
  static std::string service(const std::string& options = "bind: \"${A}\"", const std::string& name = "rpc") {
    return "  " + name + ": {kind: zerorpc.service, " + options + "}\n";
  }

  // `count` calls of slow(seconds) under way at the service in demo; their channels.
  static std::vector<std::string> begin_slow(RpcClient& client, int count, double span) {
    std::vector<std::string> channels;
    for (int i = 0; i < count; ++i) channels.push_back(client.request("slow", Array{span}));
    return channels;
  }
  static bool until_active(RpcClient& asking, std::int64_t count) {
    return eventually([&] { return asking.call("active") == Value(count); });
  }
  // What infi.rpc's clients would raise: the class without its module, and the message.
  static std::string exception_in(const Value& result) {
    const auto* code = result.find("code");
    if (code == nullptr) return "no result";
    if (*code == Value("success")) {
      const auto* inner = result.find("result");
      return inner->find("code") != nullptr ? exception_in(*inner) : "none";
    }
    const auto* exception = result.find("exception");
    if (exception == nullptr) return *code->get_if<std::string>();
    const auto made = *exception->find("pickled")->get_if<std::string>();
    const auto dot = made.rfind('.');
    return made.substr(dot + 1, made.size() - dot - 3) + ": " +
           *exception->find("message")->get_if<std::string>();
  }
};

// Calls that come one each millisecond, from a thread of their own, until end(): add(1, 2) of ZeroRPC or of
// infi.rpc, or later("x"), whose results are asked for until they are there.
class Arrivals {
 public:
  enum class What { add, infi_add, later };
  enum class Fate { none, answered, refused, odd };

  explicit Arrivals(const std::string& endpoint, What what = What::add)
      : client_(endpoint), what_(what), thread_([this] { run(); }) {}
  Arrivals(const Arrivals&) = delete;
  Arrivals& operator=(const Arrivals&) = delete;
  ~Arrivals() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::size_t sent() const { return sent_; }
  std::size_t refused() const { return refused_; }
  // Sends no more; the fates of all calls in the order in which they were sent.
  std::vector<Fate> end() {
    stop_ = true;
    thread_.join();
    return fates_;
  }

 private:
  void run() {
    std::map<std::string, std::size_t> open;
    auto next = std::chrono::steady_clock::now();
    while (!stop_) {
      const auto now = std::chrono::steady_clock::now();
      for (; next <= now; next += milliseconds(1)) {
        open.emplace(begin(), fates_.size());
        fates_.push_back(Fate::none);
        sent_ = fates_.size();
      }
      take(open, milliseconds(1));
    }
    while (!open.empty() && take(open, milliseconds(200))) {
    }
  }
  bool take(std::map<std::string, std::size_t>& open, std::chrono::nanoseconds limit) {
    const auto event = client_.next(limit);
    if (!event) return false;
    const auto found = open.find(event->channel());
    if (event->heartbeat()) {
      client_.heartbeat(event->channel());
    } else if (found != open.end()) {
      const auto call = found->second;
      open.erase(found);
      const auto now = what_ == What::add ? fate(*event) : infi_fate(*event);
      if (now == Fate::none) open.emplace(client_.on_call("query_async_request", Array{token_}), call);
      if (now == Fate::refused) ++refused_;
      fates_[call] = now;
    }
    return true;
  }
  std::string begin() {
    if (what_ == What::add) return client_.request("add", Array{1, 2});
    return what_ == What::infi_add ? client_.on_call("add", Array{1, 2})
                                   : client_.on_call("later", Array{"x"});
  }
  static Fate fate(const ServerEvent& event) {
    if (event.text() == "OK [3]") return Fate::answered;
    const bool refused = event.name == rpc::event_name::error && RpcError(event).name == "ShuttingDown";
    return refused ? Fate::refused : Fate::odd;
  }
  // None: the result of token_ is to be asked for.
  Fate infi_fate(const ServerEvent& event) {
    const auto* list = event.args.get_if<Array>();
    if (event.name != rpc::event_name::ok || list == nullptr || list->size() != 1) return Fate::odd;
    const auto text = to_json(list->front());
    if (text == R"({"code":"success","result":3})") return Fate::answered;
    if (text == R"({"code":"success","result":{"code":"success","result":"x"}})") return Fate::answered;
    if (text.find("server is shutting down") != std::string::npos) return Fate::refused;
    const auto* deferred = list->front().find("code");
    const auto* result = list->front().find("result");
    if (deferred == nullptr || result == nullptr) return Fate::odd;
    if (*deferred == Value("success"))
      result = result->find("result");  // what was asked for is not there yet
    const auto* token = result == nullptr ? nullptr : result->get_if<std::string>();
    if (what_ != What::later || token == nullptr) return Fate::odd;
    token_ = *token;
    return Fate::none;
  }

  RpcClient client_;
  const What what_;
  std::string token_;
  std::vector<Fate> fates_;  // of the thread, until end()
  std::atomic<std::size_t> sent_ = 0;
  std::atomic<std::size_t> refused_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace backplane::test
