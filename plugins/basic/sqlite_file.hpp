// One SQLite file in WAL mode, whose commits are on disk when they return, and statements on it. One thread
// at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace backplane::basic {

class SqliteFile {
 public:
  class Statement;

  // Opens or makes the file and carries out `schema`, statements that change nothing when they were carried
  // out before. A file that is damaged is put aside as PATH.damaged and a fresh one begun; `warn` is told.
  // This and all else here throws Error "StoreFailed", whose text begins with the path.
  SqliteFile(const std::string& path, const char* schema, const std::function<void(std::string_view)>& warn);
  ~SqliteFile();
  SqliteFile(const SqliteFile&) = delete;
  SqliteFile& operator=(const SqliteFile&) = delete;

  // From now on nobody else can open the file, as long as this object is.
  void lock();
  // The file must outlive what is prepared.
  Statement prepare(const char* sql);
  // Begins a transaction when none is under way. Whatever fails in it undoes all of it.
  void begin();
  // Ends it: what was changed is on disk. Nothing to do when none is under way.
  void commit();

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };

  void open(const char* schema);
  void check();
  void run(const char* sql);
  [[noreturn]] void fail();

  std::string path_;
  std::unique_ptr<sqlite3, Close> database_;
  bool changing_ = false;
};

class SqliteFile::Statement {
 public:
  // Gives a parameter, counted from 1, its value. Bytes are not copied: they stay until run() or the last
  // next() has returned.
  Statement& bind(int place, std::string_view bytes);
  Statement& bind(int place, std::int64_t number);
  // Carries it out; parameters without a value are NULL. It can be used again then.
  void run();
  // The next row; false: there is none, and the statement can be used again.
  bool next();

  // Columns of the row, counted from 0; bytes are valid until the next call.
  std::string_view bytes(int column) const;
  std::int64_t number(int column) const;
  bool is_null(int column) const;

 private:
  friend class SqliteFile;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };

  Statement(SqliteFile& file, sqlite3_stmt* made) : file_(&file), statement_(made) {}

  SqliteFile* file_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

}  // namespace backplane::basic
