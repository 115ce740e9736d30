#include "registry/product.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "net/http.hpp"
#include "registry/access.hpp"
#include "registry/scene.hpp"

namespace lighterman::registry {
namespace {

std::string grant(const std::string& host, const std::string& needs,
                  const std::string& words = "DENIED: no") {
  Options options;
  options.host = host;
  return how_granted(options, needs, words);
}

TEST(Product, EachGrantsAPermissionInItsOwnWay) {
  struct Case {
    const char *host, *needs, *part;
  };
  for (const Case& each : std::initializer_list<Case>{
           {"docker.io", "push to acme/web", "Read & Write"},
           {"ghcr.io", "push to acme/web", "write:packages"},
           {"ghcr.io", "delete in acme/web", "delete:packages"},
           {"acme.azurecr.io", "push to web", "AcrPush"},
           {"acme.azurecr.io", "pull from web", "AcrPull"},
           {"europe-docker.pkg.dev", "push to a/b/c", "roles/artifactregistry.writer"},
           {"registry.gitlab.com", "push to acme/web", "write_registry"},
           {"quay.io", "push to acme/web", "Write permission"},
           {"123456789012.dkr.ecr.eu-west-1.amazonaws.com", "push to acme/web", "ecr:PutImage"},
           {"123456789012.dkr.ecr.eu-west-1.amazonaws.com", "delete in acme/web",
            "ecr:BatchDeleteImage on repository acme/web"},
           {"registry.example.com", "push to acme/web", "in the registry"}})
    EXPECT_NE(grant(each.host, each.needs).find(each.part), std::string::npos)
        << each.host << ": " << grant(each.host, each.needs);
  EXPECT_NE(grant("registry.example.com", "pull from acme/web",
                  "UNAUTHORIZED: unauthorized to access repository: acme/web, action: pull")
                .find("role Guest in project acme"),
            std::string::npos)
      << "Harbor is known by its words";
}

TEST(Product, ARefusedPushSaysHowItIsGranted) {
  Options options;
  options.host = "ghcr.io";
  net::Response answer;
  answer.status = 403;
  answer.body = R"({"errors":[{"code":"DENIED","message":"permission_denied: write_package"}]})";
  const Error error =
      test::failure_of([&] { refuse(options, answer, "pushing", "push to acme/web"); });
  EXPECT_EQ(error.kind(), ErrorKind::denied);
  const std::string text = error.what();
  EXPECT_NE(text.find("may not push to acme/web"), std::string::npos) << text;
  EXPECT_NE(text.find("write:packages"), std::string::npos) << text;
}

}  // namespace
}  // namespace lighterman::registry
