// Errors of infi.rpc, as clients read them: a map with the keys message, args, and `pickled`, a JSON text
// that names a class of Python. The name is all that is taken from it: nothing is ever made from what it
// says.
#pragma once

#include <backplane/host.hpp>
#include <backplane/value.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace backplane::rpc {

namespace detail {

struct InfiClass {
  std::string_view name;
  std::string_view base;
};
// The classes that every client knows.
inline constexpr std::array<InfiClass, 12> infi_classes{{
    {"RPCUserException", "RPCException"},
    {"RPCFrameworkException", "RPCException"},
    {"RPCTransportException", "RPCFrameworkException"},
    {"TimeoutExpired", "RPCTransportException"},
    {"InternalServerError", "RPCFrameworkException"},
    {"InvalidReturnValue", "RPCFrameworkException"},
    {"InvalidRPCMethod", "RPCFrameworkException"},
    {"InvalidCallArguments", "RPCFrameworkException"},
    {"InvalidAsyncToken", "RPCFrameworkException"},
    {"ClientNotSetupError", "RPCFrameworkException"},
    {"ServerNotSetupError", "RPCFrameworkException"},
    {"RequestAbortedError", "RPCFrameworkException"},
}};

// Walks over JSON that somebody else wrote; says no to what is none, or nested too deeply.
class JsonWalker {
 public:
  explicit JsonWalker(std::string_view json) : left_(json) {}

  // Takes one letter of the structure.
  bool take(char letter) {
    skip_blanks();
    if (left_.empty() || left_.front() != letter) return false;
    left_.remove_prefix(1);
    return true;
  }
  // Takes a text. Its content; what has escapes in it is no name, and nothing.
  std::optional<std::string_view> text_content() {
    const auto all = quoted();
    if (!all || all->find('\\') != std::string_view::npos) return std::nullopt;
    return all;
  }
  // Takes any value.
  bool skip(int depth = 64) {
    skip_blanks();
    if (depth == 0 || left_.empty()) return false;
    switch (left_.front()) {
      case '"':
        return quoted().has_value();
      case '{':
        return for_each_key([&](std::string_view) { return skip(depth - 1); });
      case '[':
        return for_each_item([&] { return skip(depth - 1); });
      default:
        return skip_word();
    }
  }
  // Takes an object or a list: `use` takes every value and says whether it was one.
  template <typename Use>
  bool for_each_key(Use&& use) {
    return enclosed('{', '}', [&] {
      const auto key = quoted();
      return key && take(':') && use(*key);
    });
  }
  template <typename Use>
  bool for_each_item(Use&& use) {
    return enclosed('[', ']', use);
  }
  bool is_next(char letter) {
    skip_blanks();
    return !left_.empty() && left_.front() == letter;
  }

 private:
  void skip_blanks() { left_.remove_prefix(std::min(left_.find_first_not_of(" \t\r\n"), left_.size())); }

  std::optional<std::string_view> quoted() {
    if (!take('"')) return std::nullopt;
    for (std::size_t i = 0; i < left_.size(); ++i) {
      if (left_[i] == '\\') {
        ++i;
      } else if (left_[i] == '"') {
        const auto content = left_.substr(0, i);
        left_.remove_prefix(i + 1);
        return content;
      }
    }
    return std::nullopt;
  }
  // A number, true, false or null.
  bool skip_word() {
    const auto end = std::min(left_.find_first_of(",]} \t\r\n"), left_.size());
    left_.remove_prefix(end);
    return end > 0;
  }
  template <typename Item>
  bool enclosed(char open, char close, Item&& item) {
    if (!take(open)) return false;
    if (take(close)) return true;
    do {
      if (!item()) return false;
    } while (take(','));
    return take(close);
  }

  std::string_view left_;
};

// The path of the class that `pickled` names: {"py/object": PATH}, as every jsonpickle reads it, or
// {"py/reduce":
// [{"py/type": PATH}, ...]}, as newer ones write it. Nothing: it cannot be read.
inline std::optional<std::string> infi_class_path(std::string_view pickled) {
  JsonWalker json(pickled);
  std::optional<std::string> path;
  const auto text_of_key = [&](std::string_view key, std::string_view wanted) {
    if (key != wanted || !json.is_next('"')) return json.skip();
    const auto content = json.text_content();
    if (content) path = std::string(*content);
    return content.has_value();
  };
  const auto reduced = [&] {
    std::size_t index = 0;
    return json.for_each_item([&] {
      if (index++ > 0 || !json.is_next('{')) return json.skip();
      return json.for_each_key([&](std::string_view key) { return text_of_key(key, "py/type"); });
    });
  };
  const bool read = json.for_each_key([&](std::string_view key) {
    return key == "py/reduce" && json.is_next('[') ? reduced() : text_of_key(key, "py/object");
  });
  return read ? path : std::nullopt;
}

// The last component of a path, when it is a name of Python.
inline std::optional<std::string> class_name(std::string_view path) {
  const auto name = path.substr(path.rfind('.') + 1);
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (name.empty() || digit(name.front())) return std::nullopt;
  if (!std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || digit(c); }))
    return std::nullopt;
  return std::string(name);
}

}  // namespace detail

// What an infi.rpc call failed with. type() is the name of its class: one of infi.rpc's, or of the service's
// own.
class InfiError : public Error {
 public:
  InfiError(std::string name, const std::string& message) : Error(std::move(name), message) {}
  InfiError(std::string name, const std::string& message, std::string path, Array args, Map attributes)
      : Error(std::move(name), message),
        path_(std::move(path)),
        args_(std::move(args)),
        attributes_(std::move(attributes)) {}

  // Whether it is of this class or one derived from it, by the classes of infi.rpc: every error is an
  // "RPCException", those of the service itself no "RPCFrameworkException".
  bool is_a(std::string_view name) const {
    for (std::string_view at = type(); !at.empty(); at = base_of(at))
      if (at == name) return true;
    return false;
  }
  // The full path of the class; empty when the server told none.
  const std::string& class_path() const { return path_; }
  // The arguments with which it was raised.
  const Array& args() const { return args_; }
  // What else the server told of it.
  const Map& attributes() const { return attributes_; }

 private:
  static std::string_view base_of(std::string_view name) {
    if (name == "RPCException") return {};
    const auto* const known = std::find_if(detail::infi_classes.begin(), detail::infi_classes.end(),
                                           [&](const auto& entry) { return entry.name == name; });
    return known == detail::infi_classes.end() ? "RPCException" : known->base;
  }

  std::string path_;
  Array args_;
  Map attributes_;
};

// Reads the `exception` of a result.
inline InfiError infi_error(const Value& exception) {
  const auto text_at = [&](std::string_view key) -> std::string {
    const auto* value = exception.find(key);
    if (value == nullptr || value->is_nil()) return {};
    if (const auto* content = value->get_if<std::string>()) return *content;
    if (const auto* bytes = value->get_if<Bytes>()) return bytes->content;
    return to_json(*value);
  };
  const auto path = detail::infi_class_path(text_at("pickled")).value_or("");
  auto name = detail::class_name(path).value_or("RPCException");
  Array args;
  if (const auto* told = exception.find("args"))
    if (const auto* list = told->get_if<Array>()) args = *list;
  Map attributes;
  if (const auto* all = exception.get_if<Map>())
    for (const auto& entry : *all) {
      const auto* key = entry.key.get_if<std::string>();
      if (key == nullptr || (*key != "pickled" && *key != "message" && *key != "args"))
        attributes.push_back(entry);
    }
  return {std::move(name), text_at("message"), path, std::move(args), std::move(attributes)};
}

}  // namespace backplane::rpc
