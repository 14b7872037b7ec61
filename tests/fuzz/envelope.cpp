// A message as bytes: whatever the bytes, decoding ends with a message or without one, and what was decoded
// encodes to the same bytes.
#include <string>

#include "fuzz.hpp"
#include "router/envelope.hpp"

using backplane::fuzz::must;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = backplane::fuzz::text_of(data, size);
  auto* message = backplane::host::decode_message(bytes);
  if (message == nullptr) return 0;
  must(message->frame_count <= backplane::host::most_frames, "no more frames than the limit");
  std::string again = "before";
  must(backplane::host::encode_message(*message, again), "what was decoded can be encoded");
  must(again == "before" + std::string(bytes), "encoding a decoded message gives its bytes");
  backplane::host::free_message(message);
  return 0;
}
