#include "manifest/convert_option.hpp"

#include <cmath>
#include <limits>

#include "manifest/suggest.hpp"

namespace backplane::host {
namespace {

using Converted = Parsed<OptionSetting>;

Converted refuse(std::string reason) { return {std::nullopt, std::move(reason)}; }

bool has_integer(bp_option_type type) { return type == BP_INTEGER || type == BP_DURATION || type == BP_SIZE; }
bool has_number(bp_option_type type) { return type == BP_NUMBER || type == BP_RATE; }

std::string bound_text(const OptionInfo& info, double bound) {
  const bool fits = std::abs(bound) < static_cast<double>(std::numeric_limits<std::int64_t>::max());
  if (info.type == BP_DURATION && fits && bound >= 0)
    return duration_text(Nanoseconds(static_cast<std::int64_t>(bound)));
  if (info.type == BP_SIZE && fits && bound >= 0) return size_text(static_cast<std::int64_t>(bound));
  if (info.type == BP_RATE) return number_text(bound) + "/s";
  return number_text(bound);
}

template <typename Value>
bool assign(const Parsed<Value>& parsed, auto& target, std::string& error) {
  error = parsed.error;
  if (!parsed.value) return false;
  if constexpr (std::is_same_v<Value, Nanoseconds>) {
    target = parsed.value->count();
  } else {
    target = static_cast<std::remove_reference_t<decltype(target)>>(*parsed.value);
  }
  return true;
}

std::string choice_error(const OptionInfo& info, std::string_view text) {
  for (const auto& choice : info.choices)
    if (choice == text) return {};
  auto error = in_quotes(text) + " is not one of " + name_list(info.choices);
  if (const auto near = nearest_name(text, info.choices)) error += "; did you mean \"" + *near + "\"?";
  return error;
}

std::string text_error(const OptionInfo& info, std::string_view text) {
  if (info.type == BP_CHOICE) return choice_error(info, text);
  if (info.type == BP_PATH && text.empty()) return "a path cannot be empty";
  if (text.find('\0') != std::string_view::npos) return "a text cannot contain a zero byte";
  const bool is_endpoint = info.type == BP_ENDPOINT || info.type == BP_ENDPOINT_LIST;
  if (!is_endpoint) return {};
  const bool connects = info.name.starts_with("connect");
  return endpoint_error(text, !connects).value_or(std::string{});
}

std::string bounds_error(const OptionInfo& info, const OptionSetting& setting) {
  if (!is_bounded(info)) return {};
  const double value = has_integer(info.type) ? static_cast<double>(setting.integer) : setting.number;
  if (value >= info.minimum && value <= info.maximum) return {};
  return in_quotes(setting.text) + " is out of range; expected " + bounds_text(info);
}

// Fills integer or number; the reason when the text is not of the type.
std::string read_value(const OptionInfo& info, std::string_view text, OptionSetting& setting) {
  std::string error;
  switch (info.type) {
    case BP_INTEGER:
      assign(parse_integer(text), setting.integer, error);
      break;
    case BP_NUMBER:
      assign(parse_number(text), setting.number, error);
      break;
    case BP_BOOLEAN:
      assign(parse_boolean(text), setting.integer, error);
      break;
    case BP_DURATION:
      assign(parse_duration(text), setting.integer, error);
      break;
    case BP_SIZE:
      assign(parse_size(text), setting.integer, error);
      break;
    case BP_RATE:
      assign(parse_rate(text), setting.number, error);
      break;
    default:
      error = text_error(info, text);
      break;
  }
  return error.empty() ? bounds_error(info, setting) : error;
}

}  // namespace

Converted convert_option(const OptionInfo& info, std::string_view text) {
  if (takes_list(info)) return convert_option(info, std::vector<std::string>{std::string(text)});
  OptionSetting setting;
  setting.type = info.type;
  setting.given = true;
  setting.text = text;
  auto error = read_value(info, text, setting);
  if (!error.empty()) return refuse(std::move(error));
  return {std::move(setting), {}};
}

Converted convert_option(const OptionInfo& info, const std::vector<std::string>& texts) {
  if (!takes_list(info)) return refuse("takes one value, not a list");
  if (texts.empty() && info.type == BP_ENDPOINT_LIST) return refuse("the list is empty; name an endpoint");
  OptionSetting setting;
  setting.type = info.type;
  setting.given = true;
  for (const auto& text : texts) {
    auto error = text_error(info, text);
    if (!error.empty()) return refuse(std::move(error));
    setting.text += (setting.list.empty() ? "" : ", ") + text;
    setting.list.push_back(text);
  }
  return {std::move(setting), {}};
}

Converted convert_default(const OptionInfo& info) {
  if (!info.default_text) return {};
  if (info.type == BP_PATH && info.default_text->empty()) {
    OptionSetting none;
    none.type = BP_PATH;
    return {std::move(none), {}};
  }
  auto converted = takes_list(info) && info.default_text->empty()
                       ? convert_option(info, std::vector<std::string>{})
                       : convert_option(info, *info.default_text);
  if (converted.value) converted.value->given = false;
  return converted;
}

std::string type_text(const OptionInfo& info) {
  switch (info.type) {
    case BP_TEXT:
      return "text";
    case BP_INTEGER:
      return "whole number";
    case BP_NUMBER:
      return "number";
    case BP_BOOLEAN:
      return "true or false";
    case BP_DURATION:
      return "duration";
    case BP_SIZE:
      return "size";
    case BP_RATE:
      return "rate";
    case BP_CHOICE:
      return "one of " + name_list(info.choices);
    case BP_ENDPOINT:
      return "endpoint";
    case BP_TEXT_LIST:
      return "text or list of texts";
    case BP_ENDPOINT_LIST:
      return "endpoint or list of endpoints";
    case BP_SECRET:
      return "secret text";
    case BP_PATH:
      return "path";
    case BP_COMPONENT:
      return "name of a component";
    case BP_COMPONENT_LIST:
      return "name or list of names of components";
  }
  return "text";
}

std::string bounds_text(const OptionInfo& info) {
  if (!is_bounded(info)) return {};
  return bound_text(info, info.minimum) + " to " + bound_text(info, info.maximum);
}

bool takes_list(const OptionInfo& info) {
  return info.type == BP_TEXT_LIST || info.type == BP_ENDPOINT_LIST || info.type == BP_COMPONENT_LIST;
}

bool names_components(const OptionInfo& info) {
  return info.type == BP_COMPONENT || info.type == BP_COMPONENT_LIST;
}

bool is_bounded(const OptionInfo& info) {
  const bool unbounded = info.minimum == 0 && info.maximum == 0;
  return !unbounded && (has_integer(info.type) || has_number(info.type));
}

}  // namespace backplane::host
