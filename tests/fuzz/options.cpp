// Text of an option, of every type: it converts to a value within its bounds, or there is a reason; and
// durations, sizes and numbers can be read back from the text they are shown as.
#include <array>
#include <string>
#include <vector>

#include "fuzz.hpp"
#include "manifest/convert_option.hpp"

using backplane::fuzz::must;
using namespace backplane::host;

namespace {

// The input's first byte says which type, the second whether it is bounded.
OptionInfo option_for(std::uint8_t type, std::uint8_t bounds) {
  static constexpr std::array types = {BP_TEXT,          BP_INTEGER, BP_NUMBER, BP_BOOLEAN,  BP_DURATION,
                                       BP_SIZE,          BP_RATE,    BP_CHOICE, BP_ENDPOINT, BP_TEXT_LIST,
                                       BP_ENDPOINT_LIST, BP_SECRET,  BP_PATH};
  OptionInfo info;
  info.name = "option";
  info.help = "for the fuzzer";
  info.type = types[type % types.size()];
  info.choices = {"first", "second"};
  if (bounds % 2 == 1) {
    info.minimum = -5;
    info.maximum = 1e12;
  }
  return info;
}

void check(const OptionInfo& info, const Parsed<OptionSetting>& parsed) {
  must(parsed.value.has_value() == parsed.error.empty(), "either a value or a reason");
  if (!parsed.value) {
    must(parsed.error.find('\n') == std::string::npos, "a reason is one line");
    return;
  }
  const auto& value = *parsed.value;
  must(value.type == info.type, "the value has the option's type");
  if (is_bounded(info) && (info.minimum != 0 || info.maximum != 0)) {
    const double amount =
        info.type == BP_NUMBER || info.type == BP_RATE ? value.number : static_cast<double>(value.integer);
    must(amount >= info.minimum && amount <= info.maximum, "a value is within its bounds");
  }
  if (info.type == BP_DURATION) {
    const auto again = parse_duration(duration_text(Nanoseconds(value.integer)));
    must(again.value && again.value->count() == value.integer, "a duration reads back as it was");
  }
  if (info.type == BP_SIZE) {
    const auto again = parse_size(size_text(value.integer));
    must(again.value && *again.value == value.integer, "a size reads back as it was");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  auto info = option_for(data[0], data[1]);
  const auto text = backplane::fuzz::text_of(data + 2, size - 2);
  check(info, convert_option(info, text));

  const auto middle = text.size() / 2;
  const std::vector<std::string> list = {std::string(text.substr(0, middle)),
                                         std::string(text.substr(middle))};
  const auto listed = convert_option(info, list);
  must(listed.value.has_value() == listed.error.empty(), "either a list or a reason");
  if (listed.value) must(listed.value->list == list, "a list keeps its texts");

  info.default_text = std::string(text);
  const auto by_default = convert_default(info);
  if (by_default.value) must(!by_default.value->given, "a default was not given");
  must(!type_text(info).empty(), "a type has a name");
  bounds_text(info);
  admin_address_error(text);
  endpoint_error(text, true);
  reachable_from_outside(text);
  return 0;
}
