#include <charconv>

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "os/program.hpp"
#include "source/tree_walk.hpp"

namespace lighterman::source {
namespace {

constexpr std::chrono::hours longest_download{2};

/// git and git-lfs get their configuration by the environment: it is not in the process list, and
/// no file has to be made and removed.
class GitSettings {
 public:
  void add(const std::string& key, const std::string& value) {
    environment_[concat("GIT_CONFIG_KEY_", count_)] = key;
    environment_[concat("GIT_CONFIG_VALUE_", count_)] = value;
    environment_["GIT_CONFIG_COUNT"] = std::to_string(++count_);
  }
  std::map<std::string, std::string> environment_of(const Mirror& mirror) const {
    std::map<std::string, std::string> environment = environment_;
    environment["GIT_DIR"] = mirror.folder().string();
    environment["GIT_TERMINAL_PROMPT"] = "0";
    environment["GIT_CONFIG_NOSYSTEM"] = "1";
    return environment;
  }

 private:
  std::map<std::string, std::string> environment_;
  int count_ = 0;
};

GitSettings settings_of(const Mirror& mirror) {
  const Options& options = mirror.options();
  GitSettings settings;
  settings.add("safe.directory", "*");
  settings.add("remote.origin.url", options.url);
  if (!options.ca_file.empty()) settings.add("http.sslCAInfo", options.ca_file);
  if (options.url.starts_with("http") && !options.password_place.empty()) {
    const Secret password = os::read_secret(options.password_place);
    // Only for the source's own host: LFS servers elsewhere sign their links.
    const std::string host =
        options.url.substr(0, options.url.find('/', options.url.find("://") + 3));
    const std::string user = options.username.empty() ? "git" : options.username;
    settings.add(
        concat("http.", host, "/.extraHeader"),
        concat("Authorization: Basic ", render_base64(concat(user, ':', password.reveal()))));
  }
  return settings;
}

std::map<std::string, std::string> environment_for(const Mirror& mirror) {
  const Options& options = mirror.options();
  std::map<std::string, std::string> environment = settings_of(mirror).environment_of(mirror);
  if (!options.ssh_key_file.empty()) {
    environment["GIT_SSH_COMMAND"] =
        concat("ssh -o BatchMode=yes -i '", options.ssh_key_file, '\'',
               options.known_hosts_file.empty()
                   ? ""
                   : concat(" -o UserKnownHostsFile='", options.known_hosts_file, '\''));
  }
  return environment;
}

}  // namespace

std::optional<LfsPointer> parse_lfs_pointer(std::string_view content) {
  if (!content.starts_with("version https://git-lfs.github.com/spec/v1\n")) return {};
  LfsPointer pointer;
  bool sized = false;
  for (const std::string& line : split(content, '\n')) {
    constexpr std::string_view oid = "oid sha256:", size = "size ";
    if (line.starts_with(oid)) pointer.oid = line.substr(oid.size());
    if (!line.starts_with(size)) continue;
    const char* const end = line.data() + line.size();
    const auto [stop, error] = std::from_chars(line.data() + size.size(), end, pointer.size);
    sized = error == std::errc() && stop == end;
  }
  if (!sized || pointer.oid.size() != 64) return {};
  return pointer;
}

void stream_lfs(const Mirror& mirror, std::string_view pointer_text, const LfsPointer& pointer,
                const Push& out, const std::stop_token& stop) {
  if (os::find_program("git-lfs").empty()) {
    throw Error(ErrorKind::invalid,
                "the file is kept by Git LFS, and git-lfs is not installed here (install it, "
                "or set lfs: false to build with the pointer)");
  }
  os::Program program;
  program.name = "git-lfs";
  program.arguments = {"smudge"};
  program.environment = environment_for(mirror);
  program.input = pointer_text;
  program.timeout = longest_download;
  program.folder = mirror.folder();
  const os::Outcome outcome = os::perform(program, out, stop);
  if (outcome.exit_code != 0) {
    throw Error(ErrorKind::unavailable,
                concat("git-lfs could not get object ", pointer.oid.substr(0, 12), ": ",
                       shortened(valid_utf8(trim(outcome.errors)), 400)));
  }
}

void stream_blob(const Mirror& mirror, const std::string& oid, const Push& out,
                 const std::stop_token& stop) {
  os::Program program;
  program.name = "git";
  program.arguments = {"cat-file", "blob", oid};
  program.environment = settings_of(mirror).environment_of(mirror);
  program.timeout = longest_download;
  const os::Outcome outcome = os::perform(program, out, stop);
  if (outcome.exit_code != 0) {
    throw Error(ErrorKind::internal, concat("git could not read object ", oid, ": ",
                                            shortened(valid_utf8(trim(outcome.errors)), 400)));
  }
}

}  // namespace lighterman::source
