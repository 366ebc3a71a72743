// new-plugin: a project for a kernel of the user's own, from nothing.
#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>

#include "../place.h"
#include "../words.h"
#include "support.h"
#include "template_files.h"
#include "verbs.h"

namespace truenorm::oracle::cli {
namespace {

namespace fs = std::filesystem;

/// What CMake and the file system take for a name, made of the folder's.
std::string project_name(const fs::path& folder) {
  std::string name = folder.filename().string();
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-') c = '_';
  const bool nothing = name.find_first_not_of("_-") == std::string::npos;
  return nothing ? "kernel" : name;
}

std::string filled_in(std::string text, const std::string& word, const std::string& value) {
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += value.size())
    text.replace(at, word.size(), value);
  return text;
}

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out)
    throw UsageError(fmt::format("{}: cannot be written: {}", path.string(), std::strerror(errno)));
}

/// A folder for what is being made, that goes with this. Throws UsageError.
class Stage {
 public:
  explicit Stage(const fs::path& path) : path_(path) {
    std::error_code error;
    if (!fs::create_directory(path_, error))
      throw UsageError(fmt::format("{}: no folder can be made: {}", path_.parent_path().string(),
                                   error ? error.message() : "it is there"));
  }
  ~Stage() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// The folder is new or empty, and has a place to be in. Throws UsageError.
void require_room(const fs::path& folder) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(folder, error);
  if (fs::exists(status)) {
    if (!fs::is_directory(folder, error))
      throw UsageError(
          fmt::format("{}: is there and is no folder; one that is new or empty was "
                      "expected",
                      folder.string()));
    const bool empty = fs::is_empty(folder, error);
    if (error)
      throw UsageError(fmt::format("{}: cannot be read: {}", folder.string(), error.message()));
    if (!empty)
      throw UsageError(
          fmt::format("{}: is not empty; a folder that is new or empty was expected. Nothing was "
                      "written",
                      folder.string()));
  } else if (!fs::is_directory(folder.parent_path(), error)) {
    throw UsageError(fmt::format("{}: there is no such folder to make {} in",
                                 folder.parent_path().string(), folder.filename().string()));
  }
}

/// All files or none.
void write_project(const fs::path& folder) {
  require_room(folder);
  const bool there = fs::exists(folder);
  const std::string scratch = fmt::format(".truenorm.{}.tmp", getpid());
  const Stage stage((there ? folder : folder.parent_path()) / scratch);
  const std::string name = project_name(folder);
  for (const TemplateFile& file : kTemplate)
    write_file(  // the project finds this program without being told
        stage.path() / file.name, filled_in(filled_in(std::string(file.text), "@name@", name),
                                            "@folder@", program_folder().string()));
  std::error_code error;
  if (there) {
    for (const TemplateFile& file : kTemplate)
      if (!error) fs::rename(stage.path() / file.name, folder / file.name, error);
    for (const TemplateFile& file : kTemplate) {
      std::error_code ignored;
      if (error) fs::remove(folder / file.name, ignored);
    }
  } else {
    fs::rename(stage.path(), folder, error);
  }
  if (error)
    throw UsageError(fmt::format("{}: cannot be written: {}", folder.string(), error.message()));
}

int run_new_plugin(const std::string& argument) {
  if (argument.empty()) throw UsageError("DIR is empty; the name of a folder was expected");
  fs::path folder = fs::absolute(argument).lexically_normal();
  if (folder.filename().empty()) folder = folder.parent_path();  // "mine/"
  write_project(folder);
  fmt::print("{}: a kernel in C that passes, and its tests\n", argument);
  for (const TemplateFile& file : kTemplate) fmt::print("  {:<18} {}\n", file.name, file.what);
  const std::string build = shell_word((fs::path(argument) / "build").string());
  fmt::print("Next: cmake -S {} -B {} && cmake --build {} && ctest --test-dir {}\n",
             shell_word(argument), build, build, build);
  return kGood;
}

}  // namespace

void add_new_plugin(CLI::App& app, int& status) {
  CLI::App* verb = app.add_subcommand(
      "new-plugin", "Write a project with a kernel in C and its tests, to start your own from");
  const auto folder = std::make_shared<std::string>();
  verb->add_option("DIR", *folder, "A folder that is new or empty")->required();
  verb->footer("Example: truenorm new-plugin mine");
  verb->callback([folder, &status] { status = run_new_plugin(*folder); });
}

}  // namespace truenorm::oracle::cli
