#include "registry/ground.hpp"

#include "registry/ecr.hpp"
#include "registry/harbor.hpp"
#include "registry/product.hpp"

namespace lighterman::registry {

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
    if (ready_.contains(repository.repository())) return;
    Ecr(options_).make_repository(repository, stop);
    ready_.insert(repository.repository());
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
