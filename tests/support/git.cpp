#include "support/git.hpp"

#include "core/error.hpp"
#include "os/program.hpp"

namespace lighterman::support {
namespace fs = std::filesystem;

GitRepository::GitRepository() {
  fs::create_directories(path());
  git({"init", "--quiet", "--initial-branch=main"});
}

std::string GitRepository::url() const { return concat("file://", path().native()); }

void GitRepository::write(const std::string& file, std::string_view content) {
  fs::create_directories((path() / file).parent_path());
  os::replace_file(path() / file, content);
}

void GitRepository::write_program(const std::string& file, std::string_view content) {
  fs::create_directories((path() / file).parent_path());
  os::replace_file(path() / file, content, 0755);
}

void GitRepository::link(const std::string& file, const std::string& target) {
  fs::create_directories((path() / file).parent_path());
  fs::remove(path() / file);
  fs::create_symlink(target, path() / file);
}

void GitRepository::remove(const std::string& file) { fs::remove_all(path() / file); }

std::string GitRepository::commit(const std::string& message) {
  git({"add", "--all", "--force"});
  ++commits_;
  git({"commit", "--quiet", "--allow-empty", "--message", message});
  return head();
}

void GitRepository::branch(const std::string& name) { git({"checkout", "--quiet", "-b", name}); }
void GitRepository::checkout(const std::string& name) { git({"checkout", "--quiet", name}); }
void GitRepository::tag(const std::string& name) { git({"tag", name}); }
std::string GitRepository::head() { return git({"rev-parse", "HEAD"}); }

std::string GitRepository::git(std::vector<std::string> arguments) {
  const std::string doing = concat("git ", join(arguments, " "));
  // File URLs are refused in submodules by default, and tests have nothing else.
  arguments.insert(arguments.begin(), {"-c", "protocol.file.allow=always"});
  const std::string when = concat(1700000000 + 60 * commits_, " +0000");
  const os::Outcome outcome =
      os::perform({.name = "git",
                   .arguments = std::move(arguments),
                   .environment = {{"HOME", folder_.path().native()},
                                   {"GIT_CONFIG_GLOBAL", "/dev/null"},
                                   {"GIT_CONFIG_NOSYSTEM", "1"},
                                   {"GIT_AUTHOR_NAME", "Ada"},
                                   {"GIT_AUTHOR_EMAIL", "ada@example.com"},
                                   {"GIT_AUTHOR_DATE", when},
                                   {"GIT_COMMITTER_NAME", "Ada"},
                                   {"GIT_COMMITTER_EMAIL", "ada@example.com"},
                                   {"GIT_COMMITTER_DATE", when}},
                   .folder = path(),
                   .input = {},
                   .output_limit = std::uint64_t{64} << 20});
  if (outcome.exit_code != 0)
    throw Error(ErrorKind::internal, concat(doing, ": ", outcome.output, outcome.errors));
  return std::string(trim(outcome.output));
}

}  // namespace lighterman::support
