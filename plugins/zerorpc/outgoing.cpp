#include "outgoing.hpp"

#include <backplane/host.hpp>
#include <backplane/rpc/event.hpp>
#include <backplane/rpc/infi_error.hpp>

namespace backplane::zerorpc {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view no_arguments = "\x90";
constexpr std::string_view no_named_arguments = "\x80";
constexpr std::uint32_t most_collected = 1'000'000;  // as the SDK collects streams
constexpr std::size_t most_collected_bytes = std::size_t{256} << 20;

std::string_view or_else(std::string_view encoded, std::string_view otherwise) {
  return encoded.empty() ? otherwise : encoded;
}

// Throws when `encoded` is not exactly one list (or map) that every peer can read.
void check(std::string_view encoded, rpc::Token::Kind kind, const char* what) {
  if (rpc::token_of(encoded).kind != kind)
    throw Malformed(std::string(what) + " of the call are no list or map");
  rpc::Scanner scanner(encoded, rpc::deepest_sent, /*for_peer=*/true);
  if (!scanner.skip()) throw Error("TypeError", std::string(what) + " cannot be sent: " + scanner.reason());
  if (!scanner.at_end()) throw Malformed(std::string("bytes follow ") + what + " of the call");
}

// The beginning of a list of `count` items.
void append_list(std::string& out, std::uint32_t count) {
  if (count < 16) {
    out += static_cast<char>(0x90U | count);
    return;
  }
  const bool narrow = count <= 0xffff;
  out += narrow ? '\xdc' : '\xdd';
  for (int shift = narrow ? 8 : 24; shift >= 0; shift -= 8) out += static_cast<char>(count >> shift & 0xffU);
}

Failure wrong_answer() { return {"InvalidReturnValue", "the server's answer is no result of infi.rpc"}; }

Failure failure_in(std::string_view exception) {
  try {
    const auto error = rpc::infi_error(decode(exception));
    return {error.type(), error.what(), error.attributes()};
  } catch (const Malformed&) {
    return wrong_answer();
  }
}

}  // namespace

// ---- requests -----------------------------------------------------------------------------------------

Request::Request(Message&& message) {
  if (message.function().empty()) throw Malformed("a message without a function's name; expected a call");
  if (!rpc::is_utf8(message.function())) throw Malformed("the name of the function is no text");
  if (message.envelope().encoding == BP_MSGPACK) {
    if (message.empty()) made_ = no_arguments;
    if (!message.empty()) check(message[0], rpc::Token::Kind::list, "the arguments");
    if (message.size() > 1) check(message[1], rpc::Token::Kind::map, "the named arguments");
  } else {
    append_list(made_, static_cast<std::uint32_t>(message.size()));
    for (std::size_t i = 0; i < message.size(); ++i) rpc::append_content(made_, message[i], false);
  }
  message_ = std::move(message);
}

std::string_view Request::named() const {
  const bool given = !arranged_ && message_.envelope().encoding == BP_MSGPACK && message_.size() > 1;
  return given ? message_[1] : no_named_arguments;
}

bool Request::has_named() const {
  rpc::Token token;
  return rpc::Scanner(named()).next(token) && token.number > 0;
}

void Request::arrange(const rpc::RemoteFunction* function) {
  const std::string name(method());
  const auto refuse = [&](const std::string& why) { throw Error("InvalidCallArguments", name + ": " + why); };
  if (function == nullptr || !function->parameters)
    refuse("ZeroRPC has no named arguments, and the server has not told where they belong");
  const auto& parameters = *function->parameters;
  auto all = decode_arguments(arguments());
  std::vector<std::optional<Value>> places(std::max(all.size(), parameters.size()));
  std::move(all.begin(), all.end(), places.begin());
  std::size_t used = all.size();
  for (auto& [key, value] : decode_named_arguments(named())) {
    const auto& wanted = *key.get_if<std::string>();
    const auto found = std::find_if(parameters.begin(), parameters.end(),
                                    [&](const auto& parameter) { return parameter.name == wanted; });
    if (found == parameters.end()) refuse("has no parameter \"" + wanted + '"');
    const auto place = static_cast<std::size_t>(found - parameters.begin());
    if (places[place]) refuse("parameter \"" + wanted + "\" is given twice");
    places[place] = std::move(value);
    used = std::max(used, place + 1);
  }
  Array arranged;
  for (std::size_t i = 0; i < used; ++i) {
    if (!places[i]) places[i] = parameters[i].default_value;
    if (!places[i]) refuse("parameter \"" + parameters[i].name + "\" is missing");
    arranged.push_back(std::move(*places[i]));
  }
  made_ = encode(arranged);
  arranged_ = true;
}

void HeaderPairs::add(std::string_view key, const Value& value) {
  if (key == "message_id" || key == "v" || key == "response_to" || !rpc::is_utf8(key)) return;
  const auto encoded = encode(value);
  if (rpc::why_unreadable(encoded) != nullptr) return;
  rpc::append_content(bytes, key, true);
  bytes += encoded;
  ++count;
}

// ---- infi.rpc -----------------------------------------------------------------------------------------

std::string infi_call(std::string_view method, std::string_view uuid, std::string_view tag,
                      std::string_view arguments, std::string_view named) {
  std::string out = "\x91\x93\x83";
  rpc::append_content(out, "method", true);
  rpc::append_content(out, method, true);
  rpc::append_content(out, "uuid", true);
  rpc::append_content(out, uuid, true);
  rpc::append_content(out, "request_id_tag", true);
  if (tag.empty()) {
    out += rpc::encoded::nil;
  } else {
    rpc::append_text(out, tag);
  }
  out += or_else(arguments, no_arguments);
  out += or_else(named, no_named_arguments);
  return out;
}

InfiAnswer infi_answer(std::string_view encoded) {
  rpc::Scanner scanner(encoded);
  rpc::Token token;
  if (!scanner.next(token) || token.kind != rpc::Token::Kind::map) return {.failure = wrong_answer()};
  const auto* const end = encoded.data() + encoded.size();
  std::string_view code;
  std::string_view result;
  std::string_view exception;
  rpc::detail::for_each_pair(rpc::detail::between(scanner.position(), end), token.number,
                             [&](std::string_view key, std::string_view value) {
                               if (key == "code") code = rpc::text_of(value).value_or(""sv);
                               if (key == "result") result = value;
                               if (key == "exception") exception = value;
                               return true;
                             });
  if (code == "success" && !result.empty()) return {.result = result};
  if (code == "error" && !exception.empty()) return {.failure = failure_in(exception)};
  const auto name = rpc::text_of(result).value_or(""sv);
  if (code == "deferred" && !name.empty()) return {.token = std::string(name)};
  return {.failure = wrong_answer()};
}

// ---- results ------------------------------------------------------------------------------------------

Message reply_with(const Host& host, bool raw, std::string_view encoded, zmq_msg_t* payload) {
  Message reply = host.message();
  if (const auto content = raw ? rpc::text_of(encoded) : std::nullopt) {
    reply.append_part(payload, *content);
    return reply;
  }
  reply.append_part(payload, encoded);
  reply.envelope().encoding = BP_MSGPACK;
  return reply;
}

void reply_with(const Host& host, const bp_envelope& request, const Failure& failure) {
  std::string attributes;
  if (!failure.attributes.empty()) attributes = encode(Value(failure.attributes));
  host.reply_error(request, failure.type, failure.message, failure.traceback, attributes);
}

bool Collected::add(std::string_view encoded) {
  if (count_ == most_collected || items_.size() + encoded.size() > most_collected_bytes) return false;
  items_ += encoded;
  ++count_;
  return true;
}

std::string Collected::list() && {
  std::string out;
  append_list(out, count_);
  out += items_;
  return out;
}

}  // namespace backplane::zerorpc
