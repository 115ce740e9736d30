#pragma once

#include <functional>
#include <memory>
#include <string>

#include "staging/wing.hpp"

namespace lighterman::staging {

/// The wing that these credentials open; empty: none.
using FindWing =
    std::function<std::shared_ptr<Wing>(const std::string& user, const std::string& password)>;

/// OCI Distribution specification 1.1 over wings. Its threads call FindWing.
class Server {
 public:
  Server(const Options& options, FindWing find);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void start();  ///< Error(conflict) when the address is taken
  std::string address() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace lighterman::staging
