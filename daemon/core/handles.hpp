#pragma once

namespace lighterman {

/// A deleter for C handles: std::unique_ptr<git_repository, By<git_repository_free>>.
template <auto release>
struct By {
  template <class Handle>
  void operator()(Handle* handle) const noexcept {
    release(handle);
  }
};

/// One visitor out of lambdas, for std::visit.
template <class... Cases>
struct match : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
match(Cases...) -> match<Cases...>;

}  // namespace lighterman
