#include "source/tree_walk.hpp"

#include <algorithm>
#include <cassert>

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

OdbObject object_at(git_odb* odb, const git_oid& id) {
  git_odb_object* read = nullptr;
  check(git_odb_read(&read, odb, &id), concat("reading object ", hex_of(id)));
  return OdbObject(read);
}

std::string_view content_of(const OdbObject& object) {
  return {static_cast<const char*>(git_odb_object_data(object.get())),
          git_odb_object_size(object.get())};
}

/// By their names: git sorts a folder as if its name ended with a slash.
std::vector<const git_tree_entry*> sorted_entries(const git_tree* tree) {
  std::vector<const git_tree_entry*> entries;
  for (std::size_t i = 0; i < git_tree_entrycount(tree); ++i) {
    entries.push_back(git_tree_entry_byindex(tree, i));
  }
  std::sort(entries.begin(), entries.end(), [](const auto* left, const auto* right) {
    return std::string_view(git_tree_entry_name(left)) < git_tree_entry_name(right);
  });
  return entries;
}

}  // namespace

Place::Place(const Mirror& from, std::string at, std::string folder)
    : mirror(from),
      commit(std::move(at)),
      inside(std::move(folder)),
      repository(open_repository(from.folder().string())) {
  git_odb* opened = nullptr;
  check(git_repository_odb(&opened, repository.get()), "opening the object database");
  odb.reset(opened);
}

Tree Place::root() const {
  git_tree* tree = nullptr;
  check(git_commit_tree(&tree, get_commit(repository.get(), commit).get()),
        concat("reading commit ", commit));
  return Tree(tree);
}

Tree Place::folder() const {
  Tree tree = root();
  if (inside == ".") return tree;
  git_tree_entry* found = nullptr;
  check(git_tree_entry_bypath(&found, tree.get(), inside.c_str()),
        concat("reading folder ", inside));
  const TreeEntry entry(found);
  return tree_at(repository.get(), *git_tree_entry_id(found));
}

void Content::read(const Push& out, const std::stop_token& stop) const {
  if (blob_size > held_at_most) return stream_blob(place->mirror, hex_of(id), out, stop);
  const OdbObject object = object_at(place->odb.get(), id);
  const std::string_view content = content_of(object);
  if (!lfs) return out(content);
  const std::optional<LfsPointer> pointer = parse_lfs_pointer(content);
  assert(pointer);
  stream_lfs(place->mirror, content, *pointer, out, stop);
}

void TreeWalk::walk(const Mirror& mirror, const std::string& commit, const std::string& folder) {
  const auto place = std::make_shared<Place>(mirror, commit, folder);
  walk(place, place->folder().get(), "");
}

void TreeWalk::visit_file(const Mirror& mirror, const std::string& commit, const std::string& path,
                          const std::string& name) {
  const auto place = std::make_shared<Place>(mirror, commit, ".");
  git_tree_entry* found = nullptr;
  check(git_tree_entry_bypath(&found, place->root().get(), path.c_str()), concat("reading ", path));
  const TreeEntry entry(found);
  visit_blob(place, found, name);
}

void TreeWalk::walk(const SharedPlace& place, const git_tree* tree, const std::string& prefix) {
  if (stop_.stop_requested()) {
    throw Error(ErrorKind::cancelled, "stopped while the build context was read");
  }
  for (const git_tree_entry* const entry : sorted_entries(tree)) {
    const std::string path = prefix + git_tree_entry_name(entry);
    const bool file = git_tree_entry_type(entry) == GIT_OBJECT_BLOB;
    const bool wanted = choice_.wants(path);
    if (!wanted && (file || !choice_.wants_below(path))) {
      ++left_out_;
    } else if (file) {
      visit_parents();
      visit_blob(place, entry, path);
    } else {
      visit_folder(place, entry, path);
    }
  }
}

void TreeWalk::visit_parents() {
  for (const os::TarEntry& parent : parents_) visit_(parent, nullptr);
  parents_.clear();
}

void TreeWalk::visit_folder(const SharedPlace& place, const git_tree_entry* entry,
                            const std::string& path) {
  const git_oid& id = *git_tree_entry_id(entry);
  os::TarEntry folder;
  folder.path = path;
  folder.type = os::TarEntry::Type::folder;
  folder.mode = 0755;
  set_time(folder, id);
  // A folder that is not wanted comes only with something in it that is.
  const std::size_t depth = parents_.size();
  parents_.push_back(std::move(folder));
  if (choice_.wants(path)) visit_parents();
  if (git_tree_entry_type(entry) == GIT_OBJECT_COMMIT) {
    walk_submodule(place, entry, path);
  } else {
    walk(place, tree_at(place->repository.get(), id).get(), path + '/');
  }
  if (parents_.size() > depth) parents_.resize(depth);
}

void TreeWalk::visit_blob(const SharedPlace& place, const git_tree_entry* entry,
                          const std::string& path) {
  const git_oid& id = *git_tree_entry_id(entry);
  std::size_t size = 0;
  git_object_t type = GIT_OBJECT_ANY;
  check(git_odb_read_header(&size, &type, place->odb.get(), &id), concat("reading ", path));
  os::TarEntry file;
  file.path = path;
  set_time(file, id);
  if (git_tree_entry_filemode(entry) == GIT_FILEMODE_LINK) {
    file.type = os::TarEntry::Type::symlink;
    file.mode = 0777;
    file.link = content_of(object_at(place->odb.get(), id));
    return visit_(file, nullptr);
  }
  file.mode = git_tree_entry_filemode(entry) == GIT_FILEMODE_BLOB_EXECUTABLE ? 0755 : 0644;
  file.size = size;
  Content content{place, id, size, false};
  if (size <= longest_pointer && place->mirror.options().lfs) {
    if (const auto pointer = parse_lfs_pointer(content_of(object_at(place->odb.get(), id)))) {
      content.lfs = true;
      file.size = pointer->size;
    }
  }
  visit_(file, &content);
}

void TreeWalk::walk_submodule(const SharedPlace& place, const git_tree_entry* entry,
                              const std::string& path) {
  if (!place->mirror.options().submodules) return;
  if (!place->submodules) {
    place->submodules = parse_gitmodules(
        place->mirror.find_file(place->commit, ".gitmodules", largest_gitmodules).value_or(""));
  }
  // .gitmodules speaks of paths from the repository's root, we of paths in the context.
  const std::string here = place->inside == "." ? path : concat(place->inside, '/', path);
  const auto known = place->submodules->find(here);
  if (known == place->submodules->end()) {
    throw Error(ErrorKind::not_found,
                concat("submodule \"", here, "\" is not in .gitmodules of commit ", place->commit));
  }
  const Options options = submodule_options(place->mirror.options(), known->second);
  const auto mirror = std::make_shared<Mirror>(
      options, place->mirror.folder().parent_path() / concat(options.name, ".git"));
  const std::string commit = hex_of(*git_tree_entry_id(entry));
  during(concat("submodule \"", here, '"'), [&] {
    mirror->fetch("", commit, {}, stop_);
    // Rules and names count from the context's root, .gitmodules from the submodule's own.
    const auto inner = std::make_shared<Place>(*mirror, commit, ".");
    inner->owned = mirror;
    walk(inner, inner->root().get(), path + '/');
  });
}

}  // namespace lighterman::source
