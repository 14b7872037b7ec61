// Arguments of a call, which a peer chose: whatever the bytes, they are a value or Malformed, and a value
// survives being encoded and shown.
#include <backplane/value.hpp>

#include <string>

#include "fuzz.hpp"

using backplane::fuzz::must;

namespace {

// Runs `decode`; Malformed is an answer, any other exception ends the run.
template <typename Decode>
void accept(Decode decode) {
  try {
    decode();
  } catch (const backplane::Malformed&) {
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = backplane::fuzz::text_of(data, size);
  accept([&] {
    const auto value = backplane::decode(bytes);
    const auto shortest = backplane::encode(value);
    // Compared as bytes: a NaN is not equal to itself.
    must(backplane::encode(backplane::decode(shortest)) == shortest, "a value survives the way out and back");
    must(!backplane::to_json(value).empty(), "a value has a JSON text");
    must(!backplane::describe(value).empty(), "a value can be described");
  });
  accept([&] {
    std::size_t used = 0;
    backplane::decode_first(bytes, used);
    must(used > 0 && used <= bytes.size(), "a value takes some of the bytes, not more");
  });
  accept([&] { backplane::decode_arguments(bytes); });
  accept([&] {
    for (const auto& entry : backplane::decode_named_arguments(bytes))
      must(entry.key.kind() == backplane::ValueKind::string, "names of arguments are text");
  });
  accept([&] {
    const backplane::DecodeLimits tight{.depth = 4, .bytes = 64, .values = 16};
    backplane::decode(bytes, tight);
    must(bytes.size() <= tight.bytes, "a limit on bytes holds");
  });
  return 0;
}
