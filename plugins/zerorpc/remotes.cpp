#include "remotes.hpp"

#include <algorithm>
#include <utility>

namespace backplane::zerorpc {

namespace {

constexpr auto look_again_after = std::chrono::seconds(1);

// The addresses in what a function of a middleware returned; none: it does not know the name.
std::vector<std::string> addresses_in(const Value& told) {
  std::vector<std::string> addresses;
  if (const auto* only = told.get_if<std::string>()) addresses.push_back(*only);
  if (const auto* list = told.get_if<Array>())
    for (const auto& item : *list)
      if (const auto* address = item.get_if<std::string>()) addresses.push_back(*address);
  return addresses;
}

}  // namespace

Remotes::Remotes(Host host, Settings settings, Remote::Callbacks callbacks, Middleware& middleware)
    : host_(host), settings_(std::move(settings)), callbacks_(std::move(callbacks)), middleware_(middleware) {
  callbacks_.on_there = [this, then = std::move(callbacks_.on_there)](Remote& remote) {
    tell();
    then(remote);
  };
  callbacks_.on_lost = [this, then = std::move(callbacks_.on_lost)](
                           Remote& remote, const std::vector<Remote::Ticket>& lost, const std::string& why) {
    tell();
    if (!remote.connected()) look_later();
    then(remote, lost, why);
  };
}

void Remotes::start() {
  there_ = host_.gauge("servers", "servers that can be called now");
  if (!settings_.names.empty() && !middleware_.has(Hook::resolve_endpoint))
    throw Error("BadOption", std::string("option \"connect_name\": no component of \"middleware\" has a "
                                         "function ") +
                                 name_of(Hook::resolve_endpoint));
  for (const auto& address : settings_.addresses)
    entries_.push_back(
        {{}, std::make_unique<Remote>(host_, address, settings_.remote, callbacks_, /*required=*/true)});
  if (!settings_.names.empty()) look_timer_ = host_.after({}, [this] { look_at_names(); });
}

void Remotes::stop() {
  look_timer_.end();
  entries_.clear();
}

Remote* Remotes::choose() {
  Remote* best = nullptr;
  auto place = next_;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const auto at = (next_ + i) % entries_.size();
    auto& remote = *entries_[at].remote;
    if (!remote.there() || (best != nullptr && best->calls <= remote.calls)) continue;
    best = &remote;
    place = at + 1;
    if (settings_.balance == Balance::round_robin) break;
  }
  next_ = place;
  return best;
}

// ---- names --------------------------------------------------------------------------------------------

// A server that is not there may have moved.
bool Remotes::wanted(const std::string& name) const {
  bool found = false;
  for (const auto& entry : entries_) {
    if (entry.name != name) continue;
    if (!entry.remote->connected()) return true;
    found = true;
  }
  return !found;
}

void Remotes::look_at_names() {
  for (const auto& name : settings_.names)
    if (wanted(name)) resolve(name);
}

void Remotes::resolve(const std::string& name) {
  if (!asked_.insert(name).second) return;
  middleware_.run(Hook::resolve_endpoint, Map{{"name", name}},
                  [this, name](const std::optional<Failure>& failure, const std::vector<Value>& answers) {
                    asked_.erase(name);
                    take_answer(name, failure, answers);
                  });
}

void Remotes::take_answer(const std::string& name, const std::optional<Failure>& failure,
                          const std::vector<Value>& answers) {
  look_later();
  if (failure)
    return host_.warn("the addresses of \"" + name + "\" are not known: " + failure->type + ": " +
                      failure->message + "; asking again");
  for (const auto& answer : answers)
    if (const auto addresses = addresses_in(answer); !addresses.empty())
      return take_addresses(name, addresses);
  host_.warn("no component of \"middleware\" knows an address of \"" + name + "\"; asking again");
}

void Remotes::take_addresses(const std::string& name, const std::vector<std::string>& addresses) {
  std::erase_if(entries_, [&](const Entry& entry) {
    return entry.name == name && !entry.remote->connected() && entry.remote->calls == 0 &&
           std::find(addresses.begin(), addresses.end(), entry.remote->address()) == addresses.end();
  });
  for (const auto& address : addresses) {
    const bool known = std::any_of(entries_.begin(), entries_.end(),
                                   [&](const Entry& entry) { return entry.remote->address() == address; });
    if (!known)
      entries_.push_back(
          {name, std::make_unique<Remote>(host_, address, settings_.remote, callbacks_, /*required=*/false)});
  }
}

// What has connected by then is not looked for.
void Remotes::look_later() {
  if (!settings_.names.empty()) look_timer_ = host_.after(look_again_after, [this] { look_at_names(); });
}

void Remotes::tell() {
  there_.set(std::count_if(entries_.begin(), entries_.end(),
                           [](const Entry& entry) { return entry.remote->there(); }));
}

}  // namespace backplane::zerorpc
