#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/remote.hpp"

namespace lighterman::cli {

/// Whether a verb prints for people or for programs.
enum class Form { text, json };

struct RunWish {
  std::string source, ref, commit, reason;
  std::vector<std::string> images;
  std::vector<std::string> args;  ///< "NAME=VALUE", or "NAME": as the environment has it
  bool no_cache = false, follow = false;
};

struct RunsWish {
  std::string source, branch, commit, state;
  unsigned limit = 20;
};

struct ImagesWish {
  std::string source, image, clean_on;
  bool dirty = false, gone = false;
  unsigned limit = 20;
};

/// "NAME=VALUE", or "NAME" as the environment has it. Error(invalid) where it has none.
boost::json::object args_of(const std::vector<std::string>& given);

/// The verbs that ask a daemon. They print to standard output and return the exit code: 0, or 1
/// where a followed run does not succeed.
int run(Remote& remote, const RunWish& wish, Form form);
int runs(Remote& remote, const RunsWish& wish, Form form);
int show(Remote& remote, RunId run, Form form);
int explain(Remote& remote, RunId run, Form form);
int status(Remote& remote, Form form);
int logs(Remote& remote, RunId run, bool follow, Form form);
int cancel(Remote& remote, RunId run, const std::string& reason, Form form);
int retry(Remote& remote, RunId run, bool follow, Form form);
int allow(Remote& remote, RunId run, const std::string& reason, bool follow, Form form);

int images(Remote& remote, const ImagesWish& wish, Form form);
int why(Remote& remote, const std::string& image, Form form);
int rescan(Remote& remote, Form form);

}  // namespace lighterman::cli
