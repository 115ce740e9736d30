#include "source/context.hpp"

#include <gtest/gtest.h>

#include <map>

#include "os/file.hpp"
#include "os/tar.hpp"
#include "source/ignore.hpp"
#include "source/mirror.hpp"
#include "support/failure.hpp"
#include "support/git.hpp"

namespace lighterman::source {
namespace {

/// A repository, its mirror, and contexts out of it.
struct Scene {
  support::GitRepository git;
  os::ScratchFolder folder;
  Options options;
  std::unique_ptr<Mirror> mirror;

  Scene() {
    options.name = "shop";
    options.url = git.url();
  }
  std::string fetch() {
    mirror = std::make_unique<Mirror>(options, folder.path() / "mirror");
    return mirror->fetch("refs/heads/main", "", {}, {}).id;
  }
  std::string tar(const std::string& commit, const std::string& inside = ".",
                  const std::string& dockerfile = "") {
    std::string bytes;
    Context(*mirror, commit, inside, dockerfile)
        .write([&](std::string_view part) { bytes += part; }, {});
    return bytes;
  }
};

struct Entry {
  os::TarEntry head;
  std::string content;
};

std::map<std::string, Entry> entries_of(const std::string& bytes) {
  std::size_t at = 0;
  os::TarReader tar([&](char* into, std::size_t room) {
    const std::size_t count = bytes.copy(into, room, at);
    at += count;
    return count;
  });
  std::map<std::string, Entry> found;
  for (os::TarEntry head; tar.next(head);) {
    Entry entry{head, ""};
    char buffer[4096];
    while (const std::size_t got = tar.read(buffer, sizeof buffer))
      entry.content.append(buffer, got);
    std::string path = head.path;
    while (path.ends_with('/')) path.pop_back();
    found[path] = std::move(entry);
  }
  return found;
}

TEST(Context, HoldsTheCommitWithLinksModesAndForeignNames) {
  Scene scene;
  scene.git.write("Dockerfile", "FROM busybox\n");
  scene.git.write_program("bin/run", "#!/bin/sh\n");
  scene.git.link("link", "bin/run");
  scene.git.write("naïve/船.txt", "x");
  scene.git.write("big", std::string(5 << 20, 'b'));
  scene.git.commit("All");
  const auto entries = entries_of(scene.tar(scene.fetch()));
  EXPECT_EQ(entries.at("Dockerfile").content, "FROM busybox\n");
  EXPECT_EQ(entries.at("bin/run").head.mode & 0777, 0755u);
  EXPECT_EQ(entries.at("Dockerfile").head.mode & 0777, 0644u);
  EXPECT_EQ(entries.at("link").head.link, "bin/run");
  EXPECT_EQ(entries.at("naïve/船.txt").content, "x");
  EXPECT_EQ(entries.at("big").content.size(), std::size_t{5} << 20);
}

TEST(Context, IsTheSameBytesForTheSameTreeAndAChangedFileNeverKeepsItsTime) {
  Scene scene;
  scene.git.write("Dockerfile", "FROM busybox\n");
  scene.git.write("a", "1");
  scene.git.write("b", "1");
  scene.git.commit("First");
  const std::string first = scene.tar(scene.fetch());
  scene.git.commit("Nothing changed");
  EXPECT_EQ(scene.tar(scene.fetch()), first);
  scene.git.write("b", "2");
  scene.git.commit("Same size");
  const auto before = entries_of(first), after = entries_of(scene.tar(scene.fetch()));
  EXPECT_EQ(before.at("a").head.seconds, after.at("a").head.seconds);
  EXPECT_EQ(before.at("a").head.nanoseconds, after.at("a").head.nanoseconds);
  EXPECT_NE(before.at("b").head.seconds, after.at("b").head.seconds);
}

TEST(Context, BeginsWithWhatBuildKitKnowsForATar) {
  Scene scene;
  scene.git.write(".aaa", "first by name");
  scene.git.write("Dockerfile", "FROM busybox\n");
  scene.git.commit("All");
  const std::string bytes = scene.tar(scene.fetch());
  EXPECT_EQ(bytes.substr(0, 2), std::string("./"));
  EXPECT_EQ(bytes[156], '5') << "a plain folder, without a pax header before it";
}

TEST(Context, OfAFolderTakesADockerfileFromElsewhere) {
  Scene scene;
  scene.git.write("app/main", "x");
  scene.git.write("docker/web.Dockerfile", "FROM busybox\n");
  scene.git.write("docker/web.Dockerfile.dockerignore", "secret\n");
  scene.git.write("app/secret", "s");
  scene.git.commit("All");
  const std::string commit = scene.fetch();
  const Context context(*scene.mirror, commit, "app", "docker/web.Dockerfile");
  const auto entries = entries_of(scene.tar(commit, "app", "docker/web.Dockerfile"));
  EXPECT_TRUE(entries.contains("main"));
  EXPECT_FALSE(entries.contains("secret"));
  EXPECT_EQ(entries.at(context.dockerfile_name()).content, "FROM busybox\n");
}

TEST(Context, ADockerfileThatIsASymbolicLinkIsTheFileItLeadsTo) {
  Scene scene;
  scene.git.write("docker/real", "FROM busybox\n");
  scene.git.link("docker/link", "real");
  scene.git.link("Dockerfile", "docker/link");
  scene.git.commit("All");
  const std::string commit = scene.fetch();
  const Context context(*scene.mirror, commit, ".", "");
  EXPECT_EQ(context.dockerfile_text(), "FROM busybox\n");
  EXPECT_EQ(context.dockerfile_name(), "Dockerfile");
  std::vector<os::TarEntry> entries;
  context.dockerfile_files({})->list([&](const os::TarEntry& entry) { entries.push_back(entry); });
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].path, "Dockerfile");
  EXPECT_EQ(entries[0].type, os::TarEntry::Type::file);
}

TEST(Context, WithoutItsDockerfileOrFolderSaysWhatIsNear) {
  Scene scene;
  scene.git.write("Dockerfile", "FROM busybox\n");
  scene.git.write("docker/Dockerfile", "FROM busybox\n");
  scene.git.commit("All");
  const std::string commit = scene.fetch();
  const std::string file = failure_of([&] { scene.tar(commit, ".", "Dockerfil"); });
  EXPECT_TRUE(file.starts_with("not_found: ")) << file;
  EXPECT_NE(file.find("did you mean \"Dockerfile\""), std::string::npos) << file;
  const std::string folder = failure_of([&] { scene.tar(commit, "dokcer"); });
  EXPECT_TRUE(folder.starts_with("not_found: ")) << folder;
}

TEST(Context, BringsSubmodules) {
  support::GitRepository library;
  library.write("code", "library code");
  library.commit("Library");
  Scene scene;
  scene.git.write("Dockerfile", "FROM busybox\n");
  scene.git.git({"-c", "protocol.file.allow=always", "submodule", "add", "-q", library.url(),
                 "third/library"});
  scene.git.commit("With the library");
  const auto entries = entries_of(scene.tar(scene.fetch()));
  EXPECT_EQ(entries.at("third/library/code").content, "library code");
}

os::FileChoice following(std::vector<std::string> paths, std::vector<std::string> exclude = {}) {
  return {{}, std::move(paths), std::move(exclude)};
}
os::FileChoice including(std::vector<std::string> paths, std::vector<std::string> exclude = {}) {
  return {std::move(paths), {}, std::move(exclude)};
}

/// The paths that the choice leaves, in their order.
std::vector<std::string> chosen(Scene& scene, const std::string& commit,
                                const os::FileChoice& choice) {
  const Context context(*scene.mirror, commit, ".", "");
  std::vector<std::string> paths;
  context.files(choice, {})->list([&](const os::TarEntry& entry) { paths.push_back(entry.path); });
  return paths;
}

TEST(Files, ComeInTheOrderOfTheirPathsWithContentByNumber) {
  Scene scene;
  scene.git.write("Dockerfile", "FROM busybox\n");
  scene.git.write("a.b", "dot");
  scene.git.write("a/z", "inner");
  scene.git.write("a0", "zero");
  scene.git.link("link", "a/z");
  scene.git.write("big", std::string(5 << 20, 'b'));
  scene.git.commit("All");
  const std::string commit = scene.fetch();
  const Context context(*scene.mirror, commit, ".", "");
  const auto files = context.files({}, {});
  std::map<std::string, std::size_t> numbers;
  std::vector<std::string> paths;
  files->list([&](const os::TarEntry& entry) {
    numbers[entry.path] = paths.size();
    paths.push_back(entry.path);
  });
  // Git sorts "a.b" before the folder "a".
  EXPECT_EQ(paths,
            (std::vector<std::string>{"Dockerfile", "a", "a/z", "a.b", "a0", "big", "link"}));
  const auto read = [&](const std::string& path) {
    std::string content;
    files->read(numbers.at(path), [&](std::string_view bytes) { content += bytes; });
    return content;
  };
  EXPECT_EQ(read("a0"), "zero");
  EXPECT_EQ(read("a/z"), "inner");
  EXPECT_EQ(read("big"), std::string(5 << 20, 'b'));
  EXPECT_TRUE(failure_of([&] { read("a"); }).starts_with("invalid: ")) << "a folder";
}

TEST(Files, AreThoseThatWereAskedForWithTheFoldersTheyLieIn) {
  Scene scene;
  for (const char* file : {"Dockerfile", "cmd/main.go", "cmd/main_test.go", "lib/a/b.go",
                           "docs/x.md", "docs/keep/y.md", "web/index.html", "web/app.js"}) {
    scene.git.write(file, file);
  }
  scene.git.commit("All");
  const std::string commit = scene.fetch();
  using Paths = std::vector<std::string>;
  EXPECT_EQ(chosen(scene, commit, following({"cmd", "lib/a/b.go"})),
            (Paths{"cmd", "cmd/main.go", "cmd/main_test.go", "lib", "lib/a", "lib/a/b.go"}));
  EXPECT_EQ(chosen(scene, commit, following({"web/*.js"})), (Paths{"web", "web/app.js"}));
  EXPECT_EQ(chosen(scene, commit, including({"docs"}, {"docs", "!docs/keep"})),
            (Paths{"docs", "docs/keep", "docs/keep/y.md"}));
  EXPECT_EQ(chosen(scene, commit, following({"cmd"}, {"**/*_test.go"})),
            (Paths{"cmd", "cmd/main.go"}));
  EXPECT_EQ(chosen(scene, commit, following({"nowhere"})), Paths{});
  EXPECT_EQ(chosen(scene, commit, following({"."})).size(), 14u);
}

TEST(Files, FollowSymbolicLinksToWhereTheyLead) {
  Scene scene;
  scene.git.write("Dockerfile", "FROM busybox\n");
  scene.git.write("real/deep/file", "x");
  scene.git.write("other", "x");
  scene.git.link("current", "real/deep");
  scene.git.link("real/up", "../other");
  scene.git.link("absolute", "/other");
  scene.git.link("loop", "loop");
  scene.git.link("out", "../../../etc");
  scene.git.commit("All");
  const std::string commit = scene.fetch();
  using Paths = std::vector<std::string>;
  EXPECT_EQ(chosen(scene, commit, following({"current/file"})),
            (Paths{"current", "real", "real/deep", "real/deep/file"}));
  EXPECT_EQ(chosen(scene, commit, following({"real/up"})), (Paths{"other", "real", "real/up"}));
  EXPECT_EQ(chosen(scene, commit, following({"absolute"})), (Paths{"absolute", "other"}));
  EXPECT_EQ(chosen(scene, commit, following({"loop"})), Paths{"loop"});
  EXPECT_EQ(chosen(scene, commit, following({"out"})), Paths{"out"});
  EXPECT_EQ(chosen(scene, commit, following({"cur*"})),
            (Paths{"current", "real", "real/deep", "real/deep/file"}));
}

TEST(Mirror, ACommitLostByAForcePushIsNamedAsSuch) {
  Scene scene;
  scene.git.write("Dockerfile", "FROM busybox\n");
  scene.git.commit("First");
  scene.fetch();
  const std::string lost(40, 'c');
  const std::string why = failure_of([&] { scene.mirror->fetch("refs/heads/main", lost, {}, {}); });
  EXPECT_TRUE(why.starts_with("not_found: ")) << why;
  EXPECT_NE(why.find("force-push"), std::string::npos) << why;
}

TEST(Mirror, KnowsTheRemotesHeadsAndItsDefaultBranch) {
  Scene scene;
  scene.git.write("a", "1");
  const std::string first = scene.git.commit("First");
  scene.git.git({"tag", "-a", "-m", "one", "v1"});
  scene.git.branch("other");
  const std::string second = scene.git.commit("Second");
  scene.git.checkout("main");
  scene.fetch();
  const auto heads = scene.mirror->remote_heads({});
  EXPECT_EQ(heads.at("refs/heads/main"), first);
  EXPECT_EQ(heads.at("refs/heads/other"), second);
  EXPECT_EQ(heads.at("refs/tags/v1"), first) << "peeled";
  EXPECT_EQ(scene.mirror->default_branch({}), "refs/heads/main");
}

TEST(Mirror, ARemoteThatIsNotThereMayComeBack) {
  Scene scene;
  scene.options.url = "https://127.0.0.1:1/acme/shop.git";
  const std::string why = failure_of([&] { scene.fetch(); });
  EXPECT_TRUE(why.starts_with("unavailable: ")) << why;
}

// docs.docker.com/build/concepts/context/#dockerignore-files
TEST(DockerIgnore, MeansWhatDockerMeans) {
  struct Case {
    const char *rules, *path;
    bool ignored;
  };
  for (const Case& each : {
           Case{"*/temp*", "somedir/temporary.txt", true},
           {"*/temp*", "somedir/temp", true},
           {"*/temp*", "a/b/temp", false},
           {"*/*/temp*", "a/b/temporary.txt", true},
           {"temp?", "tempa", true},
           {"temp?", "temp", false},
           {"**/*.go", "a/b/c.go", true},
           {"**/*.go", "c.go", true},
           {"node_modules", "node_modules/x/y", true},
           {"node_modules/", "node_modules/x", true},
           {"/foo/bar", "foo/bar", true},
           {"foo", "a/foo", false},
           {"*.md\n!README.md", "README.md", false},
           {"*.md\n!README.md", "OTHER.md", true},
           {"*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true},
           {"*\n!src", "src/main.c", false},
           {"# a comment\n\n  b  ", "b", true},
           {"A", "a", false},
           {"docs/**", "docs/a/b", true},
           {"[ab].txt", "a.txt", true},
           {"\\*.txt", "a.txt", false},
       })
    EXPECT_EQ(IgnoreRules::parse(each.rules).ignores(each.path), each.ignored)
        << each.rules << " on " << each.path;
}

}  // namespace
}  // namespace lighterman::source
