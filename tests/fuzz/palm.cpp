// Bytes of PALM peers, whatever they are: a message is read or Malformed, and what was read is a fixed point
// of writing and reading; its function string selects a call or says why not; the handshake of a worker is
// the same however it is cut.
#include "palm/zmtp.hpp"

#include <backplane/palm/message.hpp>

#include <algorithm>
#include <string>

#include "fuzz.hpp"

using backplane::fuzz::must;

namespace {

namespace palm = backplane::palm;

void read_message(std::string_view bytes) {
  palm::Fields fields;
  try {
    fields = palm::read(bytes);
  } catch (const backplane::Malformed&) {
    return;
  }
  const auto once = palm::encode(fields);
  must(palm::encode(palm::read(once)) == once, "a message that was written is read as it is");
  const palm::PalmMessage owned(fields);
  must(palm::encode(owned.fields()) == once, "a message that owns its fields is the same");
  must(owned == palm::PalmMessage(palm::read(once)), "no field is lost or changed");
  const auto selected = palm::select(fields.function, fields.stage);
  must(selected.ok() == selected.why.empty(), "what cannot be called has a reason");
  must(!selected.ok() || (!selected.server.empty() && !selected.function.empty()), "a call has both names");
  must(palm::detail::is_utf8(palm::error_text(palm::function_failed, fields.payload)), "an error is UTF-8");
}

// What a peer that pushes answers, and where it ends, when the bytes come in parts of `part`.
std::string handshake(std::string_view bytes, std::size_t part) {
  palm::PushPeer peer;
  std::string answers;
  while (!bytes.empty()) {
    answers += peer.take(bytes.substr(0, part));
    bytes.remove_prefix(std::min(part, bytes.size()));
  }
  must((peer.state() == palm::PushPeer::State::failed) != peer.why().empty(), "a failure has a reason");
  return answers + '|' + std::to_string(static_cast<int>(peer.state())) + '|' + peer.why();
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = backplane::fuzz::text_of(data, size);
  read_message(bytes);
  // Most inputs do not begin with a greeting, so one is put before them as well.
  for (const auto& heard : {std::string(bytes), palm::PushPeer::greeting() + std::string(bytes)}) {
    const auto whole = handshake(heard, heard.size() + 1);
    must(handshake(heard, 1) == whole, "a handshake is the same byte by byte");
    must(handshake(heard, heard.size() / 2 + 1) == whole, "a handshake is the same in two parts");
  }
  return 0;
}
