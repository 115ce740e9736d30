// From an image to what made it.
#include "house.hpp"

namespace lighterman::api {
namespace {

using std::chrono::hours;

Digest digest(char letter) { return Digest::parse(concat("sha256:", std::string(64, letter))); }
httplib::Headers bearer(const std::string& token) { return {{"Authorization", "Bearer " + token}}; }

class Why : public ::testing::Test {
 protected:
  static config::Config config() {
    config::Config config;
    config.tokens.push_back({"root", std::string(os::sha256("r00t").hex()), "", Role::admin});
    config.tokens.push_back(
        {"near", std::string(os::sha256("n3ar").hex()), "", Role::viewer, {"hello"}});
    config.tokens.push_back(
        {"far", std::string(os::sha256("f4r").hex()), "", Role::viewer, {"other"}});
    config.sources["hello"].forge = "gitea";
    return config;
  }
  void end(RunId run, const std::string& image, const std::string& stage,
           const json::value& result) {
    house.store.begin_stage(run, image, stage);
    house.store.end_stage(run, image, stage, StageState::done, result);
  }
  void stage(RunId run, const std::string& image, char manifest, char config) {
    end(run, image, "engine",
        {{"builder", "buildkit"}, {"engine", "local"}, {"steps", 5}, {"cached_steps", 2}});
    end(run, image, "staging",
        {{"manifest", digest(manifest).text()}, {"config", {{"digest", digest(config).text()}}}});
    end(run, image, "bases",
        {{"bases",
          {{{"image", "debian:12"}, {"digest", digest('d').text()}, {"signed_by", {"vendor"}}}}}});
    end(run, image, "gate", {{"denied", "too large"}, {"decision", {{"deny", json::array()}}}});
  }
  /// Another source's run that made the same image, and set this tag to it.
  RunId make_elsewhere(const std::string& delivery, char manifest, const std::string& tag) {
    PushEvent event;
    event.source = "other";
    event.delivery = delivery;
    event.ref = "refs/heads/main";
    const RunId run = house.store.add(event, store::Store::Supersede::no).run;
    stage(run, "app", manifest, 'c');
    publish(run, "app", manifest, tag);
    return run;
  }
  void carry(RunId run, char manifest, const std::string& target) {
    Replication carried = House::replication();
    carried.run = run;
    carried.source = Reference::parse("r.example/shop").at(digest(manifest));
    carried.target = Reference::parse(target);
    house.store.add_replication(carried);
  }
  void publish(RunId run, const std::string& image, char manifest, const std::string& tag) {
    end(run, image, "publish:r.example/shop",
        {{"reference", concat("r.example/shop@", digest(manifest))},
         {"layers", json::array()},
         {"tags", {{{"tag", tag}, {"fate", "moved"}, {"reason", ""}}}}});
    if (!tag.empty())
      house.store.put_tag(Reference::parse(concat("r.example/shop:", tag)),
                          {some_commit, "refs/heads/main", digest(manifest), run});
  }
  /// A run as they are, to its end.
  RunId make(const std::string& delivery, char manifest, char config, const std::string& tag) {
    const RunId run = house.push(delivery);
    house.store.put_commit(run, some_commit);
    end(run, "", "plan",
        {{"push", {{"title", "Say hello"}, {"author", "Ann"}}},
         {"decisions", {{"app", {{"tags", json::array()}}}}}});
    stage(run, "app", manifest, config);
    publish(run, "app", manifest, tag);
    return run;
  }
  httplib::Response ask(const std::string& image, const std::string& token = "r00t") const {
    return house.get("/api/v1/why?image=" + render_url_part(image), bearer(token));
  }
  json::value told(const std::string& image) const {
    const auto answer = ask(image);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return parsed(answer);
  }

  House house{House::quick(), config()};
};

TEST_F(Why, AnImageLeadsToItsRunCommitBasesAndDecisions) {
  const RunId run = make("1", 'a', 'c', "main");
  const json::value why = told(digest('a').text());
  EXPECT_EQ(why.at("kind"), "image");
  EXPECT_EQ(why.at("found_by"), "digest");
  EXPECT_EQ(why.at("names"), json::value({{{"repository", "r.example/shop"}, {"tags", {"main"}}}}));
  const json::value& making = why.at("runs").at(0);
  EXPECT_EQ(making.at("run").at("id"), run);
  EXPECT_EQ(making.at("title"), "Say hello");
  EXPECT_EQ(making.at("author"), "Ann");
  EXPECT_EQ(making.at("commit_page"),
            json::value(concat("https://git.example/acme/hello/commit/", some_commit)));
  const json::value& part = making.at("parts").at(0);
  EXPECT_EQ(part.at("built").at("builder"), "buildkit");
  EXPECT_EQ(part.at("bases").at(0).at("signed_by").at(0), "vendor");
  EXPECT_EQ(part.at("denied"), "too large");
  EXPECT_EQ(part.at("config"), json::value(digest('c').text()));
  EXPECT_EQ(making.at("published").at(0).at("tags").at(0).at("tag"), "main");
}

TEST_F(Why, ItIsFoundByTagByABeginningOfTheDigestAndByTheIdThatEnginesShow) {
  make("1", 'a', 'c', "main");
  for (const std::string& asked :
       {std::string("r.example/shop:main"), std::string(12, 'a'),
        concat("sha256:", std::string(20, 'a')), concat("r.example/shop@", digest('a')),
        concat(" ", digest('c').text(), " ")})
    EXPECT_EQ(told(asked).at("digest"), json::value(digest('a').text())) << asked;
  EXPECT_EQ(told("r.example/shop:main").at("found_by"), "tag");
  EXPECT_EQ(told(digest('c').text()).at("found_by"), "config");
}

TEST_F(Why, AllRunsThatMadeTheSameImageAreTold) {
  const RunId first = make("1", 'a', 'c', "main"), second = make("2", 'a', 'c', "1.0");
  const json::value why = told(digest('a').text());
  ASSERT_EQ(why.at("runs").as_array().size(), 2U);
  EXPECT_EQ(why.at("runs").at(0).at("run").at("id"), second);
  EXPECT_EQ(why.at("runs").at(1).at("run").at("id"), first);
  EXPECT_EQ(why.at("names").at(0).at("tags"), json::value({"1.0", "main"}));
  EXPECT_EQ(why.at("more_runs"), false);
  for (int more = 0; more < 20; ++more) make(concat("m", more), 'a', 'c', "main");
  EXPECT_EQ(told(digest('a').text()).at("runs").as_array().size(), 20U);
  EXPECT_EQ(told(digest('a').text()).at("more_runs"), true);
}

TEST_F(Why, APlatformOfAnIndexLeadsToTheIndexAndTheIndexToItsPlatforms) {
  const RunId run = house.push("1");
  stage(run, "app@linux/amd64", 'a', 'c');
  stage(run, "app@linux/arm64", 'b', 'e');
  publish(run, "app@linux/amd64", 'a', "");
  publish(run, "app", 'f', "main");
  const json::value index = told("r.example/shop:main");
  EXPECT_EQ(index.at("kind"), "index");
  EXPECT_EQ(index.at("digest"), json::value(digest('f').text()));
  ASSERT_EQ(index.at("runs").at(0).at("parts").as_array().size(), 2U);
  EXPECT_EQ(index.at("runs").at(0).at("parts").at(1).at("platform"), "linux/arm64");
  const json::value platform = told(digest('b').text());
  EXPECT_EQ(platform.at("kind"), "platform");
  EXPECT_EQ(platform.at("runs").at(0).at("index"), json::value(digest('f').text()));
  EXPECT_EQ(platform.at("runs").at(0).at("parts").as_array().size(), 1U);
}

TEST_F(Why, ScansSignaturesAndReplicasBelongToIt) {
  const RunId run = make("1", 'a', 'c', "main");
  ScanRecord scan;
  scan.publication = house.store.put_publication({0,
                                                  run,
                                                  "hello",
                                                  "app",
                                                  digest('a'),
                                                  {{Reference::parse("r.example/shop"), {"main"}}},
                                                  Instant(hours(1)),
                                                  nullptr,
                                                  "",
                                                  false});
  scan.scanned = Instant(hours(2));
  scan.clean = false;
  scan.reasons = {"CRITICAL CVE-1"};
  house.store.put_scan(scan);
  const Reference image = Reference::parse("r.example/shop").at(digest('a'));
  house.store.put_signatures(
      std::vector<SignatureRecord>{{"hint", image, "https://slsa.dev/provenance/v1", "bundle",
                                    digest('1'), digest('2'), Instant(hours(1))}});
  Replication carried = House::replication();
  carried.run = run;
  carried.source = image;
  house.store.add_replication(carried);
  const json::value why = told(digest('a').text());
  EXPECT_EQ(why.at("scan").at("reasons").at(0), "CRITICAL CVE-1");
  EXPECT_EQ(why.at("signatures").at(0).at("key_hint"), "hint");
  EXPECT_TRUE(why.at("signatures").at(0).at("key").is_null());
  EXPECT_EQ(why.at("replicas").at(0).at("target"), "far.example/shop");
  for (const char* flag : {"more_tags", "more_signatures", "more_replicas", "more_runs"})
    EXPECT_EQ(why.at(flag), false) << flag;
}

TEST_F(Why, WhatIsTooMuchForOneAnswerIsLeftOutAndSaidToBe) {
  const RunId run = make("1", 'a', 'c', "main");
  const Reference image = Reference::parse("r.example/shop").at(digest('a'));
  for (int more = 0; more < 101; ++more) {
    house.store.put_tag(Reference::parse(concat("r.example/shop:night-", more)),
                        {some_commit, "refs/heads/main", digest('a'), run});
    carry(run, 'a', concat("far.example/shop", more));
    const Digest payload = Digest::parse(concat("sha256:", os::sha256(concat("p", more)).hex()));
    house.store.put_signatures(std::vector<SignatureRecord>{
        {"hint", image, "x", "bundle", payload, digest('2'), Instant(hours(1))}});
  }
  const json::value why = told(digest('a').text());
  EXPECT_EQ(why.at("names").at(0).at("tags").as_array().size(), 100U);
  EXPECT_EQ(why.at("signatures").as_array().size(), 100U);
  EXPECT_EQ(why.at("replicas").as_array().size(), 100U);
  for (const char* flag : {"more_tags", "more_signatures", "more_replicas"})
    EXPECT_EQ(why.at(flag), true) << flag;
}

TEST_F(Why, OfOneConfigurationUnderTwoManifestsTheNewestIsMeant) {
  make("1", 'a', 'c', "main");
  make("2", 'b', 'c', "main");
  EXPECT_EQ(told(digest('c').text()).at("digest"), json::value(digest('b').text()));
}

TEST_F(Why, WhoeverIsForOneSourceIsToldOfItsTagsHoweverManyRunsCameAfter) {
  make("1", 'a', 'c', "main");
  for (int more = 0; more < 25; ++more) make(concat("m", more), 'a', 'c', "night");
  make_elsewhere("2", 'a', "theirs");
  const json::value why = parsed(ask(digest('a').text(), "n3ar"));
  EXPECT_EQ(why.at("names").at(0).at("tags"), json::value({"main", "night"}));
  EXPECT_EQ(told(digest('a').text()).at("names").at(0).at("tags"),
            json::value({"main", "night", "theirs"}));
}

TEST_F(Why, WhoeverIsForOneSourceSeesItsReplicaBehindAHundredOfOthers) {
  const RunId mine = make("1", 'a', 'c', "main"), alien = make_elsewhere("2", 'a', "");
  carry(mine, 'a', "far.example/mine");
  for (int more = 0; more < 101; ++more) carry(alien, 'a', concat("far.example/theirs", more));
  const json::value why = parsed(ask(digest('a').text(), "n3ar"));
  ASSERT_EQ(why.at("replicas").as_array().size(), 1U);
  EXPECT_EQ(why.at("replicas").at(0).at("target"), "far.example/mine");
  EXPECT_EQ(why.at("more_replicas"), false);
}

TEST_F(Why, ATagOfAnotherSourceIsNotConfirmedEvenWhereTheImageIsTheSame) {
  make("1", 'a', 'c', "main");
  const RunId alien = make_elsewhere("2", 'a', "theirs");
  carry(alien, 'a', "far.example/theirs");
  Replication carried = *house.store.claim_replication(system_now());
  carried.state = ReplicationState::done;
  ASSERT_TRUE(house.store.put_replication(carried));
  for (const std::string asked : {"r.example/shop:theirs", "far.example/theirs:main"}) {
    EXPECT_EQ(told(asked).at("digest"), json::value(digest('a').text())) << asked;
    EXPECT_EQ(ask(asked, "n3ar").status, 404) << asked;
    EXPECT_EQ(ask(asked, "f4r").status, 200) << asked;
  }
  EXPECT_EQ(ask("r.example/shop:main", "n3ar").status, 200);
}

TEST_F(Why, WhoeverIsForOtherSourcesLearnsNothing) {
  make("1", 'a', 'c', "main");
  EXPECT_EQ(ask(digest('a').text(), "n3ar").status, 200);
  const auto refused = [&](const std::string& asked) {
    const auto answer = ask(asked, "f4r");
    EXPECT_EQ(answer.status, 404) << asked;
    return detail_of(answer);
  };
  // What exists and what does not exist look the same.
  const auto as_if = [&](const std::string& asked, const std::string& of) {
    std::string text = refused(of);
    return text.replace(text.find(of), of.size(), asked);
  };
  EXPECT_EQ(refused(digest('a').text()), as_if(digest('a').text(), digest('9').text()));
  EXPECT_EQ(refused(digest('c').text()), as_if(digest('c').text(), digest('9').text()));
  EXPECT_EQ(refused(std::string(12, 'a')), as_if(std::string(12, 'a'), std::string(12, '9')));
  EXPECT_EQ(refused("r.example/shop:main"), as_if("r.example/shop:main", "r.example/none:1"));
  const std::string unknown = refused(digest('9').text());
  EXPECT_NE(unknown.find("no run made"), std::string::npos) << unknown;
  EXPECT_NE(unknown.find("ask by the digest"), std::string::npos) << unknown;
}

TEST_F(Why, WhatNamesNoImageIsToldSo) {
  make("1", 'a', 'c', "main");
  const std::string like = concat(std::string(20, 'a'), std::string(44, 'b'));
  const RunId run = house.push("2");
  end(run, "app", "staging", {{"manifest", concat("sha256:", like)}});
  EXPECT_NE(detail_of(ask("")).find("is missing"), std::string::npos);
  EXPECT_NE(detail_of(ask("abc123")).find("at least 12"), std::string::npos);
  EXPECT_NE(detail_of(ask("r.example/shop")).find("names a repository"), std::string::npos);
  EXPECT_EQ(ask("r.example/shop:none").status, 404);
  EXPECT_EQ(ask("Not A Reference").status, 400);
  const auto several = ask(std::string(12, 'a'));
  EXPECT_EQ(several.status, 409);
  EXPECT_NE(detail_of(several).find("give more digits"), std::string::npos);
  EXPECT_EQ(told(like.substr(0, 21)).at("digest"), json::value(concat("sha256:", like)));
}

}  // namespace
}  // namespace lighterman::api
