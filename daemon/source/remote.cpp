#include "source/remote.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <set>
#include <shared_mutex>

#include "core/text.hpp"
#include "core/time.hpp"
#include "os/file.hpp"
#include "source/known_hosts.hpp"

namespace lighterman::source {
namespace {

constexpr std::uint64_t largest_bundle = 16 << 20;
constexpr std::size_t longest_words = 400;

/// Held shared by every talk, because the authorities must not change under a handshake.
std::shared_mutex& authorities() {
  static std::shared_mutex mutex;
  return mutex;
}

bool is_ssh(const std::string& url) {
  return url.starts_with("ssh://") || (url.find("://") == std::string::npos &&
                                       url.find(':') != std::string::npos && !url.starts_with('/'));
}

/// "name", or "[name]:port" where the port is not ssh's own.
std::string host_in_known_hosts(const std::string& url, const std::string& host) {
  if (!url.starts_with("ssh://")) return host;
  std::string_view rest = std::string_view(url).substr(6);
  rest = rest.substr(0, rest.find('/'));
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || rest.find(']', colon) != std::string_view::npos)
    return host;
  const std::string port(rest.substr(colon + 1));
  return port == "22" ? host : concat('[', host, "]:", port);
}

std::vector<std::filesystem::path> known_hosts_files(const Options& options) {
  if (!options.known_hosts_file.empty()) return {options.known_hosts_file};
  std::vector<std::filesystem::path> files{"/etc/ssh/ssh_known_hosts"};
  if (const char* home = std::getenv("HOME"))
    files.insert(files.begin(), std::filesystem::path(home) / ".ssh" / "known_hosts");
  return files;
}

std::string shown_url(const std::string& url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  const std::size_t path = url.find('/', scheme + 3), at = url.rfind('@', path);
  if (at == std::string::npos || at < scheme + 3 || url.starts_with("ssh://")) return url;
  return concat(url.substr(0, scheme + 3), url.substr(at + 1));
}

}  // namespace

void believe_authorities(const std::string& ca_file) {
  static std::set<std::string> believed;
  const std::unique_lock lock(authorities());
  if (ca_file.empty() || !believed.insert(ca_file).second) return;
  use_git();
  // One bundle replaces the last one, so the new one holds them all. In memory: nothing to clean
  // up.
  static int bundle = -1;
  const int next = memfd_create("authorities", MFD_CLOEXEC);
  std::string text;
  for (const char* system :
       {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"}) {
    if (std::filesystem::exists(system)) text += os::read_file(system, largest_bundle) + "\n";
  }
  for (const std::string& file : believed) text += os::read_file(file, largest_bundle) + "\n";
  if (next < 0 || write(next, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw Error(ErrorKind::internal, "the certificate authorities cannot be gathered in memory");
  }
  const std::string path = concat("/proc/self/fd/", next);
  const int result = git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, path.c_str(), nullptr);
  if (bundle >= 0) close(bundle);
  bundle = next;
  if (result < 0) {
    believed.erase(ca_file);
    throw Error(ErrorKind::invalid, concat("ca file \"", ca_file, "\": ", git_words()));
  }
}

RemoteTalk::RemoteTalk(const Options& options, git_repository* repository, const Progress& progress,
                       const std::stop_token& stop)
    : options_(options),
      progress_(progress),
      stop_(stop),
      until_(std::chrono::steady_clock::now() + options.timeout) {
  git_remote* remote = nullptr;
  git_remote_create_options create = GIT_REMOTE_CREATE_OPTIONS_INIT;
  create.repository = repository;
  // The machine's own git configuration does not decide where we fetch from; and libgit2 1.5 leaks
  // 20 KiB for each of its entries that is no url.*.insteadOf.
  create.flags = GIT_REMOTE_CREATE_SKIP_INSTEADOF | GIT_REMOTE_CREATE_SKIP_DEFAULT_FETCHSPEC;
  if (git_remote_create_with_opts(&remote, options_.url.c_str(), &create) != 0) {
    throw Error(ErrorKind::invalid,
                concat("\"", shown_url(options_.url), "\" is not a git URL: ", git_words()));
  }
  remote_.reset(remote);
}

bool RemoteTalk::timed_out() const { return std::chrono::steady_clock::now() > until_; }

git_remote_callbacks RemoteTalk::callbacks() {
  git_remote_callbacks calls = GIT_REMOTE_CALLBACKS_INIT;
  calls.credentials = &RemoteTalk::credentials;
  calls.certificate_check = &RemoteTalk::certificate;
  calls.transfer_progress = &RemoteTalk::progressed;
  calls.sideband_progress = &RemoteTalk::told;
  calls.payload = this;
  return calls;
}

RemoteTalk::Heads RemoteTalk::fetch(const std::vector<std::string>& refspecs) {
  const std::shared_lock lock(authorities());
  git_fetch_options fetch = GIT_FETCH_OPTIONS_INIT;
  fetch.callbacks = callbacks();
  fetch.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
  fetch.update_fetchhead = 0;
  fetch.proxy_opts.type = GIT_PROXY_AUTO;
  std::vector<char*> specs;
  specs.reserve(refspecs.size());
  for (const std::string& spec : refspecs) specs.push_back(const_cast<char*>(spec.c_str()));
  const git_strarray array{specs.data(), specs.size()};
  if (git_remote_fetch(remote_.get(), &array, &fetch, nullptr) != 0) fail("fetching from");
  return list();
}

RemoteTalk::Heads RemoteTalk::heads() {
  const std::shared_lock lock(authorities());
  const git_remote_callbacks calls = callbacks();
  git_proxy_options proxy = GIT_PROXY_OPTIONS_INIT;
  proxy.type = GIT_PROXY_AUTO;
  if (git_remote_connect(remote_.get(), GIT_DIRECTION_FETCH, &calls, &proxy, nullptr) != 0)
    fail("asking");
  Heads heads = list();
  git_remote_disconnect(remote_.get());
  return heads;
}

RemoteTalk::Heads RemoteTalk::list() {
  const git_remote_head** known = nullptr;
  std::size_t count = 0;
  if (git_remote_ls(&known, &count, remote_.get()) != 0) fail("asking");
  Heads heads;
  for (std::size_t i = 0; i < count; ++i) {
    std::string name = known[i]->name;
    if (name == "HEAD" && known[i]->symref_target != nullptr)
      heads.default_branch = known[i]->symref_target;
    // An annotated tag is followed by the commit it names, as "<tag>^{}".
    if (name.ends_with("^{}")) name.resize(name.size() - 3);
    if (name.starts_with("refs/heads/") || name.starts_with("refs/tags/"))
      heads.refs[name] = hex_of(known[i]->oid);
  }
  return heads;
}

void RemoteTalk::fail(std::string_view doing) {
  const git_error* const error = git_error_last();
  const int area = error != nullptr ? error->klass : 0;
  const std::string words = git_words();
  const std::string what = concat(doing, ' ', shown_url(options_.url), ": ");
  if (stop_.stop_requested()) throw Error(ErrorKind::cancelled, concat(what, "stopped"));
  if (!refusal_.empty()) throw Error(ErrorKind::denied, concat(what, refusal_));
  if (timed_out())
    throw Error(ErrorKind::unavailable,
                concat(what, "not done within ", render_duration(options_.timeout)));
  const std::string said =
      words_.empty()
          ? ""
          : concat(" (the server says: ", shortened(valid_utf8(trim(words_)), longest_words), ')');
  // libgit2 keeps no code for these answers, only its words.
  const auto says = [&](const char* part) { return words.find(part) != std::string::npos; };
  if (says("401") || says("403") || says("authentication") || says("Authentication")) {
    throw Error(ErrorKind::denied, concat(what, words, said, " (check the source's credentials)"));
  }
  if (says("404") || says("not found") || says("does not exist") || says("No such file") ||
      says("failed to resolve path")) {
    throw Error(
        ErrorKind::not_found,
        concat(what, words, said, " (check the source's url, and whether the account may see it)"));
  }
  if (area == GIT_ERROR_SSL) {
    throw Error(ErrorKind::denied,
                concat(what, words, " (is its certificate authority named as ca?)"));
  }
  throw Error(ErrorKind::unavailable, concat(what, words, said));
}

int RemoteTalk::credentials(git_credential** out, const char*, const char* user, unsigned allowed,
                            void* self) noexcept {
  auto& talk = *static_cast<RemoteTalk*>(self);
  try {
    return talk.give_credentials(out, user != nullptr ? user : "", allowed);
  } catch (const std::exception& error) {
    talk.refusal_ = error.what();
    return GIT_EUSER;
  }
}

int RemoteTalk::give_credentials(git_credential** out, const char* user, unsigned allowed) {
  const std::string name = !options_.username.empty() ? options_.username
                           : *user != '\0'            ? user
                                                      : "git";
  if ((allowed & GIT_CREDENTIAL_USERNAME) != 0)
    return git_credential_username_new(out, name.c_str());
  // The same answer twice would be refused twice.
  if (tried_++ > 0) {
    refusal_ = is_ssh(options_.url)
                   ? "the server does not accept the ssh key (is it a deploy key there?)"
                   : "the server does not accept the user name and password";
    return GIT_EUSER;
  }
  if ((allowed & GIT_CREDENTIAL_SSH_KEY) != 0 && !options_.ssh_key_file.empty()) {
    const Secret passphrase = options_.ssh_passphrase_place.empty()
                                  ? Secret()
                                  : os::read_secret(options_.ssh_passphrase_place);
    const std::string open = options_.ssh_key_file + ".pub";
    return git_credential_ssh_key_new(
        out, name.c_str(), std::filesystem::exists(open) ? open.c_str() : nullptr,
        options_.ssh_key_file.c_str(), passphrase.empty() ? nullptr : passphrase.reveal().c_str());
  }
  if ((allowed & GIT_CREDENTIAL_SSH_KEY) != 0 && std::getenv("SSH_AUTH_SOCK") != nullptr) {
    return git_credential_ssh_key_from_agent(out, name.c_str());
  }
  if ((allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT) != 0 && !options_.password_place.empty()) {
    const Secret password = os::read_secret(options_.password_place);
    return git_credential_userpass_plaintext_new(out, name.c_str(), password.reveal().c_str());
  }
  refusal_ = is_ssh(options_.url)
                 ? "the server wants an ssh key (set ssh_key, or run an ssh agent)"
                 : "the server wants a user name and password (set username and password)";
  return GIT_EUSER;
}

int RemoteTalk::certificate(git_cert* certificate, int valid, const char* host,
                            void* self) noexcept {
  auto& talk = *static_cast<RemoteTalk*>(self);
  try {
    return talk.believe(certificate, valid != 0, host != nullptr ? host : "");
  } catch (const std::exception& error) {
    talk.refusal_ = error.what();
    return GIT_EUSER;
  }
}

int RemoteTalk::believe(const git_cert* certificate, bool valid, const std::string& host) {
  if (certificate->cert_type != GIT_CERT_HOSTKEY_LIBSSH2) {
    if (valid) return 0;
    refusal_ = concat("the TLS certificate of ", host,
                      " is not believed (name its authority's PEM file as ca)");
    return GIT_EUSER;
  }
  const auto& key = *reinterpret_cast<const git_cert_hostkey*>(certificate);
  const std::string name = host_in_known_hosts(options_.url, host);
  if ((key.type & GIT_CERT_SSH_RAW) == 0) {
    refusal_ = concat("the ssh host key of ", name, " cannot be read");
    return GIT_EUSER;
  }
  for (const std::filesystem::path& file : known_hosts_files(options_)) {
    if (!std::filesystem::exists(file)) continue;
    switch (
        find_host_key(os::read_file(file, largest_bundle), name, {key.hostkey, key.hostkey_len})) {
      case HostKey::known:
        return 0;
      case HostKey::changed:
        refusal_ = concat("the ssh host key of ", name, " is not the one in ", file.string(),
                          " (somebody may be listening in; if the server really has a new key, "
                          "replace it there)");
        return GIT_EUSER;
      case HostKey::unknown:
        break;
    }
  }
  refusal_ = concat("the ssh host key of ", name, " is not known (check it, then: ssh-keyscan ",
                    name.starts_with('[') ? "-p PORT " : "", host, " >>",
                    known_hosts_files(options_).front().string(), ')');
  return GIT_EUSER;
}

int RemoteTalk::progressed(const git_indexer_progress* stats, void* self) noexcept {
  const auto& talk = *static_cast<RemoteTalk*>(self);
  if (talk.stop_.stop_requested() || talk.timed_out()) return GIT_EUSER;
  try {
    if (talk.progress_)
      talk.progress_(stats->received_objects, stats->total_objects, stats->received_bytes);
    return 0;
  } catch (...) {
    // Whoever watches must not break the fetch, and nothing may cross libgit2.
    return 0;
  }
}

int RemoteTalk::told(const char* text, int length, void* self) noexcept {
  auto& talk = *static_cast<RemoteTalk*>(self);
  if (talk.stop_.stop_requested() || talk.timed_out()) return GIT_EUSER;
  if (talk.words_.size() < longest_words)
    talk.words_.append(text, static_cast<std::size_t>(std::max(length, 0)));
  return 0;
}

}  // namespace lighterman::source
