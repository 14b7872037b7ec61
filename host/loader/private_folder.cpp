#include "loader/private_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace backplane::host {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view folder_prefix = "backplane-plugins-";

// Files there can be mapped as code.
bool allows_code(const fs::path& folder) {
  struct statvfs facts {};
  return ::statvfs(folder.c_str(), &facts) == 0 && (facts.f_flag & (ST_NOEXEC | ST_RDONLY)) == 0;
}

// An executable, writable temporary folder.
fs::path temporary_folder() {
  std::string tried;
  const char* own = std::getenv("XDG_RUNTIME_DIR");
  std::error_code failure;
  const std::array<fs::path, 4> places{fs::temp_directory_path(failure), "/var/tmp", own ? own : "",
                                       "/dev/shm"};
  for (const auto& place : places) {
    if (place.empty()) continue;
    if (allows_code(place) && ::access(place.c_str(), W_OK | X_OK) == 0) return place;
    tried += (tried.empty() ? "" : ", ") + place.string();
  }
  throw std::runtime_error("no temporary folder in which plugins may be executed (tried " + tried +
                           "); set TMPDIR to one");
}

int open_locked(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) return -1;
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return descriptor;
  ::close(descriptor);
  return -1;
}

bool is_mine(const fs::path& folder) {
  struct stat facts {};
  return ::lstat(folder.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) && facts.st_uid == ::geteuid();
}

// A folder that still exists but that nobody has locked belonged to a process that was killed.
void remove_abandoned(const fs::path& place) {
  std::error_code ignored;
  for (fs::directory_iterator next(place, ignored), end; next != end; next.increment(ignored)) {
    if (ignored) return;
    const auto& folder = next->path();
    if (!folder.filename().string().starts_with(folder_prefix) || !is_mine(folder)) continue;
    const int lock = open_locked(folder);
    if (lock < 0) continue;
    fs::remove_all(folder, ignored);
    ::close(lock);
  }
}

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

}  // namespace

PrivateFolder::PrivateFolder() : owner_(::getpid()) {
  const auto place = temporary_folder();
  remove_abandoned(place);
  // Another process may take the new folder for an abandoned one before it is locked: then make another.
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::string name = (place / folder_prefix).string() + "XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) fail("no private folder can be made in " + place.string());
    lock_ = open_locked(name);
    path_ = name;
    if (lock_ >= 0 && fs::exists(path_)) return;
    if (lock_ >= 0) ::close(lock_);
  }
  throw std::runtime_error("no private folder can be made in " + place.string() + ": it is removed at once");
}

PrivateFolder::~PrivateFolder() {
  std::error_code ignored;
  if (::getpid() == owner_) fs::remove_all(path_, ignored);
  ::close(lock_);
}

fs::path PrivateFolder::copy(const fs::path& file) {
  // A folder each: two files of one name stay apart.
  const auto place = path_ / std::to_string(++copies_);
  std::error_code failure;
  fs::create_directory(place, failure);
  const auto to = place / file.filename();
  if (!failure) fs::copy_file(file, to, failure);
  if (failure) throw std::runtime_error("cannot be copied to " + to.string() + ": " + failure.message());
  fs::permissions(to, fs::perms::owner_read | fs::perms::owner_exec, failure);
  return to;
}

}  // namespace backplane::host
