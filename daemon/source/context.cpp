#include "source/context.hpp"

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "core/error.hpp"
#include "core/text.hpp"
#include "os/tar.hpp"
#include "source/choice.hpp"
#include "source/git.hpp"
#include "source/tree_walk.hpp"

namespace lighterman::source {
namespace {

constexpr std::uint64_t largest_ignore_file = 4 << 20;
/// Cannot clash: a context of ours never holds a file of this name.
constexpr const char* outside_name = ".lighterman.Dockerfile";

/// A repository path without ".", doubled slashes and a trailing one; ".." is refused.
std::string repository_path(const std::string& given, std::string_view what) {
  std::vector<std::string> parts;
  for (std::string& part : split(given, '/')) {
    if (part == "..")
      throw Error(ErrorKind::invalid, concat(what, " \"", given, "\" leads out of the repository"));
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
  }
  return parts.empty() ? "." : join(parts, "/");
}

std::string below(const std::string& folder, const std::string& name) {
  return folder == "." ? name : concat(folder, '/', name);
}

/// The names in a folder of the commit, for "did you mean".
std::vector<std::string> names_in(git_repository* repository, const git_tree* root,
                                  const std::string& folder) {
  Tree inner;
  const git_tree* tree = root;
  if (folder != ".") {
    git_tree_entry* found = nullptr;
    if (git_tree_entry_bypath(&found, root, folder.c_str()) != 0) return {};
    const TreeEntry entry(found);
    git_tree* opened = nullptr;
    if (git_tree_lookup(&opened, repository, git_tree_entry_id(found)) != 0) return {};
    inner.reset(opened);
    tree = opened;
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < git_tree_entrycount(tree); ++i)
    names.emplace_back(git_tree_entry_name(git_tree_entry_byindex(tree, i)));
  return names;
}

git_object_t kind_at(const git_tree* root, const std::string& path) {
  git_tree_entry* found = nullptr;
  if (git_tree_entry_bypath(&found, root, path.c_str()) != 0) return GIT_OBJECT_INVALID;
  const TreeEntry entry(found);
  return git_tree_entry_type(found);
}

/// Where a symbolic link in the tree leads to in the end; the path itself for a file.
std::string target_of(git_repository* repository, const git_tree* root, std::string path) {
  constexpr int most_links = 16;
  for (int links = 0; links < most_links; ++links) {
    git_tree_entry* found = nullptr;
    if (git_tree_entry_bypath(&found, root, path.c_str()) != 0) {
      throw Error(ErrorKind::not_found, concat("a symbolic link leads to ", path,
                                               ", which is not "
                                               "in the repository"));
    }
    const TreeEntry entry(found);
    if (git_tree_entry_filemode(found) != GIT_FILEMODE_LINK) return path;
    git_blob* opened = nullptr;
    check(git_blob_lookup(&opened, repository, git_tree_entry_id(found)), "reading a link");
    const std::unique_ptr<git_blob, By<git_blob_free>> blob(opened);
    const std::string link(static_cast<const char*>(git_blob_rawcontent(opened)),
                           static_cast<std::size_t>(git_blob_rawsize(opened)));
    const std::filesystem::path joined =
        (std::filesystem::path(path).parent_path() / link).lexically_normal();
    path = repository_path(joined.native(), "dockerfile");
  }
  throw Error(ErrorKind::invalid, concat("too many symbolic links at ", path));
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }
std::string folder_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

}  // namespace

struct Context::Inside {
  const Mirror& mirror;
  std::string commit;
  Folder files;
  std::string dockerfile;  ///< in the repository
  std::string own_ignore;  ///< where an ignore file of the Dockerfile's own would be
  std::string name;        ///< in the stream
  bool outside = false;    ///< the Dockerfile is not in the folder
  std::string ignore_text;
  IgnoreRules rules;

  void find_dockerfile(git_repository* repository, const git_tree* root, const std::string& given) {
    std::vector<std::string> choices;
    if (given.empty()) {
      choices = {below(files.path(), "Dockerfile"), below(files.path(), "Containerfile")};
    } else {
      // As written from the repository's root, or, as in Compose files, from the context.
      const std::string path = repository_path(given, "dockerfile");
      choices = {path, below(files.path(), path)};
    }
    for (const std::string& choice : choices) {
      if (kind_at(root, choice) != GIT_OBJECT_BLOB) continue;
      dockerfile = target_of(repository, root, choice);
      own_ignore = choice + ".dockerignore";
      const std::string& folder = files.path();
      outside = folder != "." && !choice.starts_with(folder + '/');
      name = outside ? outside_name : folder == "." ? choice : choice.substr(folder.size() + 1);
      return;
    }
    const std::vector<std::string> near = names_in(repository, root, folder_name(choices.front()));
    throw Error(ErrorKind::not_found,
                concat("there is no ", choices.front(), " in commit ", shortened(commit, 12),
                       did_you_mean(base_name(choices.front()), near),
                       given.empty() ? " (set dockerfile, or context)" : ""));
  }
};

Context::Context(const Mirror& mirror, std::string commit, const std::string& folder,
                 const std::string& dockerfile)
    : inside_(
          new Inside{mirror, commit, Folder(mirror, commit, folder), "", "", "", false, "", {}}) {
  const Repository repository = open_repository(mirror.folder().string());
  git_tree* opened = nullptr;
  check(git_commit_tree(&opened, get_commit(repository.get(), inside_->commit).get()),
        "reading the commit's tree");
  const Tree root(opened);
  inside_->find_dockerfile(repository.get(), opened, dockerfile);
  // "<Dockerfile>.dockerignore" comes before the general one.
  auto text = mirror.find_file(inside_->commit, inside_->own_ignore, largest_ignore_file);
  if (!text)
    text = mirror.find_file(inside_->commit, below(inside_->files.path(), ".dockerignore"),
                            largest_ignore_file);
  inside_->ignore_text = text.value_or("");
  inside_->rules = IgnoreRules::parse(inside_->ignore_text);
}

Context::~Context() = default;
Context::Context(Context&&) noexcept = default;
const std::string& Context::dockerfile_name() const noexcept { return inside_->name; }
const std::string& Context::ignore_text() const noexcept { return inside_->ignore_text; }
std::string Context::dockerfile_text() const {
  return inside_->mirror.find_file(inside_->commit, inside_->dockerfile).value_or("");
}

ContextTotals Context::write(const Push& out, const std::stop_token& stop) const {
  ContextTotals totals;
  os::TarWriter tar(out);
  // BuildKit takes a context for a tar by its first 1024 bytes, and for a Dockerfile otherwise: the
  // first entry must not need a pax header, as the fine times of files do.
  tar.add({.path = ".", .type = os::TarEntry::Type::folder, .mode = 0755});
  // The engine needs both, whatever the rules say.
  const Unignored choice(inside_->rules, {inside_->name, ".dockerignore"});
  const auto add = [&](const os::TarEntry& entry, const Content* content) {
    if (content == nullptr) return tar.add(entry);
    ++totals.files;
    totals.bytes += entry.size;
    tar.add(entry,
            std::function<void(const Push&)>([&](const Push& into) { content->read(into, stop); }));
  };
  TreeWalk walk(choice, add, stop);
  walk.walk(inside_->mirror, inside_->commit, inside_->files.path());
  if (inside_->outside) {
    walk.visit_file(inside_->mirror, inside_->commit, inside_->dockerfile, inside_->name);
  }
  tar.finish();
  totals.ignored = walk.left_out();
  return totals;
}

namespace {

/// Holds no content, and of each entry its place in the object database.
class ListedFiles final : public os::FileTree {
 public:
  using Take = std::function<void(const os::TarEntry&)>;
  using Walk = std::function<void(const TreeWalk::Visit&)>;

  ListedFiles(Walk walk, std::stop_token stop) : walk_(std::move(walk)), stop_(std::move(stop)) {}

  void list(const Take& take) override {
    walk_([&](const os::TarEntry& entry, const Content* content) {
      contents_.push_back(content ? *content : Content{});
      take(entry);
    });
  }
  void read(std::size_t number, const Push& out) override {
    if (number >= contents_.size() || !contents_[number].place) {
      throw Error(ErrorKind::invalid, concat("the build context has no file number ", number));
    }
    contents_[number].read(out, stop_);
  }

 private:
  const Walk walk_;
  const std::stop_token stop_;
  std::vector<Content> contents_;
};

}  // namespace

Folder::Folder(const Mirror& mirror, std::string commit, const std::string& path)
    : mirror_(&mirror), commit_(std::move(commit)), path_(repository_path(path, "context")) {
  const Repository repository = open_repository(mirror.folder().string());
  git_tree* opened = nullptr;
  check(git_commit_tree(&opened, get_commit(repository.get(), commit_).get()),
        "reading the commit's tree");
  const Tree root(opened);
  const git_oid* id = git_tree_id(opened);
  git_tree_entry* found = nullptr;
  const bool top = path_ == ".";
  if (!top && git_tree_entry_bypath(&found, opened, path_.c_str()) == 0)
    id = git_tree_entry_id(found);
  const TreeEntry entry(found);
  if (!top && (found == nullptr || git_tree_entry_type(found) != GIT_OBJECT_TREE)) {
    throw Error(
        ErrorKind::not_found,
        concat("there is no context folder \"", path_, "\" in commit ", shortened(commit_, 12),
               did_you_mean(base_name(path_),
                            names_in(repository.get(), opened, folder_name(path_)))));
  }
  id_ = hex_of(*id);
}

std::unique_ptr<os::FileTree> Folder::files(const os::FileChoice& choice,
                                            const std::stop_token& stop) const {
  const auto walk = [folder = *this, choice, stop](const TreeWalk::Visit& visit) {
    const Place place(*folder.mirror_, folder.commit_, folder.path_);
    const Asked asked(choice, place);
    TreeWalk(asked, visit, stop).walk(*folder.mirror_, folder.commit_, folder.path_);
  };
  return std::make_unique<ListedFiles>(walk, stop);
}

std::unique_ptr<os::FileTree> Context::files(const os::FileChoice& choice,
                                             const std::stop_token& stop) const {
  return inside_->files.files(choice, stop);
}

std::vector<std::string> Context::changed_since(const std::string& commit,
                                                const std::vector<os::FileChoice>& choices,
                                                const std::stop_token& stop) const {
  const Place place(inside_->mirror, inside_->commit, inside_->files.path());
  std::vector<Asked> asked;
  asked.reserve(choices.size());
  for (const os::FileChoice& choice : choices) asked.emplace_back(choice, place);
  const std::string prefix = inside_->files.path() == "." ? "" : inside_->files.path() + '/';
  std::vector<std::string> changed;
  for (const std::string& path : inside_->mirror.changed_paths(commit, inside_->commit)) {
    if (stop.stop_requested()) throw Error(ErrorKind::cancelled, "stopped while comparing commits");
    if (!path.starts_with(prefix)) continue;
    const std::string inner = path.substr(prefix.size());
    const bool counts = std::any_of(asked.begin(), asked.end(),
                                    [&](const Asked& each) { return each.wants(inner); });
    if (counts) changed.push_back(inner);
  }
  return changed;
}

std::unique_ptr<os::FileTree> Context::dockerfile_files(const std::stop_token& stop) const {
  const auto walk = [this, stop](const TreeWalk::Visit& visit) {
    const Inside& inside = *inside_;
    for (std::size_t slash = inside.name.find('/'); slash != std::string::npos;
         slash = inside.name.find('/', slash + 1)) {
      visit(
          {.path = inside.name.substr(0, slash), .type = os::TarEntry::Type::folder, .mode = 0755},
          nullptr);
    }
    const IgnoreRules none;
    const Unignored choice(none, {});
    TreeWalk files(choice, visit, stop);
    files.visit_file(inside.mirror, inside.commit, inside.dockerfile, inside.name);
    if (inside.mirror.find_file(inside.commit, inside.own_ignore, largest_ignore_file)) {
      files.visit_file(inside.mirror, inside.commit, inside.own_ignore,
                       inside.name + ".dockerignore");
    }
  };
  return std::make_unique<ListedFiles>(walk, stop);
}

struct ContextStream::Inside {
  static constexpr std::size_t room = 1 << 20;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::string filled, read;  ///< the writer's side and the reader's, swapped when that is empty
  std::size_t at = 0;
  bool ended = false;
  std::exception_ptr thrown;
  ContextTotals totals;
  std::stop_source stop;
  std::jthread writer;

  void take(std::string_view bytes) {
    std::unique_lock lock(mutex);
    if (!changed.wait(lock, stop.get_token(), [&] { return filled.size() < room; })) {
      throw Error(ErrorKind::cancelled, "stopped while the build context was read");
    }
    filled.append(bytes);
    changed.notify_all();
  }
};

ContextStream::ContextStream(const Context& context, const std::stop_token& stop)
    : inside_(std::make_unique<Inside>()) {
  Inside& inside = *inside_;
  inside.writer = std::jthread([&inside, &context, stop] {
    const std::stop_callback pass_on(stop, [&] { inside.stop.request_stop(); });
    try {
      inside.totals = context.write([&](std::string_view bytes) { inside.take(bytes); },
                                    inside.stop.get_token());
    } catch (...) {
      // The reader throws it on, on its own thread.
      inside.thrown = std::current_exception();
    }
    const std::lock_guard lock(inside.mutex);
    inside.ended = true;
    inside.changed.notify_all();
  });
}

ContextStream::~ContextStream() { inside_->stop.request_stop(); }

std::size_t ContextStream::read(char* into, std::size_t room) {
  Inside& inside = *inside_;
  if (inside.at == inside.read.size()) {
    std::unique_lock lock(inside.mutex);
    inside.changed.wait(lock, [&] { return inside.ended || !inside.filled.empty(); });
    inside.read.clear();
    inside.at = 0;
    inside.read.swap(inside.filled);
    inside.changed.notify_all();
    if (inside.read.empty()) {
      if (inside.thrown) std::rethrow_exception(inside.thrown);
      return 0;
    }
  }
  const std::size_t part = std::min(room, inside.read.size() - inside.at);
  std::copy_n(inside.read.data() + inside.at, part, into);
  inside.at += part;
  return part;
}

ContextTotals ContextStream::totals() const { return inside_->totals; }

}  // namespace lighterman::source
