#include "cache_file.hpp"

#include <backplane/host.hpp>

#include <sqlite3.h>

#include <filesystem>

namespace backplane::palm {

namespace {

void bind_text(sqlite3_stmt* statement, int place, std::string_view text) {
  sqlite3_bind_text(statement, place, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

std::string_view column(sqlite3_stmt* statement, int place) {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, place));
  return {bytes == nullptr ? "" : bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement, place))};
}

// The file is one that SQLite cannot read.
class Damaged : public Error {
 public:
  using Error::Error;
};

}  // namespace

void CacheFile::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }
void CacheFile::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

CacheFile::CacheFile(const std::string& path, const std::function<void(std::string_view)>& warn)
    : path_(path) {
  try {
    open();
  } catch (const Damaged& error) {
    set_.reset();
    remove_.reset();
    database_.reset();
    const auto aside = path + ".damaged";
    std::error_code failed;
    std::filesystem::rename(path, aside, failed);
    if (failed) throw;
    for (const auto* suffix : {"-wal", "-shm"}) std::filesystem::remove(path + suffix, failed);
    warn(path + " is damaged (" + error.what() + "); it was put aside as " + aside + " and a new one begun");
    open();
  }
}

CacheFile::~CacheFile() = default;

void CacheFile::open() {
  sqlite3* opened = nullptr;
  const int answer = sqlite3_open_v2(
      path_.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  database_.reset(opened);
  if (answer != SQLITE_OK) fail();
  run("PRAGMA journal_mode = WAL");
  run("PRAGMA synchronous = FULL");
  run("CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value BLOB NOT NULL, expires INTEGER NOT "
      "NULL) WITHOUT ROWID");
  check();
  set_ = prepare("INSERT OR REPLACE INTO entries VALUES (CAST(?1 AS BLOB), CAST(?2 AS BLOB), ?3)");
  remove_ = prepare("DELETE FROM entries WHERE key = CAST(?1 AS BLOB)");
}

// Damage is told as an error or as a row of text.
void CacheFile::check() {
  const auto found = prepare("PRAGMA quick_check(1)");
  if (sqlite3_step(found.get()) != SQLITE_ROW) fail();
  const auto says = column(found.get(), 0);
  if (says != "ok") throw Damaged("StoreFailed", path_ + ": " + std::string(says));
}

void CacheFile::load(const Take& take) {
  const auto all = prepare("SELECT key, value, expires FROM entries");
  int answer = SQLITE_OK;
  while ((answer = sqlite3_step(all.get())) == SQLITE_ROW)
    take(column(all.get(), 0), column(all.get(), 1), sqlite3_column_int64(all.get(), 2));
  if (answer != SQLITE_DONE) fail();
}

void CacheFile::set(std::string_view key, std::string_view value, std::int64_t expires) {
  begin();
  bind_text(set_.get(), 1, key);
  bind_text(set_.get(), 2, value);
  sqlite3_bind_int64(set_.get(), 3, expires);
  step(set_.get());
}

void CacheFile::remove(std::string_view key) {
  begin();
  bind_text(remove_.get(), 1, key);
  step(remove_.get());
}

void CacheFile::commit() {
  if (!changed_) return;
  run("COMMIT");
  changed_ = false;
}

void CacheFile::begin() {
  if (changed_) return;
  run("BEGIN");
  changed_ = true;
}

void CacheFile::run(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail();
}

CacheFile::Statement CacheFile::prepare(const char* sql) {
  sqlite3_stmt* made = nullptr;
  if (sqlite3_prepare_v2(database_.get(), sql, -1, &made, nullptr) != SQLITE_OK) fail();
  return Statement(made);
}

void CacheFile::step(sqlite3_stmt* statement) {
  const int answer = sqlite3_step(statement);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  if (answer != SQLITE_DONE) fail();
}

void CacheFile::fail() {
  const std::string why = database_ ? sqlite3_errmsg(database_.get()) : "out of memory";
  const int code = database_ ? sqlite3_errcode(database_.get()) : SQLITE_NOMEM;
  if (changed_) {
    sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    changed_ = false;
  }
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) throw Damaged("StoreFailed", path_ + ": " + why);
  throw Error("StoreFailed", path_ + ": " + why);
}

}  // namespace backplane::palm
