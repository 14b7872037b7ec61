#include "functions_service.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "json.hpp"

namespace backplane::http {

namespace {

struct Meaning {
  std::string_view type;
  unsigned status;
};

// What the host's own errors are in HTTP; a function's are 500.
constexpr Meaning meanings[] = {
    {"InvalidCallArguments", 400}, {"NameError", 404},    {"UnknownFunction", 404}, {"NoRoute", 404},
    {"Overloaded", 503},           {"ShuttingDown", 503}, {"Stopped", 503},         {"DeadlineExceeded", 504},
    {"TimeoutExpired", 504},       {"Expired", 504},
};

unsigned status_of(std::string_view type) {
  const auto* found = std::find_if(std::begin(meanings), std::end(meanings),
                                   [&](const Meaning& meaning) { return meaning.type == type; });
  return found == std::end(meanings) ? 500 : found->status;
}

Response json(unsigned status, const Value& value) {
  Response response;
  response.status = status;
  response.content_type = "application/json";
  response.body = to_json(value) + '\n';
  return response;
}

Response error(unsigned status, std::string_view type, std::string_view message) {
  auto response = json(status, Map{{"error", Map{{"type", type}, {"message", message}}}});
  if (status == 503) response.headers.push_back({"Retry-After", "1"});
  return response;
}

Response wrong_method(const char* allowed) {
  auto response = error(405, "MethodNotAllowed", std::string("only ") + allowed + " is taken here");
  response.headers.push_back({"Allow", allowed});
  return response;
}

// The words of a status as an error's type: "ContentTooLarge".
std::string type_of(unsigned status) {
  std::string type(reason_of(status));
  std::erase(type, ' ');
  return type;
}

ServerSettings server_settings(const Host& host) {
  auto settings = read_server_settings(host);
  settings.refusal = [](unsigned status, const std::string& reason) {
    return error(status, type_of(status), reason);
  };
  return settings;
}

// Puts the arguments into a call. Throws Error "InvalidCallArguments"; Malformed for what is not JSON.
void add_arguments(Message& message, std::string_view body) {
  message.envelope().encoding = BP_MSGPACK;
  if (body.find_first_not_of(" \t\r\n") == body.npos) return;
  DecodeLimits limits;
  limits.depth = encode_depth - 1;
  const auto arguments = from_json(body, limits);
  if (arguments.kind() == ValueKind::array) {
    message.append_moved(encode(arguments));
  } else if (arguments.kind() == ValueKind::map) {
    message.append(encode(Array())).append_moved(encode(arguments));
  } else {
    throw Error(
        "InvalidCallArguments",
        "the body must be a list of arguments or an object of named ones, got " + describe(arguments));
  }
}

Value result_of(const Message& reply) {
  if (reply.empty()) return {};
  if (reply.envelope().encoding == BP_RAW) return Bytes{std::string(reply[0])};
  return decode(reply[0]);
}

std::string_view frame_or_empty(const Message& message, std::size_t index) {
  return index < message.size() ? message[index] : std::string_view();
}

}  // namespace

FunctionsService::FunctionsService(Host host)
    : host_(host),
      components_(host.option("functions").list()),
      timeout_(host.option("timeout")),
      server_(host, server_settings(host),
              [this](Request request, Reply reply) { handle(std::move(request), std::move(reply)); }) {}

void FunctionsService::start() {
  failed_ = host_.counter("failed_calls", "calls that were answered with an error");
  refresh();
  for (const auto& component : components_) {
    const auto& all = index_.all();
    if (std::none_of(all.begin(), all.end(), [&](const auto& each) { return each.component == component; }))
      host_.warn("option \"functions\": no component \"" + component + "\" publishes functions");
  }
  server_.start();
}

void FunctionsService::stop() {
  server_.stop();
  pending_.clear();
}

void FunctionsService::refresh() { index_ = FunctionIndex(published_functions(host_), components_); }

void FunctionsService::handle(Request request, Reply reply) {
  if (request.path == "/" || request.path == "/openapi.json") {
    answer_document(request, std::move(reply));
    return;
  }
  const auto* function = index_.find(request.path);
  if (function == nullptr) {
    refresh();  // a component may publish while it starts
    function = index_.find(request.path);
  }
  if (function == nullptr) {
    reply.send(error(404, "UnknownFunction", index_.why_unknown(request.path)));
  } else if (request.method != "POST") {
    reply.send(wrong_method("POST"));
  } else {
    call(*function, request, std::move(reply));
  }
}

void FunctionsService::answer_document(const Request& request, Reply reply) {
  if (request.method != "GET") {
    reply.send(wrong_method("GET"));
    return;
  }
  refresh();
  reply.send(json(
      200, request.path == "/" ? index_.overview(host_.host_name()) : index_.openapi(host_.host_name())));
}

void FunctionsService::call(const PublishedFunction& function, const Request& request, Reply reply) {
  Message message = host_.message();
  try {
    add_arguments(message, request.body);
  } catch (const Malformed& failure) {
    reply.send(error(400, "MalformedJson", failure.what()));
    return;
  } catch (const Error& failure) {
    reply.send(error(400, failure.type(), failure.what()));
    return;
  }
  send(function, std::move(message), std::move(reply));
}

void FunctionsService::send(const PublishedFunction& function, Message message, Reply reply) {
  const auto cookie = ++last_cookie_;
  message.set(BP_REQUEST);
  message.envelope().cookie = cookie;
  message.envelope().deadline = host_.now() + timeout_.count();
  pending_[cookie] = {std::move(reply), 0, function.manner == BP_SIGNAL_MANNER};
  const auto sent = host_.call(function.component + '.' + function.name, std::move(message));
  const auto waiting = pending_.find(cookie);
  if (waiting == pending_.end()) return;  // answered already
  if (sent == Sent::yes || sent == Sent::pause) {
    waiting->second.correlation = host_.last_request();
    waiting->second.reply.on_gone([this, cookie] { give_up(cookie); });
    return;
  }
  failed_.add();
  Reply refused = std::move(waiting->second.reply);
  pending_.erase(waiting);
  refused.send(sent == Sent::rejected ? error(503, "Overloaded", "too much is waiting for this function")
                                      : error(404, "NoRoute", "nothing takes calls of this function"));
}

void FunctionsService::give_up(std::uint64_t cookie) {
  const auto waiting = pending_.find(cookie);
  if (waiting == pending_.end()) return;
  const auto correlation = waiting->second.correlation;
  pending_.erase(waiting);
  if (correlation != 0) host_.cancel(correlation);
}

void FunctionsService::on_reply(Message message) {
  const auto waiting = pending_.find(message.envelope().cookie);
  if (waiting == pending_.end()) return;
  auto pending = std::move(waiting->second);
  pending_.erase(waiting);
  if (message.is_error()) {
    failed_.add();
    const auto type = frame_or_empty(message, 0);
    pending.reply.send(error(status_of(type), type, frame_or_empty(message, 1)));
  } else if (pending.signal) {
    pending.reply.send({.status = 202});
  } else {
    try {
      pending.reply.send(json(200, result_of(message)));
    } catch (const Error& failure) {
      pending.reply.send(error(500, failure.type(), failure.what()));
    }
  }
}

}  // namespace backplane::http
