// Bytes of ZeroRPC peers, whatever they are: walking over msgpack and decoding it agree on what is one, an
// event is what its decoded value says it is, and an answer to it names its channel in the bytes that came.
#include <backplane/rpc/event.hpp>
#include <backplane/value.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>

#include "fuzz.hpp"

using backplane::Array;
using backplane::Bytes;
using backplane::Map;
using backplane::Value;
using backplane::ValueKind;
using backplane::fuzz::must;

namespace {

namespace rpc = backplane::rpc;

struct Decoded {
  Value value;
  std::size_t used = 0;
};

std::optional<Decoded> decoded(std::string_view bytes, std::size_t depth) {
  try {
    Decoded made;
    made.value = backplane::decode_first(bytes, made.used, {.depth = depth});
    return made;
  } catch (const backplane::Malformed&) {
    return std::nullopt;
  }
}

bool is_text(const Value& value) {
  return value.kind() == ValueKind::string || value.kind() == ValueKind::bytes;
}

// True when all text in the value is UTF-8 and, with `plain_keys`, all keys of maps are text or bytes.
bool suits(const Value& value, bool plain_keys) {
  if (const auto* text = value.get_if<std::string>()) return rpc::is_utf8(*text);
  const auto within = [&](const auto& each) { return suits(each, plain_keys); };
  if (const auto* array = value.get_if<Array>()) return std::all_of(array->begin(), array->end(), within);
  if (const auto* map = value.get_if<Map>())
    return std::all_of(map->begin(), map->end(), [&](const auto& entry) {
      return within(entry.key) && within(entry.value) && (!plain_keys || is_text(entry.key));
    });
  return true;
}

void walk(std::string_view bytes, std::size_t depth) {
  const auto value = decoded(bytes, depth);
  rpc::Scanner scanner(bytes, depth);
  const bool walked = scanner.skip();
  must(walked == (value && suits(value->value, false)), "what can be walked over is what can be decoded");
  must(walked || *scanner.reason() != '\0', "what cannot be walked over has a reason");
  must(!walked || scanner.position() == bytes.data() + value->used, "both end at the same byte");
  const auto* why = rpc::why_unreadable(bytes, depth);
  must((why == nullptr) == (value && suits(value->value, true)), "a peer reads what has plain keys as well");
}

// The content of a text or bytes, nothing of other values.
std::optional<std::string> content_of(const Value& value) {
  if (const auto* text = value.get_if<std::string>()) return *text;
  if (const auto* bytes = value.get_if<Bytes>()) return bytes->content;
  return std::nullopt;
}

bool is_id(const Value& value) {
  return !value.is_nil() && value.kind() != ValueKind::array && value.kind() != ValueKind::map;
}

// What read_event should say, of a decoded payload.
bool is_event(const Value& payload) {
  const auto* parts = payload.get_if<Array>();
  if (parts == nullptr || parts->size() != 3 || (*parts)[0].kind() != ValueKind::map) return false;
  const auto* id = (*parts)[0].find("message_id");
  const auto* channel = (*parts)[0].find("response_to");
  const auto* version = (*parts)[0].find("v");
  return id != nullptr && is_id(*id) && (channel == nullptr || channel->is_nil() || is_id(*channel)) &&
         (version == nullptr || version->kind() == ValueKind::whole);
}

std::uint64_t credit_in(const Value& args) {
  const auto* list = args.get_if<Array>();
  if (list == nullptr || list->empty()) return 0;
  if (const auto* whole = list->front().get_if<std::int64_t>())
    return *whole > 0 ? static_cast<std::uint64_t>(*whole) : 0;
  const auto* whole = list->front().get_if<std::uint64_t>();
  return whole == nullptr ? 0 : *whole;
}

// As bytes, since a NaN is not equal to itself.
bool same(std::string_view encoded, const Value& value) {
  return backplane::encode(backplane::decode(encoded)) == backplane::encode(value);
}

void check_parts(const rpc::Event& event, const Array& parts) {
  const auto& [header, name, args] = std::tie(parts[0], parts[1], parts[2]);
  must(same(event.message_id, *header.find("message_id")), "the id is that of the header");
  const auto* channel = header.find("response_to");
  must(event.opens_channel() == (channel == nullptr || channel->is_nil()), "who refers to nothing opens");
  must(event.opens_channel() || same(event.response_to, *channel), "the channel is that of the header");
  must(event.named == is_text(name), "a name is text or bytes");
  must(!event.named || event.name == content_of(name), "the name is that of the event");
  must(same(event.args, args), "the args are those of the event");
  must(rpc::credit_of(event.args) == credit_in(args), "credit is a positive integer in a list");
  const auto only = rpc::only_element(event.args);
  const auto* list = args.get_if<Array>();
  must(only.has_value() == (list != nullptr && list->size() == 1), "a list of one has an only element");
  must(!only || same(*only, list->front()), "the only element is the first");
  const auto trace = rpc::header_value(event, "trace_id");
  const auto* expected = header.find("trace_id");
  must(trace.empty() == (expected == nullptr), "a key is found when it is there");
  must(trace.empty() || same(trace, *expected), "its value is the last");
  must(trace.empty() || rpc::text_of(trace) == content_of(*expected), "text and bytes have content");
}

// Answers the event with what came, as a server does that echoes.
void answer(const rpc::Event& event) {
  static rpc::EventIds ids;
  std::string context;
  if (const auto trace = rpc::header_value(event, "trace_id"); !trace.empty()) {
    rpc::append_text(context, "trace_id");
    context += trace;
  }
  rpc::EventParts parts{.id = ids.next(), .context = context, .context_pairs = context.empty() ? 0U : 1U};
  parts.response_to = event.message_id;
  parts.name = event.named && rpc::is_utf8(event.name) ? event.name : rpc::event_name::ok;
  parts.args = event.args;
  const auto bytes = rpc::event(parts);
  rpc::Event again;
  must(rpc::read_event(bytes, again) == nullptr, "an answer is an event");
  must(again.response_to == event.message_id, "an id is given back in the bytes that came");
  must(again.name == parts.name && again.args == event.args, "an answer carries what it was given");
  must(again.version == rpc::protocol_version, "an answer is of this version");
  must(rpc::header_value(again, "trace_id") == rpc::header_value(event, "trace_id"), "so does its header");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = backplane::fuzz::text_of(data, size);
  for (const std::size_t depth : {std::size_t{0}, std::size_t{3}, rpc::deepest}) walk(bytes, depth);

  rpc::Event event;
  const auto value = decoded(bytes, rpc::deepest);
  const bool read = rpc::read_event(bytes, event) == nullptr;
  // An event's parts may each be as deep as a value that is decoded, so it may be deeper as a whole.
  must(read || !value || !suits(value->value, false) || !is_event(value->value), "an event is read");
  must(!read || !value || is_event(value->value), "what is read is an event");
  if (read && value) check_parts(event, *value->value.get_if<Array>());
  if (read) answer(event);

  for (const std::uint64_t version : {1U, 3U})
    must(rpc::why_unreadable(rpc::error_args(bytes, bytes, version)) == nullptr,
         "an error is always readable");
  return 0;
}
