#include "manifest/files.hpp"

#include <algorithm>

#include "manifest/suggest.hpp"

namespace backplane::host {

// What an include asks for.
struct FileSet::Request {
  std::string file;
  Place place;  // of the file's name
  const Source* includer = nullptr;
  std::string prefix;  // for the names of components, whole
  const Node* with = nullptr;
};

namespace {

// Whether two readings are of the same file.
bool is_same(const std::filesystem::path& left, const std::filesystem::path& right) {
  return left.lexically_normal() == right.lexically_normal();
}

}  // namespace

void FileSet::read(const std::filesystem::path& file) {
  const Request request;
  const auto& source = add_source(file, request);
  if (!settings_.read) {
    problems_.error({&source, 1, 1}, "cannot be read: no files are read here");
    return;
  }
  const auto content = settings_.read(file);
  if (content.text) {
    read_source(*content.text, source, request);
  } else {
    problems_.error({&source, 1, 1}, content.error);
  }
}

void FileSet::read_text(std::string_view text, const std::filesystem::path& name) {
  const Request request;
  read_source(text, add_source(name, request), request);
}

const Source& FileSet::add_source(const std::filesystem::path& file, const Request& request) {
  auto& source = sources_.emplace_back();
  source.file = file;
  source.rank = sources_.size();
  source.includer = request.includer;
  source.included_at = request.place;
  source.prefix = request.prefix;
  source.depth = request.includer == nullptr ? 0 : request.includer->depth + 1;
  return source;
}

void FileSet::read_source(std::string_view text, const Source& source, const Request& request) {
  auto root = parse_yaml(text, source, budget_, problems_);
  if (!root) return;
  auto& file = files_.emplace_back();
  file.source = &source;
  file.root = std::move(*root);
  auto parameters = declare_parameters(file.root, source, request);
  for (auto& entry : file.root.entries)
    if (entry.key.text != "parameters")
      substitute(entry.value, parameters, settings_.environment, budget_, problems_);
  warn_of_unused(parameters, file.root);
  file.keys = read_keys(file.root, top_keys(), "manifest", problems_);
  if (const auto include = file.keys.find("include"); include != file.keys.end())
    read_includes(*include->second.value, source);
}

Parameters FileSet::declare_parameters(const Node& root, const Source& source, const Request& request) {
  Parameters parameters;
  if (const auto* declared = root.find("parameters"); declared != nullptr && !declared->is_null()) {
    if (!declared->is_map()) {
      problems_.error(declared->place,
                      "parameters: expected names, each with \"required\" or {default, help}");
      return parameters;
    }
    check_duplicates(*declared, "parameters", problems_);
    for (const auto& entry : declared->entries)
      if (auto parameter = declare_parameter(entry, request))
        parameters.try_emplace(entry.key.text, std::move(*parameter));
  }
  check_given_parameters(parameters, source, request);
  return parameters;
}

// The parameter with the value that counts. One whose value is missing or wrong, which is reported, is
// declared all the same, so that its uses are not mistakes too.
std::optional<Parameter> FileSet::declare_parameter(const Entry& entry, const Request& request) {
  const auto& name = entry.key.text;
  const auto label = "parameter " + in_quotes(name);
  const bool is_word =
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
      std::string::npos;
  if (!is_word || name.empty() || (name.front() >= '0' && name.front() <= '9')) {
    problems_.error(entry.key.place, label + ": a parameter's name is made of letters, digits and \"_\"");
    return std::nullopt;
  }
  Parameter parameter;
  parameter.value = entry.key;
  parameter.value.broken = true;
  const auto* given = request.with != nullptr && request.with->is_map() ? request.with->find(name) : nullptr;
  const bool is_required = entry.value.is_text() && entry.value.text == "required";
  if (!is_required && !entry.value.is_map()) {
    problems_.error(entry.value.is_null() ? entry.key.place : entry.value.place,
                    label + ": expected \"required\" or a map with default and help");
    return parameter;
  }
  const auto keys = is_required ? GivenKeys{} : read_keys(entry.value, parameter_keys(), label, problems_);
  const auto fallback = keys.find("default");
  if (given != nullptr) {
    if (!given->is_null()) parameter.value = *given;
  } else if (fallback != keys.end()) {
    parameter.value = *fallback->second.value;
    Parameters none;
    substitute(parameter.value, none, settings_.environment, budget_, problems_);
  } else if (keys.size() < entry.value.entries.size()) {
    return parameter;  // a key of it was wrong, which was reported
  } else if (request.includer == nullptr) {
    problems_.error(entry.key.place,
                    label + " has no default: include this file with: {" + name + ": ...}, it is a template");
  } else {
    problems_.error(request.place, "the template needs the parameter " + in_quotes(name) +
                                       "; give it with: {" + name + ": ...}");
  }
  return parameter;
}

void FileSet::check_given_parameters(const Parameters& parameters, const Source& source,
                                     const Request& request) {
  if (request.with == nullptr || request.with->broken) return;
  if (!request.with->is_map()) {
    problems_.error(request.with->place, "include: with: expected a map of parameters, found " +
                                             std::string(type_name(*request.with)));
    return;
  }
  check_duplicates(*request.with, "include: with", problems_);
  std::vector<std::string> names;
  for (const auto& [name, parameter] : parameters) names.push_back(name);
  for (const auto& entry : request.with->entries) {
    if (parameters.find(entry.key.text) == parameters.end())
      problems_.error(entry.key.place, source.file.string() + " has no parameter " +
                                           in_quotes(entry.key.text) + name_hint(entry.key.text, names));
    if (entry.value.is_null())
      problems_.error(entry.key.place, "the parameter " + in_quotes(entry.key.text) + " has no value");
  }
}

void FileSet::warn_of_unused(const Parameters& parameters, const Node& root) {
  const auto* declared = root.find("parameters");
  if (declared == nullptr) return;
  for (const auto& entry : declared->entries) {
    const auto found = parameters.find(entry.key.text);
    if (found != parameters.end() && !found->second.used)
      problems_.warning(entry.key.place, "the parameter " + in_quotes(entry.key.text) + " is used nowhere");
  }
}

void FileSet::read_includes(const Node& include, const Source& source) {
  if (!include.is_list()) {
    read_include(include, source);
    return;
  }
  for (const auto& item : include.items) read_include(item, source);
}

void FileSet::read_include(const Node& include, const Source& source) {
  if (include.broken) return;
  Request request;
  request.includer = &source;
  request.prefix = source.prefix;
  request.place = include.place;
  if (include.is_text()) {
    request.file = include.text;
  } else if (include.is_map()) {
    const auto keys = read_keys(include, include_keys(), "include", problems_);
    const auto file = keys.find("file");
    if (file == keys.end()) {
      if (include.find("file") == nullptr)
        problems_.error(include.place, "include: \"file\" is required: the file to include");
      return;
    }
    const auto name =
        read_setting(*file->second.value, *find_key(include_keys(), "file"), "include: file", problems_);
    if (!name) return;
    request.file = name->text;
    request.place = file->second.value->place;
    if (const auto as = keys.find("as"); as != keys.end()) {
      const auto prefix =
          read_setting(*as->second.value, *find_key(include_keys(), "as"), "include: as", problems_);
      if (!prefix) return;
      if (!is_valid_name(prefix->text))
        problems_.error(as->second.value->place, "include: as: " + in_quotes(prefix->text) +
                                                     " is not a name; " + std::string(name_rule));
      request.prefix += prefix->text + ".";
    }
    if (const auto with = keys.find("with"); with != keys.end()) request.with = with->second.value;
  } else {
    problems_.error(include.place,
                    "include: expected FILE or {file, as, with}, found " + std::string(type_name(include)));
    return;
  }
  if (request.file.empty()) {
    problems_.error(request.place, "include: the name of the file is empty");
    return;
  }
  include_file(request, source);
}

void FileSet::include_file(const Request& request, const Source& source) {
  if (!is_within_limits(source, request.place)) return;
  std::vector<std::filesystem::path> places = {path_in(source.folder(), request.file)};
  if (!request.file.starts_with('/'))
    for (const auto& folder : settings_.include_folders)
      places.push_back((folder / request.file).lexically_normal());
  std::string looked;
  for (const auto& file : places) {
    if (is_cycle(file, source, request.place)) return;
    const auto content = settings_.read(file);
    if (content.text) {
      read_source(*content.text, add_source(file, request), request);
      return;
    }
    if (!content.missing) {
      problems_.error(request.place, "cannot include " + file.string() + ": " + content.error);
      return;
    }
    looked += (looked.empty() ? "" : ", ") + file.string();
  }
  problems_.error(request.place, "cannot include " + in_quotes(request.file) +
                                     ": there is no such file; looked for " + looked);
}

bool FileSet::is_within_limits(const Source& includer, const Place& at) {
  if (!settings_.read) {
    problems_.error(at, "nothing can be included here");
    return false;
  }
  if (includer.depth >= include_depth_limit) {
    problems_.error(at,
                    "includes inside each other more than " + std::to_string(include_depth_limit) + " deep");
    return false;
  }
  if (budget_.includes == 0) {
    problems_.error(at, "more than " + std::to_string(include_count_limit) + " includes");
    return false;
  }
  --budget_.includes;
  return true;
}

bool FileSet::is_cycle(const std::filesystem::path& file, const Source& includer, const Place& at) {
  std::string chain = file.string();
  for (const auto* source = &includer; source != nullptr; source = source->includer) {
    chain = source->file.string() + " -> " + chain;
    if (!is_same(source->file, file)) continue;
    problems_.error(at, "includes go in a circle: " + chain);
    return true;
  }
  return false;
}

}  // namespace backplane::host
