// The entries of a cache on disk (SQLite, WAL), so that they survive a restart. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace backplane::palm {

class CacheFile {
 public:
  // Opens or makes the file. One that is damaged is put aside as PATH.damaged and a fresh one begun; `warn`
  // is told. Throws Error "StoreFailed" when there cannot be one.
  CacheFile(const std::string& path, const std::function<void(std::string_view)>& warn);
  ~CacheFile();
  CacheFile(const CacheFile&) = delete;
  CacheFile& operator=(const CacheFile&) = delete;

  // Every entry; `expires`: milliseconds since 1970, 0: never.
  using Take = std::function<void(std::string_view key, std::string_view value, std::int64_t expires)>;
  void load(const Take& take);
  // Changes are on disk once commit() has returned. All throw Error "StoreFailed"; then what was not
  // committed is undone.
  void set(std::string_view key, std::string_view value, std::int64_t expires);
  void remove(std::string_view key);
  void commit();

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

  void open();
  void check();
  void begin();
  void run(const char* sql);
  Statement prepare(const char* sql);
  void step(sqlite3_stmt* statement);
  [[noreturn]] void fail();

  std::string path_;
  std::unique_ptr<sqlite3, Close> database_;
  Statement set_;
  Statement remove_;
  bool changed_ = false;
};

}  // namespace backplane::palm
