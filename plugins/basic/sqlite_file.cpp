#include "sqlite_file.hpp"

#include <backplane/host.hpp>

#include <sqlite3.h>

#include <filesystem>

namespace backplane::basic {

namespace {

// The file is one that SQLite cannot read.
class Damaged : public Error {
 public:
  using Error::Error;
};

}  // namespace

// ---- the file -----------------------------------------------------------------------------------------

void SqliteFile::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

SqliteFile::SqliteFile(const std::string& path, const char* schema,
                       const std::function<void(std::string_view)>& warn)
    : path_(path) {
  try {
    open(schema);
  } catch (const Damaged& error) {
    database_.reset();
    const auto aside = path + ".damaged";
    std::error_code failed;
    std::filesystem::rename(path, aside, failed);
    if (failed) throw;
    for (const auto* suffix : {"-wal", "-shm"}) std::filesystem::remove(path + suffix, failed);
    warn(path + " is damaged (" + error.what() + "); it was put aside as " + aside + " and a new one begun");
    open(schema);
  }
}

SqliteFile::~SqliteFile() = default;

void SqliteFile::open(const char* schema) {
  sqlite3* opened = nullptr;
  const int answer = sqlite3_open_v2(
      path_.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  database_.reset(opened);
  if (answer != SQLITE_OK) fail();
  run("PRAGMA journal_mode = WAL");
  run("PRAGMA synchronous = FULL");
  run(schema);
  check();
}

// Damage is told as an error or as a row of text.
void SqliteFile::check() {
  auto found = prepare("PRAGMA quick_check(1)");
  if (!found.next()) fail();
  if (found.bytes(0) != "ok") throw Damaged("StoreFailed", path_ + ": " + std::string(found.bytes(0)));
}

// In this mode the lock that the first transaction takes is held until the file is closed.
void SqliteFile::lock() {
  run("PRAGMA locking_mode = EXCLUSIVE");
  run("BEGIN IMMEDIATE");
  run("COMMIT");
}

SqliteFile::Statement SqliteFile::prepare(const char* sql) {
  sqlite3_stmt* made = nullptr;
  if (sqlite3_prepare_v2(database_.get(), sql, -1, &made, nullptr) != SQLITE_OK) fail();
  return {*this, made};
}

void SqliteFile::begin() {
  if (changing_) return;
  run("BEGIN");
  changing_ = true;
}

void SqliteFile::commit() {
  if (!changing_) return;
  run("COMMIT");
  changing_ = false;
}

void SqliteFile::run(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail();
}

void SqliteFile::fail() {
  const std::string why = database_ ? sqlite3_errmsg(database_.get()) : "out of memory";
  const int code = database_ ? sqlite3_errcode(database_.get()) : SQLITE_NOMEM;
  if (changing_) {
    sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    changing_ = false;
  }
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) throw Damaged("StoreFailed", path_ + ": " + why);
  if (code == SQLITE_BUSY)
    throw Error("StoreFailed", path_ + ": " + why + ": another component or program has it open");
  throw Error("StoreFailed", path_ + ": " + why);
}

// ---- statements ---------------------------------------------------------------------------------------

void SqliteFile::Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

SqliteFile::Statement& SqliteFile::Statement::bind(int place, std::string_view bytes) {
  // Without an address it would be NULL.
  const auto* from = bytes.data() == nullptr ? "" : bytes.data();
  if (sqlite3_bind_blob64(statement_.get(), place, from, bytes.size(), SQLITE_STATIC) != SQLITE_OK)
    file_->fail();
  return *this;
}

SqliteFile::Statement& SqliteFile::Statement::bind(int place, std::int64_t number) {
  if (sqlite3_bind_int64(statement_.get(), place, number) != SQLITE_OK) file_->fail();
  return *this;
}

void SqliteFile::Statement::run() {
  while (next()) {
  }
}

bool SqliteFile::Statement::next() {
  const int answer = sqlite3_step(statement_.get());
  if (answer == SQLITE_ROW) return true;
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  if (answer != SQLITE_DONE) file_->fail();
  return false;
}

std::string_view SqliteFile::Statement::bytes(int column) const {
  const auto* content = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  return {content == nullptr ? "" : content,
          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::int64_t SqliteFile::Statement::number(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

bool SqliteFile::Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

}  // namespace backplane::basic
