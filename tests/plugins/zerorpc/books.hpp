// A host without a component, whose clock the test moves, and the books that a service would keep on it.
#pragma once

#include "zerorpc/requests.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugins/zerorpc/no_service.hpp"

namespace backplane::zerorpc {

using namespace std::string_literals;
using Begun = Requests::Begun;
using State = Requests::State;

// What the service says of a request that was running when the host ended.
inline std::string aborted(const std::string& uuid) { return "aborted " + uuid; }

class Books {
 public:
  Books() { host_.stop_clock(); }

  void open(RequestLimits limits = {}, std::unique_ptr<ResultStore> store = {}) {
    requests_.emplace(host_.host(), limits, std::move(store), aborted);
  }
  void close() { requests_.reset(); }

  FakeHost& host() { return host_; }
  Requests* operator->() { return &*requests_; }
  void wait(std::chrono::nanoseconds span) { host_.advance(span); }

  Begun begin(const std::string& uuid) { return requests_->begin(uuid, "method", "tag"); }
  // The result; "none": there is none for an asker.
  std::string fetch(const std::string& uuid) {
    const auto* result = requests_->fetch(uuid);
    return result == nullptr ? "none" : *result;
  }
  // Nothing: it is not known.
  std::optional<State> state(const std::string& uuid) {
    const auto* entry = requests_->find(uuid);
    return entry == nullptr ? std::nullopt : std::optional(entry->state);
  }
  bool knows(const std::string& uuid) { return requests_->find(uuid) != nullptr; }
  // An asker was told "deferred". False: it is not, or not yet.
  bool promise(const std::string& uuid) {
    auto held = std::make_shared<bool>(false);
    requests_->promise(uuid, [held](bool kept) { *held = kept; });
    return *held;
  }
  // A call that was deferred and has ended.
  void run(const std::string& uuid, std::string result = "result") {
    begin(uuid);
    promise(uuid);
    requests_->finish(uuid, std::move(result));
  }

 private:
  FakeComponent<NoService> host_;
  std::optional<Requests> requests_;
};

}  // namespace backplane::zerorpc
