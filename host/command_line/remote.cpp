#include "command_line/remote.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <iterator>
#include <ostream>

#include "command_line/installed.hpp"
#include "loader/table.hpp"
#include "log/escape.hpp"
#include "manifest/convert_option.hpp"
#include "manifest/suggest.hpp"
#include "manifest/units.hpp"

namespace backplane::host {

namespace {

// "palm+tcp://127.0.0.1:5559" or "http://127.0.0.1/".
struct Address {
  std::string scheme;
  std::string endpoint;
};

Address split_address(const std::string& address) {
  const auto end = address.find_first_of("+:");
  const bool with_plus = end != std::string::npos && address[end] == '+';
  const bool plain = end != std::string::npos && address.compare(end, 3, "://") == 0;
  for (const char* transport : {"tcp", "ipc", "inproc"})
    if (plain && address.substr(0, end) == transport)
      throw UsageError(in_quotes(address) + " does not say which protocol is spoken there; write palm+" +
                       address + ", or another scheme of `backplane plugins`");
  if ((!with_plus && !plain) || end == 0)
    throw UsageError(in_quotes(address) + " is no address; expected one like palm+tcp://127.0.0.1:5559");
  return {address.substr(0, end), with_plus ? address.substr(end + 1) : address};
}

// The plugin of the scheme's name when it offers the scheme, else the first that does.
const ClientInfo& find_client(Loader& loader, const PluginPath& path, const std::string& scheme) {
  const auto available = loader.available();
  const auto same = std::find_if(available.begin(), available.end(),
                                 [&](const AvailablePlugin& plugin) { return plugin.name == scheme; });
  if (same != available.end()) {
    if (const auto reason = loader.open(same->file.string(), {})) throw UsageError(*reason);
    if (const auto* client = loader.find_client(scheme)) return *client;
  }
  const InstalledPlugins installed(path);
  for (const auto* plugin : installed.usable())
    for (const auto& client : plugin->clients) {
      if (client.scheme != scheme) continue;
      if (const auto reason = loader.open(plugin->file.string(), {})) throw UsageError(*reason);
      return *loader.find_client(scheme);
    }
  throw UsageError("no installed plugin calls " + in_quotes(scheme) + name_hint(scheme, installed.schemes()));
}

bp_text text_of(std::string_view text) { return {text.data(), text.size()}; }

template <std::size_t Room>
std::string text_in(const char (&text)[Room]) {
  return {text, ::strnlen(text, Room)};
}

std::string error_text(const bp_error& error) {
  auto text = escaped(text_in(error.type)) + ": " + escaped(text_in(error.message));
  const auto traceback = text_in(error.traceback);
  for (std::string_view rest = traceback; !rest.empty();) {
    const auto line = rest.substr(0, rest.find('\n'));
    text += "\n  " + escaped(line);
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
  return text;
}

// What crosses a plugin's code: a call back that must not throw there.
struct Taking {
  const Remote::Take& take;
  std::exception_ptr failure;

  static std::int32_t run(void* context, const bp_result* result) noexcept {
    auto& taking = *static_cast<Taking*>(context);
    try {
      return !taking.failure && taking.take(*result) ? 0 : 1;
    } catch (...) {
      taking.failure = std::current_exception();
      return 1;
    }
  }
  void finish(std::int32_t answer, const bp_error& error) const {
    if (failure) std::rethrow_exception(failure);
    if (answer != 0) throw RemoteError(error);
  }
};

struct Telling {
  std::vector<FunctionInfo> functions;
  std::exception_ptr failure;

  static void run(void* context, const bp_function* function) noexcept {
    auto& telling = *static_cast<Telling*>(context);
    try {
      telling.functions.push_back(read_function(function));
    } catch (...) {
      telling.failure = std::current_exception();
    }
  }
};

}  // namespace

RemoteError::RemoteError(const bp_error& error)
    : std::runtime_error(error_text(error)), type_(text_in(error.type)), message_(text_in(error.message)) {}

Remote::Remote(const ReachArguments& arguments, Console& console, Interrupted interrupted)
    : console_(console), interrupted_(std::move(interrupted)), loader_({.folders = arguments.plugin_path}) {
  const auto address = split_address(arguments.endpoint);
  info_ = &find_client(loader_, arguments.plugin_path, address.scheme);
  set_options(arguments.options);
  caller_.timeout = arguments.timeout.count();
  open(address.endpoint);
}

Remote::~Remote() {
  if (client_ != nullptr) info_->table->close(client_);
}

void Remote::set_options(const std::vector<std::pair<std::string, std::string>>& given) {
  std::map<std::string, std::vector<std::string>> texts;
  std::vector<std::string> known;
  for (const auto& option : info_->options) known.push_back(option.name);
  for (const auto& [name, text] : given) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw UsageError("calls of " + info_->scheme + " have no option " + in_quotes(name) +
                       name_hint(name, known));
    texts[name].push_back(text);
  }
  for (const auto& option : info_->options) give_option(option, texts[option.name]);
}

void Remote::give_option(const OptionInfo& info, const std::vector<std::string>& texts) {
  if (texts.empty() && info.required)
    throw UsageError("--option " + info.name + "=... is required: " + info.help);
  if (texts.size() > 1 && !takes_list(info)) throw UsageError("--option " + info.name + " takes one value");
  const auto converted = texts.empty()      ? convert_default(info)
                         : takes_list(info) ? convert_option(info, texts)
                                            : convert_option(info, texts.front());
  if (!converted.error.empty()) throw UsageError("--option " + info.name + ": " + converted.error);
  if (!converted.value) return;
  const auto& setting = options_[info.name] = *converted.value;
  std::transform(setting.list.begin(), setting.list.end(), std::back_inserter(option_lists_[info.name]),
                 text_of);
}

void Remote::open(std::string_view endpoint) {
  caller_.size = sizeof caller_;
  caller_.abi_minor = BP_ABI_MINOR;
  caller_.context = this;
  caller_.option = [](const bp_caller* caller, const char* name, bp_value* value) -> std::int32_t {
    const auto& remote = *static_cast<const Remote*>(caller->context);
    const auto found = remote.options_.find(std::string_view(name));
    if (found == remote.options_.end()) return -1;
    const auto& setting = found->second;
    const auto& list = remote.option_lists_.at(found->first);
    *value = {static_cast<std::uint32_t>(setting.type),
              setting.given ? 1u : 0u,
              text_of(setting.text),
              setting.integer,
              setting.number,
              list.data(),
              list.size()};
    return 0;
  };
  caller_.log = [](const bp_caller* caller, std::uint32_t severity, bp_text text) {
    if (severity >= BP_WARNING)
      static_cast<const Remote*>(caller->context)->console_.err
          << "backplane: " << escaped({text.data, text.size}) << '\n';
  };
  caller_.interrupted = [](const bp_caller* caller) -> std::int32_t {
    const auto& remote = *static_cast<const Remote*>(caller->context);
    return remote.interrupted_ && remote.interrupted_() ? 1 : 0;
  };
  bp_error error{};
  client_ = info_->table->open(&caller_, text_of(endpoint), &error);
  if (client_ == nullptr) throw RemoteError(error);
}

void Remote::call(const bp_client_call& call, const Take& take) {
  bp_error error{};
  Taking taking{take, nullptr};
  const auto answer = info_->table->call(client_, &call, &Taking::run, &taking, &error);
  taking.finish(answer, error);
}

void Remote::job(const bp_client_job& job, const Take& take) {
  if (!info_->runs_jobs)
    throw UsageError("calls of " + info_->scheme + " come one by one; there are no jobs");
  bp_error error{};
  Taking taking{take, nullptr};
  const auto answer = info_->table->job(client_, &job, &Taking::run, &taking, &error);
  taking.finish(answer, error);
}

std::vector<FunctionInfo> Remote::functions() {
  if (!info_->tells_functions)
    throw UsageError("a server of " + info_->scheme + " cannot be asked for its functions");
  bp_error error{};
  Telling telling;
  const auto answer = info_->table->functions(client_, &Telling::run, &telling, &error);
  if (telling.failure) std::rethrow_exception(telling.failure);
  if (answer != 0) throw RemoteError(error);
  return std::move(telling.functions);
}

}  // namespace backplane::host
