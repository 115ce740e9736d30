#include "source/mirror.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "core/error.hpp"
#include "core/guarded.hpp"
#include "core/text.hpp"
#include "source/git.hpp"
#include "source/remote.hpp"

namespace lighterman::source {
namespace {

/// Two Mirror objects may stand over one folder (a reload, a submodule of two sources): fetches
/// into it take turns all the same.
std::mutex& turn_of(const std::filesystem::path& folder) {
  static Guarded<std::map<std::filesystem::path, std::unique_ptr<std::mutex>>> turns;
  return turns.with([&](auto& known) -> std::mutex& {
    std::unique_ptr<std::mutex>& turn = known[folder.lexically_normal()];
    if (!turn) turn = std::make_unique<std::mutex>();
    return *turn;
  });
}

bool is_sound(const std::filesystem::path& folder) {
  git_repository* opened = nullptr;
  if (git_repository_open_bare(&opened, folder.c_str()) != 0) return false;
  const Repository repository(opened);
  git_odb* odb = nullptr;
  const bool has_objects = git_repository_odb(&odb, opened) == 0;
  git_odb_free(odb);
  return has_objects;
}

/// What a killed fetch leaves: lock files that nobody holds, packs that never got their name.
void sweep(const std::filesystem::path& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> stale;
  for (auto entry = std::filesystem::recursive_directory_iterator(folder, error);
       !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (name.ends_with(".lock") || name.starts_with("pack_git2_") || name.starts_with("tmp_obj_"))
      stale.push_back(entry->path());
  }
  for (const std::filesystem::path& path : stale) std::filesystem::remove(path, error);
}

Commit describe(git_commit* commit) {
  const git_signature* const author = git_commit_author(commit);
  Commit described;
  described.id = hex_of(*git_commit_id(commit));
  described.author = valid_utf8(concat(author->name, " <", author->email, ">"));
  described.message = valid_utf8(git_commit_message(commit));
  described.time = git_commit_time(commit);
  return described;
}

int collect_path(const git_diff_delta* delta, float, void* paths) noexcept {
  auto& all = *static_cast<std::set<std::string>*>(paths);
  if (delta->old_file.path != nullptr) all.insert(delta->old_file.path);
  if (delta->new_file.path != nullptr) all.insert(delta->new_file.path);
  return 0;
}

Tree tree_of(git_repository* repository, const std::string& commit) {
  git_tree* tree = nullptr;
  check(git_commit_tree(&tree, get_commit(repository, commit).get()),
        concat("reading the tree of commit ", commit));
  return Tree(tree);
}

}  // namespace

struct Mirror::Inside {
  Options options;
  std::filesystem::path folder;
  bool swept = false;

  /// Opens it, or makes it anew where it is missing or broken.
  Repository prepare() {
    use_git();
    believe_authorities(options.ca_file);
    if (!swept && std::filesystem::exists(folder)) sweep(folder);
    swept = true;
    if (!is_sound(folder)) {
      std::error_code error;
      std::filesystem::remove_all(folder, error);
      std::filesystem::create_directories(folder, error);
      git_repository* made = nullptr;
      check(git_repository_init(&made, folder.c_str(), 1),
            concat("making the mirror ", folder.string()));
      return Repository(made);
    }
    return open_repository(folder);
  }
};

Mirror::Mirror(Options options, std::filesystem::path folder)
    : inside_(std::make_unique<Inside>()) {
  inside_->options = std::move(options);
  inside_->folder = std::move(folder);
}
Mirror::~Mirror() = default;
const std::filesystem::path& Mirror::folder() const noexcept { return inside_->folder; }
const Options& Mirror::options() const noexcept { return inside_->options; }

std::map<std::string, std::string> Mirror::remote_heads(const std::stop_token& stop) {
  const std::lock_guard turn(turn_of(inside_->folder));
  const Repository repository = inside_->prepare();
  return RemoteTalk(inside_->options, repository.get(), {}, stop).heads().refs;
}

std::optional<std::string> Mirror::default_branch(const std::stop_token& stop) {
  const std::lock_guard turn(turn_of(inside_->folder));
  const Repository repository = inside_->prepare();
  return RemoteTalk(inside_->options, repository.get(), {}, stop).heads().default_branch;
}

Commit Mirror::fetch(const std::string& ref, const std::string& commit, const Progress& progress,
                     const std::stop_token& stop) {
  const std::lock_guard turn(turn_of(inside_->folder));
  const Repository repository = inside_->prepare();
  if (!commit.empty() && has_commit(repository.get(), commit))
    return describe(get_commit(repository.get(), commit).get());
  RemoteTalk talk(inside_->options, repository.get(), progress, stop);
  const std::vector<std::string> everything{"+refs/heads/*:refs/heads/*",
                                            "+refs/tags/*:refs/tags/*"};
  const RemoteTalk::Heads heads =
      talk.fetch(ref.empty() ? everything : std::vector{concat('+', ref, ':', ref)});
  if (!commit.empty()) {
    if (has_commit(repository.get(), commit))
      return describe(get_commit(repository.get(), commit).get());
    throw Error(ErrorKind::not_found,
                concat("commit ", commit, " is not in ", ref.empty() ? "any branch or tag" : ref,
                       " of the remote any more (was it force-pushed away?)"));
  }
  const std::string wanted = ref.empty() ? heads.default_branch.value_or("") : ref;
  const auto head = heads.refs.find(wanted);
  if (head == heads.refs.end()) {
    std::vector<std::string> names;
    for (const auto& [name, id] : heads.refs) names.push_back(name);
    throw Error(ErrorKind::not_found,
                wanted.empty() ? std::string("the remote has no default branch")
                               : concat("the remote has no ", wanted, did_you_mean(wanted, names)));
  }
  return describe(get_commit(repository.get(), head->second).get());
}

Commit Mirror::get(const std::string& commit) const {
  return describe(get_commit(open_repository(inside_->folder).get(), commit).get());
}

std::vector<std::string> Mirror::changed_paths(const std::string& from,
                                               const std::string& to) const {
  const Repository repository = open_repository(inside_->folder);
  const Tree before = from.empty() ? Tree() : tree_of(repository.get(), from);
  const Tree after = tree_of(repository.get(), to);
  git_diff* made = nullptr;
  check(git_diff_tree_to_tree(&made, repository.get(), before.get(), after.get(), nullptr),
        "comparing two commits");
  const Diff diff(made);
  std::set<std::string> paths;
  check(git_diff_foreach(made, &collect_path, nullptr, nullptr, nullptr, &paths),
        "comparing two commits");
  return {paths.begin(), paths.end()};
}

bool Mirror::is_ancestor(const std::string& older, const std::string& newer) const {
  if (older == newer) return true;
  const Repository repository = open_repository(inside_->folder);
  const git_oid old_oid = oid_of(older), new_oid = oid_of(newer);
  return git_graph_descendant_of(repository.get(), &new_oid, &old_oid) == 1;
}

std::optional<std::string> Mirror::find_file(const std::string& commit, const std::string& path,
                                             std::uint64_t limit) const {
  const Repository repository = open_repository(inside_->folder);
  const Tree tree = tree_of(repository.get(), commit);
  git_tree_entry* found = nullptr;
  if (git_tree_entry_bypath(&found, tree.get(), path.c_str()) != 0) return {};
  const TreeEntry entry(found);
  if (git_tree_entry_type(found) != GIT_OBJECT_BLOB) return {};
  git_odb* opened = nullptr;
  check(git_repository_odb(&opened, repository.get()), "opening the object database");
  const Odb odb(opened);
  std::size_t size = 0;
  git_object_t type = GIT_OBJECT_ANY;
  check(git_odb_read_header(&size, &type, opened, git_tree_entry_id(found)),
        concat("reading ", path));
  if (size > limit)
    throw Error(ErrorKind::invalid, concat(path, " is larger than ", render_size(limit)));
  git_odb_object* read = nullptr;
  check(git_odb_read(&read, opened, git_tree_entry_id(found)), concat("reading ", path));
  const OdbObject object(read);
  return std::string(static_cast<const char*>(git_odb_object_data(read)),
                     git_odb_object_size(read));
}

}  // namespace lighterman::source
