#include "caller.hpp"

#include <backplane/rpc/one_way.hpp>
#include <backplane/value.hpp>

#include <vector>

namespace backplane::zerorpc {

namespace {

// Keys of a header from texts KEY=VALUE.
Map context_of(const Caller& caller) {
  Map context;
  for (const auto& entry : caller.option("context").list()) {
    const auto equals = entry.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw Error("InvalidOption", "context=\"" + entry + "\" is not KEY=VALUE");
    context.push_back({Value(entry.substr(0, equals)), Value(entry.substr(equals + 1))});
  }
  return context;
}

// The arguments of a method that takes no named ones.
Array positional(const ClientCall& call) {
  if (!call.named_arguments().empty())
    throw Error("InvalidCallArguments", "methods of ZeroRPC have no named arguments");
  return call.arguments();
}

void hand_over(rpc::Conversation& answer, Results& results) {
  if (!answer.streams()) {
    results.give_value(answer.result());
    return;
  }
  while (const auto item = answer.next())
    if (!results.give_value(*item, 0, BP_STREAM)) return;
  results.end_of_stream();
}

void tell_all(const std::vector<rpc::RemoteFunction>& functions, const TellFunction& tell) {
  for (const auto& function : functions) {
    std::vector<std::string> defaults;
    std::vector<bp_parameter> parameters;
    if (!function.parameters) {
      parameters.push_back({"...", "any", nullptr});
    } else {
      defaults.reserve(function.parameters->size());
      for (const auto& [name, value] : *function.parameters) {
        if (value) defaults.push_back(to_json(*value));
        parameters.push_back({name.c_str(), "any", value ? defaults.back().c_str() : nullptr});
      }
    }
    bp_function told{};
    told.size = sizeof told;
    told.manner = BP_ORDINARY;
    told.name = function.name.c_str();
    told.help = function.doc.c_str();
    told.result = "any";
    told.group = "";
    told.parameters = parameters.data();
    told.parameter_count = parameters.size();
    tell(told);
  }
}

}  // namespace

rpc::ClientOptions ZerorpcCaller::client_options() const {
  rpc::ClientOptions made;
  made.timeout = caller_.timeout();
  made.heartbeat = caller_.option("heartbeat");
  made.slots = caller_.option("slots");
  made.context = context_of(caller_);
  made.bind = caller_.option("bind");
  return made;
}

void ZerorpcCaller::call(const ClientCall& call, Results& results) {
  auto arguments = positional(call);
  const auto pattern = caller_.option("pattern");
  if (pattern == "call") {
    rpc::Client client(endpoint_, client_options());
    if (call.has(BP_SIGNAL)) return client.signal_list(call.function(), std::move(arguments));
    auto answer = client.begin({}, call.function(), std::move(arguments));
    return hand_over(answer, results);
  }
  rpc::OneWayOptions settings;
  settings.bind = caller_.option("bind");
  settings.timeout = caller_.timeout();
  settings.context = context_of(caller_);
  if (pattern == "push") {
    rpc::Pusher pusher(endpoint_, settings);
    pusher.wait_for_puller();
    pusher.push_list(call.function(), std::move(arguments));
  } else {
    rpc::Publisher publisher(endpoint_, settings);
    publisher.wait_for_subscriber();
    publisher.publish_list(call.function(), std::move(arguments));
  }
}

void ZerorpcCaller::functions(const TellFunction& tell) {
  rpc::Client client(endpoint_, client_options());
  tell_all(client.functions(), tell);
}

namespace {

rpc::InfiOptions infi_options(const Caller& caller) {
  rpc::InfiOptions made;
  made.timeout = caller.timeout();
  made.poll_interval = caller.option("poll_interval");
  made.auto_timeout = caller.option("auto_timeout");
  made.request_id_tag = std::string(caller.option("tag"));
  made.context = context_of(caller);
  made.bind = caller.option("bind");
  return made;
}

}  // namespace

InfiCaller::InfiCaller(Caller caller, std::string_view endpoint)
    : client_(std::string(endpoint), infi_options(caller)) {}

void InfiCaller::call(const ClientCall& call, Results& results) {
  if (call.has(BP_SIGNAL))
    return client_.signal_list(call.function(), call.arguments(), call.named_arguments());
  auto started = client_.begin({}, call.function(), call.arguments(), call.named_arguments());
  if (call.has(BP_DEFERRED) && !started.token().empty()) {
    results.give_value(Value(started.token()), 0, BP_DEFERRED);
  } else {
    results.give_value(started.get());
  }
}

void InfiCaller::functions(const TellFunction& tell) { tell_all(client_.functions(), tell); }

}  // namespace backplane::zerorpc
