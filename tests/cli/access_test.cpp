// Tokens and the audit trail, with the program as a user has it.
#include <gtest/gtest.h>

#include "cli/daemon.hpp"
#include "core/text.hpp"
#include "support/certificate.hpp"
#include "support/first_store.hpp"

namespace lighterman::cli {
namespace {

/// The words of somebody who has this token.
Said say_with(Harbour& harbour, const std::string& token, const std::vector<std::string>& words) {
  os::replace_file(harbour.file("their.token"), token, 0600);
  harbour.environment["LIGHTERMAN_TOKEN_FILE"] = harbour.file("their.token").string();
  return harbour.say(words);
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(AccessByTheProgram, IsGivenByTokensThatAreMadeUsedAndRevoked) {
  Harbour harbour;
  const std::string config = harbour.file("lighterman.yml").string();
  EXPECT_EQ(harbour.say({"token", "list", "--config", config}).code, 3) << "there is no store yet";
  os::replace_file(harbour.file("wrong.yml"), "listen: nowhere\n");
  EXPECT_EQ(harbour.say({"token", "list", "--config", harbour.file("wrong.yml").string()}).code, 6);
  harbour.start();
  // The first one on the machine itself, beside the daemon.
  const Said first = harbour.say({"token", "new", "root", "--role", "admin", "--config", config});
  ASSERT_EQ(first.code, 0) << first.err;
  const std::string root(trim(first.out));
  EXPECT_TRUE(root.starts_with("lm_")) << first.out;
  EXPECT_FALSE(has(first.err, root));
  EXPECT_EQ(harbour.say({"runs"}).code, 4) << "the time without tokens is over";

  const Said second = say_with(harbour, root,
                               {"token", "new", "ci", "--role", "trigger", "--sources", "shop",
                                "--expires", "30d", "--reason", "for the nightly job"});
  ASSERT_EQ(second.code, 0) << second.err;
  const std::string ci(trim(second.out));
  EXPECT_EQ(say_with(harbour, ci, {"runs"}).code, 0);
  EXPECT_EQ(say_with(harbour, ci, {"token", "list"}).code, 4);
  const Said listed = say_with(harbour, root, {"token", "list"});
  EXPECT_TRUE(has(listed.out, "ci  trigger  shop  active, expires ")) << listed.out;
  EXPECT_FALSE(has(listed.out, ci));
  EXPECT_EQ(say_with(harbour, ci, {"run", "--source", "shop", "--ref", "main", "--follow"}).code,
            0);
  EXPECT_EQ(say_with(harbour, root, {"token", "revoke", "ci", "--reason", "it is over"}).code, 0);
  EXPECT_EQ(say_with(harbour, ci, {"runs"}).code, 4);
  EXPECT_EQ(say_with(harbour, root, {"token", "revoke", "ci"}).code, 3);
  EXPECT_EQ(say_with(harbour, root, {"token", "new", "x", "--role", "god"}).code, 2);
  for (const std::string& secret : {root, ci})
    EXPECT_FALSE(has(harbour.daemon_log(), secret)) << "secrets are in no log";

  const Said trail = say_with(harbour, root, {"audit", "show"});
  for (const char* line :
       {"nobody we know  login failed  1 time since ",
        "token \"root\"  token revoke  token ci  (it is over)  from 127.0.0.1",
        "token \"ci\"  run  run 1 of shop", "token new  token ci: trigger for shop, until ",
        " on the command line  token new  token root: admin", "the daemon  start  lighterman "})
    EXPECT_TRUE(has(trail.out, line)) << line << "\n" << trail.out;

  const Said good = say_with(harbour, root, {"audit", "verify"});
  EXPECT_EQ(good.code, 0) << good.out << good.err;
  EXPECT_TRUE(has(good.out, "6 entries, each follows the one before; head 6:")) << good.out;
  const std::string head(trim(good.out.substr(good.out.find("head ") + 5)));
  EXPECT_EQ(harbour.say({"audit", "verify", "--config", config, "--head", head}).code, 0);
  EXPECT_EQ(harbour.say({"audit", "verify", "--config", config, "--head", "1:00"}).code, 1);

  const Said lines = say_with(harbour, root, {"audit", "export"});
  EXPECT_EQ(lines.code, 0);
  os::replace_file(harbour.file("audit.jsonl"), lines.out);
  const std::string file = harbour.file("audit.jsonl").string();
  EXPECT_EQ(harbour.say({"audit", "verify", "--file", file}).code, 0);
  std::string forged = lines.out;
  forged.replace(forged.find("it is over"), 10, "it is fine");
  os::replace_file(harbour.file("audit.jsonl"), forged);
  const Said bad = harbour.say({"audit", "verify", "--file", file});
  EXPECT_EQ(bad.code, 1);
  EXPECT_TRUE(has(bad.out, "entry 5 was changed")) << bad.out;
  const Said table =
      say_with(harbour, root, {"audit", "export", "--format", "csv", "--since", "2020-01-01"});
  EXPECT_TRUE(table.out.starts_with("number,when,who,")) << table.out;
  EXPECT_EQ(say_with(harbour, root, {"audit", "export", "--since", "2999-01-01"}).out, "");
  harbour.stop();
}

TEST(TlsOfTheProgram, IsRenewedWhenItsFilesChangeAndOnTheSignal) {
  Harbour harbour;
  const auto put = [&](const std::string& from) {
    for (const char* ending : {".crt", ".key"})
      os::replace_file(harbour.file(concat("tls", ending)),
                       os::read_file(harbour.file(concat(from, ending))), 0600);
  };
  const std::filesystem::path folder = harbour.file("first.crt").parent_path();
  for (const char* name : {"first", "second", "third"}) support::make_certificate(folder, name);
  put("first");
  const std::string tls = concat("tls: {cert: ", harbour.file("tls.crt").string(),
                                 ", key: ", harbour.file("tls.key").string(), "}\n");
  harbour.write_config(tls);
  std::string& server = harbour.environment["LIGHTERMAN_SERVER"];
  server.replace(0, 4, "https");
  harbour.environment["LIGHTERMAN_CA_FILE"] = harbour.file("first.crt").string();
  harbour.start();
  EXPECT_EQ(harbour.say({"runs"}).code, 0);
  const auto is_now = [&](const std::string& name) {
    harbour.environment["LIGHTERMAN_CA_FILE"] = harbour.file(name + ".crt").string();
    return support::eventually([&] { return harbour.say({"runs"}).code == 0; });
  };
  put("second");
  EXPECT_TRUE(is_now("second")) << harbour.daemon_log();
  EXPECT_TRUE(has(harbour.daemon_log(), "certificate reloaded"));
  os::replace_file(harbour.file("tls.crt"), "nonsense");
  EXPECT_TRUE(
      support::eventually([&] { return has(harbour.daemon_log(), "certificate not reloaded"); }));
  EXPECT_EQ(harbour.say({"runs"}).code, 0) << "the one that was good goes on";
  put("third");
  harbour.signal(1);
  EXPECT_TRUE(is_now("third")) << harbour.daemon_log();
  harbour.stop();
}

TEST(StoreOfTheProgram, IsBackedUpWhileItRunsAndRestored) {
  Harbour harbour;
  const std::string config = harbour.file("lighterman.yml").string();
  const std::string copy = harbour.file("copy.db").string();
  harbour.start();
  EXPECT_EQ(harbour.say({"run", "--source", "shop", "--ref", "main", "--follow"}).code, 0);
  const Said made = harbour.say({"backup", copy, "--config", config});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_TRUE(has(made.out, "1 runs, ")) << made.out;
  EXPECT_TRUE(has(made.out, "keep besides: the configuration ")) << made.out;
  EXPECT_EQ(harbour.say({"backup", copy, "--config", config}).code, 1) << "it is there already";
  const Said early = harbour.say({"restore", copy, "--config", config});
  EXPECT_EQ(early.code, 1);
  EXPECT_TRUE(has(early.err, "in use by another lighterman")) << early.err;
  harbour.git.write("text.txt", "second\n");
  harbour.git.commit("Say second");
  EXPECT_EQ(harbour.say({"run", "--source", "shop", "--ref", "main", "--follow"}).code, 0);
  harbour.stop();

  os::replace_file(harbour.file("broken.db"), "no store");
  EXPECT_EQ(harbour.say({"restore", harbour.file("broken.db").string(), "--config", config}).code,
            2);
  const Said back = harbour.say({"restore", copy, "--config", config});
  ASSERT_EQ(back.code, 0) << back.err;
  EXPECT_TRUE(has(back.out, "what was there before is ")) << back.out;
  harbour.start();
  EXPECT_EQ(harbour.say({"show", "1"}).code, 0);
  EXPECT_EQ(harbour.say({"show", "2"}).code, 3) << "it came after the backup";
  EXPECT_EQ(harbour.say({"run", "--source", "shop", "--ref", "main", "--follow"}).code, 0);
  EXPECT_TRUE(has(harbour.say({"audit", "show"}).out, "restore  " + copy));
  EXPECT_EQ(harbour.say({"audit", "verify"}).code, 0);
  harbour.stop();
}

TEST(StoreOfTheProgram, OfTheFirstVersionIsServedAndItsRunsGoOn) {
  Harbour harbour;
  std::filesystem::create_directories(harbour.file("data"));
  support::make_first_store(harbour.file("data") / "lighterman.db");
  harbour.start();
  EXPECT_TRUE(has(harbour.say({"show", "1"}).out, "the disk was full"));
  EXPECT_TRUE(has(harbour.say({"logs", "1"}).out, "hello from the past"));
  // Its commit is not in our repository: it ends, and the daemon serves on.
  EXPECT_TRUE(support::eventually([&] {
    return has(harbour.say({"show", "2"}).out, "run 2 failed");
  })) << harbour.say({"show", "2"}).out;
  EXPECT_EQ(harbour.say({"run", "--source", "shop", "--ref", "main", "--follow"}).code, 0);
  harbour.stop();
}

TEST(ManualOfTheProgram, NamesEveryVerbAndIsGoodTroff) {
  const os::Outcome page = os::perform({LIGHTERMAN_PROGRAM, {"man"}});
  EXPECT_EQ(page.exit_code, 0);
  for (const char* verb : {".SS serve", ".SS key rotate", ".SS token new", ".SS audit verify"})
    EXPECT_TRUE(has(page.output, verb)) << verb;
  os::Program groff{"groff", {"-man", "-Tutf8", "-wall", "-z"}};
  groff.input = page.output;
  const os::Outcome read = os::perform(groff);
  EXPECT_EQ(read.exit_code, 0);
  EXPECT_EQ(read.errors, "");
}

}  // namespace
}  // namespace lighterman::cli
