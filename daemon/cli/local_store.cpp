#include "cli/local_store.hpp"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <iostream>

#include "cli/check.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace lighterman::cli {
namespace {

store::Options options_of(const config::Config& config) {
  const std::filesystem::path file = config.data / "lighterman.db";
  std::error_code error;
  // Made here it would belong to whoever runs this, and the daemon could not write it.
  if (!std::filesystem::exists(file, error))
    throw Error(ErrorKind::not_found, concat("\"", file.string(),
                                             "\" is not there yet (or not for you to see): start "
                                             "the daemon once"));
  return {file};
}

}  // namespace

config::Config load_config(const std::filesystem::path& file) {
  try {
    return config::load(file);
  } catch (const Error& error) {
    // The same, with an exit code that scripts can tell from wrong usage.
    throw BadConfiguration(error);
  }
}

LocalStore LocalStore::open(const std::filesystem::path& config_file) {
  config::Config config = load_config(config_file);
  const store::Options options = options_of(config);
  return {std::move(config), store::Store(options)};
}

std::string local_user() {
  std::array<char, 4096> room{};
  passwd entry{};
  passwd* found = nullptr;
  const bool known =
      ::getpwuid_r(::getuid(), &entry, room.data(), room.size(), &found) == 0 && found != nullptr;
  return concat(known ? std::string(found->pw_name) : concat("user ", ::getuid()),
                " on the command line");
}

std::function<int()> with_file(std::function<int()> act) {
  return [act = std::move(act)] {
    try {
      return act();
    } catch (const Error& error) {
      // The same kinds as ever, with an exit code that scripts can tell from wrong usage.
      if (error.kind() != ErrorKind::invalid && error.kind() != ErrorKind::not_found) throw;
      std::cerr << "lighterman: " << error.what() << '\n';
      return bad_configuration;
    }
  };
}

}  // namespace lighterman::cli
