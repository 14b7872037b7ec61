#include "cache_file.hpp"

namespace backplane::palm {

namespace {

constexpr auto schema =
    "CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value BLOB NOT NULL, expires INTEGER NOT "
    "NULL) "
    "WITHOUT ROWID";

}  // namespace

CacheFile::CacheFile(const std::string& path, const std::function<void(std::string_view)>& warn)
    : file_(path, schema, warn),
      set_(file_.prepare("INSERT OR REPLACE INTO entries VALUES (?1, ?2, ?3)")),
      remove_(file_.prepare("DELETE FROM entries WHERE key = ?1")) {}

void CacheFile::load(const Take& take) {
  auto all = file_.prepare("SELECT key, value, expires FROM entries");
  while (all.next()) take(all.bytes(0), all.bytes(1), all.number(2));
}

void CacheFile::set(std::string_view key, std::string_view value, std::int64_t expires) {
  file_.begin();
  set_.bind(1, key).bind(2, value).bind(3, expires).run();
}

void CacheFile::remove(std::string_view key) {
  file_.begin();
  remove_.bind(1, key).run();
}

void CacheFile::commit() { file_.commit(); }

}  // namespace backplane::palm
