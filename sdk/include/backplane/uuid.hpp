// Random UUIDs, by which messages and calls are named. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace backplane {

// A fresh random UUID as text, 36 characters (RFC 4122, version 4).
inline std::string new_uuid() {
  thread_local std::mt19937_64 random = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(), device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  std::array<std::uint64_t, 2> bits{random(), random()};
  bits[0] = (bits[0] & 0xFFFFFFFFFFFF0FFFU) | 0x4000U;
  bits[1] = (bits[1] & 0x3FFFFFFFFFFFFFFFU) | 0x8000000000000000U;
  constexpr std::string_view digits = "0123456789abcdef";
  std::string uuid(36, '-');
  std::size_t at = 0;
  for (int nibble = 0; nibble < 32; ++nibble) {
    if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20) ++at;
    const auto shift = static_cast<unsigned>(60 - 4 * (nibble % 16));
    uuid[at++] = digits[(bits[static_cast<std::size_t>(nibble / 16)] >> shift) & 15U];
  }
  return uuid;
}

}  // namespace backplane
