// YAML text -> checked Manifest, or every mistake at once. Reads files and the environment, opens plugins
// through the catalog, starts nothing. Main thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loader/kind_info.hpp"
#include "manifest/manifest.hpp"

namespace backplane::host {

// The value of an environment variable, or nothing.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

// The content of a file, or why it cannot be had ("does not exist").
struct FileText {
  std::optional<std::string> text;
  std::string error;
  bool missing = false;  // there is no such file: an include is then looked for elsewhere
};
using FileReader = std::function<FileText(const std::filesystem::path& file)>;
// Reads from disk, at most manifest_size_limit bytes.
FileText read_file(const std::filesystem::path& file);

// What one read takes at most; beyond it there is an error, never a hang or a crash.
inline constexpr std::size_t manifest_size_limit = std::size_t{16} << 20;  // bytes of one file
inline constexpr std::size_t manifest_depth_limit = 64;                    // lists and maps inside each other
inline constexpr std::size_t manifest_value_limit = 1'000'000;             // of all files, aliases expanded
inline constexpr std::size_t manifest_text_limit = std::size_t{64} << 20;  // bytes, aliases and ${} expanded
inline constexpr std::size_t include_depth_limit = 32;
inline constexpr std::size_t include_count_limit = 10'000;
inline constexpr std::size_t component_limit = 10'000;
inline constexpr std::size_t instance_limit = 100'000;
inline constexpr std::size_t route_limit = 100'000;
inline constexpr std::size_t problem_limit = 1'000;  // errors kept; those beyond are only counted

struct Problem {
  Position position;
  std::string text;  // a sentence; for an included file it ends with "(included from FILE:LINE:COL)"
};

struct ReadResult {
  std::optional<Manifest> manifest;  // present exactly when there is no error
  std::vector<Problem> errors;       // by file (in the order they were read), line, column
  std::vector<Problem> warnings;     // likewise
  std::size_t more_errors = 0;       // beyond problem_limit
};

struct ReadSettings {
  Environment environment = process_environment();
  FileReader read = read_file;  // empty: `include` is refused
  std::vector<std::filesystem::path> include_folders =
      {};  // where includes are looked for, after beside the file
};

// Reads a manifest and all it includes. `file` is shown in positions as given; relative paths in it start at
// its folder. Opens the plugin `basic`, then those the manifest lists.
ReadResult read_manifest(const std::filesystem::path& file, KindCatalog& catalog,
                         const ReadSettings& settings = {});

// Likewise from memory; `name` stands for the file.
ReadResult read_manifest_text(std::string_view text, const std::filesystem::path& name, KindCatalog& catalog,
                              const ReadSettings& settings);

// "FILE:LINE:COL: sentence"
std::string to_text(const Problem& problem);

// A line per error; then, when there are any, "N errors; nothing was started". Every line ends with '\n'.
std::string error_report(const ReadResult& result);
// A line "FILE:LINE:COL: warning: sentence" per warning.
std::string warning_report(const ReadResult& result);

}  // namespace backplane::host
