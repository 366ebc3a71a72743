// SQLite, as far as the programs that keep something need it: statements that bind their arguments,
// transactions, errors as exceptions, files that are damaged or of another version.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace truenorm::sqlite {

struct Error : std::runtime_error {
  Error(int code_seen, const std::string& what) : std::runtime_error(what), code(code_seen) {}
  int code;  // SQLite's, extended

  bool damaged() const { return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB; }
  bool full() const { return (code & 0xff) == SQLITE_FULL || code == SQLITE_IOERR_WRITE; }
};

/// Bytes, where a string is text.
struct Blob {
  std::string_view bytes;
};

class Database;

/// One execution of one statement; its rows in turn.
class Statement {
 public:
  template <class... Arguments>
  Statement(Database& database, const char* text, const Arguments&... arguments)
      : Statement(database, text) {
    int place = 0;
    (bind(++place, arguments), ...);
  }
  Statement(Database&, const char* text);

  bool row();  // steps; false: there are no more
  std::int64_t whole(int column) const { return sqlite3_column_int64(made_.get(), column); }
  double number(int column) const { return sqlite3_column_double(made_.get(), column); }
  std::string text(int column) const;  // of a blob its bytes

 private:
  void bind(int place, std::int64_t);
  void bind(int place, std::uint64_t value) { bind(place, static_cast<std::int64_t>(value)); }
  void bind(int place, unsigned value) { bind(place, static_cast<std::int64_t>(value)); }
  void bind(int place, double);
  void bind(int place, std::string_view);
  void bind(int place, const Blob&);
  void check(int code) const;

  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> made_;
};

class Database {
 public:
  Database(const std::string& path, int flags);

  template <class... Arguments>
  void run(const char* text, const Arguments&... arguments) {
    Statement statement(*this, text, arguments...);
    while (statement.row()) {
    }
  }
  void script(const char* text);  // several statements
  int changes() const { return sqlite3_changes(handle_.get()); }
  std::int64_t last_id() const { return sqlite3_last_insert_rowid(handle_.get()); }
  void transaction(const std::function<void()>&);  // all of it or, where it throws, nothing

 private:
  friend class Statement;
  std::unique_ptr<sqlite3, int (*)(sqlite3*)> handle_;
};

/// What a file holds: made of `script` where there is none; `version` is any number but 0.
struct Schema {
  std::int64_t version;
  const char* script;
  const char* pragmas = "";  // of each connection that writes
};

struct Opened {
  Database database;
  std::string aside;  // where a damaged one was moved to; empty: it was sound
};

/// To write in, and made where there is none. One that is damaged is moved aside to
/// `path`.damaged-N with its journal, and a new one made: of several processes that meet it, one
/// does. Throws Error, or std::runtime_error where the file is of another version.
Opened open(const std::filesystem::path&, const Schema&);

/// For a look while another process may write: nothing in it changes. Throws the same, also where
/// there is none, or where it is damaged.
Database look(const std::filesystem::path&, const Schema&);

}  // namespace truenorm::sqlite
