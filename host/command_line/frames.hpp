// Messages as text: how `send` reads them and `listen` prints them. Pure functions, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::host {

using Frames = std::vector<std::string>;

// A line of JSON -> frames: a list (or an object with the list as "frames") of texts and of
// {"hex": "00ff"} or {"base64": "AP8="}. Throws std::runtime_error saying what is wrong and in which frame.
Frames frames_from_json(std::string_view line);

// The list that frames_from_json reads: UTF-8 as text, anything else as base64. No line break.
std::string frames_to_json(const Frames& frames);

// Frames separated by tabs. With `for_terminal`, control characters and what is not UTF-8 are shown as \xNN.
std::string frames_to_text(const Frames& frames, bool for_terminal);

std::string to_base64(std::string_view bytes);
// Nothing: `text` is not base64. The padding may be missing.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace backplane::host
