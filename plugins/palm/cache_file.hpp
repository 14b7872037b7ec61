// The entries of a cache on disk, so that they survive a restart. One thread at a time.
#pragma once

#include "basic/sqlite_file.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace backplane::palm {

class CacheFile {
 public:
  // Opens or makes the file. One that is damaged is put aside as PATH.damaged and a fresh one begun; `warn`
  // is told. Throws Error "StoreFailed" when there cannot be one.
  CacheFile(const std::string& path, const std::function<void(std::string_view)>& warn);

  // Every entry; `expires`: milliseconds since 1970, 0: never.
  using Take = std::function<void(std::string_view key, std::string_view value, std::int64_t expires)>;
  void load(const Take& take);
  // Changes are on disk once commit() has returned. All throw Error "StoreFailed"; then what was not
  // committed is undone.
  void set(std::string_view key, std::string_view value, std::int64_t expires);
  void remove(std::string_view key);
  void commit();

 private:
  basic::SqliteFile file_;
  basic::SqliteFile::Statement set_;
  basic::SqliteFile::Statement remove_;
};

}  // namespace backplane::palm
