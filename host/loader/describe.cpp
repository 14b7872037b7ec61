#include "loader/describe.hpp"

#include <dlfcn.h>

#include <exception>

#include "loader/elf.hpp"
#include "loader/helper.hpp"
#include "loader/library.hpp"
#include "loader/plugin_json.hpp"
#include "loader/refused.hpp"
#include "loader/table.hpp"

namespace backplane::host {

namespace {

namespace fs = std::filesystem;

// What the file asks for and this machine does not have. Loads its libraries: for the helper alone.
void find_missing(const ElfFacts& facts, Description& description) {
  for (const auto& name : facts.needed)
    if (::dlopen(name.c_str(), RTLD_LAZY | RTLD_GLOBAL) == nullptr)
      description.missing_libraries.push_back(name);
  // Without a library, all that it would have brought is missing: that says nothing more.
  if (!description.missing_libraries.empty()) return;
  for (const auto& symbol : facts.undefined)
    if (::dlsym(RTLD_DEFAULT, symbol.c_str()) == nullptr) description.missing_symbols.push_back(symbol);
}

const bp_plugin* load(const fs::path& file, const fs::path& original, const ElfFacts& facts,
                      Description& description) {
  try {
    return &load_library(file, original, facts);
  } catch (const Refused& refusal) {
    description.reason = refusal.what();
    find_missing(facts, description);
    return nullptr;
  }
}

Description describe_here(const fs::path& file, const fs::path& original, OptionTables options,
                          HelperReport& report) {
  Description description;
  report.stage("loading");
  const auto* table = load(file, original, read_elf(file), description);
  if (table == nullptr) return description;
  report.stage("telling what it offers");
  description.plugin.emplace();
  try {
    read_table(*table, *description.plugin, AskFunctions::yes);
  } catch (const Refused& refusal) {
    description.reason = refusal.what();
  }
  if (options == OptionTables::leave_out) {
    for (auto& kind : description.plugin->kinds) kind.options.clear();
    for (auto& client : description.plugin->clients) client.options.clear();
  }
  return description;
}

}  // namespace

Description describe_in_helper(const fs::path& file, const fs::path& original,
                               std::chrono::milliseconds limit, OptionTables options) {
  const auto work = [&](HelperReport& report) {
    report.result(to_json(describe_here(file, original, options, report)));
  };
  auto outcome = run_helper(work, limit);
  Description description;
  if (!outcome.failure.empty()) {
    description.reason = std::move(outcome.failure);
    return description;
  }
  try {
    description = from_json(outcome.result);
  } catch (const std::exception& failure) {
    description.reason = std::string("wrote garbage to the loader: ") + failure.what();
  }
  if (description.plugin) description.plugin->file = original;
  return description;
}

}  // namespace backplane::host
