#include "registry/ground.hpp"

#include "core/error.hpp"
#include "registry/ecr.hpp"
#include "registry/harbor.hpp"
#include "registry/product.hpp"

namespace lighterman::registry {
namespace {

constexpr std::chrono::minutes denied_for{10};

}  // namespace

Ground::Ground(const Options& options, store::Store& store) : options_(options), store_(store) {}
Ground::~Ground() = default;

Harbor& Ground::harbor() {
  if (!harbor_) harbor_ = std::make_unique<Harbor>(options_);
  return *harbor_;
}

void Ground::prepare(const Reference& repository, const std::stop_token& stop) {
  if (!options_.create) return;
  const std::lock_guard lock(mutex_);
  const Product product = find_product(options_, store_, stop);
  if (product == Product::harbor) {
    const std::string project = Harbor::project_of(repository);
    if (ready_.contains(project)) return;
    if (!harbor().has_project(project, stop)) harbor().make_project(project, stop);
    ready_.insert(project);
  } else if (product == Product::ecr) {
    make_in_ecr(repository, stop);
  }
}

void Ground::make_in_ecr(const Reference& repository, const std::stop_token& stop) {
  const std::string& name = repository.repository();
  const auto denied = denied_.find(name);
  const auto now = std::chrono::steady_clock::now();
  if (ready_.contains(name) || (denied != denied_.end() && now < denied->second)) return;
  try {
    Ecr(options_).make_repository(repository, stop);
    ready_.insert(name);
  } catch (const Error& error) {
    // It may well be there, and then the push needs no such permission.
    if (error.kind() != ErrorKind::denied) throw;
    denied_[name] = now + denied_for;
  }
}

bool Ground::is_missing(const Reference& repository, const std::stop_token& stop) {
  if (!options_.create) return false;
  const std::lock_guard lock(mutex_);
  const std::string project = Harbor::project_of(repository);
  return !ready_.contains(project) && find_product(options_, store_, stop) == Product::harbor &&
         !harbor().has_project(project, stop);
}

}  // namespace lighterman::registry
