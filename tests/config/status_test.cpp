// Which API a source's commit statuses go to.
#include "config/status.hpp"

#include <gtest/gtest.h>

#include "os/file.hpp"
#include "support/failure.hpp"

namespace lighterman::config {
namespace {

std::string place_of(const std::string& url, const std::string& forge = "",
                     const std::string& api = "") {
  Source source;
  source.name = "shop";
  source.url = url;
  source.forge = forge;
  source.status.emplace();
  source.status->api = api;
  const StatusPlace place = status_place(source);
  return concat(render(place.forge), " ", place.api, " ", place.repository);
}

std::string wrong(const std::string& source) {
  try {
    parse(concat("data: /srv\nsources:\n  shop:\n    image: r.example/shop\n", source),
          "lighterman.yml");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(StatusPlace, FollowsFromWhereGitFetches) {
  EXPECT_EQ(place_of("https://github.com/acme/shop.git"),
            "github https://api.github.com acme/shop");
  EXPECT_EQ(place_of("git@github.com:acme/shop.git"), "github https://api.github.com acme/shop");
  EXPECT_EQ(place_of("ssh://git@gitlab.com/acme/tools/shop"),
            "gitlab https://gitlab.com/api/v4 acme/tools/shop");
  EXPECT_EQ(place_of("https://bot@bitbucket.org/acme/shop.git"),
            "bitbucket https://api.bitbucket.org/2.0 acme/shop");
  EXPECT_EQ(place_of("https://codeberg.org/acme/shop"),
            "forgejo https://codeberg.org/api/v1 acme/shop");
  EXPECT_EQ(place_of("https://git.example:8443/acme/shop.git", "gitea"),
            "gitea https://git.example:8443/api/v1 acme/shop");
  EXPECT_EQ(place_of("https://git.example/acme/shop.git", "github"),
            "github https://git.example/api/v3 acme/shop");
  EXPECT_EQ(place_of("https://git.example/a/b/shop.git", "gitlab"),
            "gitlab https://git.example/api/v4 a/b/shop");
  EXPECT_EQ(place_of("https://git.example/scm/ACME/shop.git", "bitbucket-server"),
            "bitbucket-server https://git.example ACME/shop");
}

TEST(StatusPlace, IsNotGuessedWhereATokenCouldGoAstray) {
  const std::string needs_api = "needs `api`";
  expect_refused(needs_api, [] { place_of("http://git.example/acme/shop.git", "gitea"); });
  expect_refused(needs_api, [] { place_of("ssh://git@git.example/acme/shop.git", "gitea"); });
  expect_refused(needs_api, [] { place_of("https://git.example/git/acme/shop.git", "gitea"); });
  expect_refused(needs_api, [] { place_of("https://git.example/acme/shop.git", "bitbucket"); });
  expect_refused(needs_api, [] { place_of("https://git.example/acme", "github"); });
  EXPECT_EQ(place_of("ssh://git@git.example/acme/shop.git", "gitea", "https://git.example/api/v1/"),
            "gitea https://git.example/api/v1 acme/shop");
  expect_refused("needs the source's `forge`", [] { place_of("https://git.example/acme/shop"); });
  expect_refused("needs `repository`",
                 [] { place_of("/srv/shop.git", "gitea", "https://git.example/api/v1"); });
  expect_refused("gogs, which has no commit statuses",
                 [] { place_of("https://git.example/acme/shop", "gogs"); });
}

TEST(StatusPlace, IsCheckedWithTheConfiguration) {
  const std::string url = "    url: https://git.example/acme/shop.git\n";
  EXPECT_NE(wrong(concat(url, "    status: {token: \"env:T\"}\n"))
                .find("sources.shop.status: needs the source's `forge`"),
            std::string::npos);
  EXPECT_NE(wrong(concat(url, "    forge: gitea\n    status: {}\n"))
                .find("sources.shop.status.token: is missing"),
            std::string::npos);
  EXPECT_NE(wrong(concat(url, "    forge: gitae\n")).find("(did you mean \"gitea\"?)"),
            std::string::npos);
  EXPECT_NE(wrong(concat(url, "    forge: gitea\n    status: {token: t0ken}\n"))
                .find("must say where the secret lies"),
            std::string::npos);
  EXPECT_NE(
      wrong(concat(url, "    forge: gitea\n    status: {token: \"env:T\", api: git.example}\n"))
          .find("sources.shop.status.api: "),
      std::string::npos);
  EXPECT_EQ(wrong(concat(url, "    forge: gitea\n    status: {token: \"env:T\"}\n")), "");
}

TEST(StatusPlace, OfTwoSourcesAtOneRepositoryNeedsTwoNames) {
  const auto second = [](const std::string& context) {
    return wrong(
        concat("    url: https://github.com/acme/shop.git\n    status: {token: \"env:T\"}\n"
               "  tools:\n    image: r.example/tools\n    url: git@github.com:acme/shop.git\n"
               "    status: {token: \"env:T\"",
               context, "}\n"));
  };
  EXPECT_NE(second("").find("sources.tools.status.context: is also that of source \"shop\""),
            std::string::npos)
      << second("");
  EXPECT_EQ(second(", context: tools"), "");
}

TEST(StatusPlace, WhoseTokenCanBeReadOnItsWayIsWarnedOf) {
  os::ScratchFolder folder;
  os::replace_file(folder.path() / "token", "t");
  const Config config =
      parse(concat("data: /srv\nsources:\n  shop:\n    image: r.example/shop\n    forge: gitea\n"
                   "    secret: file:",
                   (folder.path() / "token").string(),
                   "\n    url: http://git.example/acme/shop.git\n    status: {token: \"file:",
                   (folder.path() / "token").string(), "\", api: \"http://git.example/api/v1\"}\n"),
            "lighterman.yml");
  std::string all;
  for (const Finding& finding : examine(config)) {
    EXPECT_EQ(finding.weight, Finding::Weight::warning) << finding.text;
    all += concat(finding.where, ": ", finding.text, '\n');
  }
  EXPECT_NE(all.find("sources.shop.status.api: is http, so that the token can be read"),
            std::string::npos)
      << all;
  EXPECT_NE(all.find("public_url: is not set"), std::string::npos) << all;
}

TEST(CommitPage, IsWherePeopleLookAtACommit) {
  const auto page = [](const std::string& url, const std::string& forge = "",
                       const std::string& told = "") {
    Source source;
    source.url = url;
    source.forge = forge;
    return commit_page(source, told, "1f0c");
  };
  EXPECT_EQ(page("git@github.com:acme/shop.git"), "https://github.com/acme/shop/commit/1f0c");
  EXPECT_EQ(page("https://bot:secret@gitlab.com/acme/tools/shop.git"),
            "https://gitlab.com/acme/tools/shop/-/commit/1f0c");
  EXPECT_EQ(page("https://bitbucket.org/acme/shop"),
            "https://bitbucket.org/acme/shop/commits/1f0c");
  EXPECT_EQ(page("https://bb.example/scm/ACME/shop.git", "bitbucket-server"),
            "https://bb.example/projects/ACME/repos/shop/commits/1f0c");
  EXPECT_EQ(page("http://git.example:3000/acme/shop.git", "", "gitea"),
            "http://git.example:3000/acme/shop/commit/1f0c");
  EXPECT_EQ(page("ssh://git@git.example:2222/acme/shop.git", "forgejo"),
            "https://git.example/acme/shop/commit/1f0c");
  for (const char* nowhere :
       {"https://git.example/acme/shop.git", "/srv/git/shop.git", "file:///srv/git/shop.git"})
    EXPECT_EQ(page(nowhere), "") << nowhere;
}

}  // namespace
}  // namespace lighterman::config
