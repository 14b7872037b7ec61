#include "infi_call.hpp"

#include <backplane/rpc/event.hpp>

#include <algorithm>
#include <array>
#include <optional>

#include "requests.hpp"

namespace backplane::zerorpc {

namespace {

// What a call says about itself, encoded; empty: nothing.
struct Meta {
  std::string_view method;
  std::string_view uuid;
  std::string_view tag;
};

Meta meta_of(std::string_view encoded) {
  Meta meta;
  rpc::for_each_in_map(encoded, [&](std::string_view key, std::string_view value) {
    const auto told = value == rpc::encoded::nil ? std::string_view() : value;
    if (key == "method") meta.method = told;
    if (key == "uuid") meta.uuid = told;
    if (key == "request_id_tag") meta.tag = told;
    return true;
  });
  return meta;
}

// A token is sent as text, so that a uuid of other bytes would not come back as it was.
bool is_uuid(std::string_view encoded) {
  const auto content = rpc::text_of(encoded);
  return content && content->size() <= Requests::kLongestUuid && rpc::is_utf8(*content);
}

std::string_view tag_of(std::string_view encoded) {
  const auto content = rpc::text_of(encoded).value_or("");
  const bool printable =
      std::all_of(content.begin(), content.end(), [](char letter) { return letter >= ' ' && letter <= '~'; });
  return printable && content.size() <= InfiCall::longest_tag ? content : std::string_view();
}

// The parts of the only argument of on_call, encoded; nothing when it is no list of three.
std::optional<std::array<std::string_view, 3>> three_parts(std::string_view args) {
  rpc::Scanner scanner(args);
  rpc::Token token;
  for (const std::uint64_t length : {1U, 3U})
    if (!scanner.next(token) || token.kind != rpc::Token::Kind::list || token.number != length)
      return std::nullopt;
  std::array<std::string_view, 3> parts;
  for (auto& part : parts) {
    const auto* const at = scanner.position();
    scanner.skip();
    part = {at, static_cast<std::size_t>(scanner.position() - at)};
  }
  return parts;
}

}  // namespace

InfiCall read_infi_call(std::string_view args) {
  using Kind = rpc::Token::Kind;
  const auto parts = three_parts(args);
  if (!parts) return {"on_call takes one list of three: what is called, its arguments, its named arguments"};
  const auto& [about, positional, named] = *parts;
  const auto meta = meta_of(about);
  const auto method = rpc::text_of(meta.method);
  if (!method) return {"the call names no method"};
  if (rpc::token_of(positional).kind != Kind::list) return {"the arguments are no list"};
  if (rpc::token_of(named).kind != Kind::map) return {"the named arguments are no map"};
  if (!meta.uuid.empty() && !is_uuid(meta.uuid)) return {"the uuid is no UTF-8 text of at most 256 bytes"};
  return {nullptr, *method, rpc::text_of(meta.uuid).value_or(""), tag_of(meta.tag), positional, named};
}

}  // namespace backplane::zerorpc
