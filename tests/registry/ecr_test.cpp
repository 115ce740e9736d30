#include "registry/ecr.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>

#include "registry/fake_registry.hpp"
#include "registry/scene.hpp"

namespace lighterman::registry {
namespace {

using test::Blob;
using test::failure_of;
using test::FakeRegistry;
using test::repository;
using test::Scene;

const std::stop_token never;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// AWS's Signature Version 4 test suite: its keys, time and place.
std::string signature_of(AwsRequest request) {
  request.headers.emplace("host", "example.amazonaws.com");
  request.headers.emplace("x-amz-date", "20150830T123600Z");
  const AwsKeys keys{"AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), {}};
  return sign_v4(request, keys, "us-east-1", "service");
}

TEST(SignV4, AgreesWithTheSuiteThatAwsPublished) {
  EXPECT_EQ(render_aws_time(parse_time("2015-08-30T12:36:00Z")), "20150830T123600Z");
  EXPECT_EQ(signature_of({.method = "GET"}),  // get-vanilla
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  EXPECT_TRUE(has(signature_of({.method = "POST"}),  // post-vanilla
                  "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"));
  // get-vanilla-query-order-key-case
  EXPECT_TRUE(has(signature_of({.method = "GET", .query = "Param1=value1&Param2=value2"}),
                  "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"));
  // post-x-www-form-urlencoded: what the body and its type add
  EXPECT_TRUE(has(signature_of({.headers = {{"content-type", "application/x-www-form-urlencoded"}},
                                .body = "Param1=value1"}),
                  "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"));
}

TEST(Ecr, IsKnownByItsName) {
  const auto place = ecr_place("123456789012.dkr.ecr.eu-west-1.amazonaws.com");
  ASSERT_TRUE(place);
  EXPECT_EQ(place->account, "123456789012");
  EXPECT_EQ(place->region, "eu-west-1");
  EXPECT_EQ(place->api, "https://api.ecr.eu-west-1.amazonaws.com");
  EXPECT_EQ(ecr_place("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com")->api,
            "https://ecr-fips.us-east-1.amazonaws.com");
  EXPECT_EQ(ecr_place("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn")->api,
            "https://api.ecr.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(ecr_place("123456789012.dkr-ecr.eu-west-1.on.aws")->region, "eu-west-1");
  for (const char* other :
       {"docker.io", "12345.dkr.ecr.eu-west-1.amazonaws.com", "registry.example.com:5000",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example", "public.ecr.aws"})
    EXPECT_FALSE(ecr_place(other)) << other;
}

/// A registry with ECR's API beside it, and nobody else's keys in the environment.
class EcrTest : public testing::Test {
 protected:
  EcrTest()
      : registry_([this](httplib::Server& server) {
          server.Post("/api/", [this](const httplib::Request& request, httplib::Response& reply) {
            answer(request, reply);
          });
        }) {
    for (const char* name : {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"})
      unsetenv(name);
    setenv("AWS_REGION", "eu-west-1", 1);
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "very s3cret", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", (scene_.folder.path() / "credentials").c_str(), 1);
  }
  ~EcrTest() override {
    for (const char* name : {"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                             "AWS_SHARED_CREDENTIALS_FILE", "AWS_SESSION_TOKEN", "AWS_PROFILE"})
      unsetenv(name);
  }
  Options options() const {
    Options options = Scene::options(registry_.host());
    options.product = Product::ecr;
    options.api = concat("http://", registry_.host(), "/api");
    return options;
  }
  void answer(const httplib::Request& request, httplib::Response& reply) {
    const std::lock_guard lock(registry_.mutex);
    seen_.push_back(request);
    const std::string action = request.get_header_value("X-Amz-Target");
    const auto say = [&](int status, const std::string& body) {
      reply.status = status;
      reply.set_content(body, "application/x-amz-json-1.1");
    };
    if (throttles_ > 0) {
      --throttles_;
      return say(400, R"({"__type":"ThrottlingException","message":"Rate exceeded"})");
    }
    if (action.ends_with(".GetAuthorizationToken"))  // AWS:a password
      return say(200, R"({"authorizationData":[{"authorizationToken":"QVdTOmEgcGFzc3dvcmQ=",
        "expiresAt":4.1E9,"proxyEndpoint":"https://x"}]})");
    if (denied_)
      return say(
          400,
          R"({"__type":"AccessDeniedException","message":"User: arn:aws:iam::1:user/ci is not authorized to perform: ecr:CreateRepository"})");
    const std::string name(boost::json::parse(request.body).at("repositoryName").as_string());
    if (!repositories_.insert(name).second)
      return say(400, R"({"__type":"RepositoryAlreadyExistsException","message":"it is there"})");
    say(200, R"({"repository":{"repositoryName":"x"}})");
  }

  Scene scene_;
  FakeRegistry registry_;
  std::vector<httplib::Request> seen_;
  std::set<std::string> repositories_;
  bool denied_ = false;
  int throttles_ = 0;
};

TEST_F(EcrTest, TakesAPushToARepositoryThatIsNotThereYet) {
  registry_.basic = "Basic QVdTOmEgcGFzc3dvcmQ=";  // what ECR gave for the keys
  Options wanted = options();
  wanted.create = true;
  Client client(wanted, scene_.store);
  const Blob layer(1000);
  const Blob second(2000, 2);
  const Reference shop = repository(registry_.host(), "acme/shop");
  EXPECT_EQ(client.bring(layer.source, shop, {}, never).fate, LayerFate::sent);
  EXPECT_EQ(client.bring(second.source, shop, {}, never).fate, LayerFate::sent);
  EXPECT_EQ(repositories_, std::set<std::string>{"acme/shop"});
  std::size_t created = 0, logins = 0;
  for (const httplib::Request& request : seen_) {
    const std::string action = request.get_header_value("X-Amz-Target");
    created += action == "AmazonEC2ContainerRegistry_V20150921.CreateRepository" ? 1 : 0;
    logins += action == "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken" ? 1 : 0;
    EXPECT_TRUE(has(request.get_header_value("Authorization"),
                    "/eu-west-1/ecr/aws4_request, "
                    "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature="));
    EXPECT_EQ(request.get_header_value("Content-Type"), "application/x-amz-json-1.1");
  }
  EXPECT_EQ(created, 1U);
  EXPECT_LE(logins, 2U) << "a password is good for hours";
}

TEST_F(EcrTest, LeavesARepositoryThatIsThere) {
  repositories_.insert("acme/shop");
  EXPECT_FALSE(Ecr(options()).make_repository(repository(registry_.host(), "acme/shop"), never));
}

TEST_F(EcrTest, TakesAPushToARepositoryThatIsThereFromWhoMayMakeNone) {
  denied_ = true;
  registry_.basic = "Basic QVdTOmEgcGFzc3dvcmQ=";
  Options wanted = options();
  wanted.create = true;
  Client client(wanted, scene_.store);
  const Blob layer(1000), second(2000, 2);
  const Reference shop = repository(registry_.host(), "acme/shop");
  EXPECT_EQ(client.bring(layer.source, shop, {}, never).fate, LayerFate::sent);
  EXPECT_EQ(client.bring(second.source, shop, {}, never).fate, LayerFate::sent);
  EXPECT_EQ(std::ranges::count_if(seen_,
                                  [](const httplib::Request& request) {
                                    return has(request.get_header_value("X-Amz-Target"),
                                               "CreateRepository");
                                  }),
            1)
      << "it is asked for each blob";
  registry_.next("POST /v2/", 404, "NAME_UNKNOWN");
  const Error missing = failure_of([&] {
    client.bring(Blob(10, 3).source, repository(registry_.host(), "acme/none"), {}, never);
  });
  EXPECT_TRUE(has(missing.what(), "ecr:CreateRepository")) << missing.what();
}

TEST_F(EcrTest, WaitsWhenItIsToldTo) {
  throttles_ = 2;
  EXPECT_TRUE(Ecr(options()).make_repository(repository(registry_.host(), "acme/shop"), never));
  EXPECT_EQ(seen_.size(), 3U);
}

TEST_F(EcrTest, NamesThePermissionThatIsMissingAndNoSecret) {
  denied_ = true;
  const Error error = failure_of(
      [&] { Ecr(options()).make_repository(repository(registry_.host(), "acme/shop"), never); });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_TRUE(has(error.what(), "ecr:CreateRepository")) << error.what();
  EXPECT_FALSE(has(error.what(), "s3cret")) << error.what();
}

TEST_F(EcrTest, TakesTheKeysOfAProfile) {
  unsetenv("AWS_ACCESS_KEY_ID");
  os::replace_file(scene_.folder.path() / "credentials",
                   "# ours\n[default]\naws_access_key_id = AKIADEFAULT\n"
                   "aws_secret_access_key = one\n\n[ build ]\naws_access_key_id=ASIABUILD\n"
                   "aws_secret_access_key=two\naws_session_token=three\n",
                   0600);
  EXPECT_EQ(find_aws_keys(options())->id, "AKIADEFAULT");
  setenv("AWS_PROFILE", "build", 1);
  const auto keys = find_aws_keys(options());
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->id, "ASIABUILD");
  EXPECT_EQ(keys->session.reveal(), "three");
  Ecr(options()).make_repository(repository(registry_.host(), "acme/shop"), never);
  EXPECT_EQ(seen_.back().get_header_value("X-Amz-Security-Token"), "three");
  EXPECT_TRUE(has(seen_.back().get_header_value("Authorization"), "x-amz-security-token"));
  setenv("AWS_PROFILE", "nobody", 1);
  const Error error = failure_of(
      [&] { Ecr(options()).make_repository(repository(registry_.host(), "acme/shop"), never); });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  EXPECT_TRUE(has(error.what(), "AWS_ACCESS_KEY_ID")) << error.what();
}

}  // namespace
}  // namespace lighterman::registry
