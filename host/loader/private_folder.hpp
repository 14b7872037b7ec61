// A folder of this process alone, for the copies of plugin files it has loaded. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <filesystem>

namespace backplane::host {

// Made in the system's temporary folder (or another one where files may be executed), mode 0700, and locked
// while its process lives. Copies keep the name of their file, so debuggers and backtraces show it.
// A folder that a killed process left behind is removed by the next one of the same user.
class PrivateFolder {
 public:
  // Throws std::runtime_error when no such folder can be made.
  PrivateFolder();
  // Removes the folder; what is mapped stays mapped. A forked child leaves it alone.
  ~PrivateFolder();
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;

  // Copies `file` and returns the copy. Throws std::runtime_error naming what failed.
  std::filesystem::path copy(const std::filesystem::path& file);
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int lock_ = -1;  // descriptor of the folder
  pid_t owner_;
  unsigned copies_ = 0;
};

}  // namespace backplane::host
