// What a client of infi.rpc asks for: the only argument of on_call, a list of what is called, its arguments
// and its named arguments. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace backplane::zerorpc {

// Views of what was read; empty: the call does not say it.
struct InfiCall {
  static constexpr std::size_t longest_tag = 64;

  const char* wrong = nullptr;  // why it is no call; then nothing else counts
  std::string_view method = {};
  std::string_view uuid = {};    // UTF-8, of at most Requests::kLongestUuid bytes
  std::string_view tag = {};     // printable; a longer one, or one of other bytes, is none
  std::string_view args = {};    // encoded, a list
  std::string_view kwargs = {};  // encoded, a map
};

// Reads the args of an event. REQUIRES: they were read over before.
InfiCall read_infi_call(std::string_view args);

}  // namespace backplane::zerorpc
