#include "policy/powers.hpp"

#include <httplib.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <optional>

#include "net/loopback.hpp"
#include "os/file.hpp"
#include "os/hash.hpp"
#include "policy/scene.hpp"
#include "registry/scene.hpp"
#include "support/registry.hpp"

namespace lighterman::policy::test {
namespace {

using lighterman::test::Connection;
using lighterman::test::RawServer;
using Json = boost::json::value;

/// A loopback server that remembers what it was asked.
class Echo {
 public:
  Echo() {
    const auto serve = [this](const httplib::Request& request, httplib::Response& response) {
      last = request;
      ++count;
      response.status = status;
      for (const auto& [name, value] : headers) response.set_header(name, value);
      response.set_content(
          answer.empty() ? request.get_header_value("Token") + request.body : answer, type);
    };
    server_.Get(".*", serve);
    server_.Post(".*", serve);
    port = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ~Echo() {
    server_.stop();
    thread_.join();
  }
  std::string url(const std::string& path = "/") const {
    return concat("http://127.0.0.1:", port, path);
  }
  std::string host() const { return concat("127.0.0.1:", port); }

  httplib::Request last;
  int count = 0, status = 200, port = 0;
  std::string answer, type = "application/json";
  std::multimap<std::string, std::string> headers;

 private:
  httplib::Server server_;
  std::thread thread_;
};

struct Scene {
  Scene() {
    os::replace_file(folder.path() / "token", "s3cr3t/with+marks\"\n");
    options.secrets["slack"] = concat("file:", (folder.path() / "token").string());
  }
  os::ScratchFolder folder;
  PowersOptions options;
  static constexpr const char* token = "s3cr3t/with+marks\"";
};

/// What the hook's `return skip(...)` says, with real powers.
std::string performed(Powers& powers, const std::string& needs, const Grants& granted,
                      const std::string& body, const Limits& limits = {}) {
  const Seat asked = seat(
      "return { needs = " + needs + ", on_push = function(push)\n" + body + "\nend }", granted);
  const Decision decision =
      ask_one(asked, Hook::on_push, some_push(), limits, powers.performer({}));
  if (!decision.problems.empty()) return "problem: " + decision.problems.front().value;
  return decision.skip.empty() ? "" : decision.skip.front().value;
}

void expect_holds(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(Http, AsksAGrantedHostAndDecodesItsJson) {
  Echo echo;
  echo.answer = R"({"release":{"name":"blue"}})";
  Powers powers({});
  const std::string grant = "private:" + echo.host();
  EXPECT_EQ(
      performed(powers, "{ http = '*' }", {{"http", {grant}}},
                "local a = http { url = '" + echo.url("/x?y=1") +
                    "', headers = { Accept = 'a/b' } }\n"
                    "return skip(a.status .. a.json.release.name .. a.headers['content-type'])"),
      "200blueapplication/json");
  EXPECT_EQ(echo.last.target, "/x?y=1");
  EXPECT_EQ(echo.last.get_header_value("Accept"), "a/b");
}

TEST(Http, SendsJsonTextAndForms) {
  Echo echo;
  Powers powers({});
  const Grants granted{{"http", {"private:" + echo.host()}}};
  const auto sent = [&](const std::string& body) {
    const std::string failure = performed(powers, "{ http = '*' }", granted,
                                          "http { url = '" + echo.url() + "', " + body + " }");
    EXPECT_EQ(failure, "");
    return concat(echo.last.method, ' ', echo.last.get_header_value("Content-Type"), ' ',
                  echo.last.body);
  };
  EXPECT_EQ(sent("json = { b = 1, a = { 'x' } }"), R"(POST application/json {"a":["x"],"b":1})");
  EXPECT_EQ(sent("text = 'hello'"), "POST text/plain; charset=utf-8 hello");
  EXPECT_EQ(sent("form = { a = 'x y&', n = 3 }"),
            "POST application/x-www-form-urlencoded a=x%20y%26&n=3");
  EXPECT_EQ(sent("text = 'x', method = 'POST', headers = { ['Content-Type'] = 'a/b' }"),
            "POST a/b x");
}

TEST(Http, ReachesNoPrivateAddressThatIsNotGrantedAsSuch) {
  Echo echo;
  Powers powers({});
  const std::string port = std::to_string(echo.port);
  for (const std::string host : {"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0",
                                 "169.254.169.254", "10.1.2.3", "192.168.0.1", "172.16.0.1",
                                 "100.64.0.1", "[fd00:ec2::254]", "[fe80::1]", "168.63.129.16"}) {
    const std::string answer =
        performed(powers, "{ http = '*' }", {{"http", {host}}},
                  "http { url = 'http://" + host + ":" + port + "/', timeout = 2 }");
    expect_holds(answer, "no public address");
    expect_holds(answer, "private:HOST");
  }
  EXPECT_EQ(echo.count, 0);
  EXPECT_EQ(performed(powers, "{ http = '*' }", {{"http", {"private:localhost"}}},
                      "return skip(http { url = 'http://localhost:" + port + "/' }.status .. '')"),
            "200");
}

TEST(Http, AsksNoHostAndPortThatIsNotGranted) {
  Echo echo;
  Powers powers({});
  const auto asked = [&](const std::string& needs, const Grants& granted) {
    return performed(powers, needs, granted, "http { url = '" + echo.url() + "' }");
  };
  expect_holds(
      asked("{ http = '*' }", {{"http", {"hooks.example"}}}),
      "http \"" + echo.host() +
          "\" is not allowed; to allow it, add under plugins.it:\n  allow:\n    http: [\"" +
          echo.host() + "\"]");
  expect_holds(asked("{ http = '*' }", {{"http", {"private:127.0.0.1:1"}}}), "is not allowed");
  expect_holds(
      asked("{ http = 'hooks.example' }", {{"http", {"hooks.example", "private:127.0.0.1"}}}),
      "is not among what the plugin needs");
  EXPECT_EQ(echo.count, 0);
}

TEST(Http, FollowsRedirectsAtHomeOnly) {
  Echo other;
  RawServer server([&](Connection& connection, int) {
    while (true) {
      const std::string head = connection.read_head();
      if (head.empty()) return;
      const bool home = head.starts_with("GET /home ");
      const std::string to = home ? "/there" : other.url();
      if (head.starts_with("GET /there ")) {
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhome");
      } else {
        connection.send("HTTP/1.1 302 Found\r\nLocation: " + to + "\r\nContent-Length: 0\r\n\r\n");
      }
    }
  });
  Powers powers({});
  const Grants granted{{"http", {"private:127.0.0.1"}}};
  const auto asked = [&](const std::string& path) {
    return performed(
        powers, "{ http = '*' }", granted,
        "local a = http { url = '" + server.url(path) + "' } return skip(a.status .. a.text)");
  };
  EXPECT_EQ(asked("/home"), "200home");
  EXPECT_EQ(asked("/away"), "302");
  EXPECT_EQ(other.count, 0);
}

TEST(Http, EndsWithALongAnswerAndWithASlowOne) {
  Echo echo;
  echo.answer = std::string(2 << 20, 'x');
  Powers powers({});
  const Grants granted{{"http", {"private:127.0.0.1"}}};
  expect_holds(performed(powers, "{ http = '*' }", granted, "http { url = '" + echo.url() + "' }"),
               "the answer is longer than");
  RawServer slow([](Connection& connection, int) {
    connection.read_head();
    connection.send("HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 100; ++i) {
      connection.send(concat("X-", i, ": y\r\n"));
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  });
  Limits limits;
  limits.wall_time = std::chrono::milliseconds(300);
  expect_holds(performed(powers, "{ http = '*' }", granted,
                         "http { url = '" + slow.url() + "', timeout = '600ms' }", limits),
               "no whole answer within 600 ms");
  // What was spent outside is not the hook's own time.
  EXPECT_EQ(performed(powers, "{ http = '*' }", granted,
                      "pcall(http, { url = '" + slow.url() +
                          "', timeout = '600ms' }) for i = 1, 1e5 do end return skip 'on'",
                      limits),
            "on");
  limits.outside_time = std::chrono::milliseconds(300);
  expect_holds(performed(powers, "{ http = '*' }", granted,
                         "for i = 1, 3 do pcall(http, { url = '" + slow.url() + "' }) end", limits),
               "its capabilities took longer than 300ms");
}

TEST(Http, IsAskedForOnlySoOften) {
  Echo echo;
  Powers powers({});
  expect_holds(performed(powers, "{ http = '*' }", {{"http", {"private:127.0.0.1"}}},
                         "while true do pcall(http, { url = '" + echo.url() + "' }) end"),
               "used capabilities more than 100 times");
  EXPECT_EQ(echo.count, 100);
}

TEST(Http, SendsASecretThatNobodySees) {
  Scene scene;
  Echo echo;
  Powers powers(scene.options);
  const Grants granted{{"http", {"private:127.0.0.1"}}, {"secret", {"slack"}}};
  const std::string answer = performed(powers, "{ http = '*', secret = 'slack' }", granted,
                                       "local t = secret 'slack' log.info(t)\n"
                                       "local a = http { url = '" +
                                           echo.url() +
                                           "', headers = { Token = t } }\n"
                                           "return skip(tostring(t) .. a.text)");
  EXPECT_EQ(answer, "******");
  EXPECT_EQ(echo.last.get_header_value("Token"), Scene::token);
}

TEST(Http, ChecksTheHostOfAUrlThatIsASecret) {
  Scene scene;
  Echo echo;
  ::setenv("LIGHTERMAN_TEST_HOOK", echo.url("/services/T000/hush?x=1").c_str(), 1);
  scene.options.secrets["hook"] = "env:LIGHTERMAN_TEST_HOOK";
  Powers powers(scene.options);
  const std::string body = "return skip(http { url = secret 'hook', text = 'x' }.status .. '')";
  EXPECT_EQ(performed(powers, "{ http = '*', secret = 'hook' }",
                      {{"http", {"private:127.0.0.1"}}, {"secret", {"hook"}}}, body),
            "200");
  EXPECT_EQ(echo.last.target, "/services/T000/hush?x=1");
  const std::string refused = performed(powers, "{ http = '*', secret = 'hook' }",
                                        {{"http", {"other.example"}}, {"secret", {"hook"}}}, body);
  expect_holds(refused, "is not allowed");
  EXPECT_EQ(refused.find("hush"), std::string::npos) << refused;
  const std::string hidden = performed(powers, "{ http = '*', secret = 'hook' }",
                                       {{"http", {"127.0.0.1"}}, {"secret", {"hook"}}}, body);
  expect_holds(hidden, "no public address");
  EXPECT_EQ(hidden.find("hush"), std::string::npos) << hidden;
}

TEST(Secret, IsAHandleThatBecomesNoText) {
  const Grants granted{{"secret", {"slack"}}};
  const auto tried = [&](const std::string& body) {
    Powers powers({});
    return performed(powers, "{ secret = 'slack' }", granted, "local t = secret 'slack'\n" + body);
  };
  EXPECT_EQ(tried("return skip(tostring(t) .. string.format('%s', t) .. tostring(t == 'x') .. "
                  "type(t) .. tostring(getmetatable(t)))"),
            "******falseuserdatafalse");
  EXPECT_EQ(tried("return skip(json.encode { t = t })"), R"({"t":{"$secret":"slack"}})");
  for (const char* use : {"t .. 'x'", "'x' .. t", "#t", "t.name", "t < 'x'", "t()",
                          "setmetatable(t, {})", "t + 1", "('x'):rep(t)"})
    expect_holds(tried(concat("return skip(tostring(", use, "))")), "problem: on_push: it.lua:3: ");
  expect_holds(tried("t.name = 'x'"), "a secret is a handle");
  expect_holds(tried("secret 'other'"), "secret \"other\" is not among what the plugin needs");
}

TEST(Run, GivesAProgramArgumentsInputAndNothingElse) {
  Powers powers({});
  ::setenv("LIGHTERMAN_TEST_LEAK", "leaked", 1);
  const Grants granted{{"run", {"sh"}}};
  const auto ran = [&](const std::string& body) {
    return performed(powers, "{ run = 'sh' }", granted, body);
  };
  EXPECT_EQ(
      ran("local a = run { program = 'sh', args = { '-c', 'read x; echo \"$x $1 "
          "$A$LIGHTERMAN_TEST_LEAK\"; echo bad >&2; exit 3', 'sh', 'a b;c' },"
          "input = 'in\\n', env = { A = 'env' } } return skip(a.code .. a.output .. a.errors)"),
      "3in a b;c env\nbad\n");
  expect_holds(ran("run { program = 'ls' }"), "run \"ls\" is not among what the plugin needs");
  expect_holds(ran("run { program = 'sh', args = { '-c', 'sleep 20' }, timeout = '100ms' }"),
               "killed after 100ms");
  expect_holds(ran("run { program = 'sh', args = { '-c', 'yes' } }"), "killed: more than");
  expect_holds(ran("run { program = 'sh', arg = {} }"),
               "run: unknown key \"arg\" (did you mean \"args\"?)");
  expect_holds(ran("run { program = 'sh', env = { ['A=B'] = 'x' } }"), "is no name of a variable");
  expect_holds(performed(powers, "{ run = 'no-such-program' }", {{"run", {"no-such-program"}}},
                         "run { program = 'no-such-program' }"),
               "there is no such program");
}

TEST(Run, BlackensSecretsInWhatAProgramSays) {
  Scene scene;
  Powers powers(scene.options);
  EXPECT_EQ(
      performed(powers, "{ run = 'sh', secret = '*' }", {{"run", {"sh"}}, {"secret", {"slack"}}},
                "local a = run { program = 'sh', args = { '-c', 'printf %s \"$T\"; printf %s "
                "\"$T\" >&2' }, env = { T = secret 'slack' } }\n"
                "return skip(a.output .. a.errors)"),
      "******");
}

TEST(Scan, IsAskedAboutWhatIsGrantedOrStaged) {
  PowersOptions options;
  std::string scanned;
  options.scan = [&](const std::string& reference, const Json&, const std::stop_token&) -> Json {
    scanned = reference;
    return {{"counts", {{"CRITICAL", 2}}}};
  };
  Powers powers(options);
  Json facts = some_push();
  facts.as_object()["staging"] = {{"reference", "127.0.0.1:7071/x@sha256:00"}};
  const auto asked = [&](Powers& power, const std::string& reference) {
    const Seat scanning = seat(
        "return { needs = { scan = { 'staged', 'r.example/**' } }, on_push = function(push) return "
        "skip(scan(" +
            reference + ").counts.CRITICAL .. '') end }",
        {{"scan", {"staged", "r.example/**"}}});
    const Decision decision = ask_one(scanning, Hook::on_push, facts, {}, power.performer({}));
    return decision.problems.empty() ? decision.skip.at(0).value : decision.problems[0].value;
  };
  EXPECT_EQ(asked(powers, "push.staging.reference"), "2");
  EXPECT_EQ(scanned, "127.0.0.1:7071/x@sha256:00");
  EXPECT_EQ(asked(powers, "'r.example/a/b:1'"), "2");
  expect_holds(asked(powers, "'other.example/a:1'"), "is not among what the plugin needs");
  Powers without({});
  expect_holds(asked(without, "push.staging.reference"), "no scanner is set up");
}

TEST(Registry, ShowsTagsManifestsAndLabels) {
  support::RealRegistry real;
  lighterman::test::Scene registry_scene;
  registry::Client client(lighterman::test::Scene::options(real.host()), registry_scene.store);
  PowersOptions options;
  options.registry = [&](const std::string& host) -> registry::Client& {
    EXPECT_EQ(host, real.host());
    return client;
  };
  const std::string config =
      R"({"os":"linux","architecture":"amd64","config":{"Labels":{"team":"blue"}},)"
      R"("rootfs":{"type":"layers","diff_ids":[]}})";
  const Digest config_digest = os::sha256(config);
  registry::BlobSource blob{{std::string(media::oci_config), config_digest, config.size()}, {}};
  blob.open = [&](std::uint64_t offset) -> Pull {
    return [&config, offset](char* into, std::size_t room) mutable {
      const std::size_t count = config.copy(into, room, offset);
      offset += count;
      return count;
    };
  };
  client.bring(blob, Reference::parse(real.host() + "/acme/shop"), {}, {});
  const Manifest manifest =
      Manifest::compose({std::string(media::oci_config), config_digest, config.size()}, {});
  const Reference tag = Reference::parse(real.host() + "/acme/shop:1.4");
  client.put_manifest(tag, manifest.media_type(), manifest.bytes(), {});

  Powers powers(options);
  const auto asked = [&](const std::string& body, const std::string& grant = "/acme/*") {
    return performed(powers, "{ registry = '*' }", {{"registry", {real.host() + grant}}},
                     "local name = '" + tag.name() + "'\n" + body);
  };
  EXPECT_EQ(asked("return skip(table.concat(registry.tags(name), ','))"), "1.4");
  EXPECT_EQ(asked("return skip(registry.labels(name .. ':1.4').team)"), "blue");
  EXPECT_EQ(asked("return skip(registry.manifest(name .. ':1.4').digest)"),
            os::sha256(manifest.bytes()).text());
  EXPECT_EQ(asked("return skip(tostring(registry.manifest(name .. ':2')))"), "nil");
  EXPECT_EQ(asked("return skip(#registry.referrers(name .. ':1.4') .. '')"), "0");
  expect_holds(asked("registry.tags(name)", "/other/**"),
               "registry \"" + tag.name() + "\" is not allowed");
}

const char* const notice =
    "{ needs = { http = '*', run = '*', secret = '*' }, on_finished = function() return post ";

/// A seat that posts, and the body that it asked for.
struct Posting {
  Posting(const std::string& post, Grants granted)
      : seat(test::seat(concat("return ", notice, post, " end }"), std::move(granted))) {
    const Decision decision = ask_one(seat, Hook::on_finished);
    for (const auto& problem : decision.problems) ADD_FAILURE() << problem.value;
    if (!decision.actions.empty()) body = decision.actions[0].body;
  }
  Seat seat;
  Json body;
};

TEST(Post, IsSignedOverItsBody) {
  Scene scene;
  Echo echo;
  Powers powers(scene.options);
  const Posting posting(
      "{ url = '" + echo.url("/hook") +
          "', json = { text = 'done' }, headers = { ['X-Kind'] = 'note', Token = secret 'slack' },"
          "hmac = { secret = secret 'slack', header = 'X-Hub-Signature-256' } }",
      {{"http", {"private:127.0.0.1"}}, {"secret", {"slack"}}});
  EXPECT_EQ(boost::json::serialize(posting.body).find("s3cr3t"), std::string::npos);
  powers.perform_post(posting.seat, posting.body, {});
  EXPECT_EQ(echo.last.method, "POST");
  EXPECT_EQ(echo.last.body, R"({"text":"done"})");
  EXPECT_EQ(echo.last.get_header_value("X-Kind"), "note");
  EXPECT_EQ(echo.last.get_header_value("Token"), Scene::token);
  EXPECT_EQ(echo.last.get_header_value("X-Hub-Signature-256"),
            "sha256=" + render_hex(os::hmac_sha256(Scene::token, R"({"text":"done"})")));
}

/// A robot's webhook whose URL is a secret, as its signing key is.
struct Robot {
  explicit Robot(const std::string& fields) {
    ::setenv("LIGHTERMAN_TEST_ROBOT", echo.url("/robot/send?access_token=hush").c_str(), 1);
    scene.options.secrets["robot"] = "env:LIGHTERMAN_TEST_ROBOT";
    posting.emplace("{ url = secret 'robot', json = { text = 'done' }, " + fields + " }",
                    Grants{{"http", {"private:127.0.0.1"}}, {"secret", {"slack", "robot"}}});
  }
  std::string failure() {
    Powers powers(scene.options);
    return failure_of([&] { powers.perform_post(posting->seat, posting->body, {}); });
  }
  Scene scene;
  Echo echo;
  std::optional<Posting> posting;
};

std::string openssl_signature(const std::string& key, const std::string& bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), mac.data(), &size);
  std::array<unsigned char, 2 * EVP_MAX_MD_SIZE> text{};
  const int length = EVP_EncodeBlock(text.data(), mac.data(), static_cast<int>(size));
  return {reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(length)};
}

/// Both robots refuse a time that is an hour off.
void expect_recent(std::chrono::milliseconds stamp) {
  EXPECT_LT(std::chrono::abs(system_now().time_since_epoch() - stamp), std::chrono::hours(1));
}

TEST(Post, IsSignedAsDingTalksRobotsAskForIt) {
  Robot robot("hmac = { secret = secret 'slack', style = 'dingtalk' }, expect = { errcode = 0 }");
  robot.echo.answer = R"({"errcode":0,"errmsg":"ok"})";
  EXPECT_EQ(robot.failure(), "nothing");
  const httplib::Request& asked = robot.echo.last;
  EXPECT_EQ(asked.path, "/robot/send");
  EXPECT_EQ(asked.get_param_value("access_token"), "hush");
  const std::string stamp = asked.get_param_value("timestamp");
  EXPECT_EQ(asked.get_param_value("sign"),
            openssl_signature(Scene::token, stamp + "\n" + Scene::token));
  expect_recent(std::chrono::milliseconds(std::stoll(stamp)));
  EXPECT_EQ(asked.body, R"({"text":"done"})");
  EXPECT_FALSE(asked.has_header("X-Signature-256"));
}

TEST(Post, IsSignedAsFeishusRobotsAskForIt) {
  Robot robot("hmac = { secret = secret 'slack', style = 'feishu' }, expect = { code = 0 }");
  robot.echo.answer = R"({"code":0,"msg":"success","data":{}})";
  EXPECT_EQ(robot.failure(), "nothing");
  EXPECT_EQ(robot.echo.last.target, "/robot/send?access_token=hush");
  const Json sent = boost::json::parse(robot.echo.last.body);
  const std::string stamp(sent.at("timestamp").as_string());
  EXPECT_EQ(sent.at("sign").as_string(), openssl_signature(stamp + "\n" + Scene::token, ""));
  expect_recent(std::chrono::seconds(std::stoll(stamp)));
  EXPECT_EQ(sent.at("text").as_string(), "done");
}

TEST(Post, IsNotToldWhenARobotAnswersThatItIsNot) {
  Robot robot("hmac = { secret = secret 'slack', style = 'dingtalk' }, expect = { errcode = 0 }");
  robot.echo.answer = R"({"errcode":310000,"errmsg":"sign not match"})" + std::string(500, ' ');
  const std::string refused = robot.failure();
  expect_holds(refused, "unavailable: POST ");
  expect_holds(refused,
               "the answer's errcode is 310000, where 0 was expected: "
               R"({"errcode":310000,"errmsg":"sign not match"})");
  EXPECT_LT(refused.size(), 400U);
  EXPECT_EQ(refused.find("hush"), std::string::npos) << refused;
  EXPECT_EQ(refused.find("sign="), std::string::npos) << refused;
  robot.echo.answer = "{}";
  expect_holds(robot.failure(), "the answer's errcode is not there, where 0 was expected: {}");
  robot.echo.answer = "<html>hush</html>";
  expect_holds(robot.failure(), "the answer is no JSON object: <html>");
}

TEST(Post, SaysWhatASignatureLacks) {
  const auto refusal = [](const std::string& rest) {
    const std::string body = "{ url = 'https://a.example/', " + rest + " }";
    const Seat posting = seat(concat("return ", notice, body, " end }"),
                              {{"http", {"a.example"}}, {"secret", {"slack"}}});
    const Decision decision = ask_one(posting, Hook::on_finished);
    return decision.problems.empty() ? std::string() : decision.problems[0].value;
  };
  expect_holds(refusal("hmac = { secret = secret 'slack', styel = 'feishu' }"),
               "post.hmac: unknown key \"styel\" (did you mean \"style\"?)");
  expect_holds(refusal("hmac = { secret = secret 'slack', style = 'dingtlak' }"),
               "post.hmac.style: must be one of header, dingtalk, feishu (did you mean "
               "\"dingtalk\"?)");
  expect_holds(refusal("hmac = { secret = secret 'slack', style = 'feishu', header = 'X' }"),
               "post.hmac.header: belongs to style = \"header\"");
  expect_holds(refusal("text = 'x', hmac = { secret = secret 'slack', style = 'feishu' }"),
               "json must be a table of names");
  EXPECT_EQ(refusal("json = { a = 1 }, hmac = { secret = secret 'slack', style = 'feishu' }"), "");
}

TEST(Post, SaysWhetherAnotherTryMayHelp) {
  Echo echo;
  Powers powers({});
  const Posting posting("{ url = '" + echo.url() + "', text = 'x' }",
                        {{"http", {"private:127.0.0.1"}}});
  const auto posted = [&](int status) {
    echo.status = status;
    return failure_of([&] { powers.perform_post(posting.seat, posting.body, {}); });
  };
  EXPECT_EQ(posted(204), "nothing");
  EXPECT_EQ(posted(500).substr(0, 13), "unavailable: ");
  EXPECT_EQ(posted(429).substr(0, 13), "unavailable: ");
  EXPECT_EQ(posted(403).substr(0, 8), "denied: ");
  EXPECT_EQ(posted(404).substr(0, 11), "not_found: ");
  EXPECT_EQ(posted(400).substr(0, 9), "invalid: ");
  EXPECT_EQ(posted(302).substr(0, 9), "invalid: ");
  echo.headers.emplace("Retry-After", "7");
  echo.status = 503;
  try {
    powers.perform_post(posting.seat, posting.body, {});
    ADD_FAILURE();
  } catch (const net::Busy& busy) {
    // The worker may obey it.
    EXPECT_EQ(busy.pause(), std::chrono::seconds(7));
  }
  const Posting choosy("{ url = '" + echo.url() + "', ok = { 409 } }",
                       {{"http", {"private:127.0.0.1"}}});
  echo.status = 409;
  EXPECT_EQ(failure_of([&] { powers.perform_post(choosy.seat, choosy.body, {}); }), "nothing");
}

TEST(Post, ShowsNoSecretThatAServerRepeats) {
  Scene scene;
  Echo echo;
  echo.status = 500;
  Powers powers(scene.options);
  const Posting posting(
      "{ url = '" + echo.url() + "', text = 'x', headers = { Token = secret 'slack' } }",
      {{"http", {"private:127.0.0.1"}}, {"secret", {"slack"}}});
  const std::string failure =
      failure_of([&] { powers.perform_post(posting.seat, posting.body, {}); });
  EXPECT_EQ(failure.find("s3cr3t"), std::string::npos) << failure;
  expect_holds(failure, "500: ***x");
}

TEST(Post, RunsAProgramWithSecretsInItsEnvironmentOnly) {
  Scene scene;
  Powers powers(scene.options);
  const std::string out = (scene.folder.path() / "out").string();
  const Posting posting(
      "{ run = 'sh', args = { '-c', 'cat > \"$0\"; printf %s \"$T\" >> \"$0\"', '" + out +
          "' }, input = 'mail ', env = { T = secret 'slack' } }",
      {{"run", {"sh"}}, {"secret", {"slack"}}});
  powers.perform_post(posting.seat, posting.body, {});
  EXPECT_EQ(os::read_file(out), concat("mail ", Scene::token));
  const Posting failing(
      "{ run = 'sh', args = { '-c', 'echo \"no $T\" >&2; exit 75' }, env = { T = secret 'slack' } "
      "}",
      {{"run", {"sh"}}, {"secret", {"slack"}}});
  EXPECT_EQ(failure_of([&] { powers.perform_post(failing.seat, failing.body, {}); }),
            "unavailable: running sh: exit code 75: no ***");
}

TEST(Post, IsCheckedAgainWhenItIsPerformed) {
  Scene scene;
  Echo echo;
  Powers powers(scene.options);
  Posting posting("{ url = '" + echo.url() + "', headers = { Token = secret 'slack' } }",
                  {{"http", {"private:127.0.0.1"}}, {"secret", {"slack"}}});
  posting.seat.granted = {{"http", {"private:127.0.0.1"}}};
  EXPECT_EQ(failure_of([&] { powers.perform_post(posting.seat, posting.body, {}); }),
            "denied: secret \"slack\" is not allowed");
  posting.seat.granted = {{"secret", {"slack"}}};
  EXPECT_EQ(failure_of([&] { powers.perform_post(posting.seat, posting.body, {}); }),
            "denied: http \"" + echo.host() + "\" is not allowed");
  posting.seat.granted = {{"http", {"private:127.0.0.1"}}, {"secret", {"slack"}}};
  Powers poor({});
  expect_holds(failure_of([&] { poor.perform_post(posting.seat, posting.body, {}); }),
               "secret \"slack\" is not configured");
  EXPECT_EQ(echo.count, 0);
}

TEST(Post, IsRefusedForAHostOrProgramThatIsNotGranted) {
  const auto posted = [](const std::string& post) {
    const Decision decision =
        ask_one(seat(concat("return ", notice, post, " end }"), {{"http", {"a.example"}}}),
                Hook::on_finished);
    EXPECT_TRUE(decision.actions.empty());
    return decision.problems.empty() ? std::string() : decision.problems[0].value;
  };
  expect_holds(posted("{ url = 'https://b.example/x' }"),
               "post: http \"b.example\" is not allowed; to allow it");
  expect_holds(posted("{ run = 'mail' }"), "post: run \"mail\" is not allowed");
  expect_holds(posted("{ url = 'ftp://a.example/x' }"), "post.url: ");
  expect_holds(posted("{ url = 'https://a.example/', json = { t = { ['$secret'] = 'x' } } }"),
               "post.json: a secret cannot stand here");
}

}  // namespace
}  // namespace lighterman::policy::test
