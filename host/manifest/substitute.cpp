#include "manifest/substitute.hpp"

#include "manifest/suggest.hpp"
#include "manifest/units.hpp"

namespace backplane::host {
namespace {

constexpr std::size_t default_depth_limit = 8;  // ${A:-${B:-...}}

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_part(char c) { return is_name_start(c) || (c >= '0' && c <= '9'); }

class Substitution {
 public:
  Substitution(Parameters& parameters, const Environment& environment, Budget& budget, Problems& problems)
      : parameters_(parameters), environment_(environment), budget_(budget), problems_(problems) {}

  void run(Node& node) {
    if (node.is_text()) replace_text(node);
    for (auto& item : node.items) run(item);
    for (auto& entry : node.entries) {
      expand_in_place(entry.key);
      run(entry.value);
    }
  }

 private:
  void replace_text(Node& node) {
    if (node.text.find("${") == std::string::npos) return;
    if (auto* parameter = whole_parameter(node.text)) {
      parameter->used = true;
      if (!take_copy(parameter->value, node.place)) {
        node.broken = true;
        return;
      }
      auto value = parameter->value;
      node = std::move(value);
      return;
    }
    expand_in_place(node);
  }

  void expand_in_place(Node& node) {
    if (node.text.find("${") == std::string::npos) return;
    auto text = expand(node.text, node.place, 0);
    node.broken = !text.has_value();
    if (text) node.text = std::move(*text);
  }

  // The parameter that `text` consists of, or nullptr.
  Parameter* whole_parameter(std::string_view text) {
    if (!text.starts_with("${") || !text.ends_with("}")) return nullptr;
    const auto found = parameters_.find(text.substr(2, text.size() - 3));
    return found == parameters_.end() ? nullptr : &found->second;
  }

  bool take_copy(const Node& node, const Place& at) {
    if (!take(node.text.size(), at)) return false;
    for (const auto& item : node.items)
      if (!take_copy(item, at)) return false;
    for (const auto& entry : node.entries)
      if (!take_copy(entry.key, at) || !take_copy(entry.value, at)) return false;
    return true;
  }

  bool take(std::size_t size, const Place& at) {
    if (budget_.take(size)) return true;
    if (!overdrawn_)
      problems_.error(at, "too much text comes out of ${}; all files together hold at most " +
                              size_text(static_cast<std::int64_t>(manifest_text_limit)));
    overdrawn_ = true;
    return false;
  }

  // The text with everything replaced; nothing after an error, which was reported.
  std::optional<std::string> expand(std::string_view text, const Place& at, std::size_t depth) {
    std::string out;
    while (true) {
      const auto dollar = text.find("${");
      if (dollar == std::string_view::npos) break;
      if (dollar > 0 && text[dollar - 1] == '$') {
        out += text.substr(0, dollar);
        out += '{';
        text.remove_prefix(dollar + 2);
        continue;
      }
      out += text.substr(0, dollar);
      text.remove_prefix(dollar + 2);
      const auto value = take_reference(text, at, depth);
      if (!value || !take(value->size(), at)) return std::nullopt;
      out += *value;
    }
    out += text;
    return out;
  }

  // `text` begins behind "${"; leaves what follows the matching "}".
  std::optional<std::string> take_reference(std::string_view& text, const Place& at, std::size_t depth) {
    std::size_t length = 0;
    while (length < text.size() && (length == 0 ? is_name_start(text[0]) : is_name_part(text[length])))
      ++length;
    const std::string name(text.substr(0, length));
    if (name.empty())
      return refuse(at, "\"${\" without a name; write ${NAME}, ${NAME:-default}, or $${ for the text \"${\"");
    text.remove_prefix(length);
    if (text.starts_with('}')) {
      text.remove_prefix(1);
      return value_of(name, at);
    }
    if (!text.starts_with(":-"))
      return refuse(at, text.empty() ? "\"${" + name + "\" is not closed; expected \"}\""
                                     : "\"${" + name + "\" goes on with " + in_quotes(text.substr(0, 1)) +
                                           "; expected \"}\" or \":-\" and a default");
    text.remove_prefix(2);
    const auto end = closing_brace(text);
    if (end == std::string_view::npos)
      return refuse(at, "\"${" + name + ":-\" is not closed; expected \"}\"");
    const auto fallback = text.substr(0, end);
    text.remove_prefix(end + 1);
    return value_or(name, fallback, at, depth);
  }

  // Of the reference whose inside `text` begins with; npos: none.
  static std::size_t closing_brace(std::string_view text) {
    std::size_t open = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '$' && i + 1 < text.size() && text[i + 1] == '{')
        ++open, ++i;
      else if (text[i] == '}' && open-- == 0)
        return i;
    }
    return std::string_view::npos;
  }

  std::optional<std::string> value_of(const std::string& name, const Place& at) {
    const auto found = parameters_.find(name);
    if (found != parameters_.end()) return parameter_text(name, found->second, at);
    if (auto value = environment_(name)) return checked(name, std::move(*value), at);
    if (parameters_.empty())
      return refuse(
          at, "the environment variable " + name + " is not set; set it, or write ${" + name + ":-default}");
    std::vector<std::string> names;
    for (const auto& [known, parameter] : parameters_) names.push_back(known);
    return refuse(
        at, "${" + name + "} is neither a parameter nor set in the environment" + name_hint(name, names));
  }

  std::optional<std::string> value_or(const std::string& name, std::string_view fallback, const Place& at,
                                      std::size_t depth) {
    std::optional<std::string> value;
    const auto found = parameters_.find(name);
    if (found != parameters_.end()) {
      value = parameter_text(name, found->second, at);
      if (!value) return std::nullopt;
    } else {
      value = environment_(name);
    }
    if (value && !value->empty()) return checked(name, std::move(*value), at);
    if (depth == default_depth_limit)
      return refuse(at,
                    "defaults inside defaults more than " + std::to_string(default_depth_limit) + " deep");
    return expand(fallback, at, depth + 1);
  }

  std::optional<std::string> parameter_text(const std::string& name, Parameter& parameter, const Place& at) {
    parameter.used = true;
    if (parameter.value.broken) return std::nullopt;
    if (parameter.value.is_text()) return parameter.value.text;
    return refuse(at, "the parameter \"" + name + "\" is " + std::string(type_name(parameter.value)) +
                          "; it can stand for a whole value only, not inside a text");
  }

  // An environment value is shown nowhere, so it is not quoted.
  std::optional<std::string> checked(const std::string& name, std::string value, const Place& at) {
    for (const char c : value)
      if (static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t')
        return refuse(at, "the value of " + name + " contains a control character");
    return value;
  }

  std::nullopt_t refuse(const Place& at, std::string text) {
    problems_.error(at, std::move(text));
    return std::nullopt;
  }

  Parameters& parameters_;
  const Environment& environment_;
  Budget& budget_;
  Problems& problems_;
  bool overdrawn_ = false;
};

}  // namespace

void substitute(Node& node, Parameters& parameters, const Environment& environment, Budget& budget,
                Problems& problems) {
  Substitution(parameters, environment, budget, problems).run(node);
}

}  // namespace backplane::host
