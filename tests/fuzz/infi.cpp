// Bytes of infi.rpc peers, whatever they are: a call is what its decoded value says it is, the class of an
// error is the one that its JSON names, and a client reads every error as the service meant it.
#include "zerorpc/infi_call.hpp"

#include <backplane/rpc/event.hpp>
#include <backplane/rpc/infi_error.hpp>
#include <backplane/value.hpp>

#include <nlohmann/json.hpp>

#include <optional>
#include <string>

#include "fuzz.hpp"
#include "zerorpc/errors.hpp"

using backplane::Array;
using backplane::Bytes;
using backplane::Value;
using backplane::ValueKind;
using backplane::fuzz::must;

namespace {

namespace rpc = backplane::rpc;
namespace zerorpc = backplane::zerorpc;

// The content of a text or bytes, nothing of other values.
std::optional<std::string> content_of(const Value* value) {
  if (value == nullptr) return std::nullopt;
  if (const auto* text = value->get_if<std::string>()) return *text;
  if (const auto* bytes = value->get_if<Bytes>()) return bytes->content;
  return std::nullopt;
}

bool is_told(const Value* value) { return value != nullptr && !value->is_nil(); }

// The three parts of what on_call is given, or nullptr.
const Array* parts_of(const Value& args) {
  const auto* outer = args.get_if<Array>();
  const auto* inner = outer == nullptr || outer->size() != 1 ? nullptr : outer->front().get_if<Array>();
  return inner == nullptr || inner->size() != 3 ? nullptr : inner;
}

bool is_uuid(const Value* value) {
  const auto content = content_of(value);
  return content && content->size() <= 256 && rpc::is_utf8(*content);
}

bool is_call(const Array& parts) {
  const auto* uuid = parts[0].find("uuid");
  return content_of(parts[0].find("method")) && parts[1].kind() == ValueKind::array &&
         parts[2].kind() == ValueKind::map && (!is_told(uuid) || is_uuid(uuid));
}

// As bytes, since a NaN is not equal to itself.
bool same(std::string_view encoded, const Value& value) {
  return backplane::encode(backplane::decode(encoded)) == backplane::encode(value);
}

// REQUIRES: `bytes` were read over.
void read_call(std::string_view bytes, const Value& value) {
  const auto call = zerorpc::read_infi_call(bytes);
  const auto* parts = parts_of(value);
  must((call.wrong == nullptr) == (parts != nullptr && is_call(*parts)), "a call is one by its value");
  if (call.wrong != nullptr) return must(*call.wrong != '\0', "what is no call has a reason");
  const auto& about = (*parts)[0];
  must(call.method == content_of(about.find("method")), "the method is that of the call");
  must(call.uuid == content_of(about.find("uuid")).value_or(""), "the uuid is that of the call");
  must(call.tag.empty() || call.tag == content_of(about.find("request_id_tag")), "so is the tag");
  must(call.tag.size() <= zerorpc::InfiCall::longest_tag, "a tag is short");
  must(same(call.args, (*parts)[1]) && same(call.kwargs, (*parts)[2]), "the arguments are those of the call");
}

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t times = 0;
  for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++times;
  return times;
}

// JSON that says one class in one way, with a reader of JSON as the judge.
void read_class(std::string_view pickled) {
  const auto path = rpc::detail::infi_class_path(pickled);
  const auto name = path ? rpc::detail::class_name(*path) : std::nullopt;
  must(!name || path->ends_with(*name), "a class has the last name of its path");
  const auto json = nlohmann::json::parse(pickled, nullptr, false);
  if (!json.is_object() || pickled.starts_with("\xef\xbb\xbf") ||
      count(pickled, "[") + count(pickled, "{") > 60)
    return;
  must(rpc::detail::JsonWalker(pickled).skip(), "what is JSON can be walked over");
  if (count(pickled, "\\") > 0 || count(pickled, "py/") != 1) return;
  const auto at = json.find("py/object");
  const bool named = at != json.end() && at->is_string();
  must(path.has_value() == named, "a class is named by the key of the object itself");
  must(!named || *path == at->get<std::string>(), "its path is what the key says");
}

void read_error(const Value& exception) {
  const auto error = rpc::infi_error(exception);
  must(rpc::detail::class_name(error.type()) == error.type(), "an error has the name of a class");
  must(error.is_a("RPCException"), "every error is one of infi.rpc");
  const auto message = content_of(exception.find("message"));
  must(!message || error.what() == *message || message->find('\0') != std::string::npos,
       "its text is what was told");
}

// An error of the service with this text, as its client reads it.
void tell_error(std::string_view text) {
  const auto encoded = zerorpc::error_result("InvalidCallArguments", std::string(text));
  must(rpc::why_unreadable(encoded) == nullptr, "an error is always readable");
  const auto result = backplane::decode(encoded);
  const auto* exception = result.find("exception");
  must(exception != nullptr, "an error has an exception");
  read_error(*exception);
  must(rpc::infi_error(*exception).type() == "InvalidCallArguments", "its class is what was meant");
  must(!rpc::is_utf8(text) || content_of(exception->find("message")) == text, "its text is what was meant");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = backplane::fuzz::text_of(data, size);
  read_class(bytes);
  tell_error(bytes);
  rpc::Scanner scanner(bytes);
  if (!scanner.skip()) return 0;
  std::size_t used = 0;
  const auto value = backplane::decode_first(bytes, used, {.depth = rpc::deepest});
  read_call(bytes.substr(0, used), value);
  read_error(value);
  return 0;
}
