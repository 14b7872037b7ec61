#include "caller.hpp"

#include <backplane/palm/client.hpp>
#include <backplane/value.hpp>

namespace backplane::palm {

namespace {

// What travels as bytes. Nothing is the empty payload.
std::string payload_of(const Value& value) {
  if (value.is_nil()) return {};
  if (const auto* words = value.get_if<std::string>()) return *words;
  if (const auto* bytes = value.get_if<Bytes>()) return bytes->content;
  return to_json(value);
}

// The argument at `index`, of `wanted` ones.
std::string argument(const Array& arguments, std::size_t index, std::size_t wanted, std::string_view usage) {
  if (arguments.size() != wanted)
    throw Error("InvalidCallArguments", "expected " + std::string(usage) + ", got " +
                                            std::to_string(arguments.size()) + " arguments");
  return payload_of(arguments[index]);
}

ClientOptions options_of(const Caller& caller) {
  ClientOptions made;
  made.server = std::string(caller.option("server"));
  made.push_address = std::string(caller.option("push_address"));
  made.sub_address = std::string(caller.option("sub_address"));
  made.session = std::string(caller.option("session"));
  made.timeout = caller.timeout();
  made.interrupted = [caller] { return caller.interrupted(); };
  return made;
}

}  // namespace

CallingClient::CallingClient(Caller caller, std::string_view endpoint)
    : caller_(caller), endpoint_(endpoint) {}

void CallingClient::call(const ClientCall& call, Results& results) {
  if (!call.named_arguments().empty())
    throw Error("InvalidCallArguments", "PALM functions have no named arguments");
  const auto arguments = call.arguments();
  if (call.function().find('.') == std::string_view::npos) {
    ask_cache(call.function(), arguments, results);
  } else {
    call_function(call, arguments, results);
  }
}

void CallingClient::call_function(const ClientCall& call, const Array& arguments, Results& results) {
  const auto payload =
      arguments.empty() ? std::string() : argument(arguments, 0, 1, "one argument, the payload");
  Client client(endpoint_, options_of(caller_));
  const std::size_t messages = call.has(BP_SIGNAL) ? 0 : caller_.option("messages");
  const auto replies =
      client.eval_many(call.function(), payload, messages, {.cache = caller_.option("cache")});
  const std::uint32_t flags = messages > 1 ? BP_STREAM : 0;
  for (const auto& reply : replies)
    if (!results.give_bytes(reply, 0, flags)) return;
  if (flags != 0) results.end_of_stream();
}

void CallingClient::ask_cache(std::string_view instruction, const Array& arguments, Results& results) {
  auto settings = options_of(caller_);
  settings.fetch_configuration = false;
  settings.push_address.clear();
  settings.sub_address.clear();
  Client client(endpoint_, settings);
  if (instruction == "get") {
    results.give_bytes(client.get(argument(arguments, 0, 1, "get KEY")));
  } else if (instruction == "delete") {
    const auto key = argument(arguments, 0, 1, "delete KEY");
    if (!client.remove(key)) throw Error("KeyError", "the server has no key \"" + key + '"');
    results.give_bytes(key);
  } else if (instruction == "set") {
    const bool with_key = arguments.size() == 2;
    const auto value = argument(arguments, with_key ? 1 : 0, with_key ? 2 : 1, "set VALUE or set KEY VALUE");
    results.give_bytes(client.set(value, with_key ? payload_of(arguments[0]) : std::string()));
  } else {
    throw Error("NameError", "\"" + std::string(instruction) +
                                 "\" is neither SERVER.FUNCTION nor one of get, set, delete");
  }
}

void CallingClient::job(ClientJob& job, Results& results) {
  Client client(endpoint_, options_of(caller_));
  bool unwanted = false;
  const JobSource source = [&job](std::string& payload) {
    std::string_view item;
    switch (job.next(item)) {
      case ClientJob::Next::item:
        payload = item;
        return Supply::item;
      case ClientJob::Next::later:
        return Supply::later;
      default:
        return Supply::end;
    }
  };
  const JobSink sink = [&](std::uint64_t index, const JobReply& reply) {
    const bool wanted =
        reply.ok() ? results.give_bytes(reply.payload, index) : results.fail(index, *reply.error);
    unwanted = unwanted || !wanted;
  };
  JobOptions settings;
  settings.messages = caller_.option("messages");
  settings.window = job.window();
  settings.ordered = job.ordered();
  settings.cache = std::string(caller_.option("cache"));
  settings.interrupted = [&] { return caller_.interrupted() || unwanted; };
  settings.source_descriptor = job.descriptor();
  client.job(job.function(), source, sink, settings);
}

}  // namespace backplane::palm
