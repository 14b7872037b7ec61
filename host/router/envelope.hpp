// A message as bytes: for what leaves the memory of the process (overflow: spill).
//
// Format 1, little-endian: u8 format; the envelope's fields in the order of bp_envelope (the ids of
// components mean something only within one run of a host); u32 size of function, u32 size of headers,
// u32 number of frames, u32 size of each frame; then the bytes of function, headers and frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "router/message_pool.hpp"

namespace backplane::host {

inline constexpr std::uint8_t envelope_format = 1;
inline constexpr std::uint32_t most_frames = 65536;  // of one encoded message

// Appends `message` to `out`. A message of more than most_frames frames, or with a part of 4 GiB or more,
// is not encoded: false, and `out` is unchanged.
bool encode_message(const bp_message& message, std::string& out);

// Decodes exactly one message. Any other bytes (another format, cut short, left over, sizes that do not
// add up) give nullptr. The caller frees the message.
HostMessage* decode_message(std::string_view bytes);

}  // namespace backplane::host
