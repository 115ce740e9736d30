#include "source/choice.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "core/text.hpp"

namespace lighterman::source {
namespace {

bool has_wildcard(std::string_view part) {
  return part.find_first_of("*?[\\") != std::string_view::npos;
}

/// Without ".", empty parts and "..", which at the root leads nowhere.
std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  for (std::string& part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(std::move(part));
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  return parts;
}

/// Whether something that the pattern matches may lie in the folder.
bool may_match_below(std::string_view pattern, std::string_view folder) {
  const std::vector<std::string> wanted = split(pattern, '/');
  const std::vector<std::string> parts = split(folder, '/');
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (i == parts.size() || wanted[i] == "**") return true;
    if (!matches_ignore_pattern(wanted[i], parts[i])) return false;
  }
  return false;
}

class LinkFollower {
 public:
  explicit LinkFollower(const Place& place) : place_(place), root_(place.folder()) {}

  void add(std::string_view path) {
    const std::vector<std::string> parts = parts_of(path);
    std::string current;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const std::string folder = current;
      current = folder.empty() ? parts[i] : concat(folder, '/', parts[i]);
      const std::vector<std::string> targets = targets_at(folder, parts[i]);
      if (targets.empty()) continue;
      // A second time at the same link: it leads to itself.
      if (!found_.insert(current).second) return;
      const std::vector<std::string> rest(parts.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                          parts.end());
      for (const std::string& target : targets) add(concat(target, '/', join(rest, "/")));
      return;
    }
    if (current.empty()) everything_ = true;
    found_.insert(current);
  }

  std::vector<std::string> take() {
    if (everything_) return {};
    return {found_.begin(), found_.end()};
  }

 private:
  /// Where the links of this name, or that this pattern matches, lead to.
  std::vector<std::string> targets_at(const std::string& folder, const std::string& name) {
    std::vector<std::string> targets;
    if (!has_wildcard(name)) {
      const std::string path = folder.empty() ? name : concat(folder, '/', name);
      if (const TreeEntry entry = entry_at(path)) add_target(targets, folder, entry.get());
      return targets;
    }
    Tree inner;
    const git_tree* tree = root_.get();
    if (!folder.empty()) {
      const TreeEntry entry = entry_at(folder);
      if (!entry || git_tree_entry_type(entry.get()) != GIT_OBJECT_TREE) return targets;
      git_tree* opened = nullptr;
      check(git_tree_lookup(&opened, place_.repository.get(), git_tree_entry_id(entry.get())),
            "reading a folder");
      inner.reset(opened);
      tree = opened;
    }
    for (std::size_t i = 0; i < git_tree_entrycount(tree); ++i) {
      const git_tree_entry* const entry = git_tree_entry_byindex(tree, i);
      if (matches_ignore_pattern(name, git_tree_entry_name(entry))) {
        add_target(targets, folder, entry);
      }
    }
    return targets;
  }

  TreeEntry entry_at(const std::string& path) const {
    git_tree_entry* found = nullptr;
    const bool there = git_tree_entry_bypath(&found, root_.get(), path.c_str()) == 0;
    return TreeEntry(there ? found : nullptr);
  }

  void add_target(std::vector<std::string>& targets, const std::string& folder,
                  const git_tree_entry* entry) const {
    if (git_tree_entry_filemode(entry) != GIT_FILEMODE_LINK) return;
    git_odb_object* read = nullptr;
    check(git_odb_read(&read, place_.odb.get(), git_tree_entry_id(entry)), "reading a link");
    const OdbObject object(read);
    const std::string target(static_cast<const char*>(git_odb_object_data(read)),
                             git_odb_object_size(read));
    targets.push_back(target.starts_with('/') ? target : concat(folder, '/', target));
  }

  const Place& place_;
  const Tree root_;
  std::set<std::string> found_;
  bool everything_ = false;
};

}  // namespace

bool Unignored::wants(const std::string& path) const {
  return !rules_.ignores(path) || std::find(always_.begin(), always_.end(), path) != always_.end();
}

bool Unignored::wants_below(const std::string& folder) const {
  return rules_.may_take_back_below(folder) ||
         std::any_of(always_.begin(), always_.end(),
                     [&](const std::string& kept) { return kept.starts_with(folder + '/'); });
}

Asked::Asked(const os::FileChoice& choice, const Place& place)
    : excluded_(IgnoreRules::parse(join(choice.exclude, "\n"))) {
  if (choice.everything()) return;
  const std::vector<std::string> followed = follow_links(place, choice.follow);
  if (!choice.follow.empty() && followed.empty()) return;
  included_ = choice.include;
  included_.insert(included_.end(), followed.begin(), followed.end());
}

bool Asked::wants(const std::string& path) const {
  return (included_.empty() || includes(included_, path)) && !excluded_.ignores(path);
}

bool Asked::wants_below(const std::string& folder) const {
  const bool included =
      included_.empty() || includes(included_, folder) ||
      std::any_of(included_.begin(), included_.end(),
                  [&](const std::string& pattern) { return may_match_below(pattern, folder); });
  return included && (!excluded_.ignores(folder) || excluded_.may_take_back_below(folder));
}

std::vector<std::string> follow_links(const Place& place, const std::vector<std::string>& paths) {
  LinkFollower follower(place);
  for (const std::string& path : paths) follower.add(path);
  return follower.take();
}

bool includes(const std::vector<std::string>& patterns, const std::string& path) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    bool match = matches_ignore_pattern(pattern, path);
    for (std::size_t slash = path.find('/'); !match && slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      match = matches_ignore_pattern(pattern, path.substr(0, slash));
    }
    return match;
  });
}

}  // namespace lighterman::source
