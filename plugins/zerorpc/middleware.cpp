#include "middleware.hpp"

#include <algorithm>
#include <utility>

namespace backplane::zerorpc {

namespace {

constexpr std::array<const char*, hook_count> hook_names = {
    "resolve_endpoint",      "get_task_context",     "load_task_context",
    "server_before_exec",    "server_after_exec",    "server_inspect_exception",
    "client_before_request", "client_after_request", "client_handle_remote_error"};

}  // namespace

Value decoded_or_nil(std::string_view encoded) {
  try {
    return encoded.empty() ? Value() : decode(encoded);
  } catch (const Malformed&) {
    return {};
  }
}

const char* name_of(Hook hook) { return hook_names[static_cast<std::size_t>(hook)]; }

Middleware::Middleware(Host host, std::vector<std::string> components)
    : host_(host), components_(std::move(components)) {}

void Middleware::start() {
  if (components_.empty()) return;
  const auto all = published_functions(host_);
  for (const auto& component : components_) {
    bool found = false;
    for (std::size_t hook = 0; hook < hook_count; ++hook) {
      const bool has = std::any_of(all.begin(), all.end(), [&](const PublishedFunction& function) {
        return function.component == component && function.name == hook_names[hook];
      });
      if (has) targets_[hook].push_back(component + '.' + hook_names[hook]);
      found = found || has;
    }
    if (!found)
      throw Error("BadOption", "option \"middleware\": component " + component +
                                   " publishes none of the functions it could have, e.g. server_before_exec");
  }
}

bool Middleware::is_hook(const PublishedFunction& function) const {
  return std::find(components_.begin(), components_.end(), function.component) != components_.end() &&
         std::find(hook_names.begin(), hook_names.end(), function.name) != hook_names.end();
}

void Middleware::run(Hook hook, const Value& event, Done done) {
  std::string arguments;
  try {
    arguments = encode(Array{event});
  } catch (const Error& error) {
    return done(Failure{"TypeError", std::string("a middleware cannot be told of the call: ") + error.what()},
                {});
  }
  const auto number = runs_.take();
  *runs_.find(number) = Run{hook, std::move(arguments), 0, {}, std::move(done)};
  go_on(number);
}

void Middleware::go_on(std::uint64_t number) {
  auto& run = *runs_.find(number);
  const auto& targets = targets_[static_cast<std::size_t>(run.hook)];
  if (run.next == targets.size()) return finish(number, std::nullopt);
  Message request = host_.message({run.event});
  request.envelope().encoding = BP_MSGPACK;
  request.set(BP_REQUEST);
  request.envelope().cookie = number | cookie_mark;
  host_.call(targets[run.next++], std::move(request));  // a refusal comes as an outcome, too
}

void Middleware::take_outcome(const Message& outcome) {
  const auto number = outcome.envelope().cookie & ~cookie_mark;
  auto* run = runs_.find(number);
  if (run == nullptr) return;
  if (outcome.is_error()) return finish(number, failure_of(outcome));
  try {
    run->results.push_back(outcome.empty() ? Value() : decode(outcome[0]));
  } catch (const Malformed& failure) {
    return finish(number, Failure{"TypeError", failure.what()});
  }
  go_on(number);
}

void Middleware::finish(std::uint64_t number, std::optional<Failure> failure) {
  auto run = std::move(*runs_.find(number));
  runs_.release(number);
  run.done(std::move(failure), std::move(run.results));
}

}  // namespace backplane::zerorpc
