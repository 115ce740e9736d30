#include "source/tree_walk.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::source {
namespace {

constexpr std::size_t held_at_most = 4 << 20;
constexpr std::size_t longest_pointer = 1024;
constexpr std::size_t largest_gitmodules = 1 << 20;

/// A time that changes with the content and never else: BuildKit takes a file of the same size,
/// time and mode for unchanged. Between 2000 and 2020, so that no tool meets a file from the
/// future.
void set_time(os::TarEntry& entry, const git_oid& oid) {
  std::uint64_t seed = 0;
  for (int i = 0; i < 8; ++i) seed = seed << 8 | oid.id[i];
  constexpr std::uint64_t first = 946684800, span = 20ULL * 365 * 24 * 3600;
  entry.seconds = static_cast<std::int64_t>(first + seed % span);
  entry.nanoseconds = static_cast<std::int64_t>(seed / span % 1'000'000'000);
}

Tree tree_at(git_repository* repository, const git_oid& oid) {
  git_tree* tree = nullptr;
  check(git_tree_lookup(&tree, repository, &oid), "reading a folder");
  return Tree(tree);
}

}  // namespace

/// One repository that the walk is in: the source's own or a submodule's.
struct TreeWalk::Place {
  const Mirror& mirror;
  std::string commit;
  std::string inside;  ///< the folder of the repository that stands at the context's root
  Repository repository;
  Odb odb;
  std::optional<std::map<std::string, Submodule>> submodules = {};

  Place(const Mirror& from, std::string at, std::string folder)
      : mirror(from),
        commit(std::move(at)),
        inside(std::move(folder)),
        repository(open_repository(from.folder().string())) {
    git_odb* opened = nullptr;
    check(git_repository_odb(&opened, repository.get()), "opening the object database");
    odb.reset(opened);
  }
  Tree root() const {
    git_tree* tree = nullptr;
    check(git_commit_tree(&tree, get_commit(repository.get(), commit).get()),
          concat("reading commit ", commit));
    return Tree(tree);
  }
};

bool TreeWalk::is_ignored(const std::string& path) const {
  return rules_.ignores(path) && std::find(always_.begin(), always_.end(), path) == always_.end();
}

void TreeWalk::write(const Mirror& mirror, const std::string& commit, const std::string& folder,
                     const std::vector<std::string>& always) {
  always_ = always;
  Place place(mirror, commit, folder);
  Tree tree = place.root();
  if (folder != ".") {
    git_tree_entry* found = nullptr;
    check(git_tree_entry_bypath(&found, tree.get(), folder.c_str()),
          concat("reading folder ", folder));
    const TreeEntry entry(found);
    tree = tree_at(place.repository.get(), *git_tree_entry_id(found));
  }
  walk(place, tree.get(), "");
}

void TreeWalk::write_file(const Mirror& mirror, const std::string& commit, const std::string& path,
                          const std::string& name) {
  Place place(mirror, commit, ".");
  git_tree_entry* found = nullptr;
  check(git_tree_entry_bypath(&found, place.root().get(), path.c_str()), concat("reading ", path));
  const TreeEntry entry(found);
  add_blob(place, found, name);
}

void TreeWalk::walk(Place& place, const git_tree* tree, const std::string& prefix) {
  if (stop_.stop_requested())
    throw Error(ErrorKind::cancelled, "stopped while the build context was read");
  for (std::size_t i = 0; i < git_tree_entrycount(tree); ++i) {
    const git_tree_entry* const entry = git_tree_entry_byindex(tree, i);
    const std::string path = prefix + git_tree_entry_name(entry);
    const git_object_t type = git_tree_entry_type(entry);
    const bool ignored = is_ignored(path);
    if (type == GIT_OBJECT_BLOB) {
      if (ignored) {
        ++totals_.ignored;
      } else {
        add_blob(place, entry, path);
      }
      continue;
    }
    const bool kept_below =
        std::any_of(always_.begin(), always_.end(),
                    [&](const std::string& kept) { return kept.starts_with(path + '/'); });
    if (ignored && !kept_below && !rules_.may_take_back_below(path)) {
      ++totals_.ignored;
      continue;
    }
    // An ignored folder is walked for what is taken back in it; tar makes it where it is needed.
    if (!ignored) add_folder(*git_tree_entry_id(entry), path);
    if (type == GIT_OBJECT_COMMIT) {
      add_submodule(place, entry, path);
    } else {
      walk(place, tree_at(place.repository.get(), *git_tree_entry_id(entry)).get(), path + '/');
    }
  }
}

void TreeWalk::add_folder(const git_oid& id, const std::string& path) {
  os::TarEntry folder;
  folder.path = path;
  folder.type = os::TarEntry::Type::folder;
  folder.mode = 0755;
  set_time(folder, id);
  tar_.add(folder);
}

void TreeWalk::add_blob(Place& place, const git_tree_entry* entry, const std::string& path) {
  const git_oid& id = *git_tree_entry_id(entry);
  std::size_t size = 0;
  git_object_t type = GIT_OBJECT_ANY;
  check(git_odb_read_header(&size, &type, place.odb.get(), &id), concat("reading ", path));
  os::TarEntry file;
  file.path = path;
  file.mode = git_tree_entry_filemode(entry) == GIT_FILEMODE_BLOB_EXECUTABLE ? 0755 : 0644;
  file.size = size;
  set_time(file, id);
  ++totals_.files;
  totals_.bytes += size;
  const bool is_link = git_tree_entry_filemode(entry) == GIT_FILEMODE_LINK;
  if (size > held_at_most && !is_link) {
    tar_.add(file, std::function<void(const Push&)>([&](const Push& out) {
               stream_blob(place.mirror, hex_of(id), out, stop_);
             }));
    return;
  }
  git_odb_object* read = nullptr;
  check(git_odb_read(&read, place.odb.get(), &id), concat("reading ", path));
  const OdbObject object(read);
  const std::string_view content(static_cast<const char*>(git_odb_object_data(read)), size);
  if (is_link) {
    file.type = os::TarEntry::Type::symlink;
    file.mode = 0777;
    file.size = 0;
    file.link = content;
    tar_.add(file);
    return;
  }
  const auto pointer = size <= longest_pointer && place.mirror.options().lfs
                           ? parse_lfs_pointer(content)
                           : std::nullopt;
  if (!pointer) return tar_.add(file, content);
  file.size = pointer->size;
  totals_.bytes += pointer->size - size;
  tar_.add(file, std::function<void(const Push&)>([&](const Push& out) {
             stream_lfs(place.mirror, content, *pointer, out, stop_);
           }));
}

void TreeWalk::add_submodule(Place& place, const git_tree_entry* entry, const std::string& path) {
  if (!place.mirror.options().submodules) return;
  if (!place.submodules) {
    place.submodules = parse_gitmodules(
        place.mirror.find_file(place.commit, ".gitmodules", largest_gitmodules).value_or(""));
  }
  // .gitmodules speaks of paths from the repository's root, we of paths in the context.
  const std::string here = place.inside == "." ? path : concat(place.inside, '/', path);
  const auto known = place.submodules->find(here);
  if (known == place.submodules->end()) {
    throw Error(ErrorKind::not_found,
                concat("submodule \"", here, "\" is not in .gitmodules of commit ", place.commit));
  }
  const Options options = submodule_options(place.mirror.options(), known->second);
  const Mirror mirror(options, place.mirror.folder().parent_path() / concat(options.name, ".git"));
  const std::string commit = hex_of(*git_tree_entry_id(entry));
  during(concat("submodule \"", here, '"'), [&] {
    const_cast<Mirror&>(mirror).fetch("", commit, {}, stop_);
    Place inner(mirror, commit, ".");
    // Rules and names count from the context's root, .gitmodules from the submodule's own.
    inner.inside = ".";
    walk(inner, inner.root().get(), path + '/');
  });
}

}  // namespace lighterman::source
