#include "lessons.hpp"

#include <backplane/published.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace backplane::zerorpc {

namespace {

constexpr std::size_t longest_name = 256;

// What every server of infi.rpc has for itself.
constexpr std::array<std::string_view, 3> infi_own = {"ping", "get_rpc_method_names",
                                                      "get_rpc_ipython_argspec"};

PublishedFunction published(const rpc::RemoteFunction& function) {
  PublishedFunction made{.component = {}, .name = function.name, .help = function.doc, .result = "any"};
  if (!function.parameters) {
    made.parameters.push_back({"arguments", "any"});  // as a function that takes what comes
    return made;
  }
  for (const auto& parameter : *function.parameters) {
    made.parameters.push_back({parameter.name, "any"});
    if (parameter.default_value) made.parameters.back().default_json = to_json(*parameter.default_value);
  }
  return made;
}

}  // namespace

Lessons::Lessons(Host host, bool infi, std::vector<std::string> only, Ask ask)
    : host_(host), infi_(infi), only_(std::move(only)), ask_(std::move(ask)) {
  for (const auto& name : only_) publish({name, {}, {}});
}

const rpc::RemoteFunction* Lessons::find(std::string_view name) const {
  const auto found = known_.find(name);
  return found == known_.end() ? nullptr : &found->second;
}

void Lessons::begin(Remote& remote) {
  if (infi_) return ask_names(remote);
  ask_(remote, "_zerorpc_inspect", {}, [this, &remote](const std::optional<Value>& told) {
    if (told) return learn_all(*told);
    ask_names(remote);
  });
}

// One question for each function: of infi.rpc, and of servers that cannot tell all at once.
void Lessons::ask_names(Remote& remote) {
  if (!remote.there()) return;
  ask_(remote, infi_ ? "get_rpc_method_names" : "_zerorpc_list", {},
       [this, &remote](const std::optional<Value>& told) {
         if (told) return learn_names(remote, *told);
         missed(remote);
       });
}

void Lessons::learn_all(const Value& told) {
  try {
    for (auto& function : rpc::detail::described(told).functions)
      if (is_wanted(function.name)) publish(std::move(function));
  } catch (const Error& error) {
    host_.warn(std::string("a server's description of its functions is no use: ") + error.what());
  }
}

void Lessons::learn_names(Remote& remote, const Value& told) {
  const auto* names = told.get_if<Array>();
  if (names == nullptr) return missed(remote);
  for (const auto& item : *names) {
    const auto name = rpc::detail::text_in(&item);
    if (!is_wanted(name) || !remote.there()) continue;
    if (find(name) == nullptr) publish({name, {}, {}});
    if (find(name) == nullptr) continue;
    ask_(remote, infi_ ? "get_rpc_ipython_argspec" : "_zerorpc_args", {name},
         [this, name](const std::optional<Value>& answer) {
           if (answer) learn_signature(name, *answer);
         });
    if (infi_) continue;
    ask_(remote, "_zerorpc_help", {name}, [this, name](const std::optional<Value>& answer) {
      if (answer) learn_help(name, *answer);
    });
  }
}

void Lessons::learn_help(const std::string& name, const Value& told) {
  const auto* known = find(name);
  auto function = known == nullptr ? rpc::RemoteFunction{name, {}, {}} : *known;
  function.doc = rpc::detail::text_in(&told);
  publish(std::move(function));
}

void Lessons::learn_signature(const std::string& name, const Value& told) {
  const auto* known = find(name);
  auto function = known == nullptr ? rpc::RemoteFunction{name, {}, {}} : *known;
  rpc::detail::add_signature(function, told);
  publish(std::move(function));
}

void Lessons::missed(const Remote& remote) const {
  if (remote.there())
    host_.warn("server " + remote.address() +
               " does not tell what functions it has; they can be called all the same");
}

bool Lessons::is_wanted(const std::string& name) const {
  if (name.empty() || name.size() > longest_name || name.front() == '_' || !rpc::is_utf8(name)) return false;
  if (!only_.empty()) return std::find(only_.begin(), only_.end(), name) != only_.end();
  return !infi_ || std::find(infi_own.begin(), infi_own.end(), name) == infi_own.end();
}

void Lessons::publish(rpc::RemoteFunction function) {
  if (known_.size() == most_functions && find(function.name) == nullptr) {
    if (!std::exchange(full_, true))
      host_.warn("servers have more functions than are published, " + std::to_string(most_functions));
    return;
  }
  try {
    publish_function(host_, published(function));
  } catch (const Error& error) {
    return host_.warn("function " + function.name + " is not published: " + error.what());
  }
  auto& known = known_[function.name];
  known = std::move(function);
}

}  // namespace backplane::zerorpc
