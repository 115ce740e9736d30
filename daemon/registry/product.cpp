#include "registry/product.hpp"

#include <chrono>
#include <map>
#include <utility>

#include "core/choices.hpp"
#include "core/error.hpp"
#include "core/guarded.hpp"
#include "core/text.hpp"
#include "registry/ecr.hpp"
#include "registry/harbor.hpp"
#include "registry/profile.hpp"
#include "store/store.hpp"

namespace lighterman::registry {
namespace {

constexpr Choice<Product> product_names[] = {{Product::automatic, "auto"},
                                             {Product::plain, "plain"},
                                             {Product::harbor, "harbor"},
                                             {Product::ecr, "ecr"}};

/// "push", "pull", "delete": what is to be done; empty for all else.
std::string_view verb_of(std::string_view needs) {
  for (const std::string_view verb : {"push", "pull", "delete"})
    if (needs.starts_with(verb)) return verb;
  return {};
}

/// "acme/shop" of "push to acme/shop".
std::string_view name_in(std::string_view needs) { return needs.substr(needs.rfind(' ') + 1); }

std::string harbor_grant(std::string_view needs) {
  const std::string_view name = name_in(needs);
  const std::string_view project = name.substr(0, name.find('/'));
  const std::string_view verb = verb_of(needs);
  if (verb.empty()) return concat("give the account the permission \"", needs, "\" in Harbor");
  if (verb == "push")
    return concat("create project ", project,
                  " if there is none (or let `create: true` do it), and give the account the role "
                  "Developer there, a robot account the permission to push repositories");
  return verb == "pull" ? concat("give the account the role Guest in project ", project,
                                 ", a robot account the permission to pull repositories")
                        : concat("give the account the role Maintainer in project ", project,
                                 ", a robot account the permission to delete artifacts and tags");
}

// docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html, "Required IAM permissions".
std::string ecr_grant(std::string_view needs) {
  const std::string_view verb = verb_of(needs);
  const std::string_view actions =
      verb == "push" ? "ecr:BatchCheckLayerAvailability, ecr:InitiateLayerUpload, "
                       "ecr:UploadLayerPart, ecr:CompleteLayerUpload and ecr:PutImage"
      : verb == "pull"
          ? "ecr:BatchGetImage, ecr:GetDownloadUrlForLayer and ecr:BatchCheckLayerAvailability"
      : verb == "delete" ? "ecr:BatchDeleteImage"
                         : "ecr:GetAuthorizationToken";
  return concat("allow its IAM identity ", actions,
                verb.empty() ? std::string() : concat(" on repository ", name_in(needs)));
}

constexpr std::chrono::hours plain_for{1};
constexpr std::size_t most_plain = 1000;

/// Until when a registry counts as plain that said so: it may be set up, or moved, at any time.
/// Shared by all threads, and of each store on its own.
class PlainHosts {
 public:
  bool has(const store::Store& store, const std::string& host) const {
    return until_.with([&](const auto& until) {
      const auto found = until.find({&store, host});
      return found != until.end() && std::chrono::steady_clock::now() < found->second;
    });
  }
  void add(const store::Store& store, const std::string& host) {
    until_.with([&](auto& until) {
      if (until.size() >= most_plain) until.clear();
      until[{&store, host}] = std::chrono::steady_clock::now() + plain_for;
    });
  }

 private:
  using Key = std::pair<const store::Store*, std::string>;
  Guarded<std::map<Key, std::chrono::steady_clock::time_point>> until_;
};
PlainHosts plain_hosts;

}  // namespace

std::string_view render(Product product) noexcept { return name_of(product_names, product); }
Product parse_product(std::string_view given) { return choice_of(product_names, given, "product"); }

Product find_product(const Options& options, store::Store& store, const std::stop_token& stop) {
  if (options.product != Product::automatic) return options.product;
  if (ecr_place(options.host)) return Product::ecr;
  const auto known = store.find_fact(concat("registry:", options.host), std::string(product_fact));
  // "plain" is of an older release, which kept that for ever.
  if (known && *known != render(Product::plain)) return parse_product(*known);
  if (plain_hosts.has(store, options.host)) return Product::plain;
  try {
    const auto about = Harbor(options).find(stop);
    if (!about) {
      plain_hosts.add(store, options.host);
      return Product::plain;
    }
    note(store, options.host, product_fact, std::string(render(Product::harbor)));
    note(store, options.host, version_fact, about->version);
    return Product::harbor;
  } catch (const Error& error) {
    // Whoever asks has a push to make, which meets the same trouble and says so better.
    if (error.kind() == ErrorKind::cancelled) throw;
    return Product::plain;
  }
}

std::string how_granted(const Options& options, std::string_view needs, std::string_view words) {
  const std::string& host = options.host;
  const std::string_view verb = verb_of(needs);
  // Harbor alone says it in these words, of projects that are not there as well.
  if (options.product == Product::harbor ||
      words.find("unauthorized to access repository") != std::string_view::npos)
    return harbor_grant(needs);
  if (options.product == Product::ecr || ecr_place(host)) return ecr_grant(needs);
  if (host == "docker.io")
    return concat("log in with an access token of scope Read & ",
                  verb == "delete" ? "Write & Delete" : "Write",
                  ", of an account that may write to this repository");
  if (host == "ghcr.io")
    return concat("the token needs the scope ",
                  verb == "delete" ? "delete:packages"
                  : verb == "pull" ? "read:packages"
                                   : "write:packages",
                  ", and the package's settings must give it access (in Actions: `permissions: "
                  "{packages: write}`)");
  if (host.ends_with(".azurecr.io"))
    return concat("give the identity the role ",
                  verb == "delete" ? "AcrDelete"
                  : verb == "pull" ? "AcrPull"
                                   : "AcrPush",
                  " on the registry");
  if (host.ends_with(".pkg.dev") || host == "gcr.io" || host.ends_with(".gcr.io"))
    return concat("give the service account roles/artifactregistry.", verb == "delete" ? "repoAdmin"
                                                                      : verb == "pull" ? "reader"
                                                                                       : "writer");
  if (host == "registry.gitlab.com")
    return concat("the token needs the scope ", verb == "pull" ? "read_registry" : "write_registry",
                  ", and its owner the role Developer in the project");
  if (host == "quay.io")
    return concat("give the robot account ", verb == "pull" ? "Read" : "Write",
                  " permission on the repository");
  return "give it this permission in the registry";
}

}  // namespace lighterman::registry
