#include "sqlite.h"

namespace truenorm::night::sqlite {
namespace {

constexpr int kPatience = 20000;  // ms; a reader in another process holds the file for moments

[[noreturn]] void fail(sqlite3* handle, int code) {
  if (handle == nullptr) throw Error(code, sqlite3_errstr(code));
  throw Error(sqlite3_extended_errcode(handle), sqlite3_errmsg(handle));
}

}  // namespace

Statement::Statement(Database& database, const char* text)
    : database_(database.handle_.get()), made_(nullptr, sqlite3_finalize) {
  sqlite3_stmt* statement = nullptr;
  check(sqlite3_prepare_v2(database_, text, -1, &statement, nullptr));
  made_.reset(statement);
}

bool Statement::row() {
  const int code = sqlite3_step(made_.get());
  if (code != SQLITE_ROW && code != SQLITE_DONE) fail(database_, code);
  return code == SQLITE_ROW;
}

std::string Statement::text(int column) const {
  const void* bytes = sqlite3_column_blob(made_.get(), column);
  const int size = sqlite3_column_bytes(made_.get(), column);
  return bytes == nullptr ? std::string()
                          : std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

void Statement::bind(int place, std::int64_t value) {
  check(sqlite3_bind_int64(made_.get(), place, value));
}

void Statement::bind(int place, double value) {
  check(sqlite3_bind_double(made_.get(), place, value));
}

void Statement::bind(int place, std::string_view text) {
  check(sqlite3_bind_text64(made_.get(), place, text.data(), text.size(), SQLITE_TRANSIENT,
                            SQLITE_UTF8));
}

void Statement::bind(int place, const Blob& blob) {
  // A null pointer would be NULL.
  const char* bytes = blob.bytes.empty() ? "" : blob.bytes.data();
  check(sqlite3_bind_blob64(made_.get(), place, bytes, blob.bytes.size(), SQLITE_TRANSIENT));
}

void Statement::check(int code) const {
  if (code != SQLITE_OK) fail(database_, code);
}

Database::Database(const std::string& path, int flags) : handle_(nullptr, sqlite3_close) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  handle_.reset(handle);
  if (code != SQLITE_OK) fail(handle, code);
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kPatience);
}

void Database::script(const char* text) {
  if (const int code = sqlite3_exec(handle_.get(), text, nullptr, nullptr, nullptr);
      code != SQLITE_OK)
    fail(handle_.get(), code);
}

void Database::transaction(const std::function<void()>& work) {
  script("BEGIN IMMEDIATE");
  try {
    work();
    script("COMMIT");
  } catch (...) {
    // After some errors SQLite has rolled back by itself, and there is no transaction to end.
    sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

}  // namespace truenorm::night::sqlite
