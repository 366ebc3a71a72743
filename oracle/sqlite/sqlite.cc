#include "sqlite.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace truenorm::sqlite {
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

namespace {

namespace fs = std::filesystem;

void require_sound(Database& database) {
  Statement check(database, "PRAGMA quick_check(1)");
  check.row();
  if (const std::string said = check.text(0); said != "ok") throw Error(SQLITE_CORRUPT, said);
}

std::int64_t version_of(Database& database) {
  Statement version(database, "PRAGMA user_version");
  version.row();
  return version.whole(0);
}

void require_version(Database& database, std::int64_t version) {
  if (version_of(database) == version) return;
  throw std::runtime_error("is of version " + std::to_string(version_of(database)) + ", and " +
                           std::to_string(version) + " was expected: another truenorm made it");
}

/// A database without our number is no place to put tables in.
void require_empty(Database& database) {
  Statement tables(database, "SELECT count(*) FROM sqlite_master");
  tables.row();
  if (tables.whole(0) > 0) throw std::runtime_error("is another program's database");
}

Database open_or_make(const std::string& path, const Schema& schema) {
  Database database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  database.script(schema.pragmas);
  require_sound(database);
  if (version_of(database) == 0)
    database.transaction([&] {
      if (version_of(database) != 0) return;  // somebody else has made it meanwhile
      require_empty(database);
      database.script(schema.script);
      database.script(("PRAGMA user_version = " + std::to_string(schema.version)).c_str());
    });
  require_version(database, schema.version);
  return database;
}

/// Moves the database with its journal out of the way, and returns its new name.
std::string move_aside(const std::string& path) {
  fs::path aside;
  for (int n = 1; aside.empty() || fs::exists(aside); ++n)
    aside = path + ".damaged-" + std::to_string(n);
  fs::rename(path, aside);
  for (const char* part : {"-wal", "-shm", "-journal"})
    if (fs::exists(path + part)) fs::rename(path + part, aside.string() + part);
  return aside.string();
}

/// Others who want the lock of this file's folder wait.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& file)
      : descriptor_(::open((file.has_parent_path() ? file.parent_path() : ".").c_str(),
                           O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (descriptor_ >= 0) ::flock(descriptor_, LOCK_EX);
  }
  ~FolderLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

/// The database, unless it is damaged.
std::unique_ptr<Database> sound(const std::string& path, const Schema& schema) {
  try {
    return std::make_unique<Database>(open_or_make(path, schema));
  } catch (const Error& e) {
    if (!e.damaged()) throw;
    return nullptr;
  }
}

}  // namespace

Opened open(const fs::path& path, const Schema& schema) {
  if (auto database = sound(path.string(), schema)) return {std::move(*database), ""};
  const FolderLock lock(path);
  // Not the one that another process has made of it meanwhile.
  if (auto database = sound(path.string(), schema)) return {std::move(*database), ""};
  std::string aside = move_aside(path.string());
  return {open_or_make(path.string(), schema), std::move(aside)};
}

Database look(const fs::path& path, const Schema& schema) {
  Database database(path.string(), SQLITE_OPEN_READONLY);
  require_version(database, schema.version);
  return database;
}

}  // namespace truenorm::sqlite
